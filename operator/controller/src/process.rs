//! What the process itself uses, as Linux says it.

/// Resident memory now and at its highest, in bytes; zero where `/proc` does not say.
pub(crate) fn resident_bytes() -> (u64, u64) {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let field = |name: &str| {
        let line = status.lines().find_map(|line| line.strip_prefix(name))?;
        // `VmRSS:     12345 kB`, where kB means KiB (proc(5)).
        let kibibytes: u64 = line.trim_start_matches(':').trim().strip_suffix("kB")?.trim().parse().ok()?;
        Some(kibibytes * 1024)
    };
    (field("VmRSS").unwrap_or_default(), field("VmHWM").unwrap_or_default())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_process_uses_some_memory_and_never_more_than_its_peak() {
        let (now, peak) = resident_bytes();
        assert!(now > 1 << 20 && peak >= now);
    }
}

//! What an engine changes in the machine's network, and how it is put back.

use serde::{Deserialize, Serialize};

use crate::run::Cmd;

const FORWARDING: &str = "/proc/sys/net/ipv4/ip_forward";

/// The machine's network before an engine of ours was there.
#[derive(Debug, Default, Serialize, Deserialize)]
pub struct Before {
    bridges: Vec<String>,
    forwarding: String,
    forward_policy: String,
}

/// What is there now.
pub fn before() -> Before {
    Before {
        bridges: bridges(),
        forwarding: std::fs::read_to_string(FORWARDING).unwrap_or_default().trim().to_owned(),
        forward_policy: Cmd::new("iptables")
            .args(["-S", "FORWARD"])
            .output()
            .ok()
            .and_then(policy)
            .unwrap_or_default(),
    }
}

/// Takes away bridges and rules that were not there before. What cannot be taken away is left: it harms
/// nobody.
pub fn restore(before: &Before) {
    for bridge in bridges().iter().filter(|bridge| !before.bridges.contains(bridge)) {
        Cmd::new("ip").args(["link", "delete", bridge]).succeeds();
    }
    // With bridges from before there is another engine on this machine, and the rules are its rules too.
    if !before.bridges.is_empty() {
        return;
    }
    for family in ["iptables", "ip6tables"] {
        let Ok(rules) = Cmd::new(format!("{family}-save")).output() else { continue };
        if rules.contains("DOCKER") {
            Cmd::new(format!("{family}-restore")).input(without_engine(&rules)).succeeds();
        }
    }
    if !before.forward_policy.is_empty() {
        Cmd::new("iptables").args(["-P", "FORWARD", &before.forward_policy]).succeeds();
    }
    if !before.forwarding.is_empty() {
        std::fs::write(FORWARDING, &before.forwarding).ok();
    }
}

fn bridges() -> Vec<String> {
    let interfaces = std::fs::read_dir("/sys/class/net").into_iter().flatten().flatten();
    interfaces
        .filter_map(|entry| entry.file_name().into_string().ok())
        .filter(|name| is_engine_bridge(name))
        .collect()
}

/// `docker0`, and `br-` with the first twelve digits of a network's id.
fn is_engine_bridge(name: &str) -> bool {
    let id = name.strip_prefix("br-").filter(|id| id.len() == 12);
    name == "docker0" || id.is_some_and(|id| id.bytes().all(|byte| byte.is_ascii_hexdigit()))
}

fn policy(rules: String) -> Option<String> {
    rules.lines().find_map(|line| line.strip_prefix("-P FORWARD ")).map(str::to_owned)
}

/// The rules of a machine without those that name an engine's chains or bridges.
fn without_engine(rules: &str) -> String {
    let of_engine = |line: &str| {
        line.split_whitespace().any(|word| word.trim_start_matches(':').starts_with("DOCKER") || is_engine_bridge(word))
            // Masquerading of an engine's network names its own bridge after `! -o`, which the line above
            // finds.
            || line.split_whitespace().any(|word| word.strip_prefix('!').is_some_and(is_engine_bridge))
    };
    rules.lines().filter(|line| !of_engine(line)).flat_map(|line| [line, "\n"]).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_engines_rules_go() {
        let rules = "*nat\n:PREROUTING ACCEPT [0:0]\n:DOCKER - [0:0]\n-A PREROUTING -m addrtype -j DOCKER\n\
            -A POSTROUTING -s 172.17.0.0/16 ! -o docker0 -j MASQUERADE\n-A POSTROUTING -s 10.0.0.0/8 -j MASQUERADE\n\
            -A DOCKER -i br-0123456789ab -j RETURN\nCOMMIT\n";
        let left = "*nat\n:PREROUTING ACCEPT [0:0]\n-A POSTROUTING -s 10.0.0.0/8 -j MASQUERADE\nCOMMIT\n";
        assert_eq!(without_engine(rules), left);
    }

    #[test]
    fn knows_bridges_by_name() {
        assert!(is_engine_bridge("docker0") && is_engine_bridge("br-0123456789ab"));
        assert!(!is_engine_bridge("br-lan") && !is_engine_bridge("eth0"));
    }

    #[test]
    fn reads_the_policy() {
        assert_eq!(policy("-P FORWARD DROP\n-A FORWARD -j X".to_owned()).as_deref(), Some("DROP"));
    }
}

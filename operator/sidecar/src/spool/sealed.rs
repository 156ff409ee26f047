//! A line with its checksum before it, so that one that a killed process left half written is found.

use std::io::Write as _;

use flate2::Crc;
use memchr::memchr;

/// `0123abcd ` before each line.
const SEAL: usize = 9;

/// Appends a line, without its end, with its checksum and an end.
pub(super) fn seal(line: &[u8], out: &mut Vec<u8>) {
    // Writing into memory cannot fail.
    let _ = write!(out, "{:08x} ", checksum(line));
    out.extend_from_slice(line);
    out.push(b'\n');
}

/// How long a line of this length is with its seal.
pub(super) const fn sealed(line: usize) -> usize {
    line.saturating_add(SEAL).saturating_add(1)
}

/// The lines of a segment as they were put, each with its end; and how many are not whole.
#[must_use]
pub fn unsealed(mut segment: &[u8]) -> (Vec<u8>, u64) {
    let (mut lines, mut torn) = (Vec::with_capacity(segment.len()), 0_u64);
    while !segment.is_empty() {
        let end = memchr(b'\n', segment);
        let (line, rest) = segment.split_at(end.map_or(segment.len(), |end| end.saturating_add(1)));
        segment = rest;
        match line.split_at_checked(SEAL) {
            Some((sum, line)) if end.is_some() && is_whole(sum, line) => lines.extend_from_slice(line),
            _ => torn = torn.saturating_add(1),
        }
    }
    (lines, torn)
}

fn is_whole(sum: &[u8], line: &[u8]) -> bool {
    let line = line.strip_suffix(b"\n").unwrap_or(line);
    let sum =
        std::str::from_utf8(sum).ok().and_then(|sum| u32::from_str_radix(sum.strip_suffix(' ')?, 16).ok());
    sum == Some(checksum(line))
}

fn checksum(line: &[u8]) -> u32 {
    let mut sum = Crc::new();
    sum.update(line);
    sum.sum()
}

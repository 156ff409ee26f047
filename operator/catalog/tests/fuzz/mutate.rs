//! Answers made of others: bytes turned, parts cut, doubled and exchanged, and values that nobody expects in the place of
//! others, so that most of them are JSON that only means something odd.

use std::hash::{BuildHasher as _, Hasher as _, RandomState};

/// No answer becomes longer, in bytes.
const LONGEST: usize = 256 << 10;

/// What stands where it should not.
const ODD: &[&str] = &[
    "null",
    "true",
    "-1",
    "0",
    "1e999",
    "-1e-7",
    "\"1e-7\"",
    "NaN",
    "18446744073709551616",
    "1e308",
    "0.1e-400",
    "\"\"",
    "\"-1\"",
    "\"NaN\"",
    "\"\\ud800\"",
    "\"\\u0000\"",
    "[]",
    "{}",
    "[[]]",
    "{\"id\":{}}",
    "\"9999-99-99T99:99:99Z\"",
    "9223372036854775807",
    "-9223372036854775808",
    "1767225600000000000",
];

/// The number that a run begins with: FUZZ_SEED, or another one each time.
pub(crate) fn seed() -> u64 {
    let given = std::env::var("FUZZ_SEED").ok().and_then(|text| text.parse().ok());
    given.unwrap_or_else(|| RandomState::new().build_hasher().finish())
}

/// Makes answers out of seeds.
pub(crate) struct Mutator {
    state: u64,
    seeds: Vec<Vec<u8>>,
}

impl Mutator {
    /// Of long seeds mostly a few rows are taken, so that many answers are tried.
    pub(crate) fn new(seed: u64, whole: Vec<Vec<u8>>) -> Self {
        let mut seeds = Vec::new();
        for answer in whole {
            if answer.len() > 4096 {
                seeds.extend([1, 1, 2, 3, 5, 8].map(|rows| Self::first_rows(&answer, rows)));
            }
            seeds.push(answer);
        }
        Self { state: seed | 1, seeds }
    }

    /// The next answer.
    pub(crate) fn next(&mut self) -> Vec<u8> {
        let number = self.below(self.seeds.len());
        let mut answer = self.seeds[number].clone();
        for _ in 0..1 + self.below(6) {
            self.change(&mut answer);
        }
        answer.truncate(LONGEST);
        answer
    }

    /// xorshift: the same seed makes the same answers.
    fn random(&mut self) -> u64 {
        self.state ^= self.state << 13;
        self.state ^= self.state >> 7;
        self.state ^= self.state << 17;
        self.state
    }

    fn below(&mut self, end: usize) -> usize {
        usize::try_from(self.random() % end.max(1) as u64).unwrap_or(0)
    }

    /// An answer with the first rows of its list only.
    fn first_rows(answer: &[u8], rows: usize) -> Vec<u8> {
        let Ok(mut value) = serde_json::from_slice::<serde_json::Value>(answer) else {
            return answer.to_vec();
        };
        let members = value.as_object_mut().into_iter().flat_map(|members| members.values_mut());
        for list in members.filter_map(serde_json::Value::as_array_mut) {
            list.truncate(rows);
        }
        if let Some(list) = value.as_array_mut() {
            list.truncate(rows);
        }
        value.to_string().into_bytes()
    }

    fn change(&mut self, answer: &mut Vec<u8>) {
        let (from, to) = self.part(answer.len());
        match self.below(9) {
            0 => {
                if let Some(byte) = answer.get_mut(from) {
                    *byte ^= 1 << (self.random() % 8);
                }
            }
            1 => answer.truncate(from),
            2 => drop(answer.drain(from..to)),
            3 => {
                let part = answer[from..to].to_vec();
                self.put(answer, to, &part);
            }
            4 => {
                let number = self.below(self.seeds.len());
                let (from_other, to_other) = self.part(self.seeds[number].len());
                let part = self.seeds[number][from_other..to_other].to_vec();
                self.put(answer, from, &part);
            }
            5 => {
                let depth = 1 + self.below(2000);
                self.put(answer, from, "[".repeat(depth).as_bytes());
            }
            6 => {
                let long = format!("\"{}\"", "x".repeat(1 + self.below(20_000)));
                self.exchange(answer, from, long.as_bytes());
            }
            _ => {
                let odd = ODD[self.below(ODD.len())];
                self.exchange(answer, from, odd.as_bytes());
            }
        }
    }

    /// A part of a text of this length, mostly a short one.
    fn part(&mut self, length: usize) -> (usize, usize) {
        let from = self.below(length + 1);
        let most = if self.below(4) == 0 { length } else { 64 };
        (from, (from + self.below(most + 1)).min(length))
    }

    fn put(&mut self, answer: &mut Vec<u8>, at: usize, part: &[u8]) {
        if answer.len() + part.len() <= LONGEST {
            answer.splice(at..at, part.iter().copied());
        }
    }

    /// Puts a value in the place of the one behind the next colon or comma.
    fn exchange(&mut self, answer: &mut Vec<u8>, from: usize, value: &[u8]) {
        let Some(start) = answer[from..].iter().position(|byte| b":,[".contains(byte)) else { return };
        let start = from + start + 1;
        let rest = &answer[start..];
        let quoted = rest.first() == Some(&b'"');
        let end = match quoted {
            true => rest.iter().skip(1).position(|byte| *byte == b'"').map(|end| end + 2),
            false => rest.iter().position(|byte| b",]}".contains(byte)),
        };
        let end = start + end.unwrap_or(rest.len());
        if answer.len() + value.len() <= LONGEST {
            answer.splice(start..end, value.iter().copied());
        }
    }
}

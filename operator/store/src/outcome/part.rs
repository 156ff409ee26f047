//! The lines of a batch that are written together. Pure.

use uuid::Uuid;

use super::line::Batch;
use super::row::{Call, Feedback};

/// Some lines, each once, in one order for all, so that two batches of the same lines never wait for each other crosswise.
#[derive(Debug, PartialEq)]
pub(super) struct Part<'a> {
    pub(super) calls: Vec<&'a Call>,
    pub(super) feedback: Vec<&'a Feedback>,
}

/// What a part that cannot be written comes to.
#[derive(Debug, PartialEq)]
pub(super) enum Halves<'a> {
    /// Its lines, in two parts.
    Two(Box<[Part<'a>; 2]>),
    /// It is this line alone.
    One(Uuid),
}

impl<'a> Part<'a> {
    /// All lines.
    pub(super) fn of(batch: &'a Batch) -> Self {
        let mut calls: Vec<&Call> = batch.calls.iter().collect();
        calls.sort_by_key(|call| call.decision);
        calls.dedup_by_key(|call| call.decision);
        let mut feedback: Vec<&Feedback> = batch.feedback.iter().collect();
        feedback.sort_by_key(|feedback| feedback.feedback);
        feedback.dedup_by_key(|feedback| feedback.feedback);
        Self { calls, feedback }
    }

    pub(super) fn is_empty(&self) -> bool {
        self.calls.is_empty() && self.feedback.is_empty()
    }

    /// Two parts of as many lines; calls and feedback apart where both are there. Of nothing, two of nothing.
    pub(super) fn halves(&self) -> Halves<'a> {
        match (self.calls.as_slice(), self.feedback.as_slice()) {
            ([call], []) => Halves::One(call.decision),
            ([], [feedback]) => Halves::One(feedback.feedback),
            (calls, []) => {
                let (left, right) = calls.split_at(calls.len() / 2);
                Self::two((left, &[]), (right, &[]))
            }
            ([], feedback) => {
                let (left, right) = feedback.split_at(feedback.len() / 2);
                Self::two((&[], left), (&[], right))
            }
            (calls, feedback) => Self::two((calls, &[]), (&[], feedback)),
        }
    }

    fn two(left: (&[&'a Call], &[&'a Feedback]), right: (&[&'a Call], &[&'a Feedback])) -> Halves<'a> {
        let part = |(calls, feedback): (&[&'a Call], &[&'a Feedback])| Self {
            calls: calls.to_vec(),
            feedback: feedback.to_vec(),
        };
        Halves::Two(Box::new([part(left), part(right)]))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn batch(calls: u128, feedback: u128) -> Batch {
        let call = |n| Call { decision: Uuid::from_u128(n), ..Call::default() };
        let told = |n| Feedback { feedback: Uuid::from_u128(1000 + n), ..Feedback::default() };
        Batch {
            calls: (0..calls).map(call).collect(),
            feedback: (0..feedback).map(told).collect(),
            ..Batch::default()
        }
    }

    /// The lines that halving comes down to.
    fn alone(part: Part<'_>) -> Vec<Uuid> {
        let (mut alone, mut parts) = (Vec::new(), vec![part]);
        while let Some(part) = parts.pop() {
            match part.halves() {
                Halves::One(line) => alone.push(line),
                Halves::Two(halves) => parts.extend(*halves),
            }
        }
        alone.sort();
        alone
    }

    #[test]
    fn halving_comes_down_to_each_line_once() {
        for (calls, feedback) in [(1, 0), (0, 1), (1, 1), (5, 0), (0, 4), (7, 3)] {
            let batch = batch(calls, feedback);
            let all: Vec<Uuid> = (0..calls).chain(1000..1000 + feedback).map(Uuid::from_u128).collect();
            assert_eq!(alone(Part::of(&batch)), all);
        }
    }

    #[test]
    fn a_line_that_stands_twice_is_written_once() {
        let mut twice = batch(2, 1);
        twice.calls.extend(batch(2, 0).calls);
        assert_eq!(Part::of(&twice), Part::of(&batch(2, 1)));
    }
}

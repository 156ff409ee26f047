//! What every condition of ours has in common.

use jiff::Timestamp;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::{Condition, Time};

/// The longest message, in characters: a status has several, and events repeat them.
const MESSAGE: usize = 900;

/// What is said in a condition.
pub(crate) struct Said {
    pub(crate) kind: &'static str,
    pub(crate) value: &'static str,
    pub(crate) reason: String,
    pub(crate) message: String,
}

/// A condition; its time is kept from before unless its status changed.
pub(crate) fn condition(
    said: Said,
    before: &[Condition],
    generation: Option<i64>,
    now: Timestamp,
) -> Condition {
    let before = before.iter().find(|before| before.type_ == said.kind && before.status == said.value);
    Condition {
        type_: said.kind.to_owned(),
        status: said.value.to_owned(),
        reason: said.reason,
        message: limited(said.message),
        observed_generation: generation,
        last_transition_time: before.map_or(whole(now), |before| before.last_transition_time.clone()),
    }
}

/// Kubernetes keeps whole seconds: with parts of one, a status would differ from itself once it is read back.
pub(crate) fn whole(time: Timestamp) -> Time {
    Time(Timestamp::from_second(time.as_second()).unwrap_or(time))
}

fn limited(message: String) -> String {
    if message.chars().count() <= MESSAGE {
        return message;
    }
    message.chars().take(MESSAGE - 1).chain(['…']).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn said(value: &'static str, message: &str) -> Said {
        Said { kind: "Ready", value, reason: "Because".to_owned(), message: message.to_owned() }
    }

    fn at(second: i64) -> Timestamp {
        Timestamp::from_second(second).unwrap()
    }

    #[test]
    fn the_time_is_of_the_last_change_of_status() {
        let first = condition(said("True", "one"), &[], Some(1), at(10));
        let second = condition(said("True", "two"), std::slice::from_ref(&first), Some(2), at(20));
        assert_eq!((second.last_transition_time.0, second.message.as_str()), (at(10), "two"));
        let third = condition(said("False", "three"), &[second], Some(2), at(30));
        assert_eq!(third.last_transition_time.0, at(30));
    }

    #[test]
    fn a_long_message_is_cut_between_letters() {
        let long = condition(said("True", &"ü".repeat(2000)), &[], None, at(0)).message;
        assert_eq!((long.chars().count(), long.chars().last()), (900, Some('…')));
    }
}

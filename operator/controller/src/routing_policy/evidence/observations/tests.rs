use jiff::Timestamp;

use super::*;

fn scored(key: &str, window_days: u32, calls: u64, successes: u64) -> Scored {
    Scored {
        model_key: key.to_owned(),
        category: "chat".to_owned(),
        window_days,
        calls,
        successes,
        p50_latency_ms: Some(1_234),
        quality: Some(0.91),
        judged: 40,
        context_above: 9,
    }
}

fn held(key: &str, until: i64) -> PenaltyHeld {
    let until = Timestamp::from_millisecond(until).unwrap();
    PenaltyHeld { model_key: key.to_owned(), category: "chat".to_owned(), until }
}

fn only(observations: &Observations) -> Evidence {
    observations.at("hub").unwrap()["maker/name"].evidence[0]
}

#[test]
fn a_row_of_the_routing_window_is_the_evidence_of_its_model_at_its_server() {
    let all = [scored("hub/maker/name", 1, 3, 3), scored("hub/maker/name", 7, 30, 27)];
    let evidence = only(&Observations::of(&all, &[], &[], &[]));
    assert_eq!((evidence.calls, evidence.success_per_mille), (30, 900));
    assert_eq!((evidence.quality_per_mille, evidence.p50_ms), (Some(910), Some(1_200)));
    assert_eq!((evidence.judged, evidence.context_above), (40, u64::from(CONTEXT_UTILISATION_TIMES)));
}

#[test]
fn a_call_more_changes_nothing_where_there_are_many() {
    let of = |calls| Observations::of(&[scored("hub/maker/name", 7, calls, calls)], &[], &[], &[]);
    assert_eq!(of(1_234), of(1_235));
    assert_ne!(of(29), of(30));
}

#[test]
fn older_calls_count_less() {
    let today = [scored("hub/maker/name", 1, 100, 100), scored("hub/maker/name", 7, 100, 100)];
    let before = [scored("hub/maker/name", 7, 100, 100), scored("hub/maker/name", 30, 100, 100)];
    let calls = |all: &[Scored]| only(&Observations::of(all, &[], &[], &[])).decayed.unwrap().calls;
    assert!(calls(&before) < calls(&today) && calls(&today) < 100);
}

#[test]
fn a_penalty_that_has_ended_changes_nothing_by_itself() {
    let rows = [scored("hub/maker/name", 7, 30, 27)];
    let known = Observations::of(&rows, &[held("hub/maker/name", 5_000), held("hub/other", 5_000)], &[], &[]);
    let later = Observations::of(&rows, &[], &[], &[]).after(&known, 6_000);
    assert!(later.differing(&known).is_empty());
    let soon = Observations::of(&rows, &[], &[], &[]).after(&known, 4_000);
    assert_eq!(soon.differing(&known), ["hub"], "one that was taken back is another matter");
}

#[test]
fn a_change_at_one_server_is_of_no_interest_to_the_others() {
    let one = Observations::of(&[scored("a/x", 7, 30, 27), scored("b/x", 7, 30, 27)], &[], &[], &[]);
    let other = Observations::of(&[scored("a/x", 7, 30, 27), scored("c/x", 7, 30, 27)], &[], &[], &[]);
    assert_eq!(other.differing(&one), ["c", "b"]);
}

//! A turn, told.

use jiff::Timestamp;
use uuid::Uuid;

use crate::raw::{Attempt, Call, Feedback, insert};
use crate::support::{connection, store};

#[tokio::test]
async fn a_turn_is_found_by_its_id_and_by_that_of_any_of_its_calls() {
    let Some(store) = store("trace").await else { return };
    let mut raw = connection("trace").await;
    let (first, mut second) = (
        Call::plain(Timestamp::now(), "openrouter/a", "chat"),
        Call::plain(Timestamp::now(), "openrouter/b", "chat"),
    );
    second.attempts.insert(0, Attempt { model: "openrouter/a".to_owned(), outcome: "failed" });
    second.feedback.push(Feedback { thumb: Some(-1), score: None, abstain: None });
    let other = Call::plain(Timestamp::now(), "openrouter/c", "chat");
    insert(&mut raw, &[first.clone(), second.clone(), other]).await;
    sqlx::query("UPDATE llm_interaction SET trace = $1 WHERE decision = $2")
        .bind(first.id)
        .bind(second.id)
        .execute(&mut raw)
        .await
        .unwrap();
    for id in [first.id, second.id] {
        let trace = store.trace(id).await.unwrap().unwrap();
        let told: Vec<_> = trace
            .calls
            .iter()
            .map(|call| (call.decision, call.attempts.len(), call.feedback.len()))
            .collect();
        let mut expected = vec![(first.id, 1, 0), (second.id, 2, 1)];
        expected.sort_by_key(|(id, ..)| (*id != trace.calls[0].decision, *id));
        assert_eq!(told, expected);
    }
    assert_eq!(store.trace(Uuid::from_u128(1)).await.unwrap(), None);
}

//! Prices as they were billed.

use jiff::Timestamp;
use vox_contracts::scoreboard::ObservedPrice;
use vox_store::scoreboard::{Pass, Rules};

use crate::raw::{Call, Dice, insert};
use crate::support::{connection, store};

/// Calls that cost what such prices (pico-USD a token) say.
fn billed(dice: &mut Dice, model: &str, count: usize, [input, output]: [i64; 2]) -> Vec<Call> {
    let one = |_| {
        let mut call = Call::plain(Timestamp::now(), model, "chat");
        let tokens = [100 + dice.below(5000), 10 + dice.below(900)];
        (call.input, call.output) = (Some(tokens[0]), Some(tokens[1]));
        call.cost = Some(tokens[0] * input + tokens[1] * output);
        call
    };
    (0..count).map(one).collect()
}

fn told(price: &ObservedPrice) -> (&str, u64, &str, Option<String>, Option<String>) {
    let text = |price: Option<vox_contracts::UsdPerMTok>| price.map(|price| price.to_string());
    let split = (text(price.input_usd_per_mtok), text(price.output_usd_per_mtok));
    (&price.model_key, price.samples, &price.confidence, split.0, split.1)
}

#[tokio::test]
async fn known_prices_come_back_with_the_confidence_that_their_samples_give() {
    let Some(store) = store("prices_known").await else { return };
    let mut raw = connection("prices_known").await;
    let mut dice = Dice(4);
    let mut calls = billed(&mut dice, "openrouter/dear", 100, [3_000_000, 15_000_000]);
    calls.extend(billed(&mut dice, "openrouter/cheap", 20, [37_500, 150_000]));
    calls.extend(billed(&mut dice, "openrouter/rare", 19, [1_000_000, 0]));
    calls.extend(billed(&mut dice, "ollama.shop.svc/own", 30, [0, 0]));
    insert(&mut raw, &calls).await;
    let done = store.roll_up(Pass::Full, &Rules::default()).await.unwrap();
    assert_eq!(done.prices, 4);
    let prices = store.observed_prices().await.unwrap();
    let some = |text: &str| Some(text.to_owned());
    assert_eq!(
        prices.iter().map(told).collect::<Vec<_>>(),
        [
            ("ollama.shop.svc/own", 30, "medium", some("0"), some("0")),
            ("openrouter/cheap", 20, "medium", some("0.0375"), some("0.15")),
            ("openrouter/dear", 100, "high", some("3"), some("15")),
            ("openrouter/rare", 19, "low", some("1"), some("0")),
        ]
    );
}

#[tokio::test]
async fn prices_that_cannot_be_told_apart_are_only_blended() {
    let Some(store) = store("prices_blended").await else { return };
    let mut raw = connection("prices_blended").await;
    let mut calls = Vec::new();
    for n in 1..40 {
        let mut call = Call::plain(Timestamp::now(), "openrouter/a", "chat");
        (call.input, call.output, call.cost) =
            (Some(30 * n), Some(10 * n), Some(30 * n * 1_000_000 + 10 * n * 5_000_000));
        calls.push(call);
    }
    insert(&mut raw, &calls).await;
    store.roll_up(Pass::Full, &Rules::default()).await.unwrap();
    let prices = store.observed_prices().await.unwrap();
    assert_eq!(told(&prices[0]), ("openrouter/a", 39, "medium", None, None));
    assert_eq!(prices[0].blended_usd_per_mtok.to_string(), "2");
}

#[tokio::test]
async fn a_price_that_changed_meanwhile_is_not_taken_for_two() {
    let Some(store) = store("prices_changed").await else { return };
    let mut raw = connection("prices_changed").await;
    let mut dice = Dice(5);
    let mut calls = billed(&mut dice, "openrouter/a", 60, [1_000_000, 4_000_000]);
    calls.extend(billed(&mut dice, "openrouter/a", 60, [3_000_000, 12_000_000]));
    insert(&mut raw, &calls).await;
    store.roll_up(Pass::Full, &Rules::default()).await.unwrap();
    assert_eq!(told(&store.observed_prices().await.unwrap()[0]), ("openrouter/a", 120, "high", None, None));
}

#[tokio::test]
async fn calls_from_before_a_new_list_price_tell_nothing_of_it() {
    let Some(store) = store("prices_repriced").await else { return };
    let mut raw = connection("prices_repriced").await;
    let mut dice = Dice(6);
    insert(&mut raw, &billed(&mut dice, "openrouter/a", 120, [10_000_000, 40_000_000])).await;
    store.roll_up(Pass::Live, &Rules::default()).await.unwrap();
    let told_of = |prices: &[ObservedPrice]| prices.first().map(|price| price.samples);
    assert_eq!(told_of(&store.observed_prices().await.unwrap()), Some(120));
    // No new call comes, and the catalog says another price.
    sqlx::raw_sql(
        r#"INSERT INTO catalog_source (source_uid, namespace, name, provider, revision, upstream)
               VALUES ('hub', 'shop', 'hub', 'openrouter', 2, '{"provider": "openrouter", "baseUrl": "https://openrouter.ai/api/v1"}');
           INSERT INTO catalog_revision (source_uid, revision, digest, models, added, removed, repriced, published_at)
               VALUES ('hub', 1, 'one', 1, 1, 0, 0, now() - interval '1 hour'), ('hub', 2, 'two', 1, 0, 0, 1, now());
           INSERT INTO catalog_entry (source_uid, model_id, since_revision, entry)
               VALUES ('hub', 'a', 1, '{"tier": "economy", "pricing": {"input_usd_per_mtok": "1", "output_usd_per_mtok": "4"}}');
           INSERT INTO catalog_change (source_uid, revision, model_id, change) VALUES ('hub', 2, 'a', 'repriced')"#,
    )
    .execute(&mut raw)
    .await
    .unwrap();
    store.roll_up(Pass::Live, &Rules::default()).await.unwrap();
    assert_eq!(told_of(&store.observed_prices().await.unwrap()), None);
    sqlx::raw_sql("UPDATE catalog_revision SET published_at = now() - interval '2 minutes' WHERE revision = 2;
                   UPDATE llm_interaction SET started_at = started_at - interval '3 minutes'; TRUNCATE scoreboard_progress")
        .execute(&mut raw)
        .await
        .unwrap();
    insert(&mut raw, &billed(&mut dice, "openrouter/a", 30, [1_000_000, 4_000_000])).await;
    store.roll_up(Pass::Full, &Rules::default()).await.unwrap();
    let prices = store.observed_prices().await.unwrap();
    let some = |text: &str| Some(text.to_owned());
    assert_eq!(told(&prices[0]), ("openrouter/a", 30, "medium", some("1"), some("4")));
}

#[tokio::test]
async fn what_a_call_of_several_tries_cost_tells_no_price() {
    let Some(store) = store("prices_tries").await else { return };
    let mut raw = connection("prices_tries").await;
    let mut call = Call::plain(Timestamp::now(), "openrouter/a", "chat");
    call.attempts.push(call.attempts[0].clone());
    insert(&mut raw, &[call]).await;
    assert_eq!(store.roll_up(Pass::Full, &Rules::default()).await.unwrap().prices, 0);
}

//! What the database says of itself, on a real Postgres.

// Clippy knows test functions, not their helpers.
#![allow(clippy::unwrap_used)]

mod support;

use support::{connection, store};
use vox_contracts::checkup::{DatabaseFacts, PartitionFacts};
use vox_store::Store;

/// 2026-01-01.
const TODAY: i32 = 20_454;

fn of<'a>(facts: &'a DatabaseFacts, table: &str) -> &'a PartitionFacts {
    facts.partitions.iter().find(|partitions| partitions.table == table).unwrap()
}

#[tokio::test]
async fn a_database_that_is_well_has_every_migration_and_a_partition_for_each_of_the_next_days() {
    let Some(store) = store("checkup").await else { return };
    store.keep_partitions(TODAY, 30).await.unwrap();
    let facts = store.checkup(TODAY).await.unwrap();
    let migrations = &facts.migrations;
    assert!(migrations.expected > 10);
    assert_eq!((&migrations.missing, &migrations.failed, &migrations.unknown), (&vec![], &vec![], &vec![]));
    assert_eq!(facts.partitions.len(), 3);
    assert!(facts.partitions.iter().all(|one| one.missing_days.is_empty() && one.rows_in_default == 0));
    assert!(facts.version_number >= 120_000 && facts.version.starts_with(char::is_numeric), "{facts:?}");
    assert!(facts.size_bytes > 1_000_000);
    // The same machine's clock, or that of one that is kept right.
    assert!(facts.clock_ahead_ms.unsigned_abs() < 5_000, "{facts:?}");
    assert!(!facts.tables.is_empty() && facts.tables.len() <= 10);
}

#[tokio::test]
async fn a_day_without_a_partition_and_a_row_without_a_day_are_told() {
    let Some(store) = store("checkup_partitions").await else { return };
    store.keep_partitions(TODAY, 30).await.unwrap();
    let mut raw = connection("checkup_partitions").await;
    sqlx::query("DROP TABLE llm_attempt_20260102").execute(&mut raw).await.unwrap();
    let facts = store.checkup(TODAY + 1).await.unwrap();
    // Two days later than the partitions were made, a day is missing everywhere.
    let missing = |table| of(&facts, table).missing_days.iter().map(ToString::to_string).collect::<Vec<_>>();
    assert_eq!(missing("llm_interaction"), ["2026-01-05"]);
    assert_eq!(missing("llm_attempt"), ["2026-01-02", "2026-01-05"]);
}

#[tokio::test]
async fn a_schema_of_another_version_is_told_by_its_migrations() {
    let Some(store) = store("checkup_migrations").await else { return };
    let mut raw = connection("checkup_migrations").await;
    for statement in [
        "DELETE FROM _sqlx_migrations WHERE version = 3",
        "UPDATE _sqlx_migrations SET success = false WHERE version = 4",
        "UPDATE _sqlx_migrations SET version = 9999 WHERE version = 2",
    ] {
        sqlx::query(statement).execute(&mut raw).await.unwrap();
    }
    let migrations = store.checkup(TODAY).await.unwrap().migrations;
    assert_eq!(migrations.missing, [2, 3]);
    assert_eq!(migrations.failed, [4]);
    assert_eq!(migrations.unknown, [9999]);
}

#[tokio::test]
async fn an_empty_database_is_told_of_and_is_no_error() {
    if store("checkup_empty").await.is_none() {
        return;
    }
    let mut raw = connection("checkup_empty").await;
    sqlx::raw_sql("DROP SCHEMA public CASCADE; CREATE SCHEMA public").execute(&mut raw).await.unwrap();
    let mut url: url::Url = std::env::var("VOX_TEST_DATABASE_URL").unwrap().parse().unwrap();
    url.set_path("store_checkup_empty");
    let facts = Store::open(url.as_str(), 1).unwrap().checkup(TODAY).await.unwrap();
    assert_eq!(facts.migrations.missing.len(), usize::try_from(facts.migrations.expected).unwrap());
    assert_eq!(facts.partitions, []);
}

/// Calls of policy `main`, each with a provider and the status of its only try, a minute apart, the last one now.
async fn called(name: &str, tries: &[(&str, i32)]) {
    let mut raw = connection(name).await;
    for (number, (provider, status)) in tries.iter().enumerate() {
        let minutes = i32::try_from(tries.len() - number).unwrap();
        let outcome = if *status == 200 { "succeeded" } else { "failed" };
        let statement = "
            WITH call AS (
                INSERT INTO llm_interaction (day, decision, trace, interaction, started_at, namespace, policy, sidecar,
                    endpoint, streamed, outcome, latency_ms, attempts)
                VALUES (CURRENT_DATE, gen_random_uuid(), gen_random_uuid(), gen_random_uuid(),
                    now() - make_interval(mins => $1), 'shop', 'main', 'pod', 'chat', false, 'answered', 1, 1)
                RETURNING day, decision)
            INSERT INTO llm_attempt (day, decision, number, model_key, deployment, provider, outcome, status,
                started_ms, latency_ms)
            SELECT day, decision, 1, $2 || '/m', 'd', $2, $3, $4, 0, 1 FROM call";
        let insert = sqlx::query(statement).bind(minutes).bind(provider).bind(outcome).bind(status);
        insert.execute(&mut raw).await.unwrap();
    }
}

#[tokio::test]
async fn a_key_is_refused_until_its_provider_takes_a_call() {
    let Some(store) = store("checkup_keys").await else { return };
    let tries = [
        ("openai", 401),
        ("openai", 401),
        ("google", 401),
        ("google", 403),
        ("groq", 403),
        ("groq", 200),
        ("mistral", 500),
        ("openrouter", 200),
        ("openrouter", 402),
    ];
    called("checkup_keys", &tries).await;
    let refused = store.refused_keys().await.unwrap();
    let told: Vec<(&str, u16, u64)> =
        refused.iter().map(|key| (key.provider.as_str(), key.status, key.calls)).collect();
    assert_eq!(told, [("google", 403, 2), ("openai", 401, 2), ("openrouter", 402, 1)]);
    assert_eq!(refused[0].policy.as_deref(), Some("main"));
    sqlx::query("UPDATE llm_interaction SET ingested_at = now() - interval '61 minutes'")
        .execute(&mut connection("checkup_keys").await)
        .await
        .unwrap();
    assert_eq!(store.refused_keys().await.unwrap(), [], "an hour later nobody knows");
}

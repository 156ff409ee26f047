//! What the operator's facts about its database mean. Pure: the time is an argument.

use jiff::civil::{Date, date};
use jiff::tz::TimeZone;
use jiff::{SignedDuration, Timestamp};
use vox_contracts::checkup::{DatabaseFacts, MOST_COUNTED, MigrationFacts, PartitionFacts, TableFacts};

use super::judge::Check;
use super::named::{counted, named};

/// The day on which PostgreSQL's makers stop mending a major version, by <https://www.postgresql.org/support/versioning/>,
/// ascending. Those before the first have ended; those after the last have not.
const ENDS: [(u32, Date); 5] = [
    (14, date(2026, 11, 12)),
    (15, date(2027, 11, 11)),
    (16, date(2028, 11, 9)),
    (17, date(2029, 11, 8)),
    (18, date(2030, 11, 14)),
];
/// Autovacuum begins when a fifth of a table is dead. Twice that says that it does not keep up, in a table that matters.
const DEAD_PER_CENT: u64 = 40;
const DEAD_ROWS: u64 = 10_000;

pub(super) fn database(facts: Option<&DatabaseFacts>, now: Timestamp) -> Vec<Check> {
    let Some(facts) = facts else {
        let fix = "the operator's log says why; the store's line above says whether it answers at all";
        return vec![Check::warn("postgres", "the database did not answer within 20s", fix)];
    };
    vec![
        version(facts, now.to_zoned(TimeZone::UTC).date()),
        migrations(&facts.migrations),
        partitions(&facts.partitions),
        bloat(&facts.tables, now),
    ]
}

fn version(facts: &DatabaseFacts, today: Date) -> Check {
    const NAME: &str = "postgres";
    let number = facts.version.split_whitespace().next().unwrap_or("of an unknown version");
    let told = format!("version {number}, the database has {}", size(facts.size_bytes));
    let major = facts.version_number / 10_000;
    let (oldest, _) = ENDS[0];
    let ended = ENDS.iter().any(|(of, end)| *of == major && *end < today);
    if ended || major < oldest {
        let fix =
            format!("PostgreSQL {major} gets no more fixes: upgrade it, or move with pg_dump and pg_restore");
        return Check::warn(NAME, told, fix);
    }
    Check::ok(NAME, told)
}

fn migrations(facts: &MigrationFacts) -> Check {
    const NAME: &str = "migrations";
    let numbers = |of: &[i64]| named(&of.iter().map(ToString::to_string).collect::<Vec<_>>());
    if !facts.failed.is_empty() {
        let message = format!("begun and not ended: {}", numbers(&facts.failed));
        return Check::fail(
            NAME,
            message,
            "the operator's log of its start says why; mend that, and restart it",
        );
    }
    if !facts.missing.is_empty() {
        let message =
            format!("{} of {} are missing: {}", facts.missing.len(), facts.expected, numbers(&facts.missing));
        let fix = "the operator makes them when it starts: kubectl rollout restart deployment -n NAMESPACE -l \
                   app.kubernetes.io/name=vox,app.kubernetes.io/component=operator; its log says what keeps it from that";
        return Check::fail(NAME, message, fix);
    }
    if !facts.unknown.is_empty() {
        let message =
            format!("the database has {} that this operator does not know", numbers(&facts.unknown));
        return Check::warn(
            NAME,
            message,
            "a newer operator made them: upgrade the chart to that version again",
        );
    }
    Check::ok(NAME, format!("all {} are there", facts.expected))
}

fn partitions(facts: &[PartitionFacts]) -> Check {
    const NAME: &str = "partitions";
    if facts.is_empty() {
        return Check::warn(NAME, "the tables of calls are not there", "see the line of the migrations");
    }
    let missing: Vec<String> = facts
        .iter()
        .flat_map(|of| of.missing_days.iter().map(move |day| format!("{} of {}", day, of.table)))
        .collect();
    if !missing.is_empty() {
        let fix = "the operator that holds the lease makes them every hour: its log says what keeps it from that. Until then \
                   calls of those days wait in the default partition";
        return Check::warn(NAME, format!("not there yet: {}", named(&missing)), fix);
    }
    let waiting: Vec<String> = facts
        .iter()
        .filter(|of| of.rows_in_default > 0)
        .map(|of| {
            let more = if of.rows_in_default >= MOST_COUNTED { " or more" } else { "" };
            format!("{}{more} in {}_default", counted(of.rows_in_default, "row"), of.table)
        })
        .collect();
    if let Some(table) = facts.iter().find(|of| of.rows_in_default > 0).map(|of| &of.table) {
        let fix = format!(
            "the operator moves what it can within the hour; what stays is of a day far from today, and comes from gateways \
             with wrong clocks: SELECT day, count(*) FROM {table}_default GROUP BY day"
        );
        return Check::warn(NAME, format!("rows of days without a partition: {}", named(&waiting)), fix);
    }
    Check::ok(NAME, "those of today and the next days are there, and the default ones are empty")
}

fn bloat(tables: &[TableFacts], now: Timestamp) -> Check {
    const NAME: &str = "bloat";
    let is_bloated = |table: &&TableFacts| {
        table.dead_rows >= DEAD_ROWS && table.dead_rows * 100 > table.live_rows * DEAD_PER_CENT
    };
    let bloated: Vec<&TableFacts> = tables.iter().filter(is_bloated).collect();
    let Some(first) = bloated.first() else {
        let dead: u64 = tables.iter().map(|table| table.dead_rows).sum();
        return Check::ok(NAME, format!("{dead} dead rows, which autovacuum keeps up with"));
    };
    let told = |table: &&TableFacts| {
        let vacuumed = table.vacuumed_at.map_or_else(
            || "never vacuumed".to_owned(),
            |at| format!("vacuumed {}", crate::relative::ago(now, at)),
        );
        format!(
            "{} ({} dead rows beside {}, {}, {vacuumed})",
            table.table,
            table.dead_rows,
            table.live_rows,
            size(table.size_bytes)
        )
    };
    let message = format!("dead rows pile up in {}", named(&bloated.iter().map(told).collect::<Vec<_>>()));
    let fix = format!(
        "VACUUM (ANALYZE) {}; where it does not help, a transaction is open: SELECT pid, xact_start, query FROM \
         pg_stat_activity WHERE xact_start < now() - interval '1 hour'",
        first.table
    );
    Check::warn(NAME, message, fix)
}

/// `1.4 GiB`.
fn size(bytes: u64) -> String {
    let units = ["B", "KiB", "MiB", "GiB", "TiB"];
    let mut tenths = bytes.saturating_mul(10);
    let mut unit = 0;
    while tenths >= 10_240 && unit + 1 < units.len() {
        tenths /= 1024;
        unit += 1;
    }
    format!("{}.{} {}", tenths / 10, tenths % 10, units.get(unit).unwrap_or(&"B"))
}

/// How far two clocks are apart, as the caller measured it: the time that passed meanwhile may hide as much.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Skew {
    /// How far the other one is ahead.
    pub(super) ahead: SignedDuration,
    /// How much of that may be the way there.
    pub(super) within: SignedDuration,
}

impl Skew {
    /// Of a clock that was read between two readings of our own.
    pub(super) fn between(before: Timestamp, theirs: Timestamp, after: Timestamp) -> Self {
        let within = after.duration_since(before).max(SignedDuration::ZERO) / 2;
        Self { ahead: theirs.duration_since(before) - within, within }
    }

    pub(super) fn of_database(facts: &DatabaseFacts) -> Self {
        let half = i64::try_from(facts.round_trip_ms / 2).unwrap_or(i64::MAX);
        Self {
            ahead: SignedDuration::from_millis(facts.clock_ahead_ms),
            within: SignedDuration::from_millis(half),
        }
    }

    /// What is surely not the way there.
    pub(super) fn sure(self) -> SignedDuration {
        (self.ahead.abs() - self.within).max(SignedDuration::ZERO)
    }
}

#[cfg(test)]
pub(super) mod tests {
    use super::super::judge::Severity;
    use super::*;

    pub(in super::super) fn well() -> DatabaseFacts {
        let partitions = ["llm_interaction", "llm_attempt"].map(|table| PartitionFacts {
            table: table.to_owned(),
            missing_days: Vec::new(),
            rows_in_default: 0,
        });
        DatabaseFacts {
            version: "17.2 (Debian 17.2-1.pgdg120+1)".to_owned(),
            version_number: 170_002,
            clock_ahead_ms: 3,
            round_trip_ms: 2,
            size_bytes: 1_500_000_000,
            migrations: MigrationFacts { expected: 13, ..MigrationFacts::default() },
            partitions: partitions.to_vec(),
            tables: vec![table(100, 5000)],
        }
    }

    fn table(dead_rows: u64, live_rows: u64) -> TableFacts {
        TableFacts {
            table: "sidecar_presence".to_owned(),
            live_rows,
            dead_rows,
            size_bytes: 8192,
            vacuumed_at: None,
        }
    }

    fn now() -> Timestamp {
        "2026-06-01T12:00:00Z".parse().unwrap()
    }

    fn lines(facts: &DatabaseFacts) -> Vec<String> {
        database(Some(facts), now()).iter().map(Check::told).collect()
    }

    #[test]
    fn a_database_that_is_well_is_four_lines() {
        assert_eq!(
            lines(&well()),
            [
                "OK    postgres: version 17.2, the database has 1.3 GiB",
                "OK    migrations: all 13 are there",
                "OK    partitions: those of today and the next days are there, and the default ones are empty",
                "OK    bloat: 100 dead rows, which autovacuum keeps up with",
            ]
        );
    }

    #[test]
    fn a_version_that_is_not_mended_any_more_warns_from_the_day_on() {
        let of =
            |number, day: Date| version(&DatabaseFacts { version_number: number, ..well() }, day).severity;
        assert_eq!(of(140_003, date(2026, 11, 12)), Severity::Ok);
        assert_eq!(of(140_003, date(2026, 11, 13)), Severity::Warn);
        assert_eq!(of(120_003, date(2026, 1, 1)), Severity::Warn);
        assert_eq!(of(190_001, date(2030, 1, 1)), Severity::Ok);
    }

    #[test]
    fn a_schema_that_is_not_the_operators_fails_and_a_newer_one_warns() {
        let of = |change: fn(&mut MigrationFacts)| {
            let mut facts = well().migrations;
            change(&mut facts);
            migrations(&facts)
        };
        let missing = of(|facts| facts.missing = vec![13]);
        assert!(
            missing.told().starts_with("FAIL  migrations: 1 of 13 are missing: 13; the operator makes them")
        );
        assert_eq!(of(|facts| facts.failed = vec![13]).severity, Severity::Fail);
        assert_eq!(of(|facts| facts.unknown = vec![14]).severity, Severity::Warn);
    }

    #[test]
    fn a_day_without_a_partition_is_named_and_rows_that_wait_are_counted() {
        let mut facts = well();
        facts.partitions[1].missing_days = vec![date(2026, 6, 2)];
        assert!(lines(&facts)[2].starts_with("WARN  partitions: not there yet: 2026-06-02 of llm_attempt; "));
        facts = well();
        facts.partitions[0].rows_in_default = MOST_COUNTED;
        let line = &lines(&facts)[2];
        assert!(line.contains("10000 rows or more in llm_interaction_default"), "{line}");
        assert!(line.ends_with("SELECT day, count(*) FROM llm_interaction_default GROUP BY day"), "{line}");
    }

    #[test]
    fn dead_rows_warn_where_they_are_many_and_a_large_part() {
        let of = |dead, live| bloat(&[table(dead, live)], now()).severity;
        assert_eq!(of(9_999, 0), Severity::Ok, "few");
        assert_eq!(of(40_000, 100_000), Severity::Ok, "a small part");
        assert_eq!(of(40_001, 100_000), Severity::Warn);
        let line = bloat(&[table(50_000, 100)], now()).told();
        assert!(
            line.contains("sidecar_presence (50000 dead rows beside 100, 8.0 KiB, never vacuumed)"),
            "{line}"
        );
    }

    #[test]
    fn a_database_that_does_not_answer_is_one_line() {
        assert_eq!(database(None, now()).len(), 1);
    }

    #[test]
    fn what_the_way_may_have_taken_is_no_skew() {
        let at = |millisecond| Timestamp::from_millisecond(millisecond).unwrap();
        let same = Skew::between(at(1000), at(1100), at(1200));
        assert_eq!((same.ahead.as_millis(), same.sure().as_millis()), (0, 0));
        let slow = Skew::between(at(1000), at(2900), at(3000));
        assert_eq!(slow.sure().as_millis(), 0, "it may have answered at the very end");
        let behind = Skew::between(at(10_000), at(1_000), at(10_200));
        assert_eq!((behind.ahead.as_millis(), behind.sure().as_millis()), (-9100, 9000));
    }

    #[test]
    fn a_size_is_told_in_the_largest_unit_that_says_something() {
        assert_eq!(
            (size(512), size(8_388_608), size(u64::MAX / 100)),
            ("512.0 B".to_owned(), "8.0 MiB".to_owned(), "167772.1 TiB".to_owned())
        );
    }
}

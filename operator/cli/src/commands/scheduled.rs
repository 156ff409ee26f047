//! `vox scheduled list`: the CronJobs of the sources.

use std::collections::BTreeMap;

use croner::Cron;
use jiff::tz::TimeZone;
use jiff::{SignedDuration, Timestamp};
use k8s_openapi::api::batch::v1::CronJob;
use kube::ResourceExt as _;
use kube::api::ListParams;
use serde::Serialize;
use vox_crds::conditions::reasons;

use crate::cluster::{self, Call, Cluster, Place, SOURCE_LABEL};
use crate::error::{Error, Exit};
use crate::output::Format;
use crate::progress::{Progress, say};
use crate::relative::{ago, until};
use crate::table::{or_none, table};

/// How late a run may begin before it counts as missed; the operator allows as much.
const GRACE: SignedDuration = SignedDuration::from_mins(5);
/// Nobody counts further.
const COUNTED: usize = 100;
/// A missed run that was made up for is told for so long.
const REMEMBERED: SignedDuration = SignedDuration::from_hours(24);

/// A CronJob in machine output.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Row {
    pub(super) namespace: String,
    pub(super) source: String,
    pub(super) cron_job: String,
    schedule: String,
    time_zone: String,
    last_schedule_time: Option<Timestamp>,
    next_refresh_time: Option<Timestamp>,
    suspended: bool,
    active: usize,
    /// Scheduled times that have passed without a run since the last one.
    pub(super) missed: usize,
    /// When the operator last reported a missed run, within a day.
    pub(super) last_missed_report_time: Option<Timestamp>,
}

pub(super) async fn list(cluster: &Cluster, output: Format) -> Result<Exit, Error> {
    let rows = Progress::during("reading the schedules", Box::pin(rows(cluster, &cluster.place))).await?;
    if rows.is_empty() && output == Format::Table {
        say(&format!(
            "there are no schedules {}; the operator makes one for each source",
            cluster.place.told_of_none()
        ));
        return Ok(Exit::Ok);
    }
    output.print(&rows, || schedules_table(&rows, Timestamp::now()))?;
    Ok(Exit::Ok)
}

/// The CronJobs of a place, by namespace and source.
pub(super) async fn rows(cluster: &Cluster, place: &Place) -> Result<Vec<Row>, Error> {
    let jobs = cluster.api::<CronJob>(place).list(&ListParams::default().labels(SOURCE_LABEL)).await;
    let jobs = jobs
        .map_err(|error| Call::new("list", "cronjobs.batch", place.told()).failed(cluster, &error))?
        .items;
    let sources = cluster::list(cluster, place).await?;
    let now = Timestamp::now();
    let reported = cluster::reasons_since(cluster, place, reasons::SCHEDULE_MISSED, now - REMEMBERED).await;
    let promised: BTreeMap<(String, String), Timestamp> = sources
        .into_iter()
        .filter_map(|source| {
            let key = (source.namespace().unwrap_or_default(), source.name_any());
            Some((key, source.status?.next_refresh_time?.0))
        })
        .collect();
    let mut rows: Vec<Row> = jobs
        .iter()
        .map(|job| {
            let mut row = Row::of(job, now);
            let key = (row.namespace.clone(), row.source.clone());
            row.next_refresh_time = promised.get(&key).copied().filter(|_| !row.suspended);
            row.last_missed_report_time = reported.get(&key).copied();
            row
        })
        .collect();
    rows.sort_by(|a, b| (&a.namespace, &a.source).cmp(&(&b.namespace, &b.source)));
    Ok(rows)
}

impl Row {
    pub(super) fn of(job: &CronJob, now: Timestamp) -> Self {
        let spec = job.spec.clone().unwrap_or_default();
        let status = job.status.clone().unwrap_or_default();
        let time_zone = spec.time_zone.unwrap_or_else(|| "Etc/UTC".to_owned());
        let suspended = spec.suspend.unwrap_or_default();
        let last = status.last_schedule_time.map(|time| time.0);
        let since = last.max(changed(job));
        let missed = if suspended { 0 } else { missed(&spec.schedule, &time_zone, since, now) };
        Self {
            namespace: job.namespace().unwrap_or_default(),
            source: job.labels().get(SOURCE_LABEL).cloned().unwrap_or_default(),
            cron_job: job.name_any(),
            schedule: spec.schedule,
            time_zone,
            last_schedule_time: last,
            next_refresh_time: None,
            suspended,
            active: status.active.map_or(0, |active| active.len()),
            missed,
            last_missed_report_time: None,
        }
    }
}

/// When the CronJob's spec last changed. No run can have been missed before: it was suspended, or had another schedule.
fn changed(job: &CronJob) -> Option<Timestamp> {
    let entries = job.metadata.managed_fields.iter().flatten();
    let of_spec = entries.filter(|entry| entry.subresource.as_deref().is_none_or(str::is_empty));
    let newest = of_spec.filter_map(|entry| entry.time.as_ref().map(|time| time.0)).max();
    newest.max(job.metadata.creation_timestamp.as_ref().map(|time| time.0))
}

/// How many scheduled times lie between `since` and now, less the grace. What cannot be read was not scheduled by us.
fn missed(schedule: &str, time_zone: &str, since: Option<Timestamp>, now: Timestamp) -> usize {
    let (Ok(cron), Ok(zone), Some(since)) = (schedule.parse::<Cron>(), TimeZone::get(time_zone), since)
    else {
        return 0;
    };
    let limit = now - GRACE;
    cron.iter_after(since.to_zoned(zone)).take(COUNTED).take_while(|time| time.timestamp() <= limit).count()
}

fn schedules_table(rows: &[Row], now: Timestamp) -> String {
    let cells: Vec<_> = rows
        .iter()
        .map(|row| {
            let missed = match (row.missed, row.last_missed_report_time) {
                (0, None) => "-".to_owned(),
                (0, Some(time)) => format!("made up for {}", ago(now, time)),
                (COUNTED.., _) => format!("{COUNTED} or more"),
                (missed, _) => missed.to_string(),
            };
            [
                row.namespace.clone(),
                row.source.clone(),
                row.schedule.clone(),
                row.time_zone.clone(),
                or_none(row.last_schedule_time.map(|time| ago(now, time))),
                or_none(row.next_refresh_time.map(|time| until(now, time))),
                if row.suspended { "yes" } else { "no" }.to_owned(),
                row.active.to_string(),
                missed,
            ]
        })
        .collect();
    table(
        ["NAMESPACE", "SOURCE", "SCHEDULE", "TIME ZONE", "LAST", "NEXT", "SUSPENDED", "ACTIVE", "MISSED"],
        &cells,
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(text: &str) -> Timestamp {
        text.parse().unwrap()
    }

    fn job(suspended: bool, last: Option<&str>, changed: &str) -> CronJob {
        serde_json::from_value(serde_json::json!({
            "metadata": {
                "name": "vox-a", "namespace": "shop", "labels": { "vox.dev/source": "a" },
                "creationTimestamp": "2026-01-01T00:00:00Z",
                "managedFields": [
                    { "manager": "vox", "time": changed },
                    { "manager": "kube", "time": "2026-01-09T00:00:00Z", "subresource": "status" },
                ],
            },
            "spec": { "schedule": "0 3 * * *", "timeZone": "Europe/Berlin", "suspend": suspended, "jobTemplate": {} },
            "status": { "lastScheduleTime": last },
        }))
        .unwrap()
    }

    fn missed_of(suspended: bool, last: Option<&str>, changed: &str, now: &str) -> usize {
        Row::of(&job(suspended, last, changed), at(now)).missed
    }

    const FIRST: &str = "2026-01-01T00:00:00Z";

    #[test]
    fn a_run_is_missed_when_its_time_and_the_grace_have_passed() {
        let last = Some("2026-01-05T02:00:00Z");
        assert_eq!(missed_of(false, last, FIRST, "2026-01-05T20:00:00Z"), 0);
        assert_eq!(missed_of(false, last, FIRST, "2026-01-06T02:04:00Z"), 0);
        assert_eq!(missed_of(false, last, FIRST, "2026-01-06T02:05:00Z"), 1);
        assert_eq!(missed_of(false, last, FIRST, "2026-01-08T12:00:00Z"), 3);
    }

    #[test]
    fn a_new_schedule_has_missed_nothing_before_it_was_made() {
        assert_eq!(missed_of(false, None, FIRST, "2026-01-01T01:00:00Z"), 0);
        assert_eq!(missed_of(false, None, FIRST, "2026-01-01T03:00:00Z"), 1);
    }

    #[test]
    fn what_was_suspended_until_now_has_missed_nothing() {
        let last = Some("2026-01-02T02:00:00Z");
        assert_eq!(missed_of(true, last, FIRST, "2026-01-08T12:00:00Z"), 0);
        assert_eq!(missed_of(false, last, "2026-01-08T11:00:00Z", "2026-01-08T12:00:00Z"), 0);
    }

    #[test]
    fn schedules_are_listed_with_what_was_missed() {
        let now = at("2026-01-08T12:00:00Z");
        let mut well = Row::of(&job(false, Some("2026-01-08T02:00:00Z"), FIRST), now);
        well.next_refresh_time = Some(at("2026-01-09T02:07:00Z"));
        let mut made_up = Row::of(&job(false, Some("2026-01-08T02:00:00Z"), FIRST), now);
        made_up.last_missed_report_time = Some(at("2026-01-08T10:00:00Z"));
        let missed = Row::of(&job(false, Some("2026-01-05T02:00:00Z"), FIRST), now);
        let suspended = Row::of(&job(true, None, FIRST), now);
        insta::assert_snapshot!(schedules_table(&[well, made_up, missed, suspended], now), @r"
        NAMESPACE   SOURCE   SCHEDULE    TIME ZONE       LAST      NEXT     SUSPENDED   ACTIVE   MISSED
        shop        a        0 3 * * *   Europe/Berlin   10h ago   in 14h   no          0        -
        shop        a        0 3 * * *   Europe/Berlin   10h ago   -        no          0        made up for 2h ago
        shop        a        0 3 * * *   Europe/Berlin   3d ago    -        no          0        3
        shop        a        0 3 * * *   Europe/Berlin   -         -        yes         0        -
        ");
    }
}

//! Which schedules missed runs. Pure.

use super::judge::Check;
use super::named::named;
use crate::commands::scheduled::Row;

const NAME: &str = "schedules";

pub(super) fn schedules(rows: &[Row]) -> Check {
    let missed: Vec<&Row> = rows.iter().filter(|row| row.missed > 0).collect();
    let made_up: Vec<&Row> =
        rows.iter().filter(|row| row.missed == 0 && row.last_missed_report_time.is_some()).collect();
    if let Some(first) = missed.first() {
        let told = |row: &&Row| format!("{}/{} ({} since its last)", row.namespace, row.source, row.missed);
        let message = format!(
            "{} of {} CronJobs missed runs: {}",
            missed.len(),
            rows.len(),
            named(&missed.iter().map(told).collect::<Vec<_>>())
        );
        let fix = format!(
            "kubectl describe cronjob -n {} {} says why; where it says nothing, the cluster's CronJob controller was away",
            first.namespace, first.cron_job
        );
        return Check::warn(NAME, message, fix);
    }
    if !made_up.is_empty() {
        let told = |row: &&Row| format!("{}/{}", row.namespace, row.source);
        let names = named(&made_up.iter().map(told).collect::<Vec<_>>());
        return Check::info(NAME, format!("runs that were missed today were made up for: {names}"));
    }
    Check::ok(NAME, format!("none of {} CronJobs missed a run", rows.len()))
}

#[cfg(test)]
mod tests {
    use jiff::Timestamp;
    use k8s_openapi::api::batch::v1::CronJob;

    use super::*;

    fn row(last: &str) -> Row {
        let job: CronJob = serde_json::from_value(serde_json::json!({
            "metadata": {
                "name": "vox-hub", "namespace": "shop", "labels": { "vox.dev/source": "hub" },
                "creationTimestamp": "2026-01-01T00:00:00Z",
            },
            "spec": { "schedule": "0 3 * * *", "jobTemplate": {} },
            "status": { "lastScheduleTime": last },
        }))
        .unwrap();
        Row::of(&job, "2026-01-08T12:00:00Z".parse::<Timestamp>().unwrap())
    }

    #[test]
    fn a_cron_job_that_missed_runs_is_named_with_how_many_and_what_to_ask() {
        let line = schedules(&[row("2026-01-05T03:00:00Z"), row("2026-01-08T03:00:00Z")]).told();
        assert_eq!(
            line,
            "WARN  schedules: 1 of 2 CronJobs missed runs: shop/hub (3 since its last); kubectl describe cronjob -n shop vox-hub says why; where it says nothing, the cluster's CronJob controller was away"
        );
    }

    #[test]
    fn a_missed_run_that_was_made_up_for_is_good_to_know_and_nothing_to_do() {
        let mut made_up = row("2026-01-08T03:00:00Z");
        made_up.last_missed_report_time = Some(Timestamp::UNIX_EPOCH);
        assert_eq!(
            schedules(&[made_up]).told(),
            "INFO  schedules: runs that were missed today were made up for: shop/hub"
        );
    }

    #[test]
    fn where_all_ran_it_is_well() {
        assert_eq!(
            schedules(&[row("2026-01-08T03:00:00Z")]).told(),
            "OK    schedules: none of 1 CronJobs missed a run"
        );
    }
}

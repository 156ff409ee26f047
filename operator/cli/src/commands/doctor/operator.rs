//! What the operator's facts about itself mean: certificates, webhooks, clocks, sidecars. Pure: the time is an argument.

use jiff::{SignedDuration, Timestamp};
use vox_contracts::checkup::{CertificateFacts, CertificateUse, Checkup, Followers, WebhookFacts};

use super::database::Skew;
use super::judge::Check;
use super::named::{counted, named};
use crate::relative::{ago, short, until};

/// A certificate is renewed in the last third of its life, an authority in the last tenth; less than this part is late.
const LATE_PART: i32 = 12;
/// Clocks this far apart mislead: what is fresh, what is a day's budget, who was seen.
const SKEWED: SignedDuration = SignedDuration::from_secs(5);
/// Tokens and certificates are refused by then.
const BROKEN: SignedDuration = SignedDuration::from_mins(5);
/// Sidecars have a new snapshot within a second or two; after this time something keeps them from it.
const BEHIND: SignedDuration = SignedDuration::from_secs(60);

pub(super) fn certificates(
    of: &[CertificateFacts],
    webhooks: Option<WebhookFacts>,
    now: Timestamp,
) -> Vec<Check> {
    const NAME: &str = "certificates";
    let latest = |used_as| {
        let of = of.iter().filter(|one| one.used_as == used_as);
        of.max_by_key(|one| one.not_after)
    };
    let (Some(serving), Some(authority)) =
        (latest(CertificateUse::Serving), latest(CertificateUse::Authority))
    else {
        let fix = "callers cannot trust it: the operator's log says why it does not have one";
        return vec![Check::fail(NAME, "the operator has no certificate that can be read", fix)];
    };
    let told = |what: &str, of: &CertificateFacts| {
        format!(
            "the {what} is {} old and ends {}",
            short(now.duration_since(of.not_before)),
            until(now, of.not_after)
        )
    };
    let message = format!("{}; {}", told("operator's certificate", serving), told("authority", authority));
    let broken = |of: &CertificateFacts| now < of.not_before || of.not_after <= now;
    let late = |of: &CertificateFacts| {
        of.not_after.duration_since(now) < of.not_after.duration_since(of.not_before) / LATE_PART
    };
    let fix = "the operator renews its own, and cert-manager those that it made: the log of whoever does says what keeps it from that";
    let mut checks = vec![if broken(serving) || broken(authority) {
        Check::fail(NAME, format!("{message}: callers refuse the operator"), fix)
    } else if late(serving) || late(authority) {
        Check::warn(NAME, format!("{message}: it should have been renewed by now"), fix)
    } else {
        Check::ok(NAME, message)
    }];
    checks.extend(webhooks.map(trust));
    checks
}

fn trust(of: WebhookFacts) -> Check {
    const NAME: &str = "webhooks";
    if of.all == 0 {
        let fix = "install the chart again, or turn injection off: helm upgrade";
        return Check::fail(NAME, "their configuration is not there, so that no pod gets a sidecar", fix);
    }
    if of.trusting < of.all {
        let message =
            format!("{} of {} do not trust the operator's certificate", of.all - of.trusting, of.all);
        let fix = "the operator that holds the lease writes its authority into them within seconds: its log says what keeps it from that";
        return Check::fail(NAME, message, fix);
    }
    Check::ok(NAME, format!("all {} trust the operator's certificate", of.all))
}

/// The clocks of this machine, the operator and the database.
pub(super) fn clocks(operator: Skew, database: Option<Skew>) -> Check {
    const NAME: &str = "clocks";
    let pairs = [
        ("the operator's clock", "this machine's", Some(operator)),
        ("the database's clock", "the operator's", database),
    ];
    let skewed: Vec<(String, SignedDuration)> = pairs
        .into_iter()
        .filter_map(|(theirs, ours, skew)| {
            let skew = skew.filter(|skew| skew.sure() >= SKEWED)?;
            let way = if skew.ahead.is_negative() { "behind" } else { "ahead of" };
            Some((format!("{theirs} is {} {way} {ours}", short(skew.ahead.abs())), skew.sure()))
        })
        .collect();
    let Some(worst) = skewed.iter().map(|(_, sure)| *sure).max() else {
        let within = operator.within.max(database.map_or(SignedDuration::ZERO, |skew| skew.within));
        let within = within.as_millis();
        return Check::ok(
            NAME,
            format!("those of this machine, the operator and the database agree (to {within} ms or better)"),
        );
    };
    let message = skewed.into_iter().map(|(told, _)| told).collect::<Vec<_>>().join(", and ");
    let fix = "let chrony or systemd-timesyncd keep the clocks of the nodes and of this machine: chronyc tracking, timedatectl";
    if worst >= BROKEN { Check::fail(NAME, message, fix) } else { Check::warn(NAME, message, fix) }
}

pub(super) fn sidecars(of: &[Followers], now: Timestamp) -> Check {
    const NAME: &str = "sidecars";
    let all: u64 = of.iter().map(|one| one.sidecars).sum();
    let behind: Vec<&Followers> =
        of.iter().filter(|one| one.behind > 0 && now.duration_since(one.published_at) > BEHIND).collect();
    let Some(first) = behind.first() else {
        let message = match all {
            0 => "none follows a snapshot".to_owned(),
            _ => format!(
                "{} of {} follow the newest snapshot",
                counted(all, "sidecar"),
                counted(of.len() as u64, "namespace")
            ),
        };
        return Check::ok(NAME, message);
    };
    let told = |one: &&Followers| {
        let pods = one.pods_behind.join(" ");
        format!(
            "{} of {} in {}, whose newest is {} ({pods})",
            one.behind,
            one.sidecars,
            one.namespace,
            ago(now, one.published_at).replace(" ago", " old")
        )
    };
    let message =
        format!("some decide from an old snapshot: {}", named(&behind.iter().map(told).collect::<Vec<_>>()));
    let pod = first.pods_behind.first().map_or("POD", String::as_str);
    let namespace = &first.namespace;
    let fix = format!(
        "their log says what keeps them from the operator: kubectl logs -n {namespace} {pod} --all-containers --tail=50; a new pod \
         begins with the newest: kubectl delete pod -n {namespace} {pod}"
    );
    Check::warn(NAME, message, fix)
}

/// Everything but the database.
pub(super) fn operator(facts: &Checkup, skew: Skew) -> Vec<Check> {
    let mut checks = certificates(&facts.certificates, facts.webhooks, facts.now);
    checks.push(clocks(skew, facts.database.as_ref().map(Skew::of_database)));
    if facts.database.is_some() {
        checks.push(sidecars(&facts.followers, facts.now));
    }
    checks
}

#[cfg(test)]
mod tests {
    use super::super::database::tests::well;
    use super::super::judge::Severity;
    use super::*;

    fn day(number: i64) -> Timestamp {
        Timestamp::from_second(1_800_000_000 + number * 86_400).unwrap()
    }

    fn certificate(used_as: CertificateUse, from: i64, until: i64) -> CertificateFacts {
        CertificateFacts { used_as, not_before: day(from), not_after: day(until) }
    }

    fn of(serving: (i64, i64), authorities: &[(i64, i64)]) -> Vec<CertificateFacts> {
        let authorities =
            authorities.iter().map(|(from, until)| certificate(CertificateUse::Authority, *from, *until));
        [certificate(CertificateUse::Serving, serving.0, serving.1)].into_iter().chain(authorities).collect()
    }

    fn severity(of: &[CertificateFacts]) -> Severity {
        certificates(of, None, day(0))[0].severity
    }

    #[test]
    fn ages_and_ends_of_certificates_are_told() {
        assert_eq!(
            certificates(&of((-10, 80), &[(-100, 3550)]), None, day(0))[0].told(),
            "OK    certificates: the operator's certificate is 10d old and ends in 80d; the authority is 100d old and ends in 3550d"
        );
    }

    #[test]
    fn a_certificate_that_was_not_renewed_in_time_warns_and_one_that_ended_fails() {
        let authority = [(-100, 3550)];
        assert_eq!(severity(&of((-82, 8), &authority)), Severity::Ok);
        assert_eq!(severity(&of((-83, 7), &authority)), Severity::Warn);
        assert_eq!(severity(&of((-90, 0), &authority)), Severity::Fail);
        assert_eq!(severity(&of((1, 90), &authority)), Severity::Fail, "not good yet");
        assert_eq!(severity(&of((-10, 80), &[(-3400, 250)])), Severity::Warn);
    }

    #[test]
    fn an_old_authority_beside_a_good_one_is_well() {
        assert_eq!(severity(&of((-10, 80), &[(-10, 3640), (-3650, 0)])), Severity::Ok);
    }

    #[test]
    fn an_operator_without_a_certificate_fails() {
        assert_eq!(severity(&[]), Severity::Fail);
    }

    #[test]
    fn a_webhook_that_does_not_trust_the_operator_fails() {
        let of = |trusting, all| trust(WebhookFacts { all, trusting }).severity;
        assert_eq!((of(4, 4), of(3, 4), of(0, 0)), (Severity::Ok, Severity::Fail, Severity::Fail));
    }

    fn skew(ahead: i64, within: i64) -> Skew {
        Skew { ahead: SignedDuration::from_millis(ahead), within: SignedDuration::from_millis(within) }
    }

    #[test]
    fn clocks_that_agree_are_told_with_how_well_that_is_known() {
        assert_eq!(
            clocks(skew(400, 350), Some(skew(-3, 1))).told(),
            "OK    clocks: those of this machine, the operator and the database agree (to 350 ms or better)"
        );
    }

    #[test]
    fn a_clock_that_is_seconds_off_warns_and_one_that_is_minutes_off_fails() {
        assert_eq!(clocks(skew(5_400, 500), None).severity, Severity::Ok, "it may be the way there");
        let line = clocks(skew(-9_000, 500), None).told();
        assert!(
            line.starts_with("WARN  clocks: the operator's clock is 9s behind this machine's; "),
            "{line}"
        );
        let line = clocks(skew(0, 0), Some(skew(400_000, 0))).told();
        assert!(
            line.starts_with("FAIL  clocks: the database's clock is 6m ahead of the operator's; "),
            "{line}"
        );
    }

    fn followers(behind: u64) -> Followers {
        Followers {
            namespace: "shop".to_owned(),
            version: 7,
            published_at: day(0),
            sidecars: 3,
            behind,
            pods_behind: vec!["web-1".to_owned()],
        }
    }

    #[test]
    fn sidecars_get_a_minute_for_a_new_snapshot_and_are_named_then() {
        let at = |seconds| day(0) + SignedDuration::from_secs(seconds);
        assert_eq!(
            sidecars(&[followers(0)], at(600)).told(),
            "OK    sidecars: 3 sidecars of 1 namespace follow the newest snapshot"
        );
        assert_eq!(sidecars(&[followers(1)], at(60)).severity, Severity::Ok);
        let line = sidecars(&[followers(1)], at(240)).told();
        assert!(
            line.starts_with("WARN  sidecars: some decide from an old snapshot: 1 of 3 in shop, whose newest is 4m old (web-1); "),
            "{line}"
        );
        assert!(line.ends_with("kubectl delete pod -n shop web-1"), "{line}");
    }

    #[test]
    fn without_a_database_nothing_is_said_of_sidecars() {
        let facts = Checkup {
            now: day(0),
            certificates: of((-10, 80), &[(-100, 3550)]),
            webhooks: None,
            database: Some(well()),
            followers: Vec::new(),
            refused_keys: Vec::new(),
        };
        assert_eq!(operator(&facts, skew(0, 0)).len(), 3);
        assert_eq!(operator(&Checkup { database: None, ..facts }, skew(0, 0)).len(), 2);
    }
}

//! `vox policy diff`: which categories another model would serve, and why.

use serde::Serialize;
use vox_contracts::TaskCategory;
use vox_routing::{PolicySnapshot, Router};

use super::catalogs::Catalogs;
use super::picks::{Serves, explain, picks};
use super::read::Written;
use crate::args::{Global, PolicyDiffArgs};
use crate::commands::explain::{now_unix_ms, score, snapshot};
use crate::error::{Error, Exit};
use crate::output::Format;
use crate::progress::say;
use crate::table::printable;

/// One category, before and after.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
struct Change {
    category: TaskCategory,
    changes: bool,
    /// Absent where the policy does not serve now.
    now: Option<Serves>,
    after: Serves,
    /// Why the pick of now is not the pick afterwards.
    why: Option<String>,
}

pub(super) async fn run(args: &PolicyDiffArgs, global: &Global) -> Result<Exit, Error> {
    let name = args.policy.policy.as_deref();
    let written = super::read_file(&args.policy.file, name)?;
    let against = args.against.as_deref().map(|file| super::read_file(file, name)).transpose()?;
    let catalogs = catalogs(args, global, &written, against.as_ref()).await?;
    let after = Router::new(catalogs.compile(&written)?);
    let now = match &against {
        Some(against) => Some(catalogs.compile(against)?),
        None => programmed(args, global, &written.policy.name).await?,
    };
    if global.output == Format::Table {
        catalogs.tell();
        if now.is_none() {
            say(&format!("policy {} serves nobody yet: everything is new", written.policy.name));
        }
    }
    let changes = changes(now.map(Router::new).as_ref(), &after, args.policy.complexity, now_unix_ms());
    let differs = changes.iter().any(|change| change.changes);
    let shown: Vec<&Change> = changes.iter().filter(|change| args.all || change.changes).collect();
    global.output.print(&shown, || text(&shown, changes.len()))?;
    Ok(if differs && args.exit_code { Exit::No } else { Exit::Ok })
}

async fn catalogs(
    args: &PolicyDiffArgs,
    global: &Global,
    written: &Written,
    against: Option<&Written>,
) -> Result<Catalogs, Error> {
    if !args.policy.catalogs.is_empty() {
        Catalogs::of_files(&args.policy.catalogs)
    } else if against.is_some() && !args.from_cluster {
        Catalogs::bootstrap()
    } else {
        let policies: Vec<&Written> = std::iter::once(written).chain(against).collect();
        Catalogs::of_cluster(global, &policies).await
    }
}

/// What serves now under the policy's name. A namespace without any snapshot has no policy at all yet.
async fn programmed(
    args: &PolicyDiffArgs,
    global: &Global,
    name: &str,
) -> Result<Option<PolicySnapshot>, Error> {
    match snapshot(args.snapshot.as_deref(), global).await {
        Ok(snapshot) => Ok(snapshot.policies.into_iter().find(|one| one.policy.name == name)),
        Err(Error::NotFound(_)) => Ok(None),
        Err(error) => Err(error),
    }
}

fn changes(now: Option<&Router>, after: &Router, complexity: Option<u8>, now_unix_ms: u64) -> Vec<Change> {
    let before = now.map(|now| picks(now, complexity, now_unix_ms)).unwrap_or_default();
    picks(after, complexity, now_unix_ms)
        .into_iter()
        .map(|after_it| {
            let category = after_it.category;
            let now = before.iter().find(|serves| serves.category == category).cloned();
            let of = |serves: &Serves| (serves.pick.clone(), serves.runner_up.clone());
            let changes = now.as_ref().map_or(after_it.pick.is_some(), |now| of(now) != of(&after_it));
            let gone = now.as_ref().and_then(|now| now.pick.as_deref());
            let why = gone
                .filter(|gone| Some(*gone) != after_it.pick.as_deref())
                .map(|gone| why(after, category, gone, complexity, now_unix_ms));
            Change { category, changes, now, after: after_it, why }
        })
        .collect()
}

/// What has become of the pick of now.
fn why(
    after: &Router,
    category: TaskCategory,
    gone: &str,
    complexity: Option<u8>,
    now_unix_ms: u64,
) -> String {
    let explanation = explain(after, category, complexity, now_unix_ms);
    let Some(candidate) = explanation.candidates.iter().find(|candidate| candidate.deployment == gone) else {
        return format!("{gone}: it is in none of the policy's catalogs");
    };
    if let Some(stopped) = &candidate.stopped {
        return format!("{gone}: {}", stopped.sentence);
    }
    let place = candidate.place.unwrap_or_default();
    format!("{gone}: it comes in place {place}, with score {}", score(candidate.score))
}

fn text(shown: &[&Change], all: usize) -> String {
    let mut text = String::new();
    for change in shown {
        let line = |sign: &str, serves: &Serves| {
            let who = match (&serves.pick, &serves.runner_up) {
                (Some(pick), Some(next)) => format!("{pick}, then {next}"),
                (Some(pick), None) => format!("{pick}, and nobody else"),
                (None, _) => format!("nobody: {}", serves.refusal.as_deref().unwrap_or("no candidate")),
            };
            format!("{sign} {}\n", printable(&who))
        };
        text.push_str(&format!("{}\n", change.category));
        if change.changes {
            text.push_str(&change.now.as_ref().map_or_else(String::new, |now| line("-", now)));
            text.push_str(&line("+", &change.after));
            text.push_str(
                &change.why.as_ref().map_or_else(String::new, |why| format!("  {}\n", printable(why))),
            );
        } else {
            text.push_str(&line(" ", &change.after));
        }
    }
    let changed = shown.iter().filter(|change| change.changes).count();
    match changed {
        0 => text.push_str(&format!("nothing changes in any of {all} categories\n")),
        _ => text.push_str(&format!("{changed} of {all} categories change\n")),
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::commands::policy::read::policy;

    fn router(spec: &str) -> Router {
        let text = format!(
            "apiVersion: vox.dev/v1alpha1\nkind: RoutingPolicy\nmetadata: {{ name: lab }}\nspec: {{ catalogs: [{{ name: a }}], {spec} }}\n"
        );
        Router::new(Catalogs::bootstrap().unwrap().compile(&policy(&text, None).unwrap()).unwrap())
    }

    const CEILING: &str =
        "routes: [{ category: planning, require: { tierFloor: economy, tierCeiling: economy } }]";

    #[test]
    fn only_what_changes_is_told_and_why_the_pick_of_now_is_gone() {
        let (now, after) = (router(""), router(CEILING));
        let changes = changes(Some(&now), &after, None, 0);
        let shown: Vec<&Change> = changes.iter().filter(|change| change.changes).collect();
        assert_eq!(shown.len(), 1);
        insta::assert_snapshot!(text(&shown, changes.len()));
    }

    #[test]
    fn equal_policies_change_nothing() {
        let (now, after) = (router(""), router(""));
        let changes = changes(Some(&now), &after, Some(9), 0);
        assert!(changes.iter().all(|change| !change.changes && change.why.is_none()));
        assert_eq!(
            text(&[], changes.len()),
            format!("nothing changes in any of {} categories\n", changes.len())
        );
    }

    #[test]
    fn a_policy_that_does_not_serve_yet_is_all_new() {
        let after = router("");
        let changes = changes(None, &after, None, 0);
        let served = changes.iter().filter(|change| change.after.pick.is_some()).count();
        assert_eq!(changes.iter().filter(|change| change.changes).count(), served);
    }
}

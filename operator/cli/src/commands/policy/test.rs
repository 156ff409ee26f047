//! `vox policy test`: a policy's own tests, with the code that programs it.

use serde::Serialize;
use vox_contracts::TaskCategory;
use vox_routing::{Router, run_tests};

use super::catalogs::Catalogs;
use super::picks::{Serves, picks};
use crate::args::{Global, PolicyTestArgs};
use crate::commands::explain::{now_unix_ms, score};
use crate::error::{Error, Exit};
use crate::output::Format;
use crate::progress::say;
use crate::table::{or_none, printable, table};

/// What came of it.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
struct Tested {
    policy: String,
    tests: Vec<Test>,
    /// Who serves each category.
    picks: Vec<Serves>,
}

#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
struct Test {
    name: String,
    category: TaskCategory,
    holds: bool,
    /// Which candidate breaks it, and how.
    broken: Vec<String>,
}

pub(super) async fn run(args: &PolicyTestArgs, global: &Global) -> Result<Exit, Error> {
    let written = super::read_file(&args.policy.file, args.policy.policy.as_deref())?;
    let catalogs = if args.from_cluster {
        Catalogs::of_cluster(global, &[&written]).await?
    } else if args.policy.catalogs.is_empty() {
        Catalogs::bootstrap()?
    } else {
        Catalogs::of_files(&args.policy.catalogs)?
    };
    let router = Router::new(catalogs.compile(&written)?);
    if global.output == Format::Table {
        catalogs.tell();
    }
    let tested = Tested::of(&router, args.policy.complexity, now_unix_ms());
    global.output.print(&tested, || tested.text())?;
    Ok(tested.exit())
}

impl Tested {
    fn of(router: &Router, complexity: Option<u8>, now_unix_ms: u64) -> Self {
        let failures = run_tests(router);
        let policy = &router.policy_snapshot().policy;
        let tests = policy.tests.iter().map(|test| {
            let broken: Vec<String> = failures
                .iter()
                .filter(|failure| failure.test == test.name)
                .map(|failure| failure.sentence.clone())
                .collect();
            Test { name: test.name.clone(), category: test.category, holds: broken.is_empty(), broken }
        });
        Self {
            policy: policy.name.clone(),
            tests: tests.collect(),
            picks: picks(router, complexity, now_unix_ms),
        }
    }

    fn serves_nobody(&self) -> bool {
        self.picks.iter().all(|serves| serves.pick.is_none())
    }

    fn exit(&self) -> Exit {
        if self.serves_nobody() {
            say("no category has a model: the operator would not program this policy");
            return Exit::No;
        }
        if self.tests.iter().all(|test| test.holds) { Exit::Ok } else { Exit::No }
    }

    fn text(&self) -> String {
        let mut text = String::new();
        for test in &self.tests {
            let result = if test.holds { "ok" } else { "FAILED" };
            text.push_str(&format!("test {} ({}): {result}\n", printable(&test.name), test.category));
            for sentence in &test.broken {
                text.push_str(&format!("  {}\n", printable(sentence)));
            }
        }
        let failed = self.tests.iter().filter(|test| !test.holds).count();
        text.push_str(&match (self.tests.len(), failed) {
            (0, _) => format!("policy {} has no tests\n", self.policy),
            (count, 0) => format!("policy {}: {}\n", self.policy, told(count, "holds", "hold")),
            (count, failed) => {
                format!("policy {}: {failed} of {}\n", self.policy, told(count, "fails", "fail"))
            }
        });
        let rows: Vec<[String; 4]> = self
            .picks
            .iter()
            .map(|serves| {
                [
                    serves.category.to_string(),
                    serves.pick.clone().unwrap_or_else(|| "nobody".to_owned()),
                    or_none(serves.score.map(score)),
                    or_none(serves.runner_up.clone().or_else(|| serves.refusal.clone())),
                ]
            })
            .collect();
        format!("{text}\n{}", table(["CATEGORY", "PICK", "SCORE", "RUNNER-UP, OR WHY NOBODY"], &rows))
    }
}

fn told(count: usize, one: &str, many: &str) -> String {
    if count == 1 { format!("1 test {one}") } else { format!("{count} tests {many}") }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::commands::policy::read::policy;

    fn tested(spec: &str) -> Tested {
        let text = format!(
            "apiVersion: vox.dev/v1alpha1\nkind: RoutingPolicy\nmetadata: {{ name: lab }}\nspec: {{ catalogs: [{{ name: a }}], {spec} }}\n"
        );
        let written = policy(&text, None).unwrap();
        let router = Router::new(Catalogs::bootstrap().unwrap().compile(&written).unwrap());
        Tested::of(&router, None, 0)
    }

    #[test]
    fn tests_are_told_with_what_breaks_them_and_picks_with_their_scores() {
        let tested = tested(
            "tests: [{ name: cheap-parsing, category: parsing, expect: { tierAtMost: premium } }, \
             { name: cheap-planning, category: planning, expect: { tierAtMost: economy } }]",
        );
        assert_eq!(tested.exit(), Exit::No);
        insta::assert_snapshot!(tested.text());
    }

    #[test]
    fn a_policy_whose_tests_hold_is_well() {
        let tested = tested("tests: [{ name: t, category: chat, expect: { candidatesAtLeast: 1 } }]");
        assert_eq!(tested.exit(), Exit::Ok);
        assert!(
            tested.text().starts_with("test t (chat): ok\npolicy lab: 1 test holds\n"),
            "{}",
            tested.text()
        );
    }

    #[test]
    fn a_policy_that_allows_nobody_is_not_well_even_without_tests() {
        let tested = tested("allow: { models: [\"none/*\"] }");
        assert_eq!(tested.exit(), Exit::No);
        assert!(tested.text().contains("no model is left for category"), "{}", tested.text());
    }

    #[test]
    fn a_source_without_a_catalog_is_named() {
        let text = "apiVersion: vox.dev/v1alpha1\nkind: RoutingPolicy\nmetadata: { name: lab }\nspec: { catalogs: [{ name: hub }] }\n";
        let error = Catalogs::default().compile(&policy(text, None).unwrap()).unwrap_err();
        assert_eq!(error.exit(), Exit::NotFound);
        assert!(error.to_string().contains("--catalog hub=FILE"), "{error}");
    }
}

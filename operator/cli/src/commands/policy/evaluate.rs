//! `vox policy evaluate`: what a policy would have made of the calls that another one decided.

use jiff::Timestamp;
use serde::Serialize;
use vox_contracts::traffic::{AlikeCalls, LeftOut, Summed, Traffic, TrafficQuery};
use vox_routing::evaluate::{CategoryEvaluation, Figure, Figures, Sums, Tally};
use vox_routing::{AUTO, Alike, Choice, Evaluation, Needs, Request, Router, evaluate};

use super::catalogs::Catalogs;
use crate::args::{Global, PolicyEvaluateArgs};
use crate::cluster::{Cluster, Operator, Place};
use crate::error::{Error, Exit};
use crate::output::Format;
use crate::progress::{Progress, say};
use crate::table::{or_none, printable, table};

/// What came of it.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
struct Evaluated {
    policy: String,
    /// The policy that decided the calls.
    traffic_of: String,
    from: Timestamp,
    until: Timestamp,
    left_out: LeftOut,
    #[serde(flatten)]
    evaluation: Evaluation,
}

pub(super) async fn run(args: &PolicyEvaluateArgs, global: &Global) -> Result<Exit, Error> {
    let written = super::read_file(&args.file, args.policy.as_deref())?;
    let policy = written.policy.name.clone();
    let traffic_of = args.traffic_of.clone().unwrap_or_else(|| policy.clone());
    let catalogs = Catalogs::of_cluster(global, &[&written]).await?;
    let query = TrafficQuery { policy: traffic_of.clone(), hours: args.since };
    let traffic = Box::pin(traffic(global, &query)).await?;
    if traffic.alike.is_empty() {
        return Err(Error::NotFound(format!(
            "no call of that time tells anything: policy {traffic_of} decided none in {}h ({}); --traffic-of names another \
             policy, --since a longer time",
            args.since,
            left_out(&traffic.left_out).unwrap_or_else(|| "none is left out".to_owned()),
        )));
    }
    let router = Router::new(catalogs.compile(&written)?);
    let logged: Vec<Alike> = traffic.alike.iter().map(logged).collect();
    let Traffic { from, until, left_out, .. } = traffic;
    let evaluation = evaluate(&router, &logged);
    let evaluated = Evaluated { policy, traffic_of, from, until, left_out, evaluation };
    if global.output == Format::Table {
        catalogs.tell();
    }
    global.output.print(&evaluated, || evaluated.text())?;
    Ok(evaluated.exit())
}

async fn traffic(global: &Global, query: &TrafficQuery) -> Result<Traffic, Error> {
    let cluster = Cluster::new(global).await?;
    let Place::Namespace(namespace) = &cluster.place else {
        return Err(Error::Usage("a policy is of one namespace: name it with --namespace".to_owned()));
    };
    let read = async { Operator::find(&cluster).await?.traffic(namespace, query).await };
    Progress::during("reading the calls from the operator", Box::pin(read)).await
}

/// A line of the traffic as the router is asked about it.
fn logged(alike: &AlikeCalls) -> Alike {
    let sums = |of: Summed| Sums { count: of.count, sum: of.sum, squares: of.squares };
    let needs = Needs::of_names(&alike.needs);
    let choice = match &alike.asked {
        Some(name) if name != AUTO => Choice::Named(name.clone()),
        _ => Choice::Auto,
    };
    Alike {
        request: Request {
            choice,
            category: Some(alike.category),
            complexity: Some(alike.complexity),
            needs: Needs { streaming: alike.streamed, embedding: alike.embedding, ..needs },
            input_tokens: alike.input_tokens,
            max_output_tokens: alike.max_output_tokens,
            images: u64::from(needs.vision),
            ..Request::default()
        },
        category: alike.category,
        complexity: alike.complexity,
        first: alike.first.clone(),
        probability: alike.probability,
        tally: Tally {
            calls: alike.calls,
            successes: alike.successes,
            fell_back: alike.fell_back,
            cost_usd: sums(alike.cost_usd),
            latency_ms: sums(alike.latency_ms),
        },
    }
}

impl Evaluated {
    fn exit(&self) -> Exit {
        if self.evaluation.categories.iter().all(|one| one.estimated.is_none()) {
            say("no category has enough overlap: nothing is estimated");
            return Exit::No;
        }
        Exit::Ok
    }

    fn text(&self) -> String {
        let evaluation = &self.evaluation;
        let mut text = format!(
            "policy {}, asked about {} calls that policy {} decided since {:.0}\n",
            self.policy, evaluation.calls, self.traffic_of, self.from
        );
        if let Some(left_out) = left_out(&self.left_out) {
            text.push_str(&format!("{left_out}\n"));
        }
        if let Some(refusal) = &evaluation.refusal {
            let (refused, refusal) = (evaluation.refused, printable(refusal));
            text.push_str(&format!(
                "{refused} of the calls it would refuse, and they are not below: {refusal}\n"
            ));
        }
        text.push('\n');
        text.push_str(&rows(evaluation));
        let notes: Vec<String> = evaluation.categories.iter().flat_map(notes).collect();
        if !notes.is_empty() {
            text.push_str(&format!("\n{}\n", notes.join("\n")));
        }
        text
    }
}

/// Which calls are not looked at, if any.
fn left_out(left_out: &LeftOut) -> Option<String> {
    let LeftOut { undecided, narrowed, unsaid } = left_out;
    let parts = [
        (undecided, "that say nothing of a model (refused, given up, the client's mistake)"),
        (narrowed, "that the client itself narrowed by a family or a price"),
        (unsaid, "of which it is not kept what was asked"),
    ];
    let parts: Vec<String> =
        parts.iter().filter(|(calls, _)| **calls > 0).map(|(calls, why)| format!("{calls} {why}")).collect();
    (!parts.is_empty()).then(|| format!("calls left out: {}", parts.join("; ")))
}

const HEADERS: [&str; 10] = [
    "CATEGORY",
    "CALLS",
    "MATCHED",
    "WORTH",
    "SUCCESS",
    "AS LOGGED",
    "$/CALL",
    "AS LOGGED",
    "LATENCY",
    "AS LOGGED",
];

fn rows(evaluation: &Evaluation) -> String {
    let mut cells: Vec<[String; 10]> = evaluation.categories.iter().map(row).collect();
    let share = format!("{:.0}%", evaluation.all_covers * 100.0);
    let overlap = [format!("{share} of them"), String::new(), String::new()];
    cells.push(figures("all", overlap, evaluation.all_logged, evaluation.all));
    table(HEADERS, &cells)
}

fn row(one: &CategoryEvaluation) -> [String; 10] {
    let overlap = &one.overlap;
    let counts =
        [overlap.calls.to_string(), overlap.matched.to_string(), format!("{:.0}", overlap.effective_calls)];
    figures(one.category.as_str(), counts, one.logged, one.estimated)
}

fn figures(
    name: &str,
    [calls, matched, worth]: [String; 3],
    logged: Option<Figures>,
    estimated: Option<Figures>,
) -> [String; 10] {
    let no_estimate = if logged.is_some() || estimated.is_some() { "not enough overlap" } else { "-" };
    let success = estimated.map(|of| interval(of.success, percent));
    let cost = |of: Option<Figures>| of.and_then(|of| of.cost_usd);
    let latency = |of: Option<Figures>| of.and_then(|of| of.latency_ms);
    [
        name.to_owned(),
        calls,
        matched,
        worth,
        success.unwrap_or_else(|| no_estimate.to_owned()),
        or_none(logged.map(|of| percent(of.success.mean))),
        or_none(cost(estimated).map(|of| interval(of, digits))),
        or_none(cost(logged).map(|of| digits(of.mean))),
        or_none(latency(estimated).map(|of| interval(of, milliseconds))),
        or_none(latency(logged).map(|of| milliseconds(of.mean))),
    ]
}

fn interval(figure: Figure, write: impl Fn(f64) -> String) -> String {
    format!("{} ({} to {})", write(figure.mean), write(figure.low), write(figure.high))
}

fn percent(share: f64) -> String {
    format!("{:.1}%", share * 100.0)
}

fn milliseconds(number: f64) -> String {
    format!("{number:.0}ms")
}

/// Three digits that say something.
fn digits(number: f64) -> String {
    let places = if number > 0.0 { (2.0 - number.log10().floor()).clamp(0.0, 12.0) } else { 0.0 };
    #[allow(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "0 to 12")]
    let places = places as usize;
    format!("{number:.places$}")
}

/// What a reader of the figures has to know.
fn notes(one: &CategoryEvaluation) -> Vec<String> {
    let (category, overlap) = (one.category, &one.overlap);
    let mut notes = Vec::new();
    if let Some(why) = &one.not_enough_overlap {
        let mut note = format!("{category}: not enough overlap: {why}");
        if !one.never_tried.is_empty() {
            let models = one.never_tried.iter().map(|tried| {
                let calls = if tried.calls == 1 { "call" } else { "calls" };
                format!("{} ({} {calls})", printable(&tried.deployment), tried.calls)
            });
            note.push_str(&format!("; never tried: {}", models.collect::<Vec<_>>().join(", ")));
        }
        notes.push(note);
        return notes;
    }
    if overlap.covered < 1.0 {
        let share = percent(1.0 - overlap.covered);
        notes.push(format!(
            "{category}: of {share} of the calls nothing is known; the estimate is of the others"
        ));
    }
    if overlap.clipped > 0 {
        notes.push(format!(
            "{category}: the weights of {} calls were clipped at {:.1}",
            overlap.clipped, overlap.clipped_at
        ));
    }
    if overlap.fell_back > 0 {
        notes.push(format!(
            "{category}: {} of {} matched calls took more than one try; what came after the first is as it was logged",
            overlap.fell_back, overlap.matched
        ));
    }
    notes
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::commands::policy::read::policy;

    fn router(spec: &str) -> Router {
        let text = format!(
            "apiVersion: vox.dev/v1alpha1\nkind: RoutingPolicy\nmetadata: {{ name: lab }}\nspec: {{ catalogs: [{{ name: a }}]{spec} }}\n"
        );
        Router::new(Catalogs::bootstrap().unwrap().compile(&policy(&text, None).unwrap()).unwrap())
    }

    fn alike(category: &str, first: &str, probability: f64, calls: u64) -> AlikeCalls {
        let summed = |each: f64| Summed { count: calls, sum: 0.0, squares: 0.0 }.of(each);
        AlikeCalls {
            category: category.parse().unwrap(),
            complexity: 5,
            asked: Some("vox/auto".to_owned()),
            embedding: false,
            streamed: true,
            needs: Vec::new(),
            input_tokens: 900,
            max_output_tokens: None,
            first: first.to_owned(),
            probability,
            calls,
            successes: calls * 9 / 10,
            fell_back: calls / 50,
            cost_usd: summed(0.0012),
            latency_ms: summed(812.0),
        }
    }

    trait Each {
        fn of(self, each: f64) -> Self;
    }

    impl Each for Summed {
        fn of(self, each: f64) -> Self {
            let count = f64::from(u32::try_from(self.count).unwrap());
            Self { sum: count * each, squares: count * each * each, ..self }
        }
    }

    fn evaluated(alike: &[AlikeCalls], spec: &str) -> Evaluated {
        let logged: Vec<_> = alike.iter().map(logged).collect();
        Evaluated {
            policy: "lab".to_owned(),
            traffic_of: "shop".to_owned(),
            from: Timestamp::UNIX_EPOCH,
            until: Timestamp::UNIX_EPOCH,
            left_out: LeftOut { undecided: 3, narrowed: 0, unsaid: 1 },
            evaluation: evaluate(&router(spec), &logged),
        }
    }

    /// Who serves a category by this policy.
    fn pick(category: &str) -> String {
        let router = router("");
        let request = Request::of_category(category.parse().unwrap(), Some(5));
        let decision = router.decide(&request, &vox_routing::Offline, 0).unwrap();
        router.policy_snapshot().deployments[decision.picks[0].deployment].id.clone()
    }

    #[test]
    fn what_overlaps_is_estimated_beside_what_was_logged_and_what_does_not_says_why() {
        let calls = [
            alike("chat", &pick("chat"), 0.95, 900),
            alike("chat", "other/model", 0.01, 50),
            alike("parsing", "other/model", 1.0, 40),
        ];
        let evaluated = evaluated(&calls, "");
        insta::assert_snapshot!(evaluated.text());
        assert_eq!(evaluated.exit(), Exit::Ok);
    }

    #[test]
    fn a_policy_that_refuses_everything_estimates_nothing() {
        let evaluated =
            evaluated(&[alike("chat", "other/model", 1.0, 40)], ", allow: { models: [\"none/*\"] }");
        assert_eq!((evaluated.evaluation.refused, evaluated.exit()), (40, Exit::No));
        assert!(evaluated.text().contains("40 of the calls it would refuse"), "{}", evaluated.text());
    }

    #[test]
    fn amounts_have_three_digits_that_say_something() {
        assert_eq!(
            [0.0, 0.001_234_5, 0.12, 12.345, 1234.5].map(digits),
            ["0", "0.00123", "0.120", "12.3", "1234"]
        );
    }
}

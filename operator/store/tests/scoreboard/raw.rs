//! Calls as ingest leaves them, made at random from a seed, and how they get into the tables.

use jiff::{SignedDuration, Timestamp, tz::TimeZone};
use jiff_sqlx::ToSqlx as _;
use sqlx::PgConnection;
use uuid::Uuid;

/// Numbers that look random and are the same for the same seed (splitmix64).
pub(crate) struct Dice(pub(crate) u64);

impl Dice {
    pub(crate) fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut mixed = self.0;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^ (mixed >> 31)
    }

    pub(crate) fn below(&mut self, end: u64) -> i64 {
        i64::try_from(self.next() % end).unwrap()
    }

    pub(crate) fn one_in(&mut self, chances: u64) -> bool {
        self.below(chances) == 0
    }

    pub(crate) fn of<'a>(&mut self, all: &[&'a str]) -> &'a str {
        all[usize::try_from(self.below(all.len() as u64)).unwrap()]
    }
}

#[derive(Debug, Clone)]
pub(crate) struct Attempt {
    pub(crate) model: String,
    pub(crate) outcome: &'static str,
}

#[derive(Debug, Clone)]
pub(crate) struct Feedback {
    pub(crate) thumb: Option<i16>,
    pub(crate) score: Option<f64>,
    pub(crate) abstain: Option<bool>,
}

#[derive(Debug, Clone)]
pub(crate) struct Call {
    pub(crate) id: Uuid,
    pub(crate) started: Timestamp,
    pub(crate) namespace: String,
    pub(crate) category: Option<String>,
    pub(crate) model: Option<String>,
    pub(crate) outcome: String,
    pub(crate) latency: i64,
    pub(crate) first_token: Option<i64>,
    pub(crate) input: Option<i64>,
    pub(crate) output: Option<i64>,
    pub(crate) cost: Option<i64>,
    pub(crate) savings: Option<i64>,
    pub(crate) context: Option<f64>,
    pub(crate) signal: Option<String>,
    pub(crate) attempts: Vec<Attempt>,
    pub(crate) feedback: Vec<Feedback>,
}

/// `<server>/<model>`; the server is the provider.
pub(crate) fn provider(model: &str) -> &str {
    model.split('/').next().unwrap()
}

const MODELS: &[&str] = &["openrouter/a", "openrouter/b", "ollama.shop.svc/c", "proxy.example/a"];
const OUTCOMES: &[&str] =
    &["answered", "answered", "answered", "answered", "failed", "cut", "cancelled", "clientError", "refused"];

impl Call {
    /// One that is answered at once, of nothing unusual.
    pub(crate) fn plain(started: Timestamp, model: &str, category: &str) -> Self {
        let millis = u64::try_from(started.as_millisecond()).unwrap();
        let time = uuid::Timestamp::from_unix(
            uuid::NoContext,
            millis / 1000,
            u32::try_from(millis % 1000).unwrap() * 1_000_000,
        );
        Self {
            id: Uuid::new_v7(time),
            started,
            namespace: "shop".to_owned(),
            category: Some(category.to_owned()),
            model: Some(model.to_owned()),
            outcome: "answered".to_owned(),
            latency: 100,
            first_token: Some(50),
            input: Some(10),
            output: Some(10),
            cost: Some(1_000_000),
            savings: None,
            context: None,
            signal: None,
            attempts: vec![Attempt { model: model.to_owned(), outcome: "succeeded" }],
            feedback: vec![],
        }
    }

    /// Any that may happen, up to 35 days before `now`.
    pub(crate) fn any(dice: &mut Dice, now: Timestamp) -> Self {
        let span = [3_600, 86_400, 8 * 86_400, 35 * 86_400][usize::try_from(dice.below(4)).unwrap()];
        let ago = SignedDuration::from_millis(dice.below(span * 1000));
        let mut call = Self::plain(now - ago, dice.of(MODELS), dice.of(&["codegen", "chat", "unheard-of"]));
        call.outcome = dice.of(OUTCOMES).to_owned();
        call.namespace = dice.of(&["shop", "lab"]).to_owned();
        call.latency = dice.below(400);
        call.first_token = (!dice.one_in(4)).then(|| dice.below(100));
        call.input = (!dice.one_in(5)).then(|| dice.below(1000));
        call.output = (!dice.one_in(5)).then(|| dice.below(30));
        // So rare that most rows have a known cost.
        call.cost = (!dice.one_in(60)).then(|| dice.below(1 << 40));
        call.savings = dice.one_in(3).then(|| dice.below(1000) - 100);
        call.context = dice.one_in(2).then(|| [0.8, 0.9, 0.25][usize::try_from(dice.below(3)).unwrap()]);
        call.signal = dice.one_in(9).then(|| "invalid_json".to_owned());
        if dice.one_in(20) {
            call.category = None;
        }
        let last = match call.outcome.as_str() {
            "answered" => "succeeded",
            "cancelled" => "cancelled",
            _ => "failed",
        };
        call.attempts[0].outcome = last;
        if call.outcome == "refused" {
            call.model = None;
            call.attempts.clear();
        } else {
            for _ in 0..dice.below(4) {
                let model = dice.of(MODELS).to_owned();
                call.attempts.insert(0, Attempt { model, outcome: "failed" });
            }
        }
        for _ in 0..[0, 0, 0, 1, 2, 5][usize::try_from(dice.below(6)).unwrap()] {
            call.feedback.push(Feedback {
                thumb: dice.one_in(2).then(|| if dice.one_in(2) { 1 } else { -1 }),
                score: dice
                    .one_in(3)
                    .then(|| [-1.0, -0.5, 0.25, 1.0][usize::try_from(dice.below(4)).unwrap()]),
                abstain: dice.one_in(4).then(|| dice.one_in(2)),
            });
        }
        call
    }

    fn day(&self) -> jiff_sqlx::Date {
        self.started.to_zoned(TimeZone::UTC).date().to_sqlx()
    }
}

pub(crate) async fn insert(raw: &mut PgConnection, calls: &[Call]) {
    for call in calls {
        sqlx::query(
            "INSERT INTO llm_interaction (day, decision, trace, interaction, started_at, namespace, sidecar, endpoint, category,
                streamed, outcome, model_key, deployment, provider, latency_ms, first_token_ms, input_tokens, output_tokens,
                cost_pusd, cache_savings_pusd, context_utilisation, attempts, signal)
             VALUES ($1, $2, $2, $2, $3, $4, 'pod', 'chat', $5, true, $6, $7, $7, $8, $9, $10, $11, $12, $13, $14, $15, $16, $17)",
        )
        .bind(call.day())
        .bind(call.id)
        .bind(call.started.to_sqlx())
        .bind(&call.namespace)
        .bind(&call.category)
        .bind(&call.outcome)
        .bind(&call.model)
        .bind(call.model.as_deref().map(provider))
        .bind(call.latency)
        .bind(call.first_token)
        .bind(call.input)
        .bind(call.output)
        .bind(call.cost)
        .bind(call.savings)
        .bind(call.context)
        .bind(i16::try_from(call.attempts.len()).unwrap())
        .bind(&call.signal)
        .execute(&mut *raw)
        .await
        .unwrap();
        for (number, attempt) in (1_i16..).zip(&call.attempts) {
            sqlx::query(
                "INSERT INTO llm_attempt (day, decision, number, model_key, deployment, provider, outcome, started_ms, latency_ms)
                 VALUES ($1, $2, $3, $4, $4, $5, $6, 0, 1)",
            )
            .bind(call.day())
            .bind(call.id)
            .bind(number)
            .bind(&attempt.model)
            .bind(provider(&attempt.model))
            .bind(attempt.outcome)
            .execute(&mut *raw)
            .await
            .unwrap();
        }
        judge(raw, call, &call.feedback).await;
    }
}

pub(crate) async fn judge(raw: &mut PgConnection, call: &Call, feedback: &[Feedback]) {
    for one in feedback {
        sqlx::query(
            "INSERT INTO llm_feedback (day, feedback, decision_day, decision, namespace, received_at, thumb, score, abstain)
             VALUES (current_date, gen_random_uuid(), $1, $2, $6, now(), $3, $4, $5)",
        )
        .bind(call.day())
        .bind(call.id)
        .bind(one.thumb)
        .bind(one.score)
        .bind(one.abstain)
        .bind(&call.namespace)
        .execute(&mut *raw)
        .await
        .unwrap();
    }
}

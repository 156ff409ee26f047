//! One entry of `model_list`: which model of which provider stands behind a name, with which key, at what price.

use vox_contracts::price::{Stated, Unit, UsdPerMTok};

use super::places::Lookup;
use super::provider::{self, Place};
use super::report::{Report, Verdict, quoted};
use super::unsupported::{Part, why};
use super::yaml::{Field, Node};

/// An id may be so long: policies and sources take no longer one, together with the source's name before it.
const LONGEST_ID: usize = 250;

/// The beginning of a value that LiteLLM reads from its environment.
const ENVIRONMENT: &str = "os.environ/";

/// What some write where a server asks for no key.
const NO_KEYS: &[&str] = &["", "none", "null", "empty", "dummy", "fake", "fake-key", "not-needed"];

/// An entry that can be carried over.
#[derive(Debug, Clone)]
pub(super) struct Deployment {
    pub(super) line: u64,
    /// `model_list[3]`.
    pub(super) at: String,
    /// The name that clients write.
    pub(super) group: String,
    pub(super) place: Place,
    /// As the provider's list has it; `*` stands for any run of characters.
    pub(super) model: String,
    /// The name of its key in the Secret.
    pub(super) key: Option<String>,
    /// Lower goes first.
    pub(super) order: i64,
    pub(super) facts: Facts,
    pub(super) embeds: bool,
}

/// What the file knows better than the catalog. Prices are in USD per million tokens, as a policy writes them.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Facts {
    pub(super) input: Option<String>,
    pub(super) output: Option<String>,
    pub(super) context_tokens: Option<i64>,
    pub(super) tools: Option<bool>,
}

/// Reads an entry, or says why it is left.
pub(super) fn read(entry: &Node, at: &str, lookup: &Lookup<'_>, report: &mut Report) -> Option<Deployment> {
    Entry { line: entry.line, at, lookup, report }.read(entry)
}

struct Entry<'a> {
    line: u64,
    at: &'a str,
    lookup: &'a Lookup<'a>,
    report: &'a mut Report,
}

impl<'a> Entry<'a> {
    fn read(&mut self, entry: &Node) -> Option<Deployment> {
        let Some(params) = entry.get("litellm_params").filter(|params| params.fields().is_some()) else {
            return self.left("it has no mapping litellm_params, so that nobody knows what it stands for");
        };
        let called = entry.get("model_name");
        if called.is_some_and(|name| name.text().is_none() && !name.is_nothing()) {
            return self.left(
                "its model_name is no text in YAML, as y, no, on, true and numbers are not: put it between quotation marks",
            );
        }
        let Some(group) = called.and_then(Node::text).filter(|name| !name.is_empty()) else {
            return self.left("it has no model_name, so that nobody can ask for it");
        };
        let Some(written) = self.text(params, "model") else {
            return self.left("litellm_params has no model that is a text");
        };
        if written == "*" {
            return self
                .left("it means every model of every provider: write provider/* for each that is meant");
        }
        let stated = self.text(params, "custom_llm_provider");
        let Some(named) = provider::take_apart(&written, stated.as_deref()) else {
            return self.left(format!(
                "{} names no provider: write provider/model, and import again",
                quoted(&written)
            ));
        };
        if named.model.is_empty() {
            return self.left(format!("it names a provider, {}, and no model", quoted(named.prefix)));
        }
        if named.model.len() > LONGEST_ID || !named.model.bytes().all(|byte| byte.is_ascii_graphic()) {
            return self.left(format!(
                "its model's id is longer than {LONGEST_ID} letters, or has others than visible ASCII"
            ));
        }
        let credential = self.credential(params);
        let base = self.base(params, credential);
        let region = self.text(params, "aws_region_name");
        let place = match provider::place(named.prefix, base.as_deref(), region.as_deref()) {
            Ok(place) => place,
            Err(reason) => return self.left(format!("{}: {reason}", quoted(named.prefix))),
        };
        if named.prefix == "bedrock" {
            let reason = "Vox calls Bedrock's OpenAI-compatible endpoint with a Bedrock API key; it serves fewer models than LiteLLM's own calls";
            self.note(Verdict::Changed, self.line, "", reason);
        }
        if named.prefix == "azure" {
            let reason = "Vox calls a model of Azure by the id that the resource lists: the deployment must be called like it";
            self.note(Verdict::Changed, self.line, "", reason);
        }
        Some(Deployment {
            line: self.line,
            at: self.at.to_owned(),
            group: group.to_owned(),
            model: provider::listed_id(&place.provider, named.model),
            key: self.key(params, credential, &place),
            order: params.get("order").and_then(Node::count).unwrap_or(i64::MAX),
            facts: self.facts(params, entry.get("model_info"), named.prefix),
            embeds: entry.get("model_info").and_then(|info| info.get("mode")?.text()) == Some("embedding"),
            place,
        })
    }

    fn left<T>(&mut self, reason: impl Into<String>) -> Option<T> {
        self.note(Verdict::Left, self.line, "", reason);
        None
    }

    fn note(&mut self, verdict: Verdict, line: u64, field: &str, reason: impl Into<String>) {
        let field = if field.is_empty() { self.at.to_owned() } else { format!("{}.{field}", self.at) };
        self.report.add(verdict, (line, field), reason);
    }

    /// A text of the parameters, also where the file's own variables have it.
    fn text(&self, params: &Node, name: &str) -> Option<String> {
        let text = params.get(name)?.text()?;
        let Some(variable) = text.strip_prefix(ENVIRONMENT) else { return Some(text.to_owned()) };
        self.lookup.variable(variable).map(str::to_owned)
    }

    /// The shared credential that the entry names.
    fn credential(&mut self, params: &Node) -> Option<&'a Node> {
        let name = params.get("litellm_credential_name")?;
        let found = name.text().and_then(|name| self.lookup.credential(name));
        if found.is_none() {
            let reason = "credential_list has none of this name: the key is taken to be where LiteLLM looks without one";
            self.note(Verdict::ToDo, name.line, "litellm_params.litellm_credential_name", reason);
        }
        found
    }

    /// The base URL. One that stands in a variable that nobody knows here becomes a host that does not exist.
    fn base(&mut self, params: &Node, credential: Option<&Node>) -> Option<String> {
        let of = |node: &Node| ["api_base", "base_url"].iter().find_map(|name| node.get(name).cloned());
        let base = of(params).or_else(|| of(credential?)).filter(|base| !base.is_nothing())?;
        let Some(text) = base.text() else { return Some(String::new()) };
        let Some(variable) = text.strip_prefix(ENVIRONMENT) else { return Some(text.to_owned()) };
        if let Some(known) = self.lookup.variable(variable) {
            return Some(known.to_owned());
        }
        let host = format!("{}.invalid", super::names::label(variable, 60));
        let reason = format!(
            "it stands in variable {}, which this file does not have: write it into spec.endpoint of the source, in the place of https://{host}",
            quoted(variable)
        );
        self.note(Verdict::ToDo, base.line, "litellm_params.api_base", reason);
        Some(format!("https://{host}"))
    }

    /// The name that the key gets in the Secret. The key itself is read nowhere.
    fn key(&mut self, params: &Node, credential: Option<&Node>, place: &Place) -> Option<String> {
        let given = params.get("api_key").or_else(|| credential?.get("api_key"));
        let Some(given) = given.filter(|key| !key.is_nothing()) else { return place.variable.clone() };
        let text = given.text().unwrap_or("?");
        if let Some(variable) = text.strip_prefix(ENVIRONMENT) {
            if is_key_name(variable) {
                return Some(variable.to_owned());
            }
            let reason = "the variable's name has other letters than a Secret's key may have: the customary one is used";
            self.note(Verdict::ToDo, given.line, "litellm_params.api_key", reason);
        } else if NO_KEYS.contains(&text.to_ascii_lowercase().as_str()) {
            return None;
        }
        let name = place.variable.clone().unwrap_or_else(|| {
            format!(
                "{}_API_KEY",
                super::names::label(place.provider.as_str(), 60).to_uppercase().replace('-', "_")
            )
        });
        if !text.starts_with(ENVIRONMENT) {
            let reason = format!(
                "a key stands in clear in this file and was not copied: put it into key {name} of the Secret, best a new one, and revoke this"
            );
            self.note(Verdict::ToDo, given.line, "litellm_params.api_key", reason);
        }
        Some(name)
    }

    /// Reads what is known better, and says of every other member why it is left.
    fn facts(&mut self, params: &Node, info: Option<&Node>, prefix: &str) -> Facts {
        let mut facts = Facts::default();
        for field in params.fields().unwrap_or_default().iter().filter(|field| !field.node.is_nothing()) {
            let at = format!("litellm_params.{}", field.name);
            match field.name.as_str() {
                "model"
                | "custom_llm_provider"
                | "api_base"
                | "base_url"
                | "api_key"
                | "order"
                | "litellm_credential_name" => {}
                "aws_region_name" if prefix == "bedrock" => {}
                "input_cost_per_token" => facts.input = self.price(field, &at).or(facts.input),
                "output_cost_per_token" => facts.output = self.price(field, &at).or(facts.output),
                name => self.note(Verdict::Left, field.line, &short(&at), why(Part::Model, name)),
            }
        }
        let about = info.and_then(Node::fields).unwrap_or_default();
        for field in about.iter().filter(|field| !field.node.is_nothing()) {
            let at = format!("model_info.{}", field.name);
            match field.name.as_str() {
                "mode" => {}
                "input_cost_per_token" => facts.input = facts.input.or_else(|| self.price(field, &at)),
                "output_cost_per_token" => facts.output = facts.output.or_else(|| self.price(field, &at)),
                "max_input_tokens" => facts.context_tokens = self.tokens(field, &at),
                "supports_function_calling" => facts.tools = field.node.flag(),
                name => self.note(Verdict::Left, field.line, &short(&at), why(Part::About, name)),
            }
        }
        facts
    }

    fn price(&mut self, field: &Field, at: &str) -> Option<String> {
        let price = field.node.number().and_then(per_million);
        if price.is_none() {
            let reason = "it is no price in USD per token that an override takes: not negative, below 10 USD, no finer than 10^-18";
            self.note(Verdict::Left, field.line, at, reason);
        }
        price
    }

    fn tokens(&mut self, field: &Field, at: &str) -> Option<i64> {
        let tokens = field.node.count().filter(|tokens| (1..=1_000_000_000).contains(tokens));
        if tokens.is_none() {
            self.note(Verdict::Left, field.line, at, "it is no number of tokens");
        }
        tokens
    }
}

/// From USD per token to USD per million tokens, in the digits that a policy takes: seven before the point, twelve behind it.
fn per_million(digits: &str) -> Option<String> {
    let Ok(Stated::Fixed(price)) = UsdPerMTok::read(digits, Unit::PerToken) else { return None };
    let text = price.to_string();
    let (whole, fraction) = text.split_once('.').unwrap_or((&text, ""));
    (whole.len() <= 7 && fraction.len() <= 12 && text.len() <= 20).then(|| text.clone())
}

/// What a key of a Secret may be called.
fn is_key_name(name: &str) -> bool {
    let allowed = |byte: u8| byte.is_ascii_alphanumeric() || b"._-".contains(&byte);
    (1..=253).contains(&name.len()) && name.bytes().all(allowed) && !matches!(name, "." | "..")
}

/// A member's place, whose name may be anything.
fn short(at: &str) -> String {
    quoted(at)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_price_of_a_token_becomes_one_of_a_million() {
        for (token, million) in [("0.0000025", "2.5"), ("1e-7", "0.1"), ("0", "0"), ("2.5e-06", "2.5")] {
            assert_eq!(per_million(token).as_deref(), Some(million), "{token}");
        }
        for wrong in ["-1", "-0.5", "NaN", "inf", "much", "", "1e999", "10", "1e-30"] {
            assert_eq!(per_million(wrong), None, "{wrong}");
        }
    }

    #[test]
    fn a_secrets_key_has_the_letters_that_kubernetes_takes() {
        assert!(is_key_name("OPENAI_API_KEY") && is_key_name("a.b-c"));
        for wrong in ["", "A B", "A/B", "schlüssel", "..", &"x".repeat(254)] {
            assert!(!is_key_name(wrong), "{wrong}");
        }
    }
}

//! `vox chat`: through a gateway, to the terminal.

mod answer;

use std::io::{BufRead as _, IsTerminal as _, Write as _};
use std::time::Duration;

use bytes::Bytes;
use http::{HeaderMap, Method};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use self::answer::{Answer, Receiver};
use super::explain::{Call, body, headers};
use crate::args::{ChatArgs, Global, HintArgs};
use crate::error::{Error, Exit};
use crate::gateway::{Gateway, refusal};
use crate::input;
use crate::output::Format;
use crate::progress::say;
use crate::table::printable;

/// The gateway writes its record when the last byte has left; it is asked so many times.
const RECORD_TRIES: u32 = 5;
/// Between two of them.
const RECORD_WAIT: Duration = Duration::from_millis(40);

/// An answer in machine output.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
struct Told<'a> {
    answer: &'a str,
    model: Option<&'a str>,
    decision: Option<&'a str>,
    policy: Option<&'a str>,
    attempts: Option<&'a str>,
    record: Option<&'a Call>,
}

/// What one question came to.
#[derive(Debug)]
enum End {
    Answered(String),
    /// Some of it came.
    Cut,
    Cancelled,
}

pub(super) async fn run(args: &ChatArgs, global: &Global) -> Result<Exit, Error> {
    let gateway = Gateway::new(&args.gateway, global).await?;
    let mut chat = Chat::new(&gateway, args, global.output)?;
    let prompt = match args.prompt.as_deref() {
        Some(prompt) => input::text(prompt)?,
        None if !std::io::stdin().is_terminal() => input::standard_input()?,
        None => return chat.converse().await,
    };
    if prompt.trim().is_empty() {
        return Err(Error::Usage("there is nothing to ask: write a prompt".to_owned()));
    }
    match chat.ask(&prompt).await? {
        End::Answered(_) => Ok(Exit::Ok),
        End::Cut | End::Cancelled => Ok(Exit::No),
    }
}

/// A conversation.
struct Chat<'a> {
    gateway: &'a Gateway,
    hints: &'a HintArgs,
    headers: HeaderMap,
    messages: Vec<Value>,
    output: Format,
    streams: bool,
}

impl<'a> Chat<'a> {
    fn new(gateway: &'a Gateway, args: &'a ChatArgs, output: Format) -> Result<Self, Error> {
        let hints = &args.hints;
        let system = hints.system.iter().map(|system| json!({ "role": "system", "content": system }));
        Ok(Self {
            gateway,
            hints,
            headers: headers(hints)?,
            messages: system.collect(),
            output,
            streams: !args.no_stream && output == Format::Table,
        })
    }

    /// Line by line, until the end of the input. A refusal ends the question and not the conversation.
    async fn converse(&mut self) -> Result<Exit, Error> {
        say(&format!("asking {}; an empty line is skipped, Ctrl-D ends", self.gateway.told()));
        loop {
            prompt();
            let line = tokio::select! {
                line = tokio::task::spawn_blocking(read_line) => line.unwrap_or_default(),
                _ = tokio::signal::ctrl_c() => None,
            };
            let Some(line) = line else {
                say("");
                return Ok(Exit::Ok);
            };
            if line.trim().is_empty() {
                continue;
            }
            match self.ask(&line).await {
                Ok(_) => {}
                Err(error @ Error::Answer(_)) => say(&printable(&format!("vox: {error}"))),
                Err(error) => return Err(error),
            }
        }
    }

    /// Asks once. The question and its answer stay in the conversation when the answer is whole.
    async fn ask(&mut self, text: &str) -> Result<End, Error> {
        self.messages.push(json!({ "role": "user", "content": text }));
        let end = tokio::select! {
            end = self.exchange() => end,
            // Dropping the exchange closes its connection, and with it the call upstream.
            _ = tokio::signal::ctrl_c() => {
                say("\ncancelled");
                Ok(End::Cancelled)
            }
        };
        match &end {
            Ok(End::Answered(answer)) => {
                self.messages.push(json!({ "role": "assistant", "content": answer }));
            }
            _ => _ = self.messages.pop(),
        }
        end
    }

    async fn exchange(&self) -> Result<End, Error> {
        let body = body(self.hints.model.as_deref(), &self.messages, self.hints);
        let sent = self.gateway.send(Method::POST, "/v1/chat/completions", self.headers.clone(), body.into());
        let response = Box::pin(sent).await?;
        let (head, incoming) = response.into_parts();
        if !head.status.is_success() {
            return Err(refusal(head.status, &self.gateway.whole(incoming).await?));
        }
        let mut receiver = Receiver::new(self.streams);
        let answer = receiver.read(incoming).await?;
        let facts = Facts::of(&head.headers);
        let record = self.record(facts.decision.as_deref()).await;
        self.tell(&answer, &facts, record.as_ref())?;
        Ok(match answer.broken {
            None => End::Answered(answer.text),
            Some(_) => End::Cut,
        })
    }

    /// The gateway's record of the call: what it cost by the upstream's own count.
    async fn record(&self, decision: Option<&str>) -> Option<Call> {
        #[derive(Deserialize)]
        struct Remembered {
            #[serde(default)]
            record: Option<Call>,
        }
        let path = format!("/vox/v1/explain/{}", decision?);
        for _ in 0..RECORD_TRIES {
            let asked = self.gateway.ask::<Remembered>(Method::GET, &path, HeaderMap::new(), Bytes::new());
            if let Some(record) = Box::pin(asked).await.ok()?.record {
                return Some(record);
            }
            tokio::time::sleep(RECORD_WAIT).await;
        }
        None
    }

    fn tell(&self, answer: &Answer, facts: &Facts, record: Option<&Call>) -> Result<(), Error> {
        if self.output != Format::Table {
            let told = Told {
                answer: &answer.text,
                model: facts.model.as_deref(),
                decision: facts.decision.as_deref(),
                policy: facts.policy.as_deref(),
                attempts: facts.attempts.as_deref(),
                record,
            };
            self.output.print(&told, String::new)?;
        } else if !self.streams {
            crate::output::print(&answer.text)?;
        }
        if let Some(broken) = &answer.broken {
            say(&printable(&format!("vox: the answer broke off: {broken}")));
        }
        say(&printable(&facts.line(record)));
        Ok(())
    }
}

/// What an answer's head says of it.
#[derive(Debug, Default)]
struct Facts {
    model: Option<String>,
    decision: Option<String>,
    policy: Option<String>,
    attempts: Option<String>,
}

impl Facts {
    fn of(headers: &HeaderMap) -> Self {
        let text = |name: &str| Some(headers.get(name)?.to_str().ok()?.to_owned());
        Self {
            model: text("x-vox-model"),
            decision: text("x-vox-decision"),
            policy: text("x-vox-policy"),
            attempts: text("x-vox-attempts"),
        }
    }

    /// Who answered, for how much, after how many attempts.
    fn line(&self, record: Option<&Call>) -> String {
        let cost = record.and_then(|record| record.turn.cost_usd);
        let cost = cost.map_or_else(|| "cost unknown".to_owned(), |cost| format!("USD {cost}"));
        let attempts = self.attempts.as_deref().unwrap_or("?");
        let attempts = if attempts == "1" { "1 attempt".to_owned() } else { format!("{attempts} attempts") };
        let model = self.model.as_deref().unwrap_or("unknown model");
        let decision = self.decision.as_deref().unwrap_or("unknown");
        format!("[{model}, {cost}, {attempts}, decision {decision}]")
    }
}

fn prompt() {
    let mut out = std::io::stderr().lock();
    // With stderr closed there is nobody to prompt.
    let _ = out.write_all(b"> ").and_then(|()| out.flush());
}

/// A line of the standard input; none at its end.
fn read_line() -> Option<String> {
    let mut line = String::new();
    match std::io::stdin().lock().read_line(&mut line) {
        Ok(0) | Err(_) => None,
        Ok(_) => Some(line.trim_end_matches(['\r', '\n']).to_owned()),
    }
}

#[cfg(test)]
mod tests;

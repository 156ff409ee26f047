//! `vox feedback`: what somebody thinks of an answer, through a gateway.

use http::{HeaderMap, HeaderValue, Method, header};
use serde_json::{Map, Value, json};

use crate::args::{FeedbackArgs, Global, Thumb};
use crate::error::{Error, Exit};
use crate::gateway::Gateway;

pub(super) async fn run(args: &FeedbackArgs, global: &Global) -> Result<Exit, Error> {
    let gateway = Gateway::new(&args.gateway, global).await?;
    let headers: HeaderMap =
        [(header::CONTENT_TYPE, HeaderValue::from_static("application/json"))].into_iter().collect();
    let said = body(args);
    let sent = gateway.ask::<Value>(Method::POST, "/vox/v1/feedback", headers, said.to_string().into());
    let accepted = Box::pin(sent).await?;
    // Whether there is such a call shows only where both have arrived.
    global.output.print(&accepted, || {
        format!(
            "{} took it for decision {}; it counts once that call is there\n",
            gateway.told(),
            args.decision
        )
    })?;
    Ok(Exit::Ok)
}

/// As the gateway reads it, with what was said and nothing else.
fn body(args: &FeedbackArgs) -> Value {
    let thumb = args.thumb.map(|thumb| match thumb {
        Thumb::Up => "up",
        Thumb::Down => "down",
    });
    let said = [
        ("decision", Some(json!(args.decision))),
        ("thumb", thumb.map(Value::from)),
        ("score", args.score.map(Value::from)),
        ("abstain", args.abstain.then_some(Value::Bool(true))),
        ("confidence", args.confidence.map(Value::from)),
    ];
    Value::Object(
        said.into_iter().filter_map(|(name, value)| Some((name.to_owned(), value?))).collect::<Map<_, _>>(),
    )
}

#[cfg(test)]
mod tests {
    use clap::Parser as _;

    use super::*;
    use crate::args::{Args, Command};

    const ID: &str = "0198c0de-0000-7000-8000-000000000001";

    fn said(line: &str) -> Option<Value> {
        let words = ["vox", "feedback", ID].into_iter().chain(line.split_whitespace());
        match Args::try_parse_from(words).ok()?.command {
            Command::Feedback(args) => Some(body(&args)),
            _ => None,
        }
    }

    #[test]
    fn what_is_said_is_sent_and_nothing_else() {
        assert_eq!(said("--thumb up"), Some(json!({"decision": ID, "thumb": "up"})));
        assert_eq!(said("--score -0.5"), Some(json!({"decision": ID, "score": -0.5})));
        let unsure = json!({"decision": ID, "abstain": true, "confidence": 0.2});
        assert_eq!(said("--abstain --confidence 0.2"), Some(unsure));
    }

    #[test]
    fn who_says_nothing_is_asked_what() {
        for line in ["", "--confidence 0.2", "--thumb sideways", "--score much"] {
            assert_eq!(said(line), None, "{line}");
        }
    }
}

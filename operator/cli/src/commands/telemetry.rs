//! `vox telemetry test`.

use std::path::Path;

use vox_otlp::probe::{NAME, Report, Taken};
use vox_otlp::{Client, Endpoint, Headers, Settings, probe};

use crate::args::{Global, TelemetryTestArgs};
use crate::cluster::{Cluster, Operator};
use crate::error::{Error, Exit};
use crate::input;
use crate::progress::Progress;
use crate::table::printable;

/// Who sends, in the test's own resource.
const HERE: &str = "vox telemetry test";

pub(super) async fn test(args: &TelemetryTestArgs, global: &Global) -> Result<Exit, Error> {
    let report = match &args.endpoint {
        Some(endpoint) => direct(endpoint, args).await?,
        None => {
            let cluster = Cluster::new(global).await?;
            let asked = async { Operator::find(&cluster).await?.telemetry_test().await };
            let report = Progress::during("asking the operator to send", Box::pin(asked)).await?;
            report.ok_or_else(|| {
                Error::NotFound(
                    "the operator exports nothing: set telemetry.otlp.endpoint of the chart, or try a collector from here \
                     with --endpoint"
                        .to_owned(),
                )
            })?
        }
    };
    global.output.print(&report, || text(&report))?;
    Ok(if report.is_accepted() { Exit::Ok } else { Exit::No })
}

async fn direct(endpoint: &Endpoint, args: &TelemetryTestArgs) -> Result<Report, Error> {
    let headers = args.headers.as_deref().map(headers).transpose()?.map_or(Headers::None, Headers::Given);
    let settings = Settings { endpoint: endpoint.clone(), headers, ca: args.ca.clone() };
    let client = Client::new(settings);
    Ok(Progress::during("sending", Box::pin(probe(&client, HERE))).await)
}

/// Lines of a file, `name: value` each. None of them is told: they are credentials.
fn headers(file: &Path) -> Result<Vec<(String, String)>, Error> {
    let text = input::file(file)?;
    let lines = (1..).zip(text.lines()).filter(|(_, line)| !line.trim().is_empty());
    let read = lines.map(|(number, line)| {
        let pair = line.split_once(':').filter(|(name, _)| !name.trim().is_empty());
        let (name, value) =
            pair.ok_or_else(|| Error::Input(format!("line {number} of the headers is not `name: value`")))?;
        Ok((name.trim().to_owned(), value.trim().to_owned()))
    });
    read.collect()
}

fn text(report: &Report) -> String {
    let mut text = String::new();
    for (signal, taken) in [("traces", &report.traces), ("metrics", &report.metrics)] {
        text.push_str(&printable(&line(signal, taken)));
        text.push('\n');
    }
    if report.traces.accepted {
        text.push_str(&format!("the span is {NAME} of trace {}\n", report.trace_id));
    }
    text
}

fn line(signal: &str, taken: &Taken) -> String {
    let word = if taken.accepted { "accepted" } else { "NOT accepted" };
    let message = taken.message.as_ref().map(|message| format!(": {message}")).unwrap_or_default();
    format!("{signal:7}   {word} by {} in {} ms{message}", taken.url, taken.took_ms)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_collector_says_is_one_line_a_signal() {
        let taken = |accepted, message: Option<&str>| Taken {
            url: "http://collector:4318/v1/traces".to_owned(),
            accepted,
            message: message.map(str::to_owned),
            took_ms: 7,
        };
        let report = Report {
            endpoint: "http://collector:4318".to_owned(),
            trace_id: "01a2151ca0fd7882bfd7d3a0f1baa846".to_owned(),
            traces: taken(true, None),
            metrics: taken(false, Some("the collector answered 404; check the path")),
        };
        insta::assert_snapshot!(text(&report));
    }

    #[test]
    fn a_line_that_is_no_header_is_named_by_its_number_only() {
        let file = std::env::temp_dir().join(format!("vox-headers-{}", std::process::id()));
        std::fs::write(&file, "authorization: Bearer a:b\n\nthe-token\n").unwrap();
        let error = headers(&file).unwrap_err().to_string();
        assert!(error.contains("line 3") && !error.contains("the-token"), "{error}");
        std::fs::write(&file, "authorization: Bearer a:b\n").unwrap();
        assert_eq!(headers(&file).unwrap(), [("authorization".to_owned(), "Bearer a:b".to_owned())]);
        std::fs::remove_file(file).unwrap();
    }
}

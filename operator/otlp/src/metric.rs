//! The metrics of GenAI clients, of every try: how long it took and how many tokens it used. Cumulative, in memory, since
//! this process began, as the SDKs of OpenTelemetry do it.

use std::collections::BTreeMap;

use serde::Serialize;
use serde_json::value::RawValue;

use crate::attribute::{KeyValue, as_text};
use crate::span::Operation;

/// Bounds that the conventions (1.37) advise, in seconds.
const SECONDS: &[f64] =
    &[0.01, 0.02, 0.04, 0.08, 0.16, 0.32, 0.64, 1.28, 2.56, 5.12, 10.24, 20.48, 40.96, 81.92];
/// The same, in tokens.
const TOKENS: &[f64] = &[
    1.0,
    4.0,
    16.0,
    64.0,
    256.0,
    1024.0,
    4096.0,
    16384.0,
    65536.0,
    262_144.0,
    1_048_576.0,
    4_194_304.0,
    16_777_216.0,
    67_108_864.0,
];
/// Series of one metric; further ones are one series together, as the specification of SDKs has it.
const MOST_SERIES: usize = 2000;
const OVERFLOW: &str = "otel.metric.overflow";
/// `AggregationTemporality` of OTLP.
const CUMULATIVE: u8 = 2;

/// What is measured.
#[derive(Debug)]
pub struct Metrics {
    since_ns: u64,
    durations: Histograms,
    tokens: Histograms,
}

#[derive(Debug)]
struct Histograms {
    bounds: &'static [f64],
    /// By their attributes, written.
    series: BTreeMap<String, Histogram>,
}

#[derive(Debug, Default)]
struct Histogram {
    buckets: Vec<u64>,
    count: u64,
    sum: f64,
    min: f64,
    max: f64,
}

impl Metrics {
    /// Nothing yet, as of this time in nanoseconds since 1970 UTC.
    #[must_use]
    pub fn new(since_ns: u64) -> Self {
        let histograms = |bounds| Histograms { bounds, series: BTreeMap::new() };
        Self { since_ns, durations: histograms(SECONDS), tokens: histograms(TOKENS) }
    }

    /// One more try.
    pub(crate) fn count(&mut self, operation: Operation) {
        let Operation { attributes, error, seconds, input_tokens, output_tokens } = operation;
        for (kind, tokens) in [("input", input_tokens), ("output", output_tokens)] {
            let Some(tokens) = tokens else { continue };
            let kind = KeyValue::text("gen_ai.token.type", kind);
            let attributes: Vec<&KeyValue> = attributes.iter().chain([&kind]).collect();
            // No count of tokens is beyond what a double holds exactly.
            self.tokens.observe(&attributes, f64::from(u32::try_from(tokens).unwrap_or(u32::MAX)));
        }
        let error = error.map(|error| KeyValue::text("error.type", error));
        let attributes: Vec<&KeyValue> = attributes.iter().chain(&error).collect();
        self.durations.observe(&attributes, seconds);
    }

    /// In OTLP's JSON form, as of this time; nothing where nothing was counted.
    #[must_use]
    pub fn written(&self, now_ns: u64) -> Vec<Box<RawValue>> {
        let metrics = [
            ("gen_ai.client.operation.duration", "s", "How long a try at a provider took.", &self.durations),
            ("gen_ai.client.token.usage", "{token}", "How many tokens a try used.", &self.tokens),
        ];
        let counted = metrics.into_iter().filter(|(.., histograms)| !histograms.series.is_empty());
        let written = counted.map(|(name, unit, description, histograms)| Metric {
            name,
            description,
            unit,
            histogram: Points {
                aggregation_temporality: CUMULATIVE,
                data_points: histograms.points(self.since_ns, now_ns),
            },
        });
        written.filter_map(|metric| serde_json::value::to_raw_value(&metric).ok()).collect()
    }
}

impl Histograms {
    fn observe(&mut self, attributes: &[&KeyValue], value: f64) {
        let written = serde_json::to_string(attributes).unwrap_or_default();
        let bounds = self.bounds;
        let fits = self.series.len() < MOST_SERIES || self.series.contains_key(&written);
        let written = if fits {
            written
        } else {
            serde_json::to_string(&[KeyValue::flag(OVERFLOW)]).unwrap_or_default()
        };
        self.series.entry(written).or_default().observe(bounds, value);
    }

    fn points(&self, since_ns: u64, now_ns: u64) -> Vec<Point<'_>> {
        let point = |(attributes, histogram): (&String, &'_ Histogram)| {
            Some(Point {
                attributes: RawValue::from_string(attributes.clone()).ok()?,
                start_time_unix_nano: since_ns,
                time_unix_nano: now_ns,
                count: histogram.count,
                sum: histogram.sum,
                min: histogram.min,
                max: histogram.max,
                bucket_counts: histogram.buckets.iter().map(u64::to_string).collect(),
                explicit_bounds: self.bounds,
            })
        };
        self.series.iter().filter_map(point).collect()
    }
}

impl Histogram {
    fn observe(&mut self, bounds: &[f64], value: f64) {
        if self.count == 0 {
            self.buckets = vec![0; bounds.len().saturating_add(1)];
            (self.min, self.max) = (value, value);
        }
        // A bound belongs to the bucket below it.
        let place = bounds.partition_point(|bound| *bound < value);
        if let Some(bucket) = self.buckets.get_mut(place) {
            *bucket = bucket.saturating_add(1);
        }
        self.count = self.count.saturating_add(1);
        self.sum += value;
        (self.min, self.max) = (self.min.min(value), self.max.max(value));
    }
}

#[derive(Serialize)]
struct Metric<'a> {
    name: &'static str,
    description: &'static str,
    unit: &'static str,
    histogram: Points<'a>,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Points<'a> {
    aggregation_temporality: u8,
    data_points: Vec<Point<'a>>,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Point<'a> {
    attributes: Box<RawValue>,
    #[serde(serialize_with = "as_text")]
    start_time_unix_nano: u64,
    #[serde(serialize_with = "as_text")]
    time_unix_nano: u64,
    #[serde(serialize_with = "as_text")]
    count: u64,
    sum: f64,
    min: f64,
    max: f64,
    bucket_counts: Vec<String>,
    explicit_bounds: &'a [f64],
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;

    fn operation(model: &str, seconds: f64, error: Option<&str>) -> Operation {
        Operation {
            attributes: vec![KeyValue::text("gen_ai.request.model", model)],
            error: error.map(str::to_owned),
            seconds,
            input_tokens: Some(17),
            output_tokens: error.is_none().then_some(4),
        }
    }

    fn written(metrics: &Metrics) -> Vec<Value> {
        metrics.written(9).iter().map(|metric| serde_json::from_str(metric.get()).unwrap()).collect()
    }

    #[test]
    fn tries_add_up_by_what_they_were() {
        let mut metrics = Metrics::new(1);
        for seconds in [0.005, 0.01, 3.0] {
            metrics.count(operation("a", seconds, None));
        }
        metrics.count(operation("a", 100.0, Some("overloaded")));
        let written = written(&metrics);
        assert_eq!(
            (&written[0]["name"], &written[0]["unit"]),
            (&json!("gen_ai.client.operation.duration"), &json!("s"))
        );
        let points = written[0]["histogram"]["dataPoints"].as_array().unwrap();
        let [failed, good] = &points[..] else { panic!("{points:?}") };
        assert_eq!((&good["count"], &good["min"], &good["max"]), (&json!("3"), &json!(0.005), &json!(3.0)));
        assert_eq!(good["bucketCounts"][0], "2", "a bound belongs to the bucket below it");
        assert_eq!(good["bucketCounts"].as_array().unwrap().len(), SECONDS.len() + 1);
        assert_eq!(failed["bucketCounts"][SECONDS.len()], "1");
        assert_eq!(
            failed["attributes"][1],
            json!({"key": "error.type", "value": {"stringValue": "overloaded"}})
        );
        assert_eq!((&good["startTimeUnixNano"], &good["timeUnixNano"]), (&json!("1"), &json!("9")));
    }

    #[test]
    fn tokens_are_counted_by_their_kind_and_without_errors() {
        let mut metrics = Metrics::new(1);
        metrics.count(operation("a", 1.0, None));
        metrics.count(operation("a", 1.0, Some("cut")));
        let written = written(&metrics);
        let points = written[1]["histogram"]["dataPoints"].as_array().unwrap();
        let told: Vec<_> = points
            .iter()
            .map(|point| {
                (
                    point["attributes"][1]["value"]["stringValue"].as_str().unwrap(),
                    point["sum"].as_f64().unwrap(),
                )
            })
            .collect();
        assert_eq!(told, [("input", 34.0), ("output", 4.0)]);
    }

    #[test]
    fn series_without_end_become_one() {
        let mut metrics = Metrics::new(1);
        for number in 0..MOST_SERIES + 10 {
            metrics.count(operation(&number.to_string(), 1.0, None));
        }
        let written = written(&metrics);
        let points = written[0]["histogram"]["dataPoints"].as_array().unwrap();
        assert_eq!(points.len(), MOST_SERIES + 1);
        let rest = points.iter().find(|point| point["attributes"][0]["key"] == OVERFLOW).unwrap();
        assert_eq!(rest["count"], "10");
    }

    #[test]
    fn nothing_counted_is_nothing_sent() {
        assert!(Metrics::new(1).written(2).is_empty());
    }
}

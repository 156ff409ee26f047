//! The scoreboard as CSV (RFC 4180, with line feeds): every figure as it is, and nothing where it is unknown.

use serde_json::Value;
use vox_contracts::scoreboard::ScoreboardRow;

/// The columns, in this order; a new one comes at the end.
const COLUMNS: [&str; 28] = [
    "model_key",
    "category",
    "strength",
    "provider",
    "window_days",
    "calls",
    "successes",
    "success_rate",
    "p50_latency_ms",
    "p99_latency_ms",
    "p50_first_token_ms",
    "p99_first_token_ms",
    "p50_token_ms",
    "cost_usd",
    "cost_per_success_usd",
    "quality",
    "quality_source",
    "judged",
    "input_tokens",
    "output_tokens",
    "cache_read_tokens",
    "cache_write_tokens",
    "cache_savings_usd",
    "context_utilisation",
    "context_above",
    "abstentions",
    "first_at",
    "last_at",
];

pub(super) fn write(rows: &[ScoreboardRow]) -> Result<String, String> {
    let mut text = COLUMNS.join(",");
    text.push('\n');
    for row in rows {
        let fields = serde_json::to_value(row).map_err(|error| error.to_string())?;
        let cells = COLUMNS.map(|column| cell(&fields[field(column)]));
        text.push_str(&cells.join(","));
        text.push('\n');
    }
    Ok(text)
}

/// `p50_latency_ms` is `p50LatencyMs` in JSON.
fn field(column: &str) -> String {
    let mut words = column.split('_');
    let mut name = words.next().unwrap_or_default().to_owned();
    for word in words {
        let (first, rest) = word.split_at_checked(1).unwrap_or_default();
        name.push_str(&first.to_ascii_uppercase());
        name.push_str(rest);
    }
    name
}

fn cell(value: &Value) -> String {
    let text = match value {
        Value::Null => String::new(),
        Value::String(text) => text.clone(),
        other => other.to_string(),
    };
    if text.contains([',', '"', '\n', '\r']) { format!("\"{}\"", text.replace('"', "\"\"")) } else { text }
}

#[cfg(test)]
mod tests {
    use super::super::show::tests::row;
    use super::*;

    /// Columns whose JSON is text.
    const TEXT: [&str; 9] = [
        "model_key",
        "category",
        "strength",
        "provider",
        "cost_usd",
        "cost_per_success_usd",
        "quality_source",
        "cache_savings_usd",
        "first_at",
    ];

    /// A reader that knows nothing of the writer but the columns.
    fn read(text: &str) -> Vec<ScoreboardRow> {
        let mut lines = records(text).into_iter();
        let header = lines.next().unwrap();
        let row = |cells: Vec<String>| {
            let fields = header.iter().zip(cells).map(|(column, cell)| {
                let value = match cell.as_str() {
                    "" => Value::Null,
                    text if TEXT.contains(&column.as_str()) || column == "last_at" => text.into(),
                    number if number.contains(['.', 'e']) => number.parse::<f64>().unwrap().into(),
                    number => number.parse::<u64>().unwrap().into(),
                };
                (field(column), value)
            });
            serde_json::from_value(Value::Object(fields.collect())).unwrap()
        };
        lines.map(row).collect()
    }

    fn records(text: &str) -> Vec<Vec<String>> {
        let (mut records, mut record, mut cell, mut quoted) = (vec![], vec![], String::new(), false);
        let mut letters = text.chars().peekable();
        while let Some(letter) = letters.next() {
            match letter {
                '"' if quoted && letters.peek() == Some(&'"') => cell.extend(letters.next()),
                '"' => quoted = !quoted,
                ',' if !quoted => record.push(std::mem::take(&mut cell)),
                '\n' if !quoted => {
                    record.push(std::mem::take(&mut cell));
                    records.push(std::mem::take(&mut record));
                }
                letter => cell.push(letter),
            }
        }
        records
    }

    #[test]
    fn what_is_written_is_read_back_as_it_was() {
        let mut unknown = row("ollama.shop.svc/b", 3, 0, None);
        (unknown.quality, unknown.quality_source, unknown.provider) = (None, None, None);
        let rows = vec![row("proxy.example/odd \"name\", with\nall", 2000, 1999, Some("2.468")), unknown];
        assert_eq!(read(&write(&rows).unwrap()), rows);
    }

    #[test]
    fn every_figure_has_its_column() {
        let fields = serde_json::to_value(row("a/b", 1, 1, Some("1"))).unwrap();
        let mut named: Vec<String> = fields.as_object().unwrap().keys().cloned().collect();
        let mut columns: Vec<String> = COLUMNS.iter().map(|column| field(column)).collect();
        named.sort_unstable();
        columns.sort_unstable();
        assert_eq!(columns, named);
    }

    #[test]
    fn the_page_documents_every_column() {
        let page = concat!(env!("CARGO_MANIFEST_DIR"), "/../../docs/scoreboard.md");
        let page = std::fs::read_to_string(page).unwrap();
        for column in COLUMNS {
            assert!(page.contains(&format!("`{column}`")), "{column}");
        }
    }
}

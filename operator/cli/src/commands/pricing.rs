//! `vox model pricing show` and `vox model rollup`.

use serde_json::json;
use vox_contracts::UsdPerMTok;
use vox_contracts::scoreboard::ObservedPrice;

use crate::args::Global;
use crate::cluster::{Cluster, Operator};
use crate::error::{Error, Exit};
use crate::output::Format;
use crate::progress::{Progress, say};
use crate::table::{or_none, table};

pub(super) async fn show(global: &Global) -> Result<Exit, Error> {
    let cluster = Cluster::new(global).await?;
    let read = async { Operator::find(&cluster).await?.prices().await };
    let prices = Progress::during("reading the prices from the operator", Box::pin(read)).await?;
    if prices.is_empty() && global.output == Format::Table {
        say("no call with known tokens and known cost was rolled up; vox model rollup does it now");
        return Ok(Exit::Ok);
    }
    global.output.print(&prices, || text(&prices))?;
    Ok(Exit::Ok)
}

fn text(prices: &[ObservedPrice]) -> String {
    let told = |price: Option<UsdPerMTok>| or_none(price.map(|price| price.to_string()));
    let cells: Vec<_> = prices
        .iter()
        .map(|price| {
            [
                price.model_key.clone(),
                price.samples.to_string(),
                price.confidence.clone(),
                told(price.input_usd_per_mtok),
                told(price.output_usd_per_mtok),
                price.blended_usd_per_mtok.to_string(),
                told(price.listed_usd_per_mtok),
            ]
        })
        .collect();
    table(
        ["MODEL", "SAMPLES", "CONFIDENCE", "INPUT $/MTOK", "OUTPUT $/MTOK", "PAID $/MTOK", "LISTED $/MTOK"],
        &cells,
    )
}

pub(super) async fn roll_up(global: &Global) -> Result<Exit, Error> {
    let cluster = Cluster::new(global).await?;
    let asked = async { Operator::find(&cluster).await?.roll_up().await };
    let done = Progress::during("rolling the scoreboard up", Box::pin(asked)).await?;
    match done {
        Some(done) => global.output.print(&done, || {
            format!("rolled up: {} rows, {} prices, in {} ms", done.rows, done.prices, done.took_ms)
        })?,
        None => global.output.print(&json!({ "underWay": true }), || {
            "under way: it takes longer than this command waits, and goes on in the operator".to_owned()
        })?,
    }
    Ok(Exit::Ok)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_price_that_cannot_be_told_is_none() {
        let price: ObservedPrice = serde_json::from_value(json!({
            "modelKey": "openrouter/maker/a", "samples": 120, "confidence": "high", "inputUsdPerMtok": "3",
            "outputUsdPerMtok": null, "blendedUsdPerMtok": "4.5", "listedUsdPerMtok": "3.75",
            "firstAt": "2026-11-25T10:00:00Z", "lastAt": "2026-11-26T10:00:00Z",
        }))
        .unwrap();
        insta::assert_snapshot!(text(&[price]));
    }
}

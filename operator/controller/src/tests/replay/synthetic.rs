//! A table of our own making. It is no measurement of any model: invented models, whose skills differ by kind of work, meet
//! invented questions, of which some are hard for all.

use super::Dice;

const SEED: u64 = 2026;
const QUESTIONS: usize = 200;

/// Name, mean cost of an answer in USD, usual latency in milliseconds, and skill in each of [`CATEGORIES`], 0 to 1.
const MODELS: [(&str, f64, f64, [f64; 5]); 6] = [
    ("nano", 0.000_08, 300.0, [0.30, 0.35, 0.82, 0.62, 0.55]),
    ("small", 0.000_4, 500.0, [0.48, 0.50, 0.86, 0.72, 0.68]),
    ("coder", 0.001_2, 900.0, [0.86, 0.72, 0.80, 0.55, 0.50]),
    ("writer", 0.001_5, 1_100.0, [0.45, 0.48, 0.74, 0.86, 0.88]),
    ("large", 0.006, 1_900.0, [0.80, 0.78, 0.88, 0.85, 0.84]),
    ("thinker", 0.014, 6_000.0, [0.82, 0.90, 0.86, 0.78, 0.76]),
];

const CATEGORIES: [&str; 5] = ["codegen", "reasoning", "parsing", "chat", "writing"];

/// The whole table.
pub(super) fn csv() -> String {
    let mut dice = Dice(SEED);
    let mut text = "id,category,model,correct,cost_usd,latency_ms\n".to_owned();
    for (place, category) in CATEGORIES.iter().enumerate() {
        for number in 0..QUESTIONS {
            // Shared by all models, so that what one cannot do others often cannot either.
            let hard = dice.share();
            for (model, cost, latency, skills) in MODELS {
                // The mean of a shared and an own draw, stretched so that the model's skill is its share of successes.
                let own = dice.share();
                let draw = if dice.below(2) == 0 { hard } else { own };
                let correct = u8::from(draw < skills[place]);
                let cost = cost * (0.5 + dice.share());
                let latency = latency * (0.6 + 0.8 * dice.share());
                text.push_str(&format!(
                    "{category}-{number:03},{category},{model},{correct},{cost:.7},{latency:.0}\n"
                ));
            }
        }
    }
    text
}

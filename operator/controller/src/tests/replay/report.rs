//! What came of it, beside choices that need no router.

use super::Dice;
use super::table::Table;

/// One way through a table.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Run {
    /// Mean of what was correct.
    pub(super) quality: f64,
    /// Mean cost of a question, in USD.
    pub(super) cost_usd: f64,
    /// What was correct, question by question.
    pub(super) taken: Vec<f64>,
}

impl Run {
    /// `chosen` is the model of each question, in the order in which they came.
    pub(super) fn of(table: &Table, chosen: &[(usize, usize)]) -> Self {
        let answers = || chosen.iter().map(|(question, model)| &table.questions[*question].answers[*model]);
        let all = chosen.len() as f64;
        Self {
            quality: answers().map(|answer| answer.correct).sum::<f64>() / all,
            cost_usd: answers().map(|answer| answer.cost_usd).sum::<f64>() / all,
            taken: answers().map(|answer| answer.correct).collect(),
        }
    }

    /// Mean of what was correct in the last fifth, when most was known.
    fn late(&self) -> f64 {
        let late = &self.taken[self.taken.len() * 4 / 5..];
        late.iter().sum::<f64>() / late.len() as f64
    }

    fn always(table: &Table, model: usize) -> Self {
        Self::of(table, &(0..table.questions.len()).map(|question| (question, model)).collect::<Vec<_>>())
    }
}

/// Anybody, question by question.
pub(super) fn random(table: &Table, seed: u64) -> Run {
    let mut dice = Dice(seed);
    let chosen: Vec<_> =
        (0..table.questions.len()).map(|question| (question, dice.below(table.models.len()))).collect();
    Run::of(table, &chosen)
}

/// The place of the greatest.
fn best(table: &Table, of: impl Fn(usize) -> f64) -> usize {
    (0..table.models.len()).max_by(|a, b| of(*a).total_cmp(&of(*b))).unwrap()
}

/// The single model that, looking back, is best; of two as good the cheaper.
fn best_static(table: &Table) -> usize {
    best(table, |model| {
        table.mean(|question| question.answers[model].correct)
            - 1e-9 * table.mean(|question| question.answers[model].cost_usd)
    })
}

/// The best of each category, looking back.
fn best_per_category(table: &Table) -> Run {
    let of = |question: usize| {
        let category = table.questions[question].category;
        let among = || table.questions.iter().filter(move |one| one.category == category);
        best(table, |model| among().map(|one| one.answers[model].correct).sum())
    };
    Run::of(table, &(0..table.questions.len()).map(|question| (question, of(question))).collect::<Vec<_>>())
}

/// A line of the report.
pub(super) struct Line {
    name: String,
    cells: [String; 5],
}

impl Line {
    /// Of a choice that learns nothing: its questions come in no order, and it is as good late as early.
    fn fixed(name: &str, table: &Table, runs: &[Run]) -> Self {
        let mut line = Self::of(name, table, runs);
        line.cells[4] = "-".to_owned();
        line
    }

    pub(super) fn of(name: &str, table: &Table, runs: &[Run]) -> Self {
        let single = Run::always(table, best_static(table));
        let headroom = best_per_category(table).quality - single.quality;
        let figure = |of: &dyn Fn(&Run) -> f64, write: &dyn Fn(f64) -> String| {
            let (mean, width) = interval(&runs.iter().map(of).collect::<Vec<_>>());
            width.map_or_else(|| write(mean), |width| format!("{} ± {}", write(mean), write(width)))
        };
        let percent = |share: f64| format!("{:.1}%", share * 100.0);
        let captured = if headroom > 0.001 {
            figure(&|run| (run.quality - single.quality) / headroom, &percent)
        } else {
            "-".to_owned()
        };
        let cells = [
            figure(&|run| run.quality, &percent),
            figure(&|run| run.quality / single.quality, &percent),
            figure(&|run| run.cost_usd / single.cost_usd, &|times| format!("{times:.3}")),
            captured,
            figure(&|run| run.late() / single.quality, &percent),
        ];
        Self { name: name.to_owned(), cells }
    }
}

/// Choices that need no router.
pub(super) fn baselines(table: &Table, seeds: u32) -> Vec<Line> {
    let single = best_static(table);
    let cheapest = best(table, |model| -table.mean(|question| question.answers[model].cost_usd));
    let named = |what: &str, model: usize| format!("{what} ({})", table.models[model]);
    let chance: Vec<_> = (0..u64::from(seeds)).map(|seed| random(table, seed)).collect();
    vec![
        Line::fixed("random", table, &chance),
        Line::fixed(&named("cheapest static", cheapest), table, &[Run::always(table, cheapest)]),
        Line::fixed(&named("best static", single), table, &[Run::always(table, single)]),
        Line::fixed("best per category, looking back", table, &[best_per_category(table)]),
    ]
}

/// Mean and half of a 95 % interval by Student's distribution; a single one has none.
fn interval(numbers: &[f64]) -> (f64, Option<f64>) {
    const STUDENT: [f64; 9] = [12.71, 4.30, 3.18, 2.78, 2.57, 2.45, 2.36, 2.31, 2.26];
    let count = numbers.len() as f64;
    let mean = numbers.iter().sum::<f64>() / count;
    if numbers.len() < 2 {
        return (mean, None);
    }
    let variance = numbers.iter().map(|number| (number - mean).powi(2)).sum::<f64>() / (count - 1.0);
    let student = STUDENT.get(numbers.len() - 2).copied().unwrap_or(1.96 + 2.4 / (count - 1.0));
    (mean, Some(student * (variance / count).sqrt()))
}

pub(super) fn text(table: &Table, seeds: u32, passes: u32, lines: &[Line]) -> String {
    let (questions, models) = (table.questions.len(), table.models.len());
    let every = super::world::EVERY;
    let mut text = format!(
        "{}: {questions} questions, {models} models; {seeds} orders, {passes} times; rolled up every {every} questions\n\n",
        table.name
    );
    let headers = ["", "QUALITY", "KEPT", "COST", "CAPTURED", "KEPT LATE"];
    let rows = lines.iter().map(|line| {
        let mut cells = vec![line.name.clone()];
        cells.extend(line.cells.iter().cloned());
        cells
    });
    let rows: Vec<Vec<String>> = std::iter::once(headers.map(str::to_owned).to_vec()).chain(rows).collect();
    let width = |column: usize| rows.iter().map(|row| row[column].chars().count()).max().unwrap_or(0);
    for row in &rows {
        let cells: Vec<String> =
            row.iter().enumerate().map(|(column, cell)| format!("{cell:<0$}", width(column))).collect();
        text.push_str(cells.join("   ").trim_end());
        text.push('\n');
    }
    text.push('\n');
    text
}

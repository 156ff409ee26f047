//! Tables: which model answers which question how well, at what cost, in what time.

use std::collections::BTreeMap;
use std::path::Path;

use vox_contracts::TaskCategory;

const COLUMNS: [&str; 6] = ["id", "category", "model", "correct", "cost_usd", "latency_ms"];

/// What models make of a question.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct Answer {
    /// 0 to 1.
    pub(super) correct: f64,
    pub(super) cost_usd: f64,
    pub(super) latency_ms: u64,
}

#[derive(Debug, Clone, PartialEq)]
pub(super) struct Question {
    pub(super) category: TaskCategory,
    /// One for each model, in the table's order of models.
    pub(super) answers: Vec<Answer>,
}

#[derive(Debug, Clone, PartialEq)]
pub(super) struct Table {
    /// The file's name.
    pub(super) name: String,
    /// Ascending.
    pub(super) models: Vec<String>,
    pub(super) questions: Vec<Question>,
}

impl Table {
    /// The tables of a folder, by name. The error says in which file, line and column what is wrong.
    pub(super) fn all(folder: &Path) -> Result<Vec<Self>, String> {
        let failed = |error: std::io::Error| format!("{}: failed to read it: {error}", folder.display());
        let mut files = Vec::new();
        for entry in std::fs::read_dir(folder).map_err(failed)? {
            let path = entry.map_err(failed)?.path();
            if path.extension().is_some_and(|extension| extension == "csv") {
                files.push(path);
            }
        }
        files.sort();
        if files.is_empty() {
            return Err(format!("{}: there is no table in it: *.csv", folder.display()));
        }
        let read = |path: &std::path::PathBuf| {
            let text = std::fs::read_to_string(path)
                .map_err(|error| format!("{}: failed to read it: {error}", path.display()))?;
            let name = path.file_name().unwrap_or_default().to_string_lossy().into_owned();
            Self::read(&name, &text).map_err(|wrong| format!("{}{wrong}", path.display()))
        };
        files.iter().map(read).collect()
    }

    /// The error begins behind the file's name: `:LINE: column N (NAME): …`.
    pub(super) fn read(name: &str, text: &str) -> Result<Self, String> {
        let mut records = records(text)?.into_iter();
        let (_, header) = records.next().ok_or(":1: it is empty")?;
        let columns = places(&header)?;
        let mut questions: BTreeMap<String, (usize, TaskCategory, BTreeMap<String, Answer>)> =
            BTreeMap::new();
        for (line, cells) in records {
            if cells.len() != COLUMNS.len() {
                return Err(format!(":{line}: it has {} cells and not {}", cells.len(), COLUMNS.len()));
            }
            let row = Row { line, cells: &cells, columns };
            let (category, answer) = (row.category()?, row.answer()?);
            let question = questions.entry(row.name(0)?).or_insert((line, category, BTreeMap::new()));
            if question.1 != category {
                return Err(
                    row.wrong(1, &format!("on line {} the same question is of {}", question.0, question.1))
                );
            }
            if question.2.insert(row.name(2)?, answer).is_some() {
                return Err(row.wrong(2, "this question has an answer of it already"));
            }
        }
        Self::whole(name, questions)
    }

    /// Every model has to answer every question: else nobody could say what another choice would have come to.
    fn whole(
        name: &str,
        questions: BTreeMap<String, (usize, TaskCategory, BTreeMap<String, Answer>)>,
    ) -> Result<Self, String> {
        let mut models: Vec<String> =
            questions.values().flat_map(|(_, _, answers)| answers.keys().cloned()).collect();
        models.sort_unstable();
        models.dedup();
        if models.len() < 2 {
            return Err(":2: one model alone leaves nothing to choose".to_owned());
        }
        for (id, (line, _, answers)) in &questions {
            if let Some(missing) = models.iter().find(|model| !answers.contains_key(*model)) {
                return Err(format!(":{line}: question {id:?} has no answer of model {missing:?}"));
            }
        }
        let questions = questions
            .into_values()
            .map(|(_, category, answers)| Question { category, answers: answers.into_values().collect() })
            .collect();
        Ok(Self { name: name.to_owned(), models, questions })
    }

    /// The mean of a column over all questions.
    pub(super) fn mean(&self, of: impl Fn(&Question) -> f64) -> f64 {
        self.questions.iter().map(of).sum::<f64>() / self.questions.len() as f64
    }
}

/// Where each of [`COLUMNS`] stands.
fn places(header: &[String]) -> Result<[usize; 6], String> {
    for (place, name) in header.iter().enumerate() {
        if !COLUMNS.contains(&name.as_str()) || header[..place].contains(name) {
            let which = if COLUMNS.contains(&name.as_str()) { "stands twice" } else { "is none of them" };
            return Err(format!(":1: column {} ({name}): it {which}: {}", place + 1, COLUMNS.join(",")));
        }
    }
    let mut places = [0; 6];
    for (place, name) in places.iter_mut().zip(COLUMNS) {
        *place = header
            .iter()
            .position(|found| found == name)
            .ok_or_else(|| format!(":1: column {name} is missing: {}", COLUMNS.join(",")))?;
    }
    Ok(places)
}

struct Row<'a> {
    line: usize,
    cells: &'a [String],
    columns: [usize; 6],
}

impl Row<'_> {
    fn cell(&self, column: usize) -> &str {
        &self.cells[self.columns[column]]
    }

    fn wrong(&self, column: usize, what: &str) -> String {
        let (place, name) = (self.columns[column] + 1, COLUMNS[column]);
        format!(":{}: column {place} ({name}): {:?}: {what}", self.line, self.cell(column))
    }

    fn name(&self, column: usize) -> Result<String, String> {
        let text = self.cell(column);
        if text.is_empty() { Err(self.wrong(column, "it is empty")) } else { Ok(text.to_owned()) }
    }

    fn category(&self) -> Result<TaskCategory, String> {
        let text = || TaskCategory::NAMES.iter().filter(|name| !["vision", "embedding"].contains(name));
        let known = text().any(|name| *name == self.cell(1)).then(|| self.cell(1).parse().ok()).flatten();
        known.ok_or_else(|| {
            self.wrong(1, &format!("it is none of {}", text().copied().collect::<Vec<_>>().join(", ")))
        })
    }

    fn answer(&self) -> Result<Answer, String> {
        let number = |column: usize, most: f64, what: &str| {
            let number = self.cell(column).parse().ok().filter(|number| (0.0..=most).contains(number));
            number.ok_or_else(|| self.wrong(column, what))
        };
        Ok(Answer {
            correct: number(3, 1.0, "it is no number from 0 to 1")?,
            cost_usd: number(4, 1e6, "it is no amount in USD")?,
            latency_ms: self.cell(5).parse().map_err(|_| self.wrong(5, "it is no whole number"))?,
        })
    }
}

/// Lines of cells, as RFC 4180 has them, with the number of the line on which each begins.
fn records(text: &str) -> Result<Vec<(usize, Vec<String>)>, String> {
    let (mut records, mut record, mut cell) = (Vec::new(), Vec::new(), String::new());
    let (mut quoted, mut line, mut begun) = (false, 1, 1);
    let mut letters = text.trim_start_matches('\u{feff}').chars().peekable();
    while let Some(letter) = letters.next() {
        line += usize::from(letter == '\n');
        match letter {
            '"' if quoted && letters.peek() == Some(&'"') => cell.extend(letters.next()),
            '"' => quoted = !quoted,
            ',' if !quoted => record.push(std::mem::take(&mut cell)),
            '\r' if !quoted => {}
            '\n' if !quoted => {
                record.push(std::mem::take(&mut cell));
                records.push((begun, std::mem::take(&mut record)));
                begun = line;
            }
            letter => cell.push(letter),
        }
    }
    if quoted {
        return Err(format!(":{begun}: a quotation mark is not closed"));
    }
    if !record.is_empty() || !cell.is_empty() {
        record.push(cell);
        records.push((begun, record));
    }
    Ok(records)
}

#[cfg(test)]
mod tests {
    use super::*;

    const HEADER: &str = "id,category,model,correct,cost_usd,latency_ms\n";

    fn refused(text: &str) -> String {
        Table::read("t.csv", text).unwrap_err()
    }

    #[test]
    fn a_table_is_read_whatever_the_order_of_its_columns_and_lines() {
        let plain = Table::read("t", &format!("{HEADER}1,chat,b,1,0.5,7\n1,chat,a,0.25,0.1,3\n")).unwrap();
        let text =
            "model,correct,category,\"id\",latency_ms,cost_usd\r\na,0.25,chat,1,3,0.1\r\nb,1,chat,1,7,0.5";
        assert_eq!(Table::read("t", text).unwrap(), plain);
        assert_eq!(plain.models, ["a", "b"]);
        let first = Answer { correct: 0.25, cost_usd: 0.1, latency_ms: 3 };
        assert_eq!(plain.questions[0].answers[0], first);
    }

    #[test]
    fn what_is_wrong_is_told_with_its_line_and_column() {
        for (text, expected) in [
            (
                "id,category,model,correctness,cost_usd,latency_ms\n",
                ":1: column 4 (correctness): it is none of them: ",
            ),
            ("id,id,model,correct,cost_usd,latency_ms\n", ":1: column 2 (id): it stands twice: "),
            ("id,category,model,correct,cost_usd\n", ":1: column latency_ms is missing: "),
            (
                &format!("{HEADER}1,chat,a,1,0.1,3\n1,chat,b,maybe,0.1,3\n"),
                ":3: column 4 (correct): \"maybe\": ",
            ),
            (&format!("{HEADER}1,chat,a,1.5,0.1,3\n"), ":2: column 4 (correct): \"1.5\": "),
            (&format!("{HEADER}1,chat,a,1,-1,3\n"), ":2: column 5 (cost_usd): \"-1\": "),
            (&format!("{HEADER}1,chat,a,1,NaN,3\n"), ":2: column 5 (cost_usd): \"NaN\": "),
            (&format!("{HEADER}1,chat,a,1,1,3.5\n"), ":2: column 6 (latency_ms): \"3.5\": "),
            (
                &format!("{HEADER}1,cooking,a,1,1,3\n"),
                ":2: column 2 (category): \"cooking\": it is none of codegen, ",
            ),
            (&format!("{HEADER}1,vision,a,1,1,3\n"), ":2: column 2 (category): \"vision\": "),
            (&format!("{HEADER},chat,a,1,1,3\n"), ":2: column 1 (id): \"\": it is empty"),
            (&format!("{HEADER}1,chat,a,1,1\n"), ":2: it has 5 cells and not 6"),
            (&format!("{HEADER}1,chat,a,1,1,3\n1,chat,a,1,1,3\n"), ":3: column 3 (model): \"a\": "),
            (
                &format!("{HEADER}1,chat,a,1,1,3\n1,review,b,1,1,3\n"),
                ":3: column 2 (category): \"review\": on line 2 ",
            ),
            (
                &format!("{HEADER}1,chat,a,1,1,3\n1,chat,b,1,1,3\n2,chat,a,1,1,3\n"),
                ":4: question \"2\" has no answer",
            ),
            (&format!("{HEADER}1,chat,a,1,1,3\n"), ":2: one model alone"),
            (&format!("{HEADER}\"1,chat,a,1,1,3\n"), ":2: a quotation mark"),
            ("", ":1: it is empty"),
        ] {
            let told = refused(text);
            assert!(told.starts_with(expected), "{told:?} and not {expected:?}");
        }
    }

    #[test]
    fn a_folder_without_tables_says_so() {
        let told = Table::all(Path::new(env!("CARGO_MANIFEST_DIR"))).unwrap_err();
        assert!(told.contains("there is no table in it"), "{told}");
    }
}

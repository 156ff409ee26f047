//! What an import has to say: line by line, what is otherwise than it was, and why.

use vox_contracts::text::is_shown;

use serde::Serialize;

/// A name of the file is quoted up to so many characters.
const MOST_QUOTED: usize = 60;

/// One finding.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Note {
    /// Line of the configuration, from 1.
    pub(crate) line: u64,
    /// Where it stands, as in `model_list[3].litellm_params.rpm`.
    pub(crate) field: String,
    /// What became of it.
    pub(crate) verdict: Verdict,
    /// Why, and what to do.
    pub(crate) reason: String,
}

/// What became of a part of the configuration. What is carried over as it was has no note.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "camelCase")]
pub(crate) enum Verdict {
    /// Somebody has to do something before it works.
    ToDo,
    /// Carried over, and it means something else there.
    Changed,
    /// Not carried over.
    Left,
}

/// The findings of one import. None holds a value that may be secret: keys are never quoted, and nor are unknown fields.
#[derive(Debug, Default)]
pub(super) struct Report {
    pub(super) notes: Vec<Note>,
}

impl Report {
    pub(super) fn add(&mut self, verdict: Verdict, at: (u64, String), reason: impl Into<String>) {
        // A key may stand where a name should.
        let (field, reason) = (redacted(&at.1), redacted(&reason.into()));
        self.notes.push(Note { line: at.0, field, verdict, reason });
    }

    /// In the order of the file.
    pub(super) fn into_notes(mut self) -> Vec<Note> {
        self.notes.sort_by(|a, b| (a.line, &a.field).cmp(&(b.line, &b.field)));
        self.notes
    }
}

fn redacted(text: &str) -> String {
    vox_telemetry::redact(text).into_owned()
}

/// A name of the file as a sentence quotes it: one line, and not endless.
pub(super) fn quoted(name: &str) -> String {
    let mut letters = name.chars().map(|letter| if !is_shown(letter) { '\u{fffd}' } else { letter });
    let short: String = letters.by_ref().take(MOST_QUOTED).collect();
    if letters.next().is_some() { format!("{short}…") } else { short }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_notes_are_in_the_order_of_the_file_and_hold_no_key() {
        let mut report = Report::default();
        report.add(Verdict::Left, (7, "b".to_owned()), "second");
        report.add(Verdict::ToDo, (2, "a".to_owned()), "the name sk-proj-0123456789abcdefghijklmnop is odd");
        let notes = report.into_notes();
        assert_eq!(notes.iter().map(|note| note.line).collect::<Vec<_>>(), [2, 7]);
        assert!(!notes[0].reason.contains("0123456789"), "{:?}", notes[0]);
    }

    #[test]
    fn a_name_is_quoted_in_one_line_that_ends() {
        assert_eq!(quoted("a\nb"), "a\u{fffd}b");
        assert_eq!(quoted(&"x".repeat(10_000)).chars().count(), MOST_QUOTED + 1);
    }
}

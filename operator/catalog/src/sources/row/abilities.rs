//! What the model of a row reads, writes and supports.

use serde::Deserialize;
use vox_contracts::ModelCatalogEntry;

use super::{Row, text, words, yes};
use crate::read::{input_modalities, output_modalities};
use crate::sources::flags::Flags;

impl Row<'_> {
    pub(super) fn can_do(&self, entry: &mut ModelCatalogEntry) {
        let mut flags = Flags::default();
        flags.add(self.capabilities);
        flags.add(self.supported_parameters);
        flags.add(self.supported_features);
        for word in self.endpoints.and_then(words).unwrap_or_default() {
            flags.say(&word, true);
        }
        if let Some(meta) = &self.meta {
            let said = [
                ("tools", meta.support_tool_calls),
                ("vision", meta.support_vision),
                ("reasoning", meta.support_reasoning),
            ];
            said.into_iter().for_each(|(word, yes)| yes.into_iter().for_each(|yes| flags.say(word, yes)));
        }
        yes(self.supports_vision).into_iter().for_each(|yes| flags.say("vision", yes));
        for server in self.live() {
            let said = [("tools", server.supports_tools), ("json_schema", server.supports_structured_output)];
            said.into_iter().for_each(|(word, yes)| yes.into_iter().for_each(|yes| flags.say(word, yes)));
        }
        entry.supports = flags.supports();
        let (input, output) = self.stated_modalities();
        let (implied_input, implied_output) = self.implied_modalities(&flags);
        entry.input_modalities = if input.is_empty() { implied_input } else { input };
        entry.output_modalities = if output.is_empty() { implied_output } else { output };
    }

    fn stated_modalities(&self) -> (Vec<String>, Vec<String>) {
        #[derive(Deserialize, Default)]
        struct Architecture {
            input_modalities: Option<Vec<String>>,
            output_modalities: Option<Vec<String>>,
        }
        // LM Studio's architecture is a text.
        let nested: Architecture =
            self.architecture.and_then(|raw| serde_json::from_str(raw.get()).ok()).unwrap_or_default();
        let input = self.input_modalities.and_then(words).or(nested.input_modalities).unwrap_or_default();
        let output = self.output_modalities.and_then(words).or(nested.output_modalities).unwrap_or_default();
        (
            input_modalities(input.iter().map(String::as_str)),
            output_modalities(output.iter().map(String::as_str)),
        )
    }

    /// From what the model is said to be for. Nothing said is nothing known.
    fn implied_modalities(&self, flags: &Flags) -> (Vec<String>, Vec<String>) {
        let category = || self.categories.and_then(words)?.into_iter().next();
        let kind = text(self.kind).or_else(category).unwrap_or_default();
        let output = match kind.as_str() {
            "chat" | "llm" | "vlm" | "language" | "code" => "text",
            "embedding" | "embeddings" => "embedding",
            "image" => "image",
            "rerank" | "reranker" => "rerank",
            "text_to_speech" => "speech",
            "speech_to_text" => return one_each("audio", "text"),
            _ if flags.has(&["chat"]) => "text",
            _ if flags.has(&["embed"]) => "embedding",
            _ if flags.has(&["rerank"]) => "rerank",
            _ if flags.has(&["completion_chat", "chat_completion", "completion"]) => "text",
            _ if flags.has(&["embeddings", "embedding"]) => "embedding",
            _ if flags.has(&["audio_transcription"]) => return one_each("audio", "text"),
            _ => return (implied_input(flags), Vec::new()),
        };
        (implied_input(flags), vec![output.to_owned()])
    }
}

fn one_each(input: &str, output: &str) -> (Vec<String>, Vec<String>) {
    (vec![input.to_owned()], vec![output.to_owned()])
}

/// A model that is said to see or hear also reads.
fn implied_input(flags: &Flags) -> Vec<String> {
    let also = [("image", flags.has(&["vision", "image_input"])), ("audio", flags.has(&["audio"]))];
    let also: Vec<&str> = also.into_iter().filter(|(_, yes)| *yes).map(|(word, _)| word).collect();
    if also.is_empty() {
        Vec::new()
    } else {
        std::iter::once("text").chain(also).map(str::to_owned).collect()
    }
}

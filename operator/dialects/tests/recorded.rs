//! Answers that real providers gave. They are found through `VOX_RECORDED_DIR` and are not part of the project.

#![allow(clippy::unwrap_used, clippy::panic)]

use std::path::{Path, PathBuf};

use vox_dialects::answer::{ClientContext, read, translate};
use vox_dialects::dialect::Dialect::{self, AnthropicMessages, GeminiGenerate, OpenAiChat, OpenAiEmbeddings};
use vox_dialects::error::{ErrorClass, classify};
use vox_dialects::stream::{Ending, StreamOptions, StreamTranslator};

/// The recordings of this kind, each with its provider's name.
fn recordings(prefix: &str) -> Vec<(String, PathBuf)> {
    let Some(root) = std::env::var_os("VOX_RECORDED_DIR") else {
        println!("skipped: VOX_RECORDED_DIR is not set");
        return Vec::new();
    };
    let mut found = Vec::new();
    for provider in std::fs::read_dir(Path::new(&root)).unwrap().flatten() {
        let Ok(calls) = std::fs::read_dir(provider.path().join("calls")) else { continue };
        for call in calls.flatten().filter(|call| call.file_name().to_string_lossy().starts_with(prefix)) {
            found.push((provider.file_name().to_string_lossy().into_owned(), call.path()));
        }
    }
    found
}

/// The dialect of a provider's chat; none for those that Vox does not speak.
fn dialect(provider: &str) -> Option<Dialect> {
    match provider {
        "anthropic" => Some(AnthropicMessages),
        "gemini" | "vertexai" => Some(GeminiGenerate),
        "bedrock" | "cohere" => None,
        _ => Some(OpenAiChat),
    }
}

#[test]
fn every_recorded_answer_is_read_and_translated() {
    for (provider, path) in recordings("chat-") {
        let Some(from) = dialect(&provider) else { continue };
        let body = std::fs::read(&path).unwrap();
        let facts = read(from, &body).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
        assert!(
            facts.usage.input_tokens > Some(0) && facts.usage.output_tokens > Some(0),
            "{}",
            path.display()
        );
        assert!(facts.finish.is_some() && facts.served_model.is_some(), "{}", path.display());
        for to in [OpenAiChat, AnthropicMessages] {
            let made = translate(from, to, &body, &ClientContext::default()).unwrap();
            let again = read(to, &made.body).unwrap();
            assert_eq!(
                (again.usage.input_tokens, again.finish),
                (facts.usage.input_tokens, facts.finish.clone())
            );
        }
    }
}

#[test]
fn every_recorded_embedding_is_read() {
    for (_, path) in recordings("embeddings-") {
        let facts = read(OpenAiEmbeddings, &std::fs::read(&path).unwrap()).unwrap();
        assert!(facts.usage.input_tokens > Some(0), "{}", path.display());
    }
}

#[test]
fn every_recorded_stream_is_passed_and_translated() {
    for (provider, path) in recordings("stream-") {
        let Some(from) = dialect(&provider) else { continue };
        let body = std::fs::read(&path).unwrap();
        let mut seen = Vec::new();
        for to in [from, OpenAiChat, AnthropicMessages] {
            let mut stream = StreamTranslator::new(from, to, StreamOptions::default()).unwrap();
            let mut out = Vec::new();
            stream.push(&body, &mut out);
            let ending = stream.finish(&mut out);
            let place = path.display();
            assert!(matches!(ending, Ending::Clean | Ending::Unterminated), "{place}: {:?}", stream.facts());
            assert!(stream.facts().first_token && stream.facts().usage.output_tokens > Some(0), "{place}");
            if from == to {
                assert!(out == body, "{place}");
            }
            seen.push(stream.facts().clone());
        }
        assert!(seen.windows(2).all(|pair| pair[0] == pair[1]), "{}: {seen:?}", path.display());
    }
}

#[test]
fn every_recorded_error_has_a_class() {
    for (provider, path) in recordings("error-") {
        let status =
            path.file_stem().and_then(|stem| stem.to_str()?.strip_prefix("error-")?.parse().ok()).unwrap();
        let class = classify(status, None, &std::fs::read(&path).unwrap()).class;
        let known = [ErrorClass::ContextTooLong, ErrorClass::Unauthorised];
        assert!(known.contains(&class), "{provider}: {class}");
    }
}

//! How streams end, well and badly.

use super::*;

#[test]
fn a_cut_stream_is_told_as_one_and_never_ended_well() {
    for (from, stream) in all() {
        for to in [from, OpenAiChat, AnthropicMessages] {
            let lines: Vec<_> = stream.split_inclusive('\n').collect();
            let beginning = lines[..lines.len() * 2 / 5].concat();
            for cut in [beginning.as_str(), &beginning[..beginning.len() - 3]] {
                let (out, facts, ending) = whole(from, to, cut);
                assert_eq!(ending, Ending::Cut, "{from} to {to}: {facts:?}");
                assert!(facts.error.is_some());
                assert!(!out.contains("data: [DONE]") && !out.contains("message_stop"), "{out}");
                assert!(!out.contains("\"done\":true"));
                let last = out.trim_end().rsplit('\n').next().unwrap();
                let last: Value = serde_json::from_str(last.trim_start_matches("data: ")).unwrap();
                assert!(last.get("error").is_some(), "{from} to {to}: {last}");
            }
        }
    }
}

#[test]
fn an_error_in_the_stream_ends_it() {
    let chat = sse(&[
        json!({"choices": [{"delta": {"content": "x"}}]}),
        json!({"error": {"code": 502, "message": "gone"}, "choices": [{"delta": {}, "finish_reason": "error"}]}),
    ]);
    let messages =
        named(&[json!({"type": "error", "error": {"type": "overloaded_error", "message": "gone"}})]);
    let lines = "{\"error\":\"gone\"}\n".to_owned();
    let google = sse(&[json!({"error": {"code": 429, "status": "RESOURCE_EXHAUSTED", "message": "gone"}})]);
    let cases = [
        (OpenAiChat, chat, ErrorClass::Server),
        (AnthropicMessages, messages, ErrorClass::Overloaded),
        (OllamaChat, lines, ErrorClass::UpstreamErrorIn200),
        (GeminiGenerate, google, ErrorClass::RateLimited),
    ];
    for (from, stream, class) in cases {
        for to in [from, OpenAiChat, AnthropicMessages] {
            let (out, facts, ending) = whole(from, to, &stream);
            assert_eq!(ending, Ending::Failed, "{from} to {to}");
            assert_eq!(facts.error.unwrap().class, class);
            assert_eq!(out.matches("gone").count(), 1, "{out}");
            assert!(!out.contains("[DONE]") && !out.contains("message_stop"), "{out}");
            assert!(from != to || out == stream);
        }
    }
}

#[test]
fn a_call_that_gemini_could_not_write_is_no_answer() {
    let stream = sse(&[json!({"candidates": [{"content": {}, "finishReason": "MALFORMED_FUNCTION_CALL"}],
        "usageMetadata": {"promptTokenCount": 3}, "modelVersion": "m"})]);
    for to in [GeminiGenerate, OpenAiChat, AnthropicMessages] {
        let (out, facts, ending) = whole(GeminiGenerate, to, &stream);
        assert_eq!((ending, facts.error.unwrap().class), (Ending::Failed, ErrorClass::Malformed), "{to}");
        assert_eq!(facts.usage.input_tokens, Some(3));
        assert!(!out.contains("[DONE]") && !out.contains("message_stop"), "{out}");
    }
}

#[test]
fn a_malformed_piece_is_an_error() {
    let stream =
        "data: {\"choices\":[{\"delta\":{\"content\":\"x\"}}]}\n\ndata: {\"choices\":\n\ndata: [DONE]\n\n";
    let (out, facts, ending) = whole(OpenAiChat, AnthropicMessages, stream);
    assert_eq!((ending, facts.error.unwrap().class), (Ending::Failed, ErrorClass::Malformed));
    assert!(out.contains("event: error") && !out.contains("message_stop"));
}

#[test]
fn an_end_without_an_answer_is_empty() {
    for to in [OpenAiChat, AnthropicMessages] {
        let (_, facts, ending) = whole(OpenAiChat, to, "data: [DONE]\n\n");
        assert_eq!((ending, facts.error.unwrap().class), (Ending::Failed, ErrorClass::Empty));
        assert_eq!(whole(OpenAiChat, to, "").2, Ending::Cut);
    }
}

#[test]
fn an_answer_that_is_whole_without_a_mark_is_unterminated() {
    let stream = openai().replace("data: [DONE]\n\n", "");
    let (out, _, ending) = whole(OpenAiChat, OpenAiChat, &stream);
    assert_eq!((ending, out == stream), (Ending::Unterminated, true));
    let (out, _, ending) = whole(OpenAiChat, AnthropicMessages, &stream);
    assert!(ending == Ending::Unterminated && out.contains("message_stop"));
}

#[test]
fn a_servers_own_invention_passes() {
    let stream = "data: {\"id\":[7]}\n\ndata: {\"choices\":[{\"delta\":{\"content\":\"x\"},\"finish_reason\":\"stop\"}]}\n\ndata: [DONE]\n\n";
    let (out, facts, ending) = whole(OpenAiChat, OpenAiChat, stream);
    assert_eq!((out.as_str(), ending), (stream, Ending::Clean));
    assert!(facts.first_token && facts.finish == Some(Finish::Stop));
}

//! What is seen of streams, and what clients read.

use super::*;

#[test]
fn every_stream_is_seen_alike_whatever_becomes_of_it() {
    for (from, stream) in all() {
        for to in [from, OpenAiChat, AnthropicMessages] {
            let (_, facts, ending) = whole(from, to, &stream);
            assert_eq!(ending, Ending::Clean, "{from} to {to}: {facts:?}");
            assert_eq!(facts.served_model.as_deref(), Some("served"));
            assert_eq!(facts.finish, Some(Finish::ToolCalls));
            let all = Usage {
                input_tokens: Some(100),
                output_tokens: Some(20),
                cached_input_tokens: Some(60),
                cache_write_tokens: None,
                reasoning_tokens: Some(5),
            };
            let few = Usage { cached_input_tokens: None, reasoning_tokens: None, ..all };
            assert_eq!(facts.usage, if from == OllamaChat { few } else { all }, "{from} to {to}");
        }
    }
}

#[test]
fn a_stream_of_its_own_dialect_passes_byte_for_byte() {
    for (from, stream) in all() {
        assert_eq!(whole(from, from, &stream).0, stream);
    }
}

#[test]
fn a_chat_client_reads_the_same_from_every_provider() {
    for (from, stream) in all().into_iter().skip(1) {
        let (out, ..) = whole(from, OpenAiChat, &stream);
        assert!(out.ends_with("data: [DONE]\n\n"), "{out}");
        let chunks = events(&out);
        let delta = |chunk: &Value| chunk["choices"][0]["delta"].clone();
        assert_eq!(delta(&chunks[0]), json!({"role": "assistant", "content": ""}));
        let said = |name: &str| -> String {
            chunks.iter().filter_map(|chunk| delta(chunk)[name].as_str().map(str::to_owned)).collect()
        };
        assert_eq!(
            (said("content").as_str(), said("reasoning_content").as_str()),
            ("s\u{f6} \"usage\":{ [DONE]", "hm")
        );
        let mut arguments = [String::new(), String::new()];
        let mut ids = Vec::new();
        for call in chunks.iter().filter_map(|chunk| delta(chunk)["tool_calls"].get(0).cloned()) {
            ids.extend(call["id"].as_str().map(str::to_owned));
            let text = call["function"]["arguments"].as_str().unwrap();
            arguments[usize::try_from(call["index"].as_u64().unwrap()).unwrap()] += text;
        }
        assert_eq!(ids, ["c-1", "c-2"]);
        assert_eq!(arguments, ["{\"z\":1}", "{}"], "{from}");
        let last = &chunks[chunks.len() - 2..];
        assert_eq!(last[0]["choices"][0]["finish_reason"], "tool_calls");
        assert_eq!((&last[1]["choices"], &last[1]["usage"]["prompt_tokens"]), (&json!([]), &json!(100)));
        assert!(
            chunks
                .iter()
                .all(|chunk| chunk["object"] == "chat.completion.chunk" && chunk["model"] == "served")
        );
    }
}

#[test]
fn a_client_of_messages_reads_the_same_from_every_provider() {
    for (from, stream) in all().into_iter().filter(|(from, _)| *from != AnthropicMessages) {
        let (out, ..) = whole(from, AnthropicMessages, &stream);
        let said = events(&out);
        let kinds: Vec<_> = said.iter().map(|event| event["type"].as_str().unwrap()).collect();
        assert_eq!((kinds[0], kinds[kinds.len() - 1]), ("message_start", "message_stop"), "{from}");
        let mut blocks: Vec<(String, String)> = Vec::new();
        let mut open = false;
        for event in &said {
            match event["type"].as_str().unwrap() {
                "content_block_start" => {
                    assert!(!std::mem::replace(&mut open, true));
                    assert_eq!(event["index"], blocks.len());
                    blocks.push((event["content_block"]["type"].as_str().unwrap().to_owned(), String::new()));
                }
                "content_block_delta" => {
                    assert!(open && event["index"] == blocks.len() - 1);
                    let delta = &event["delta"];
                    let texts =
                        ["text", "thinking", "partial_json"].iter().filter_map(|name| delta[*name].as_str());
                    blocks.last_mut().unwrap().1.extend(texts);
                }
                "content_block_stop" => assert!(std::mem::replace(&mut open, false)),
                _ => {}
            }
        }
        let blocks: Vec<_> = blocks.iter().map(|(kind, text)| (kind.as_str(), text.as_str())).collect();
        let text = "s\u{f6} \"usage\":{ [DONE]";
        assert_eq!(
            blocks,
            [("thinking", "hm"), ("text", text), ("tool_use", "{\"z\":1}"), ("tool_use", "{}")]
        );
        let delta = &said[said.len() - 2];
        assert_eq!(
            (&delta["delta"]["stop_reason"], &delta["usage"]["output_tokens"]),
            (&json!("tool_use"), &json!(20))
        );
        assert!(!out.contains("data: [DONE]"));
    }
}

#[test]
fn usage_that_the_client_did_not_ask_for_is_withheld() {
    let stream = openai();
    let asked = StreamOptions { withhold_usage: true, ..options() };
    let (out, facts, ending) = run(OpenAiChat, OpenAiChat, asked, &[stream.as_bytes()]);
    let extra = stream.split("\n\n").find(|frame| frame.contains("\"choices\":[],")).unwrap();
    assert_eq!(out, stream.replace(&format!("{extra}\n\n"), ""));
    assert_eq!((facts.usage.input_tokens, ending), (Some(100), Ending::Clean));
    let silent = StreamOptions { include_usage: false, ..options() };
    assert!(
        !run(AnthropicMessages, OpenAiChat, silent, &[anthropic().as_bytes()])
            .0
            .contains("\"prompt_tokens\"")
    );
}

#[test]
fn a_comment_does_not_wait_for_the_next_event() {
    let asked = StreamOptions { withhold_usage: true, ..options() };
    let mut stream = StreamTranslator::new(OpenAiChat, OpenAiChat, asked).unwrap();
    let mut out = Vec::new();
    stream.push(b": alive\n\n", &mut out);
    assert_eq!(out, b": alive\n\n");
}

#[test]
fn the_first_token_is_seen_when_it_comes() {
    for (from, stream) in all() {
        for to in [from, OpenAiChat] {
            let mut translator = StreamTranslator::new(from, to, options()).unwrap();
            let at = stream.find("hm").unwrap();
            translator.push(&stream.as_bytes()[..at], &mut Vec::new());
            assert!(!translator.facts().first_token, "{from}");
            let end = at + stream[at..].find("\n\n").or(stream[at..].find("\r\n\r\n")).unwrap_or(200) + 4;
            translator.push(&stream.as_bytes()[at..end], &mut Vec::new());
            assert!(translator.facts().first_token, "{from}");
        }
    }
}

#[test]
fn events_are_read_as_the_standard_has_them() {
    let mut found = Vec::new();
    let stream =
        "\u{feff}data: a\rdata:b\r\n\r\n: no\nevent: x\ndata\n\nid: 1\ndata:  c\n\ndatax: d\n\ndata: e";
    let mut reader = StreamReader::new(OpenAiChat);
    reader.push(stream.as_bytes(), |data| found.push(data.to_owned())).unwrap();
    assert_eq!(found, ["a\nb", " c"]);
    reader.finish(|data| found.push(data.to_owned())).unwrap();
    assert_eq!(found.last().unwrap(), "e");
}

#[test]
fn a_frame_has_a_greatest_length() {
    let mut reader = StreamReader::new(OpenAiChat);
    let piece = vec![b'x'; LONGEST_FRAME / 4];
    let results: Vec<_> = (0..6).map(|_| reader.push(&piece, |_| {})).collect();
    assert!(results[3].is_ok() && results[5].is_err());
}

#[test]
fn clients_speak_two_dialects() {
    assert!(StreamTranslator::new(OpenAiChat, GeminiGenerate, options()).is_none());
    assert!(StreamTranslator::new(AnthropicMessages, OllamaChat, options()).is_none());
}

#[test]
fn every_place_to_split_gives_the_same() {
    for (from, stream) in all() {
        for to in [from, OpenAiChat, AnthropicMessages] {
            for withhold_usage in [false, true] {
                let options = StreamOptions { withhold_usage, ..options() };
                let expected = run(from, to, options.clone(), &[stream.as_bytes()]);
                for at in 0..stream.len() {
                    let (one, two) = stream.as_bytes().split_at(at);
                    assert_eq!(
                        run(from, to, options.clone(), &[one, two]),
                        expected,
                        "{from} to {to} at {at}"
                    );
                }
            }
        }
    }
}

#[test]
fn whole_events_are_what_a_stream_that_passes_through_lets_pass() {
    let crlf = openai().replace('\n', "\r\n");
    let comments = format!(": a\n\n{}: b\nevent: ping\n\n: c\n{}", &openai()[..200], &openai()[200..]);
    for stream in [openai(), crlf, comments, anthropic()] {
        let dialect = if stream == anthropic() { AnthropicMessages } else { OpenAiChat };
        for at in 0..stream.len() {
            let begun = &stream.as_bytes()[..at];
            let mut out = Vec::new();
            StreamTranslator::new(dialect, dialect, options()).unwrap().push(begun, &mut out);
            let whole = whole_events(begun, 0);
            // A comment within an event passes with it.
            assert!(out == begun[..whole] || begun[whole..].contains(&b':'), "{at}: {:?}", &stream[..at]);
            assert!(out.len() >= whole, "{at}");
            assert_eq!(whole_events(begun, whole.saturating_sub(3)).max(whole), whole);
        }
    }
}

#[test]
fn a_translator_may_move_between_threads() {
    fn moves<T: Send + 'static>(_: &T) {}
    moves(&StreamTranslator::new(OpenAiChat, AnthropicMessages, options()).unwrap());
}

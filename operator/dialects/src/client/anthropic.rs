//! Answers and streams as Anthropic's messages.

use serde_json::value::RawValue;

use super::call_id;
use crate::answer::ClientContext;
use crate::event::{Event, Reply};
use crate::finish::Finish;
use crate::json::{Writer, object};
use crate::usage::Usage;

/// A whole answer.
pub(crate) fn answer(reply: &Reply, context: &ClientContext) -> Vec<u8> {
    let own = format!("msg_{}", context.id);
    let id = reply.id.as_deref().unwrap_or(&own);
    let model = context.model.as_deref().or(reply.model.as_deref()).unwrap_or_default();
    object(|w| {
        head(w, id, model);
        w.list_member("content", |w| content(w, reply, context));
        let called = !reply.calls.is_empty();
        let finish = finish(reply.finish.clone(), reply.refusal.is_some(), called);
        w.member("stop_reason", finish.as_anthropic());
        w.member("stop_sequence", &None::<&str>);
        w.object_member("usage", |w| usage(w, &reply.usage));
    })
}

fn content(w: &mut Writer<'_>, reply: &Reply, context: &ClientContext) {
    if !reply.reasoning.is_empty() {
        w.object(|w| {
            w.text_member("type", "thinking");
            w.text_member("thinking", &reply.reasoning);
            w.member("signature", reply.signature.as_deref().unwrap_or_default());
        });
    }
    let refusal = reply.refusal.as_deref().unwrap_or_default();
    for text in [reply.text.as_str(), refusal].into_iter().filter(|text| !text.is_empty()) {
        w.object(|w| {
            w.text_member("type", "text");
            w.text_member("text", text);
        });
    }
    for (index, call) in reply.calls.iter().enumerate() {
        w.object(|w| {
            w.text_member("type", "tool_use");
            w.member("id", &call_id(call.id.as_deref(), context, index));
            w.text_member("name", &call.name);
            w.name("input");
            match serde_json::from_str::<&RawValue>(&call.arguments) {
                Ok(input) if input.get().starts_with('{') => w.value(input),
                // None were given, or they were cut with the answer, which `stop_reason` says.
                _ => w.object(|_| {}),
            }
        });
    }
}

fn head(w: &mut Writer<'_>, id: &str, model: &str) {
    w.member("id", id);
    w.text_member("type", "message");
    w.text_member("role", "assistant");
    w.member("model", model);
}

fn finish(given: Option<Finish>, refused: bool, called: bool) -> Finish {
    match given {
        _ if refused => Finish::Refusal,
        Some(finish) => finish,
        None if called => Finish::ToolCalls,
        None => Finish::Stop,
    }
}

fn usage(w: &mut Writer<'_>, usage: &Usage) {
    w.member("input_tokens", &usage.uncached_input_tokens().unwrap_or(0));
    // Some providers name more cached tokens than input; whoever sums these must not find more than all.
    let most = |tokens: u64| tokens.min(usage.input_tokens.unwrap_or(tokens));
    w.optional("cache_creation_input_tokens", usage.cache_write_tokens.map(most));
    w.optional("cache_read_input_tokens", usage.cached_input_tokens.map(most));
    w.member("output_tokens", &usage.output_tokens.unwrap_or(0));
}

/// What the open block holds.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Kind {
    Text,
    Thinking,
    Call(usize),
}

/// A call that waits until the blocks before it are closed.
struct Waiting {
    index: usize,
    id: String,
    name: String,
    arguments: String,
}

/// Writes a stream. Blocks follow each other: pieces of a second call that come before the first one ends wait.
pub(crate) struct StreamWriter {
    context: ClientContext,
    id: Option<String>,
    model: Option<String>,
    begun: bool,
    called: bool,
    refused: bool,
    open: Option<Kind>,
    blocks: usize,
    waiting: Vec<Waiting>,
    finish: Option<Finish>,
    usage: Usage,
}

impl StreamWriter {
    pub(crate) fn new(context: ClientContext) -> Self {
        Self {
            context,
            id: None,
            model: None,
            begun: false,
            called: false,
            refused: false,
            open: None,
            blocks: 0,
            waiting: Vec::new(),
            finish: None,
            usage: Usage::default(),
        }
    }

    /// Writes one event. Errors and the end are the translator's. False for arguments of a call whose block is closed,
    /// which this dialect cannot open again.
    pub(crate) fn event(&mut self, event: Event, out: &mut Vec<u8>) -> bool {
        match event {
            Event::Started { id, model } => (self.id, self.model) = (id, model),
            Event::Text(text) => self.delta(Kind::Text, "text_delta", "text", &text, out),
            Event::Refusal(text) => {
                self.refused = true;
                self.delta(Kind::Text, "text_delta", "text", &text, out);
            }
            Event::Reasoning(text) => self.delta(Kind::Thinking, "thinking_delta", "thinking", &text, out),
            Event::Signature(seal) => self.delta(Kind::Thinking, "signature_delta", "signature", &seal, out),
            Event::Call { index, id, name, .. } => {
                self.called = true;
                let id = call_id(id.as_deref(), &self.context, index);
                let call = Waiting { index, id, name, arguments: String::new() };
                if matches!(self.open, Some(Kind::Call(_))) || !self.waiting.is_empty() {
                    self.waiting.push(call);
                } else {
                    self.open_call(call, out);
                }
            }
            Event::Arguments { index, text } => {
                if let Some(call) = self.waiting.iter_mut().find(|call| call.index == index) {
                    call.arguments.push_str(&text);
                } else if self.open == Some(Kind::Call(index)) {
                    self.piece("input_json_delta", "partial_json", &text, out);
                } else {
                    return false;
                }
            }
            Event::Finish(finish) => self.finish = Some(finish),
            Event::Usage(usage) => self.usage.update(&usage),
            Event::Error(_) | Event::End => {}
        }
        true
    }

    /// The good end.
    pub(crate) fn end(&mut self, out: &mut Vec<u8>) {
        self.begin(out);
        self.release(out);
        self.close(out);
        let reason = finish(self.finish.take(), self.refused, self.called);
        frame(out, "message_delta", |w| {
            w.object_member("delta", |w| {
                w.member("stop_reason", reason.as_anthropic());
                w.member("stop_sequence", &None::<&str>);
            });
            w.object_member("usage", |w| usage(w, &self.usage));
        });
        frame(out, "message_stop", |_| {});
    }

    fn begin(&mut self, out: &mut Vec<u8>) {
        if std::mem::replace(&mut self.begun, true) {
            return;
        }
        let id = self.id.clone().unwrap_or_else(|| format!("msg_{}", self.context.id));
        let model = self.context.model.as_deref().or(self.model.as_deref()).unwrap_or_default();
        frame(out, "message_start", |w| {
            w.object_member("message", |w| {
                head(w, &id, model);
                w.list_member("content", |_| {});
                w.member("stop_reason", &None::<&str>);
                w.member("stop_sequence", &None::<&str>);
                w.object_member("usage", |w| usage(w, &self.usage));
            });
        });
    }

    fn delta(&mut self, kind: Kind, name: &str, member: &str, text: &str, out: &mut Vec<u8>) {
        if self.open != Some(kind) {
            self.release(out);
            self.open(kind, out, |w| match kind {
                Kind::Thinking => {
                    w.text_member("type", "thinking");
                    w.text_member("thinking", "");
                    w.text_member("signature", "");
                }
                _ => {
                    w.text_member("type", "text");
                    w.text_member("text", "");
                }
            });
        }
        self.piece(name, member, text, out);
    }

    /// Opens what waits, call after call.
    fn release(&mut self, out: &mut Vec<u8>) {
        for call in std::mem::take(&mut self.waiting) {
            self.open_call(call, out);
        }
    }

    fn open_call(&mut self, call: Waiting, out: &mut Vec<u8>) {
        self.open(Kind::Call(call.index), out, |w| {
            w.text_member("type", "tool_use");
            w.text_member("id", &call.id);
            w.text_member("name", &call.name);
            w.object_member("input", |_| {});
        });
        if !call.arguments.is_empty() {
            self.piece("input_json_delta", "partial_json", &call.arguments, out);
        }
    }

    fn open(&mut self, kind: Kind, out: &mut Vec<u8>, fill: impl FnOnce(&mut Writer<'_>)) {
        self.begin(out);
        self.close(out);
        let index = self.blocks;
        self.open = Some(kind);
        frame(out, "content_block_start", |w| {
            w.member("index", &index);
            w.object_member("content_block", fill);
        });
    }

    fn piece(&mut self, name: &str, member: &str, text: &str, out: &mut Vec<u8>) {
        let index = self.blocks;
        frame(out, "content_block_delta", |w| {
            w.member("index", &index);
            w.object_member("delta", |w| {
                w.member("type", name);
                w.member(member, text);
            });
        });
    }

    fn close(&mut self, out: &mut Vec<u8>) {
        if self.open.take().is_some() {
            let index = self.blocks;
            frame(out, "content_block_stop", |w| w.member("index", &index));
            self.blocks += 1;
        }
    }
}

fn frame(out: &mut Vec<u8>, name: &str, fill: impl FnOnce(&mut Writer<'_>)) {
    out.extend_from_slice(b"event: ");
    out.extend_from_slice(name.as_bytes());
    out.extend_from_slice(b"\ndata: ");
    Writer::new(out).object(|w| {
        w.member("type", name);
        fill(w);
    });
    out.extend_from_slice(b"\n\n");
}

//! Answers and streams as OpenAI's chat completions.

use super::call_id;
use crate::answer::ClientContext;
use crate::event::{Event, Reply, ReplyCall};
use crate::finish::Finish;
use crate::json::{Writer, object};
use crate::usage::Usage;

/// A whole answer.
pub(crate) fn answer(reply: &Reply, context: &ClientContext) -> Vec<u8> {
    let mut shared = Shared::new(context);
    shared.start(reply.id.as_deref(), reply.model.as_deref());
    object(|w| {
        shared.head(w, "chat.completion");
        w.list_member("choices", |w| {
            w.object(|w| {
                w.member("index", &0);
                w.object_member("message", |w| message(w, reply, context));
                w.member("logprobs", &None::<u8>);
                let called = !reply.calls.is_empty();
                let finish =
                    reply.finish.clone().unwrap_or(if called { Finish::ToolCalls } else { Finish::Stop });
                w.member("finish_reason", finish.as_openai());
            });
        });
        if !reply.usage.is_empty() {
            w.object_member("usage", |w| usage(w, &reply.usage));
        }
    })
}

fn message(w: &mut Writer<'_>, reply: &Reply, context: &ClientContext) {
    w.text_member("role", "assistant");
    let silent = reply.text.is_empty() && (!reply.calls.is_empty() || reply.refusal.is_some());
    if silent {
        w.member("content", &());
    } else {
        w.text_member("content", &reply.text);
    }
    w.member("refusal", &reply.refusal);
    if !reply.reasoning.is_empty() {
        // Not OpenAI's own; the name under which most of its servers show reasoning.
        w.text_member("reasoning_content", &reply.reasoning);
    }
    if !reply.calls.is_empty() {
        w.list_member("tool_calls", |w| {
            for (index, call) in reply.calls.iter().enumerate() {
                w.object(|w| whole_call(w, call, &call_id(call.id.as_deref(), context, index)));
            }
        });
    }
}

fn whole_call(w: &mut Writer<'_>, call: &ReplyCall, id: &str) {
    w.member("id", id);
    w.text_member("type", "function");
    w.object_member("function", |w| {
        w.text_member("name", &call.name);
        w.member("arguments", if call.arguments.is_empty() { "{}" } else { &call.arguments });
    });
    extra(w, call.signature.as_deref());
}

/// Gemini's signature, for the client to send back: where Google's own OpenAI endpoint puts it.
fn extra(w: &mut Writer<'_>, signature: Option<&str>) {
    if let Some(signature) = signature {
        w.object_member("extra_content", |w| {
            w.object_member("google", |w| w.member("thought_signature", signature));
        });
    }
}

fn usage(w: &mut Writer<'_>, usage: &Usage) {
    let (input, output) = (usage.input_tokens.unwrap_or(0), usage.output_tokens.unwrap_or(0));
    w.member("prompt_tokens", &input);
    w.member("completion_tokens", &output);
    w.member("total_tokens", &input.saturating_add(output));
    if usage.cached_input_tokens.is_some() || usage.cache_write_tokens.is_some() {
        w.object_member("prompt_tokens_details", |w| {
            w.member("cached_tokens", &usage.cached_input_tokens.unwrap_or(0));
            w.optional("cache_write_tokens", usage.cache_write_tokens);
        });
    }
    if let Some(tokens) = usage.reasoning_tokens {
        w.object_member("completion_tokens_details", |w| w.member("reasoning_tokens", &tokens));
    }
}

/// What every chunk repeats.
struct Shared {
    id: String,
    created: u64,
    model: String,
    fixed_model: bool,
}

impl Shared {
    fn new(context: &ClientContext) -> Self {
        Self {
            id: format!("chatcmpl-{}", context.id),
            created: context.created,
            model: context.model.clone().unwrap_or_default(),
            fixed_model: context.model.is_some(),
        }
    }

    fn start(&mut self, id: Option<&str>, model: Option<&str>) {
        if let Some(id) = id {
            id.clone_into(&mut self.id);
        }
        if let (Some(model), false) = (model, self.fixed_model) {
            model.clone_into(&mut self.model);
        }
    }

    fn head(&self, w: &mut Writer<'_>, kind: &str) {
        w.member("id", &self.id);
        w.member("object", kind);
        w.member("created", &self.created);
        w.member("model", &self.model);
    }
}

/// Writes a stream.
pub(crate) struct StreamWriter {
    shared: Shared,
    context: ClientContext,
    include_usage: bool,
    begun: bool,
    called: bool,
    finish: Option<Finish>,
    usage: Usage,
}

impl StreamWriter {
    pub(crate) fn new(context: ClientContext, include_usage: bool) -> Self {
        Self {
            shared: Shared::new(&context),
            context,
            include_usage,
            begun: false,
            called: false,
            finish: None,
            usage: Usage::default(),
        }
    }

    /// Writes one event. Errors and the end are the translator's.
    pub(crate) fn event(&mut self, event: Event, out: &mut Vec<u8>) {
        match event {
            Event::Started { id, model } => {
                self.shared.start(id.as_deref(), model.as_deref());
                self.begin(out);
            }
            Event::Text(text) => self.delta(out, |w| w.text_member("content", &text)),
            Event::Reasoning(text) => self.delta(out, |w| w.text_member("reasoning_content", &text)),
            Event::Refusal(text) => self.delta(out, |w| w.text_member("refusal", &text)),
            Event::Call { index, id, name, signature } => {
                self.called = true;
                let id = call_id(id.as_deref(), &self.context, index);
                self.call(out, index, |w| {
                    w.member("id", &id);
                    w.text_member("type", "function");
                    w.object_member("function", |w| {
                        w.member("name", &name);
                        w.text_member("arguments", "");
                    });
                    extra(w, signature.as_deref());
                });
            }
            Event::Arguments { index, text } => self.call(out, index, |w| {
                w.object_member("function", |w| w.text_member("arguments", &text));
            }),
            Event::Finish(finish) => self.finish = Some(finish),
            Event::Usage(usage) => self.usage.update(&usage),
            Event::Signature(_) | Event::Error(_) | Event::End => {}
        }
    }

    /// The good end.
    pub(crate) fn end(&mut self, out: &mut Vec<u8>) {
        self.begin(out);
        let default = if self.called { Finish::ToolCalls } else { Finish::Stop };
        let finish = self.finish.take().unwrap_or(default);
        self.chunk(out, |_| {}, Some(finish.as_openai()));
        if self.include_usage && !self.usage.is_empty() {
            frame(out, |w| {
                self.shared.head(w, "chat.completion.chunk");
                w.list_member("choices", |_| {});
                w.object_member("usage", |w| usage(w, &self.usage));
            });
        }
        out.extend_from_slice(b"data: [DONE]\n\n");
    }

    fn begin(&mut self, out: &mut Vec<u8>) {
        if !std::mem::replace(&mut self.begun, true) {
            self.chunk(
                out,
                |w| {
                    w.text_member("role", "assistant");
                    w.text_member("content", "");
                },
                None,
            );
        }
    }

    fn delta(&mut self, out: &mut Vec<u8>, fill: impl FnOnce(&mut Writer<'_>)) {
        self.begin(out);
        self.chunk(out, fill, None);
    }

    fn call(&mut self, out: &mut Vec<u8>, index: usize, fill: impl FnOnce(&mut Writer<'_>)) {
        self.delta(out, |w| {
            w.list_member("tool_calls", |w| {
                w.object(|w| {
                    w.member("index", &index);
                    fill(w);
                });
            });
        });
    }

    fn chunk(&self, out: &mut Vec<u8>, delta: impl FnOnce(&mut Writer<'_>), finish: Option<&str>) {
        frame(out, |w| {
            self.shared.head(w, "chat.completion.chunk");
            w.list_member("choices", |w| {
                w.object(|w| {
                    w.member("index", &0);
                    w.object_member("delta", delta);
                    w.member("finish_reason", &finish);
                });
            });
        });
    }
}

fn frame(out: &mut Vec<u8>, fill: impl FnOnce(&mut Writer<'_>)) {
    out.extend_from_slice(b"data: ");
    Writer::new(out).object(fill);
    out.extend_from_slice(b"\n\n");
}

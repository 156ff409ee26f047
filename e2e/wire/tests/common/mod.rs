//! An HTTP client that sees how an answer arrives: also one that is cut.
#![allow(dead_code, clippy::unwrap_used, clippy::panic)] // Helpers of tests are not in `#[test]` functions, and not all need all.

use serde_json::Value;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use vox_wire::{Provider, Running};

/// An answer as it arrived.
pub(crate) struct Answer {
    /// Its status.
    pub(crate) status: u16,
    /// Its status line and headers.
    pub(crate) head: String,
    /// Its body without the marks of the transfer.
    pub(crate) body: String,
    /// Whether the transfer ended in good order.
    pub(crate) complete: bool,
}

impl Answer {
    /// The body as JSON.
    pub(crate) fn json(&self) -> Value {
        serde_json::from_str(&self.body).unwrap_or_else(|error| panic!("{error}: {}", self.body))
    }

    /// The data of all events, `[DONE]` as a text.
    pub(crate) fn events(&self) -> Vec<Value> {
        let data = self.body.lines().filter_map(|line| line.strip_prefix("data: "));
        data.map(|text| serde_json::from_str(text).unwrap_or_else(|_| Value::from(text))).collect()
    }
}

/// Sends a POST and reads until the server closes.
pub(crate) async fn post(server: &Running, path: &str, headers: &[(&str, &str)], body: &str) -> Answer {
    let more: String = headers.iter().map(|(name, value)| format!("{name}: {value}\r\n")).collect();
    let length = body.len();
    let request = format!(
        "POST {path} HTTP/1.1\r\nhost: wire\r\nconnection: close\r\ncontent-length: {length}\r\n{more}\r\n{body}"
    );
    let mut stream = TcpStream::connect(server.address).await.unwrap();
    stream.write_all(request.as_bytes()).await.unwrap();
    let mut bytes = Vec::new();
    // A reset is one of the ways in which an answer is cut.
    let _ = stream.read_to_end(&mut bytes).await;
    read(&String::from_utf8_lossy(&bytes))
}

fn read(text: &str) -> Answer {
    let (head, raw) = text.split_once("\r\n\r\n").unwrap_or_else(|| panic!("no head: {text:?}"));
    let head = head.to_ascii_lowercase();
    let status = head.split(' ').nth(1).unwrap().parse().unwrap();
    if head.contains("transfer-encoding: chunked") {
        let (body, complete) = unchunked(raw);
        return Answer { status, head, body, complete };
    }
    let length =
        head.lines().find_map(|line| line.strip_prefix("content-length: ")).unwrap().parse::<usize>();
    Answer { status, complete: length.unwrap() == raw.len(), body: raw.to_owned(), head }
}

fn unchunked(mut raw: &str) -> (String, bool) {
    let mut body = String::new();
    while let Some((size, rest)) = raw.split_once("\r\n") {
        let size = usize::from_str_radix(size, 16).unwrap();
        let Some(chunk) = rest.get(..size) else { return (body + rest, false) };
        if size == 0 {
            return (body, true);
        }
        body.push_str(chunk);
        raw = rest.get(size + 2..).unwrap_or_default();
    }
    (body, false)
}

/// Sets how a provider answers inference requests.
pub(crate) fn chat(server: &Running, provider: Provider, chat: &str) {
    let chat = vox_wire::inference::settings::Chat::read(chat.as_bytes()).unwrap();
    server.wire.set_chat(provider, chat);
}

/// One fault for all requests.
pub(crate) fn fault(server: &Running, provider: Provider, fault: &str) {
    chat(server, provider, &format!(r#"{{"faults":[{{"fault":{fault}}}]}}"#));
}

//! The upstream: answers at once, with as little work as possible, so that it is never what limits. What it does is
//! in the request: below `/failing` it refuses, below `/stalling` it never answers, and a prompt that begins with
//! `pieces=N pace_ms=M` in a request for a stream says how the stream comes.

use std::time::Duration;

use memchr::memmem;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};

use crate::answer::{DIGITS, STAMP, now_ns};

const ANSWER: &str = r#"{"id":"c","object":"chat.completion","created":1,"model":"m","choices":[{"index":0,"message":{"role":"assistant","content":"hello"},"finish_reason":"stop"}],"usage":{"prompt_tokens":1000,"completion_tokens":100,"total_tokens":1100}}"#;
const REFUSED: &str = r#"{"error":{"message":"no capacity","type":"server_error"}}"#;
const BEFORE: &str = "data: {\"id\":\"c\",\"object\":\"chat.completion.chunk\",\"created\":1,\"model\":\"m\",\"choices\":[{\"index\":0,\"delta\":{\"content\":\"";
const AFTER: &str = " \"},\"finish_reason\":null}]}\n\n";
const LAST: &str = "data: {\"id\":\"c\",\"object\":\"chat.completion.chunk\",\"created\":1,\"model\":\"m\",\"choices\":[{\"index\":0,\"delta\":{},\"finish_reason\":\"stop\"}]}\n\ndata: {\"id\":\"c\",\"object\":\"chat.completion.chunk\",\"created\":1,\"model\":\"m\",\"choices\":[],\"usage\":{\"prompt_tokens\":1000,\"completion_tokens\":100,\"total_tokens\":1100}}\n\ndata: [DONE]\n\n";
/// nginx passes a stream on at once where the upstream tells it to.
const STREAM: &str = "HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\nx-accel-buffering: no\r\ntransfer-encoding: chunked\r\n\r\n";

pub(crate) async fn serve() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    println!("{}", listener.local_addr().unwrap());
    loop {
        let (stream, _) = listener.accept().await.unwrap();
        stream.set_nodelay(true).unwrap();
        tokio::task::spawn_local(async move {
            // A client that goes away ends its connection.
            let _ = answer(stream).await;
        });
    }
}

async fn answer(mut stream: TcpStream) -> std::io::Result<()> {
    let good = whole("200 OK", ANSWER);
    let refused = whole("503 Service Unavailable", REFUSED);
    let mut held = Vec::with_capacity(8 << 10);
    loop {
        let Some(length) = request(&mut stream, &mut held).await? else { return Ok(()) };
        let question = &held[..length];
        if question.starts_with(b"POST /failing") {
            stream.write_all(refused.as_bytes()).await?;
        } else if question.starts_with(b"POST /stalling") {
            // Until the client has gone.
            return stream.read(&mut [0; 1]).await.map(|_| ());
        } else if memmem::find(question, b"\"stream\":true").is_some() {
            let (pieces, pace) = (figure(question, b"pieces="), figure(question, b"pace_ms="));
            pour(&mut stream, pieces, Duration::from_millis(pace)).await?;
        } else {
            stream.write_all(good.as_bytes()).await?;
        }
        held.drain(..length);
    }
}

fn whole(status: &str, body: &str) -> String {
    let length = body.len();
    format!("HTTP/1.1 {status}\r\ncontent-type: application/json\r\ncontent-length: {length}\r\n\r\n{body}")
}

/// Reads until a request is complete, and says how long it is; nothing when the client has gone.
async fn request(stream: &mut TcpStream, held: &mut Vec<u8>) -> std::io::Result<Option<usize>> {
    let mut needed = None;
    loop {
        if needed.is_none()
            && let Some(end) = memmem::find(held, b"\r\n\r\n")
        {
            let head = String::from_utf8_lossy(&held[..end]).to_ascii_lowercase();
            let length = head.lines().find_map(|line| line.strip_prefix("content-length: "));
            needed = Some(end + 4 + length.and_then(|length| length.parse::<usize>().ok()).unwrap_or(0));
        }
        if let Some(needed) = needed.filter(|needed| held.len() >= *needed) {
            return Ok(Some(needed));
        }
        held.reserve(needed.unwrap_or(0).saturating_sub(held.len()).max(4 << 10));
        if stream.read_buf(held).await? == 0 {
            return Ok(None);
        }
    }
}

fn figure(question: &[u8], name: &[u8]) -> u64 {
    let digits =
        memmem::find(question, name).map(|place| &question[place + name.len()..]).unwrap_or_default();
    let end = digits.iter().position(|byte| !byte.is_ascii_digit()).unwrap_or(0);
    std::str::from_utf8(&digits[..end]).ok().and_then(|digits| digits.parse().ok()).unwrap_or(0)
}

/// A stream of so many pieces, each a write of its own that says when it was written.
async fn pour(stream: &mut TcpStream, pieces: u64, pace: Duration) -> std::io::Result<()> {
    let mut next = tokio::time::Instant::now();
    let size = BEFORE.len() + 1 + DIGITS + AFTER.len();
    let mut text = STREAM.to_owned();
    for number in 0..pieces {
        if number > 0 && pace.is_zero() {
            tokio::task::yield_now().await;
        } else if number > 0 {
            next += pace;
            tokio::time::sleep_until(next).await;
        }
        let (mark, now) = (char::from(STAMP), now_ns());
        text += &format!("{size:x}\r\n{BEFORE}{mark}{now}{AFTER}\r\n");
        stream.write_all(text.as_bytes()).await?;
        text.clear();
    }
    let end = format!("{:x}\r\n{LAST}\r\n0\r\n\r\n", LAST.len());
    stream.write_all(end.as_bytes()).await
}

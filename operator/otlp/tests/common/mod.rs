//! A collector that answers what a test wants, and keeps what it was sent.

// Each test program uses its part; clippy knows test functions, not their helpers.
#![allow(dead_code, clippy::unwrap_used)]

use std::io::Read as _;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use flate2::read::GzDecoder;
use serde_json::Value;
use tokio::io::{AsyncRead, AsyncReadExt as _, AsyncWrite, AsyncWriteExt as _};
use tokio::net::TcpListener;
use vox_otlp::{Client, Headers, Settings};

/// One request that came.
#[derive(Debug, Clone)]
pub(crate) struct Seen {
    pub(crate) path: String,
    pub(crate) head: String,
    pub(crate) body: Value,
    pub(crate) at: Instant,
}

/// The answers to come; the last one is given for ever.
type Answers = Arc<Mutex<Vec<String>>>;

pub(crate) struct Fake {
    pub(crate) address: SocketAddr,
    seen: Arc<Mutex<Vec<Seen>>>,
    answers: Answers,
}

/// An answer with this status, these headers (each with its line end) and this body.
pub(crate) fn answer(status: &str, headers: &str, body: &str) -> String {
    format!("HTTP/1.1 {status}\r\n{headers}content-length: {}\r\n\r\n{body}", body.len())
}

pub(crate) fn good() -> String {
    answer("200 OK", "content-type: application/json\r\n", "{\"partialSuccess\":{}}")
}

impl Fake {
    pub(crate) async fn start(answers: &[String]) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let fake = Self {
            address: listener.local_addr().unwrap(),
            seen: Arc::default(),
            answers: Arc::new(Mutex::new(answers.iter().rev().cloned().collect())),
        };
        let (seen, answers) = (Arc::clone(&fake.seen), Arc::clone(&fake.answers));
        tokio::spawn(async move {
            while let Ok((wire, _)) = listener.accept().await {
                tokio::spawn(serve(wire, Arc::clone(&seen), Arc::clone(&answers)));
            }
        });
        fake
    }

    pub(crate) fn client(&self) -> Client {
        client(&format!("http://{}", self.address))
    }

    pub(crate) fn seen(&self) -> Vec<Seen> {
        self.seen.lock().unwrap().clone()
    }

    /// Waits until so many requests have come.
    pub(crate) async fn wait(&self, count: usize) -> Vec<Seen> {
        let begun = Instant::now();
        while self.seen().len() < count {
            assert!(begun.elapsed() < Duration::from_secs(20), "{:?}", self.seen());
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
        self.seen()
    }
}

pub(crate) fn client(endpoint: &str) -> Client {
    Client::new(Settings { endpoint: endpoint.parse().unwrap(), headers: Headers::None, ca: None })
}

/// Answers the requests of one connection.
pub(crate) async fn serve(
    mut wire: impl AsyncRead + AsyncWrite + Unpin,
    seen: Arc<Mutex<Vec<Seen>>>,
    answers: Answers,
) {
    loop {
        let mut came = Vec::new();
        let (head, body) = loop {
            let mut piece = [0; 8192];
            match wire.read(&mut piece).await {
                Ok(0) | Err(_) => return,
                Ok(length) => came.extend_from_slice(&piece[..length]),
            }
            if let Some(request) = whole(&came) {
                break request;
            }
        };
        let path = head.split(' ').nth(1).unwrap_or_default().to_owned();
        seen.lock().unwrap().push(Seen { path, head, body, at: Instant::now() });
        let answer = {
            let mut answers = answers.lock().unwrap();
            if answers.len() > 1 { answers.pop().unwrap() } else { answers[0].clone() }
        };
        if wire.write_all(answer.as_bytes()).await.is_err() {
            return;
        }
    }
}

fn whole(came: &[u8]) -> Option<(String, Value)> {
    let end = came.windows(4).position(|four| four == b"\r\n\r\n")? + 4;
    let head = String::from_utf8_lossy(&came[..end]).to_lowercase();
    let length: usize = head.lines().find_map(|line| line.strip_prefix("content-length: "))?.parse().unwrap();
    let body = came.get(end..end + length)?;
    let mut plain = Vec::new();
    if head.contains("content-encoding: gzip") {
        GzDecoder::new(body).read_to_end(&mut plain).unwrap();
    } else {
        plain.extend_from_slice(body);
    }
    Some((head, serde_json::from_slice(&plain).unwrap()))
}

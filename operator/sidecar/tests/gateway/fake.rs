//! Upstreams that do what they are told, byte by byte, and clients that look closely.

use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::atomic::{AtomicUsize, Ordering::SeqCst};
use std::sync::{Arc, Mutex};
use std::thread;
use std::time::Duration;

/// What an upstream does next.
#[derive(Clone, Debug)]
pub(crate) enum Step {
    Send(Vec<u8>),
    Wait(u64),
    /// Breaks the connection off.
    Cut,
}

/// A request that came, or an answer that came back.
#[derive(Clone, Debug, Default)]
pub(crate) struct Message {
    /// The request's line, or the status line.
    pub(crate) first: String,
    pub(crate) headers: Vec<(String, String)>,
    pub(crate) body: String,
    /// Whether the body came to its end.
    pub(crate) whole: bool,
}

impl Message {
    pub(crate) fn header(&self, name: &str) -> &str {
        let found = self.headers.iter().find(|(header, _)| header == name);
        found.map_or("", |(_, value)| value)
    }

    pub(crate) fn status(&self) -> u16 {
        self.first.split(' ').nth(1).and_then(|status| status.parse().ok()).unwrap_or(0)
    }

    pub(crate) fn json(&self) -> serde_json::Value {
        serde_json::from_str(&self.body).unwrap_or_else(|error| panic!("{error}: {:?}", self))
    }
}

type Script = dyn Fn(usize, &Message) -> Vec<Step> + Send + Sync;

/// A server on loopback.
pub(crate) struct Upstream {
    pub(crate) address: SocketAddr,
    pub(crate) seen: Arc<Mutex<Vec<Message>>>,
    /// Clients that went away in the middle of an answer.
    pub(crate) gone: Arc<AtomicUsize>,
}

impl Upstream {
    /// `script` gets the number of the request, from 0, counted over all upstreams that share `count`.
    pub(crate) fn start(
        count: &Arc<AtomicUsize>,
        script: impl Fn(usize, &Message) -> Vec<Step> + Send + Sync + 'static,
    ) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let upstream =
            Self { address: listener.local_addr().unwrap(), seen: Arc::default(), gone: Arc::default() };
        let (seen, gone, count) = (Arc::clone(&upstream.seen), Arc::clone(&upstream.gone), Arc::clone(count));
        let script: Arc<Script> = Arc::new(script);
        thread::spawn(move || {
            for stream in listener.incoming().map_while(Result::ok) {
                let (seen, gone, count) = (Arc::clone(&seen), Arc::clone(&gone), Arc::clone(&count));
                let script = Arc::clone(&script);
                thread::spawn(move || {
                    stream.set_nodelay(true).unwrap();
                    let mut reader = BufReader::new(stream.try_clone().unwrap());
                    while let Some(request) = read(&mut reader) {
                        seen.lock().unwrap().push(request.clone());
                        let steps = script(count.fetch_add(1, SeqCst), &request);
                        if !play(&stream, &steps) {
                            gone.fetch_add(1, SeqCst);
                            return;
                        }
                        if steps.iter().any(|step| matches!(step, Step::Cut)) {
                            return;
                        }
                    }
                });
            }
        });
        upstream
    }

    pub(crate) fn url(&self) -> String {
        format!("http://{}/v1", self.address)
    }

    pub(crate) fn requests(&self) -> Vec<Message> {
        self.seen.lock().unwrap().clone()
    }
}

/// False when the client went away.
fn play(mut stream: &TcpStream, steps: &[Step]) -> bool {
    for step in steps {
        match step {
            Step::Send(bytes) => {
                if stream.write_all(bytes).is_err() {
                    return false;
                }
            }
            Step::Wait(millis) => {
                stream.set_read_timeout(Some(Duration::from_millis(*millis))).unwrap();
                let closed = matches!(stream.peek(&mut [0]), Ok(0))
                    || matches!(stream.peek(&mut [0]), Err(error) if error.kind() == std::io::ErrorKind::ConnectionReset);
                stream.set_read_timeout(None).unwrap();
                if closed {
                    return false;
                }
            }
            Step::Cut => {
                stream.shutdown(std::net::Shutdown::Both).unwrap_or_default();
                return true;
            }
        }
    }
    true
}

/// Reads one message; nothing when the connection ended before it.
pub(crate) fn read(reader: &mut BufReader<TcpStream>) -> Option<Message> {
    let mut message = Message::default();
    let mut line = String::new();
    while reader.read_line(&mut line).ok()? > 0 {
        let text = line.trim_end().to_owned();
        line.clear();
        if text.is_empty() {
            break;
        }
        match text.split_once(": ") {
            Some((name, value)) if !message.first.is_empty() => {
                message.headers.push((name.to_lowercase(), value.to_owned()));
            }
            _ => message.first = text,
        }
    }
    if message.first.is_empty() {
        return None;
    }
    let mut body = Vec::new();
    if message.header("transfer-encoding") == "chunked" {
        message.whole = chunks(reader, &mut body);
    } else {
        let length: u64 = message.header("content-length").parse().unwrap_or(0);
        reader.take(length).read_to_end(&mut body).ok()?;
        message.whole = u64::try_from(body.len()).unwrap() == length;
    }
    message.body = String::from_utf8_lossy(&body).into_owned();
    Some(message)
}

fn chunks(reader: &mut BufReader<TcpStream>, body: &mut Vec<u8>) -> bool {
    loop {
        let mut size = String::new();
        if reader.read_line(&mut size).unwrap_or(0) == 0 {
            return false;
        }
        let Ok(size) = u64::from_str_radix(size.trim(), 16) else { return false };
        let before = body.len();
        if reader.take(size + 2).read_to_end(body).is_err() {
            return false;
        }
        body.truncate(before + usize::try_from(size).unwrap());
        if size == 0 {
            return true;
        }
    }
}

/// A whole answer.
pub(crate) fn whole(status: u16, headers: &str, body: &str) -> Vec<Step> {
    let head = format!(
        "HTTP/1.1 {status} X\r\ncontent-type: application/json\r\ncontent-length: {}\r\n{headers}\r\n",
        body.len()
    );
    vec![Step::Send([head.as_bytes(), body.as_bytes()].concat())]
}

/// The head of a stream.
pub(crate) fn stream_head() -> Step {
    let head = "HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\ntransfer-encoding: chunked\r\n\r\n";
    Step::Send(head.as_bytes().to_vec())
}

/// One piece of a stream.
pub(crate) fn piece(text: &str) -> Step {
    Step::Send(format!("{:x}\r\n{text}\r\n", text.len()).into_bytes())
}

/// The end of a stream.
pub(crate) fn end() -> Step {
    Step::Send(b"0\r\n\r\n".to_vec())
}

/// A chunk of a chat completion.
pub(crate) fn chunk(text: &str) -> String {
    format!(
        "data: {{\"id\":\"c\",\"object\":\"chat.completion.chunk\",\"created\":1,\"model\":\"m\",\"choices\":[{{\"index\":0,\
         \"delta\":{{\"content\":{text:?}}},\"finish_reason\":null}}]}}\n\n"
    )
}

/// The last chunks of a good stream.
pub(crate) const LAST: &str = "data: {\"id\":\"c\",\"object\":\"chat.completion.chunk\",\"created\":1,\"model\":\"m\",\"choices\":[{\"index\":0,\"delta\":{},\"finish_reason\":\"stop\"}],\"usage\":{\"prompt_tokens\":7,\"completion_tokens\":2,\"total_tokens\":9}}\n\ndata: [DONE]\n\n";

/// A good answer.
pub(crate) const GOOD: &str = "{\"id\":\"c\",\"object\":\"chat.completion\",\"created\":1,\"model\":\"m-really\",\"choices\":[{\"index\":0,\"message\":{\"role\":\"assistant\",\"content\":\"hello\"},\"finish_reason\":\"stop\"}],\"usage\":{\"prompt_tokens\":1000,\"completion_tokens\":100,\"total_tokens\":1100}}";

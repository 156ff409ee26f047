//! Clients: one that blocks, for single requests and open loops, and many at once on one thread.

use std::io::{self, Read as _, Write as _};
use std::net::{SocketAddr, TcpStream};
use std::time::{Duration, Instant};

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};

use crate::answer::Answer;
use crate::machine::{Spread, alone};

/// No answer comes after this time.
const PATIENCE: Duration = Duration::from_secs(20);
const BUFFER: usize = 64 << 10;

/// A POST of JSON, as bytes.
pub(crate) fn post(path: &str, body: &str) -> Vec<u8> {
    let length = body.len();
    format!(
        "POST {path} HTTP/1.1\r\nhost: bench\r\ncontent-type: application/json\r\ncontent-length: {length}\r\n\r\n{body}"
    )
    .into_bytes()
}

/// A connection that blocks. It is opened when it is needed, and again when the server has closed it.
pub(crate) struct Line {
    address: SocketAddr,
    stream: Option<TcpStream>,
    buffer: Vec<u8>,
}

impl Line {
    pub(crate) fn new(address: SocketAddr) -> Self {
        Self { address, stream: None, buffer: vec![0; BUFFER] }
    }

    /// One request and its answer.
    pub(crate) fn ask(&mut self, request: &[u8]) -> io::Result<Answer> {
        if self.stream.is_some()
            && let Some(answer) = self.once(request)?
        {
            return Ok(answer);
        }
        let stream = TcpStream::connect(self.address)?;
        stream.set_nodelay(true)?;
        stream.set_read_timeout(Some(PATIENCE))?;
        self.stream = Some(stream);
        self.once(request)?.ok_or_else(|| io::ErrorKind::UnexpectedEof.into())
    }

    /// Nothing when the server had closed the connection before the request came.
    fn once(&mut self, request: &[u8]) -> io::Result<Option<Answer>> {
        let Some(mut stream) = self.stream.take() else { return Ok(None) };
        let mut answer = Answer::default();
        if stream.write_all(request).is_err() {
            return Ok(None);
        }
        loop {
            match stream.read(&mut self.buffer) {
                Ok(0) if answer.is_empty() => return Ok(None),
                Ok(0) => return Err(io::ErrorKind::UnexpectedEof.into()),
                Ok(read) if answer.feed(&self.buffer[..read]) => break,
                Ok(_) => {}
                Err(error) if error.kind() == io::ErrorKind::ConnectionReset && answer.is_empty() => {
                    return Ok(None);
                }
                Err(error) => return Err(error),
            }
        }
        self.stream = Some(stream);
        Ok(Some(answer))
    }
}

/// What many clients saw.
pub(crate) struct Load {
    pub(crate) rate: f64,
    /// From a request to the end of its answer.
    pub(crate) times: Spread,
    /// Requests without a good answer; they are in neither of the figures above.
    pub(crate) failed: usize,
    /// Of the time, what this process's only busy thread was busy.
    pub(crate) busy: f64,
}

/// When a load ends.
#[derive(Clone, Copy)]
pub(crate) enum Until {
    /// So many requests in all.
    Requests(usize),
    After(Duration),
}

/// Connections that each send one request after another, all on one thread. They are open, and have had an answer,
/// before anything counts.
pub(crate) fn load(address: SocketAddr, request: &[u8], connections: usize, until: Until) -> Load {
    alone(async {
        let mut opened = Vec::new();
        for _ in 0..connections {
            opened.push(open(address, request).await.expect("nobody answers"));
        }
        let (begun, spent) = (Instant::now(), crate::process::own_cpu());
        let mut clients = tokio::task::JoinSet::new();
        for stream in opened {
            let request = request.to_vec();
            let until = match until {
                Until::Requests(count) => Until::Requests(count / connections),
                after @ Until::After(_) => after,
            };
            clients.spawn_local(one_after_another(stream, address, request, until));
        }
        let (mut times, mut failed) = (Vec::new(), 0);
        for (seen, missed) in clients.join_all().await {
            times.extend(seen);
            failed += missed;
        }
        let elapsed = begun.elapsed().as_secs_f64();
        Load {
            rate: times.len() as f64 / elapsed,
            times: Spread::of(times),
            failed,
            busy: (crate::process::own_cpu() - spent).as_secs_f64() / elapsed,
        }
    })
}

async fn open(address: SocketAddr, request: &[u8]) -> io::Result<tokio::net::TcpStream> {
    let mut stream = connect(address).await?;
    ask(&mut stream, request, &mut vec![0; BUFFER]).await?;
    Ok(stream)
}

pub(crate) async fn connect(address: SocketAddr) -> io::Result<tokio::net::TcpStream> {
    let stream = tokio::net::TcpStream::connect(address).await?;
    stream.set_nodelay(true)?;
    Ok(stream)
}

/// One request and its answer.
pub(crate) async fn ask(
    stream: &mut tokio::net::TcpStream,
    request: &[u8],
    buffer: &mut [u8],
) -> io::Result<Answer> {
    stream.write_all(request).await?;
    let mut answer = Answer::default();
    loop {
        match stream.read(buffer).await? {
            0 => return Err(io::ErrorKind::UnexpectedEof.into()),
            read if answer.feed(&buffer[..read]) => return Ok(answer),
            _ => {}
        }
    }
}

async fn one_after_another(
    mut stream: tokio::net::TcpStream,
    address: SocketAddr,
    request: Vec<u8>,
    until: Until,
) -> (Vec<Duration>, usize) {
    let (mut times, mut failed, mut buffer) = (Vec::new(), 0, vec![0; BUFFER / 4]);
    let begun = Instant::now();
    loop {
        match until {
            Until::Requests(count) if times.len() + failed >= count => break,
            Until::After(time) if begun.elapsed() >= time => break,
            _ => {}
        }
        let asked = Instant::now();
        match ask(&mut stream, &request, &mut buffer).await {
            Ok(answer) if answer.status == 200 => times.push(asked.elapsed()),
            Ok(answer) => {
                failed += 1;
                if failed == 1 {
                    println!("the first request of a connection that failed: status {}", answer.status);
                }
            }
            Err(error) => {
                failed += 1;
                if failed == 1 {
                    println!("the first request of a connection that failed: {error}");
                }
                let Ok(again) = connect(address).await else { break };
                stream = again;
            }
        }
    }
    (times, failed)
}

//! The load: some connections, each with one request after another.

use std::net::SocketAddr;
use std::time::{Duration, Instant};

use bytes::Bytes;
use http_body_util::{BodyExt as _, Full};
use hyper::body::Incoming;
use hyper::client::conn::http1::SendRequest;
use hyper::{Request, Response};
use hyper_util::rt::TokioIo;
use tokio::net::TcpStream;

pub(crate) const CONNECTIONS: usize = 8;

/// What a client saw.
pub(crate) struct Load {
    pub(crate) rate: f64,
    /// Until the first byte of the answer's body.
    pub(crate) p50_us: f64,
    pub(crate) p99_us: f64,
}

pub(crate) async fn connect(address: SocketAddr) -> SendRequest<Full<Bytes>> {
    let stream = TcpStream::connect(address).await.unwrap();
    stream.set_nodelay(true).unwrap();
    let (sender, connection) = hyper::client::conn::http1::handshake(TokioIo::new(stream)).await.unwrap();
    tokio::task::spawn_local(connection);
    sender
}

pub(crate) async fn ask(
    sender: &mut SendRequest<Full<Bytes>>,
    path: &str,
    body: Bytes,
) -> Response<Incoming> {
    sender.ready().await.unwrap();
    let request = Request::post(path).header("host", "x").body(Full::new(body)).unwrap();
    let response = sender.send_request(request).await.unwrap();
    assert_eq!(response.status(), 200);
    response
}

pub(crate) async fn load(address: SocketAddr, path: &'static str, body: &Bytes, requests: usize) -> Load {
    let begun = Instant::now();
    let mut clients = tokio::task::JoinSet::new();
    for _ in 0..CONNECTIONS {
        let body = body.clone();
        clients.spawn_local(async move {
            let mut sender = connect(address).await;
            let mut times = Vec::new();
            for _ in 0..requests / CONNECTIONS {
                let begun = Instant::now();
                let mut answer = ask(&mut sender, path, body.clone()).await.into_body();
                answer.frame().await.unwrap().unwrap();
                times.push(begun.elapsed());
                while let Some(frame) = answer.frame().await {
                    frame.unwrap();
                }
            }
            times
        });
    }
    let mut times: Vec<Duration> = clients.join_all().await.into_iter().flatten().collect();
    times.sort();
    let at = |per_cent: usize| times[times.len() * per_cent / 100].as_secs_f64() * 1e6;
    Load { rate: times.len() as f64 / begun.elapsed().as_secs_f64(), p50_us: at(50), p99_us: at(99) }
}

//! The upstream, and a bare proxy before it.

use std::convert::Infallible;
use std::net::SocketAddr;
use std::pin::Pin;
use std::task::{Context, Poll};

use bytes::Bytes;
use http_body_util::{BodyExt as _, Either, Full};
use hyper::body::{Body, Frame, Incoming};
use hyper::service::service_fn;
use hyper::{Request, Response};
use hyper_util::rt::TokioIo;
use tokio::net::TcpListener;

use crate::CHUNKS;
use crate::client::{ask, connect};

const ANSWER: &str = r#"{"id":"c","object":"chat.completion","created":1,"model":"m","choices":[{"index":0,"message":{"role":"assistant","content":"hello"},"finish_reason":"stop"}],"usage":{"prompt_tokens":1000,"completion_tokens":100,"total_tokens":1100}}"#;
const PIECE: &str = "data: {\"id\":\"c\",\"object\":\"chat.completion.chunk\",\"created\":1,\"model\":\"m\",\"choices\":[{\"index\":0,\"delta\":{\"content\":\"hello \"},\"finish_reason\":null}]}\n\n";
const LAST: &str = "data: {\"id\":\"c\",\"object\":\"chat.completion.chunk\",\"created\":1,\"model\":\"m\",\"choices\":[{\"index\":0,\"delta\":{},\"finish_reason\":\"stop\"}]}\n\ndata: {\"id\":\"c\",\"object\":\"chat.completion.chunk\",\"created\":1,\"model\":\"m\",\"choices\":[],\"usage\":{\"prompt_tokens\":1000,\"completion_tokens\":100,\"total_tokens\":1100}}\n\ndata: [DONE]\n\n";

/// So many pieces, each of them written before the next is there.
struct Pieces {
    left: usize,
    rest: bool,
}

impl Body for Pieces {
    type Data = Bytes;
    type Error = Infallible;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Infallible>>> {
        self.rest = !self.rest;
        if self.rest {
            context.waker().wake_by_ref();
            return Poll::Pending;
        }
        if self.left == 0 {
            return Poll::Ready(None);
        }
        self.left -= 1;
        let piece = if self.left == 0 { LAST } else { PIECE };
        Poll::Ready(Some(Ok(Frame::data(Bytes::from_static(piece.as_bytes())))))
    }
}

fn answer(question: &[u8]) -> Response<Either<Full<Bytes>, Pieces>> {
    let streams = question.windows(13).any(|window| window == b"\"stream\":true");
    let body = if streams {
        Either::Right(Pieces { left: CHUNKS, rest: false })
    } else {
        Either::Left(Full::new(Bytes::from_static(ANSWER.as_bytes())))
    };
    let kind = if streams { "text/event-stream" } else { "application/json" };
    Response::builder().header("content-type", kind).body(body).unwrap()
}

/// Serves; with an upstream as a proxy, with a connection there for each connection here.
pub(crate) async fn serve(upstream: Option<SocketAddr>) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    println!("{}", listener.local_addr().unwrap());
    loop {
        let (stream, _) = listener.accept().await.unwrap();
        stream.set_nodelay(true).unwrap();
        tokio::task::spawn_local(async move {
            let onward = match upstream {
                Some(upstream) => Some(tokio::sync::Mutex::new(connect(upstream).await)),
                None => None,
            };
            let service = service_fn(|request: Request<Incoming>| async {
                let body = request.into_body().collect().await.unwrap().to_bytes();
                Ok::<_, Infallible>(match &onward {
                    Some(onward) => {
                        let mut sender = onward.lock().await;
                        ask(&mut sender, "/v1/chat/completions", body).await.map(Either::Left)
                    }
                    None => answer(&body).map(Either::Right),
                })
            });
            let _ = hyper::server::conn::http1::Builder::new()
                .serve_connection(TokioIo::new(stream), service)
                .await;
        });
    }
}

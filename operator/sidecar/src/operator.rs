//! Calls of the operator's control API: the way there, why there is no answer, and when to ask again.

use std::time::Duration;

use bytes::Bytes;
use http::{HeaderValue, Method, Request, Response, StatusCode, header, request};
use http_body_util::{BodyExt as _, Full, Limited};
use hyper::body::Incoming;
use serde::Deserialize;

use crate::config::Settings;
use crate::ids::{now_ms, random};
use crate::upstream::{ConnectError, Connector, Origin, Sender, TlsError, client_tls};

/// DNS, TCP and TLS.
const CONNECT: Duration = Duration::from_secs(10);
/// Bytes of a refusal.
const LARGEST: usize = 64 << 10;

/// Why there is no answer.
#[derive(Debug, thiserror::Error)]
pub(crate) enum CallError {
    #[error("the operator's URL {0:?} is none")]
    Url(String),
    #[error("failed to read the token from {file}: {why}")]
    Token { file: String, why: String },
    #[error(transparent)]
    Tls(#[from] TlsError),
    #[error(transparent)]
    Connect(#[from] ConnectError),
    #[error("the operator did not answer in time")]
    Late,
    #[error("the connection to the operator broke: {0}")]
    Broken(#[from] hyper::Error),
    #[error("failed to build the request: {0}")]
    Request(#[from] http::Error),
    #[error("failed to read the operator's answer: {0}")]
    Unreadable(String),
    #[error("the operator answered {status} {code}: {message}")]
    Refused { status: StatusCode, code: String, message: String, retry_after: Option<Duration> },
}

impl CallError {
    /// The operator's code, where it answered with one.
    pub(crate) fn code(&self) -> &str {
        if let Self::Refused { code, .. } = self { code } else { "" }
    }

    /// When the operator wants to be asked again, where it said so.
    pub(crate) const fn retry_after(&self) -> Option<Duration> {
        if let Self::Refused { retry_after, .. } = self { *retry_after } else { None }
    }
}

/// The control API's way to say no.
#[derive(Deserialize)]
struct Refusal {
    error: Said,
}

#[derive(Default, Deserialize)]
struct Said {
    code: String,
    message: String,
}

/// A connection to the operator.
pub(crate) struct Connection {
    sender: Sender,
    authority: HeaderValue,
    /// Path of the operator's URL.
    base: String,
    token: HeaderValue,
}

impl Connection {
    /// Connects, with the token as it stands in its file now.
    pub(crate) async fn open(settings: &Settings) -> Result<Self, CallError> {
        let url = || CallError::Url(settings.operator.clone());
        let (origin, base) = Origin::of_url(&settings.operator).ok_or_else(url)?;
        let authorities = settings.operator_ca.as_ref().unwrap_or(&settings.ca_bundle);
        let tls = if origin.tls { Some(client_tls(authorities)?) } else { None };
        let token = token(settings)?;
        let connecting = Connector::new(tls);
        let connected = tokio::time::timeout(CONNECT, connecting.connect(&origin)).await;
        let sender = connected.map_err(|_| CallError::Late)??;
        Ok(Self { sender, authority: origin.authority, base, token })
    }

    /// Whether nothing can be sent on it any more.
    pub(crate) fn is_closed(&self) -> bool {
        self.sender.is_closed()
    }

    /// A request with the caller's identity.
    pub(crate) fn request(&self, method: Method, path: &str) -> request::Builder {
        Request::builder()
            .method(method)
            .uri(format!("{}{path}", self.base))
            .header(header::HOST, &self.authority)
            .header(header::AUTHORIZATION, &self.token)
    }

    /// Sends it; an answer that is no success is an error.
    pub(crate) async fn send(
        &mut self,
        request: Request<Full<Bytes>>,
    ) -> Result<Response<Incoming>, CallError> {
        let response = self.sender.send_request(request).await?;
        if response.status().is_success() { Ok(response) } else { Err(refused(response).await) }
    }
}

async fn refused(response: Response<Incoming>) -> CallError {
    let status = response.status();
    let retry_after = response.headers().get(header::RETRY_AFTER).and_then(|value| {
        let now = i64::try_from(now_ms() / 1000).unwrap_or(i64::MAX);
        vox_dialects::retry_after(value.to_str().ok()?, now)
    });
    let body = Limited::new(response.into_body(), LARGEST).collect().await;
    let body = body.map(http_body_util::Collected::to_bytes).unwrap_or_default();
    let said = serde_json::from_slice::<Refusal>(&body).map(|refusal| refusal.error);
    let Said { code, message } = said.unwrap_or_default();
    CallError::Refused { status, code, message, retry_after }
}

fn token(settings: &Settings) -> Result<HeaderValue, CallError> {
    let file = &settings.token_file;
    let wrong = |why: String| CallError::Token { file: file.display().to_string(), why };
    let text = std::fs::read_to_string(file).map_err(|error| wrong(error.to_string()))?;
    let mut value = HeaderValue::try_from(format!("Bearer {}", text.trim()))
        .map_err(|_| wrong("it is no token".to_owned()))?;
    value.set_sensitive(true);
    Ok(value)
}

/// How long to wait before the operator is asked again: doubling, unless it says itself when to come.
#[derive(Debug)]
pub(crate) struct Pause {
    first: Duration,
    last: Duration,
    next: Duration,
}

impl Pause {
    pub(crate) const fn new(first: Duration, last: Duration) -> Self {
        Self { first, last, next: first }
    }

    /// Something went well.
    pub(crate) const fn reset(&mut self) {
        self.next = self.first;
    }

    /// The wait after a failure.
    pub(crate) fn after(&mut self, retry_after: Option<Duration>) -> Duration {
        match retry_after {
            Some(after) => {
                // It is there, and takes as many a second as it can: whoever waits longer than it asks comes late.
                self.reset();
                self.when_told(after)
            }
            None => {
                let pause = self.next;
                self.next = pause.saturating_mul(2).min(self.last);
                jittered(pause)
            }
        }
    }

    /// Never sooner than it was told, and up to twice that, so that those who heard the same do not come together.
    pub(crate) fn when_told(&self, after: Duration) -> Duration {
        let after = after.clamp(self.first, self.last);
        after.saturating_add(up_to(after))
    }
}

/// Half of the pause to all of it, so that the sidecars of a cluster do not come back together.
pub(crate) fn jittered(pause: Duration) -> Duration {
    (pause / 2).saturating_add(up_to(pause / 2))
}

fn up_to(limit: Duration) -> Duration {
    let millis = u64::try_from(limit.as_millis()).unwrap_or(u64::MAX);
    Duration::from_millis(random() % millis.max(1))
}

#[cfg(test)]
mod tests {
    use std::cmp::Reverse;
    use std::collections::BinaryHeap;

    use clap::Parser as _;
    use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
    use tokio::net::TcpListener;

    use super::*;
    use crate::config::Args;

    const SECOND: Duration = Duration::from_secs(1);

    /// What a call finds that is answered with this head and body. Connections are driven by tasks of their own thread.
    async fn called(answer: &'static str) -> CallError {
        tokio::task::LocalSet::new().run_until(call(answer)).await
    }

    async fn call(answer: &'static str) -> CallError {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        tokio::spawn(async move {
            let (mut wire, _) = listener.accept().await.unwrap();
            let _ = wire.read(&mut [0; 4096]).await.unwrap();
            wire.write_all(answer.as_bytes()).await.unwrap();
        });
        let token = std::env::temp_dir().join(format!("vox-token-{}", crate::ids::uuid(now_ms())));
        std::fs::write(&token, "a-token\n").unwrap();
        let arguments = ["vox-sidecar", "--operator", &url, "--token-file", token.to_str().unwrap()];
        let mut connection = Connection::open(&Args::parse_from(arguments).settings).await.unwrap();
        std::fs::remove_file(token).unwrap();
        let request = connection.request(Method::GET, "/v1/x").body(Full::default()).unwrap();
        connection.send(request).await.unwrap_err()
    }

    #[tokio::test]
    async fn a_refusal_says_its_code_and_when_to_come_again() {
        let answer = "HTTP/1.1 429 Too Many Requests\r\nretry-after: 7\r\ncontent-length: 48\r\n\r\n{\"error\":{\"code\":\"TooMany\",\"message\":\"later..\"}}";
        let refused = called(answer).await;
        assert_eq!((refused.code(), refused.retry_after()), ("TooMany", Some(7 * SECOND)));
        assert_eq!(refused.to_string(), "the operator answered 429 Too Many Requests TooMany: later..");
    }

    #[tokio::test]
    async fn a_refusal_of_somebody_else_on_the_way_is_none_that_says_when() {
        let refused = called("HTTP/1.1 502 Bad Gateway\r\ncontent-length: 4\r\n\r\noops").await;
        assert_eq!((refused.code(), refused.retry_after()), ("", None));
    }

    #[test]
    fn the_operators_word_is_kept_within_bounds() {
        let pause = Pause::new(SECOND / 4, 30 * SECOND);
        for (told, least, most) in
            [(7 * SECOND, 7, 14), (Duration::ZERO, 0, 1), (Duration::from_secs(86_400), 30, 60)]
        {
            let wait = pause.when_told(told);
            assert!(wait >= least * SECOND && wait <= most * SECOND, "{told:?}: {wait:?}");
        }
    }

    #[test]
    fn an_operator_that_is_away_is_asked_less_and_less_often() {
        let mut pause = Pause::new(SECOND, 8 * SECOND);
        let waits: Vec<Duration> = (0..6).map(|_| pause.after(None)).collect();
        for (wait, most) in waits.iter().zip([1, 2, 4, 8, 8, 8]) {
            assert!(*wait >= most * SECOND / 2 && *wait <= most * SECOND, "{waits:?}");
        }
        pause.after(Some(SECOND));
        assert!(pause.after(None) <= SECOND, "it answered since");
    }

    /// The operator has 500 tokens reviewed at once and then 50 a second, and tells all others to come in a second.
    #[test]
    fn a_thousand_sidecars_that_come_at_once_are_served_as_fast_as_the_operator_can() {
        let (mut served, mut last) = (0_u64, 0);
        let mut due: BinaryHeap<Reverse<(u128, usize)>> = (0..1000).map(|who| Reverse((0, who))).collect();
        let mut pauses: Vec<Pause> = (0..1000).map(|_| Pause::new(SECOND / 4, 30 * SECOND)).collect();
        while let Some(Reverse((now, who))) = due.pop() {
            if u128::from(served) < 500 + now / 20 {
                (served, last) = (served + 1, now);
            } else {
                due.push(Reverse((now + pauses[who].after(Some(SECOND)).as_millis(), who)));
            }
        }
        assert_eq!(served, 1000);
        assert!(last <= 12_000, "the last after {last} ms; the operator could take all after 10,000");
    }
}

//! A gateway: where it is, and one request to it.

mod forward;
mod refusal;

use std::time::Duration;

use bytes::Bytes;
use http::{HeaderMap, Method, Request, Response, Uri, header};
use http_body_util::{BodyExt as _, Full, Limited};
use hyper::body::Incoming;
use hyper::client::conn::http1;
use hyper_util::rt::TokioIo;
use serde::de::DeserializeOwned;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::TcpStream;

use crate::args::{GatewayArgs, Global};
use crate::cluster::{Cluster, Place};
use crate::error::{Error, chain};
use forward::Behind;
pub(crate) use refusal::{Refused, refusal};

/// A gateway that has not taken the connection by then is away.
const CONNECT: Duration = Duration::from_secs(10);
/// The largest answer that is kept whole: explanations of several times ten thousand candidates.
const LARGEST: usize = 64 << 20;

/// Bytes both ways.
trait Wire: AsyncRead + AsyncWrite + Send + Unpin {}

impl<T: AsyncRead + AsyncWrite + Send + Unpin> Wire for T {}

/// Where a gateway is.
pub(crate) enum Gateway {
    /// At an address.
    At { authority: String, path: String },
    /// Behind a port-forward.
    Behind { cluster: Box<Cluster>, namespace: String, behind: Behind },
}

impl Gateway {
    /// As the arguments say. The gateway is sent nothing yet.
    pub(crate) async fn new(args: &GatewayArgs, global: &Global) -> Result<Self, Error> {
        // A pod that was named is meant, whatever the environment says.
        let url = args.gateway.as_deref().filter(|url| !url.is_empty() && args.pod.is_none());
        if let Some(url) = url {
            return Self::at(url);
        }
        let cluster = Cluster::new(global).await?;
        let Place::Namespace(namespace) = cluster.place.clone() else {
            return Err(Error::Usage(
                "a gateway is in one namespace: name it with --namespace, or name a URL with --gateway"
                    .to_owned(),
            ));
        };
        let behind = match (&args.pod, &args.service) {
            (Some(pod), _) => Behind::Pod(pod.clone()),
            (None, Some(service)) => Behind::Service(service.clone()),
            (None, None) => Behind::Service(forward::find(&cluster, &namespace).await?),
        };
        Ok(Self::Behind { cluster: Box::new(cluster), namespace, behind })
    }

    pub(crate) fn at(url: &str) -> Result<Self, Error> {
        let wrong = || {
            Error::Usage(
                "--gateway is no URL of a gateway: write it like http://127.0.0.1:8811 (gateways speak no TLS of \
                 their own; `kubectl port-forward svc/NAME 8811` brings one here)"
                    .to_owned(),
            )
        };
        let uri: Uri = url.parse().map_err(|_| wrong())?;
        let authority = uri.authority().filter(|authority| !authority.as_str().contains('@'));
        let (Some("http"), Some(authority)) = (uri.scheme_str(), authority) else { return Err(wrong()) };
        Ok(Self::At { authority: authority.to_string(), path: uri.path().trim_end_matches('/').to_owned() })
    }

    /// What to call it.
    pub(crate) fn told(&self) -> String {
        match self {
            Self::At { authority, .. } => format!("the gateway at http://{authority}"),
            Self::Behind { namespace, behind: Behind::Service(service), .. } => {
                format!("the gateway {service} in namespace {namespace}")
            }
            Self::Behind { namespace, behind: Behind::Pod(pod), .. } => {
                format!("the sidecar of pod {pod} in namespace {namespace}")
            }
        }
    }

    /// Sends one request, over a connection of its own: dropping the answer cancels what still goes on upstream.
    pub(crate) async fn send(
        &self,
        method: Method,
        path: &str,
        headers: HeaderMap,
        body: Bytes,
    ) -> Result<Response<Incoming>, Error> {
        let wire = tokio::time::timeout(CONNECT, Box::pin(self.open())).await;
        let wire = wire.unwrap_or_else(|_| Err(self.failed("it did not take the connection within 10s")))?;
        let (host, base) = match self {
            Self::At { authority, path } => (authority.as_str(), path.as_str()),
            Self::Behind { behind, .. } => (behind.name(), ""),
        };
        let mut request = Request::builder()
            .method(method)
            .uri(format!("{base}{path}"))
            .header(header::HOST, host)
            .header(header::CONNECTION, "close")
            .body(Full::new(body))
            .map_err(|error| self.failed(&chain(&error)))?;
        request.headers_mut().extend(headers);
        let exchange = async {
            let (mut sender, connection) = http1::handshake(TokioIo::new(wire)).await?;
            // It has to be driven while the answer is read, and ends with it.
            tokio::spawn(connection);
            sender.send_request(request).await
        };
        exchange.await.map_err(|error: hyper::Error| self.failed(&chain(&error)))
    }

    /// Sends one request and reads the whole answer; a refusal is an error.
    pub(crate) async fn ask<T: DeserializeOwned>(
        &self,
        method: Method,
        path: &str,
        headers: HeaderMap,
        body: Bytes,
    ) -> Result<T, Error> {
        let response = self.send(method, path, headers, body).await?;
        let status = response.status();
        let body = self.whole(response.into_body()).await?;
        if !status.is_success() {
            return Err(refusal(status, &body));
        }
        serde_json::from_slice(&body).map_err(|error| {
            self.failed(&format!(
                "its answer cannot be read ({error}); is it of another version than this command?"
            ))
        })
    }

    /// All of an answer.
    pub(crate) async fn whole(&self, body: Incoming) -> Result<Bytes, Error> {
        let read = Limited::new(body, LARGEST).collect().await;
        read.map(http_body_util::Collected::to_bytes).map_err(|error| self.failed(&chain(&*error)))
    }

    async fn open(&self) -> Result<Box<dyn Wire>, Error> {
        match self {
            Self::At { authority, .. } => {
                let address = if authority.parse::<http::uri::Authority>().is_ok_and(|a| a.port().is_some()) {
                    authority.clone()
                } else {
                    format!("{authority}:80")
                };
                let wire =
                    TcpStream::connect(address).await.map_err(|error| self.failed(&error.to_string()))?;
                // A prompt is small and waits for nothing.
                let _ = wire.set_nodelay(true);
                Ok(Box::new(wire))
            }
            Self::Behind { cluster, namespace, behind } => {
                forward::open(cluster, namespace, behind, |reason| self.failed(reason)).await
            }
        }
    }

    /// A failure to speak with it.
    pub(crate) fn failed(&self, reason: &str) -> Error {
        let todo = match self {
            Self::At { .. } => "check --gateway, and that it runs (kubectl port-forward svc/NAME 8811)",
            Self::Behind { .. } => "its pod's log says more",
        };
        Error::Gateway(format!("failed to ask {}: {reason}; {todo}", self.told()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_gateway_is_named_by_a_plain_url() {
        assert!(matches!(
            Gateway::at("http://127.0.0.1:8811/"),
            Ok(Gateway::At { authority, path }) if authority == "127.0.0.1:8811" && path.is_empty()
        ));
        for wrong in ["127.0.0.1:8811", "https://gateway", "http://user:secret@host", "", "http://"] {
            let error = Gateway::at(wrong).err().map(|error| error.to_string()).unwrap();
            assert!(error.contains("http://127.0.0.1:8811"), "{wrong}: {error}");
            assert!(!error.contains("secret"), "{error}");
        }
    }
}

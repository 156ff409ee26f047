//! Just enough of Kubernetes' API, as a pod sees it.

use std::path::Path;

use anyhow::{Context as _, bail};
use bytes::Bytes;
use http_body_util::{BodyExt as _, Full};
use hyper::client::conn::http1::SendRequest;
use hyper::{Method, Request, header};
use serde_json::{Value, json};

use super::connect::Server;

const ACCOUNT: &str = "/var/run/secrets/kubernetes.io/serviceaccount";
/// What discovery calls `vox`: only tokens for it are taken.
const AUDIENCE: &str = "vox";

/// One connection to the API server.
pub(super) struct Cluster {
    server: Server,
    token: String,
    open: Option<SendRequest<Full<Bytes>>>,
}

impl Cluster {
    /// As the pod's own ServiceAccount.
    pub(super) fn of_pod() -> anyhow::Result<Self> {
        let read = |name: &str| {
            let file = Path::new(ACCOUNT).join(name);
            std::fs::read(&file).with_context(|| format!("failed to read {}: is this a pod?", file.display()))
        };
        let server = Server::new("kubernetes.default.svc:443", &read("ca.crt")?)?;
        Ok(Self { server, token: String::from_utf8(read("token")?)?, open: None })
    }

    /// The same, over a connection of its own.
    pub(super) fn another(&self) -> Self {
        Self { server: self.server.clone(), token: self.token.clone(), open: None }
    }

    pub(super) async fn get(&mut self, path: &str) -> anyhow::Result<Value> {
        Ok(serde_json::from_str(&self.text(path).await?)?)
    }

    pub(super) async fn text(&mut self, path: &str) -> anyhow::Result<String> {
        self.call(Method::GET, path, "", String::new()).await
    }

    pub(super) async fn delete(&mut self, path: &str) -> anyhow::Result<()> {
        self.call(Method::DELETE, path, "", String::new()).await.map(drop)
    }

    pub(super) async fn create(&mut self, path: &str, object: &Value) -> anyhow::Result<Value> {
        let answer = self.call(Method::POST, path, "application/json", object.to_string()).await?;
        Ok(serde_json::from_str(&answer)?)
    }

    /// What `kubectl apply --server-side` does.
    pub(super) async fn apply(&mut self, path: &str, object: &Value) -> anyhow::Result<Value> {
        let path = format!("{path}?fieldManager=vox-wire&force=true");
        let answer =
            self.call(Method::PATCH, &path, "application/apply-patch+yaml", object.to_string()).await?;
        Ok(serde_json::from_str(&answer)?)
    }

    /// A token for the operator that is bound to this pod, as the kubelet gets one for a sidecar.
    pub(super) async fn token_of(
        &mut self,
        namespace: &str,
        account: &str,
        pod: &Value,
    ) -> anyhow::Result<String> {
        let request = json!({
            "apiVersion": "authentication.k8s.io/v1",
            "kind": "TokenRequest",
            "spec": {
                "audiences": [AUDIENCE],
                "expirationSeconds": 3600,
                "boundObjectRef": {
                    "apiVersion": "v1", "kind": "Pod", "name": pod["metadata"]["name"], "uid": pod["metadata"]["uid"],
                },
            },
        });
        let path = format!("/api/v1/namespaces/{namespace}/serviceaccounts/{account}/token");
        let answer = self.create(&path, &request).await?;
        Ok(answer["status"]["token"].as_str().context("the API server gave no token")?.to_owned())
    }

    async fn call(
        &mut self,
        method: Method,
        path: &str,
        content: &str,
        body: String,
    ) -> anyhow::Result<String> {
        let mut sender = match self.open.take().filter(|open| !open.is_closed()) {
            Some(open) => open,
            None => self.server.connect().await.context("failed to reach the API server")?,
        };
        let request = Request::builder()
            .method(&method)
            .uri(path)
            .header(header::HOST, &self.server.host)
            .header(header::CONTENT_TYPE, content)
            .header(header::AUTHORIZATION, format!("Bearer {}", self.token.trim()))
            .body(Full::from(body))?;
        sender.ready().await?;
        let response = sender.send_request(request).await?;
        let status = response.status();
        let body = response.into_body().collect().await?.to_bytes();
        self.open = Some(sender);
        let text = String::from_utf8_lossy(&body).into_owned();
        if !status.is_success() {
            bail!("failed: {method} {path}: {status} {}", text.chars().take(300).collect::<String>());
        }
        Ok(text)
    }
}

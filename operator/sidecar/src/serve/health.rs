//! For the kubelet and Prometheus.

use http::{HeaderValue, Response, StatusCode, header};

use super::Body;
use crate::app::App;

/// `/healthz`, `/readyz` and `/metrics`, on either port.
pub(crate) fn house(app: &App, path: &str) -> Option<Response<Body>> {
    match path {
        "/healthz" => Some(text(StatusCode::OK, "ok\n".to_owned())),
        "/readyz" if app.serving.load().is_some() => Some(text(StatusCode::OK, "ok\n".to_owned())),
        "/readyz" => Some(text(StatusCode::SERVICE_UNAVAILABLE, format!("{}\n", app.problem().message))),
        "/metrics" => {
            let mut response = text(StatusCode::OK, app.metrics.text());
            let kind = HeaderValue::from_static("application/openmetrics-text; version=1.0.0; charset=utf-8");
            response.headers_mut().insert(header::CONTENT_TYPE, kind);
            Some(response)
        }
        _ => None,
    }
}

fn text(status: StatusCode, text: String) -> Response<Body> {
    let mut response = Response::new(Body::whole(text.into()));
    *response.status_mut() = status;
    let kind = HeaderValue::from_static("text/plain; charset=utf-8");
    response.headers_mut().insert(header::CONTENT_TYPE, kind);
    response
}

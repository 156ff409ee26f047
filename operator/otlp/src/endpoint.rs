//! Where a collector listens.

use std::fmt;
use std::str::FromStr;

use url::Url;

/// The base URL of a collector's OTLP/HTTP receiver.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Endpoint(Url);

/// What is sent.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Signal {
    /// Spans.
    Traces,
    /// Metrics.
    Metrics,
}

impl Signal {
    /// Its name in labels and paths.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Traces => "traces",
            Self::Metrics => "metrics",
        }
    }
}

/// Why a text is no endpoint.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum EndpointError {
    /// Another scheme, or no URL.
    #[error("write it as http://host:4318 or https://host:4318")]
    Url,
    /// It has a password, a query or a fragment.
    #[error("it has a user, a query or a fragment; credentials belong into the headers")]
    Extra,
    /// It is the URL of one signal.
    #[error("write the base URL: /v1/traces and /v1/metrics are appended to it")]
    Signal,
}

impl FromStr for Endpoint {
    type Err = EndpointError;

    fn from_str(text: &str) -> Result<Self, EndpointError> {
        let url: Url = text.trim().parse().map_err(|_| EndpointError::Url)?;
        if !matches!(url.scheme(), "http" | "https") || !url.has_host() {
            return Err(EndpointError::Url);
        }
        let named = !url.username().is_empty() || url.password().is_some();
        if named || url.query().is_some() || url.fragment().is_some() {
            return Err(EndpointError::Extra);
        }
        let path = url.path().trim_end_matches('/');
        if ["/v1/traces", "/v1/metrics", "/v1/logs"].iter().any(|end| path.ends_with(end)) {
            return Err(EndpointError::Signal);
        }
        Ok(Self(url))
    }
}

impl Endpoint {
    /// Where a signal goes: `/v1/traces` or `/v1/metrics` below the base.
    #[must_use]
    pub fn of(&self, signal: Signal) -> Url {
        let mut url = self.0.clone();
        let path = format!("{}/v1/{}", url.path().trim_end_matches('/'), signal.as_str());
        url.set_path(&path);
        url
    }

    /// Whether it is reached over TLS.
    #[must_use]
    pub fn is_secured(&self) -> bool {
        self.0.scheme() == "https"
    }
}

impl fmt::Display for Endpoint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.0.as_str().trim_end_matches('/'))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn traces(text: &str) -> Result<String, EndpointError> {
        text.parse::<Endpoint>().map(|endpoint| endpoint.of(Signal::Traces).to_string())
    }

    #[test]
    fn signals_are_appended_to_the_base_and_its_path() {
        assert_eq!(traces("http://collector:4318").unwrap(), "http://collector:4318/v1/traces");
        assert_eq!(traces("https://saas.example/otlp/").unwrap(), "https://saas.example/otlp/v1/traces");
    }

    #[test]
    fn what_is_no_base_url_is_refused_with_a_reason() {
        assert_eq!(traces("collector:4318"), Err(EndpointError::Url));
        assert_eq!(traces("grpc://collector:4317"), Err(EndpointError::Url));
        assert_eq!(traces("http://user:secret@collector:4318"), Err(EndpointError::Extra));
        assert_eq!(traces("http://collector:4318?key=secret"), Err(EndpointError::Extra));
        assert_eq!(traces("http://collector:4318/v1/traces/"), Err(EndpointError::Signal));
    }
}

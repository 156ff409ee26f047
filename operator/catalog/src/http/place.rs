//! URLs: from base to list, and into messages.

use url::Url;

/// The base URL with a path after it; the base's own path and query stay.
///
/// # Errors
/// What is wrong with the base.
pub fn join(base: &str, path: &str) -> Result<Url, String> {
    let mut url = Url::parse(base.trim()).map_err(|error| format!("endpoint is not a URL ({error})"))?;
    if !matches!(url.scheme(), "http" | "https") || url.host_str().is_none() {
        return Err("endpoint must be an http or https URL with a host".to_owned());
    }
    if !url.username().is_empty() || url.password().is_some() {
        return Err(
            "endpoint holds a user name or password, which ends up in logs; use credentialsRef".to_owned()
        );
    }
    let (path, query) = path.split_once('?').map_or((path, None), |(path, query)| (path, Some(query)));
    let joined = format!("{}/{}", url.path().trim_end_matches('/'), path.trim_start_matches('/'));
    url.set_path(&joined);
    url.set_fragment(None);
    if let Some(query) = query {
        let all = url.query().map_or_else(|| query.to_owned(), |own| format!("{own}&{query}"));
        url.set_query(Some(&all));
    }
    Ok(url)
}

/// A URL as messages show it: without user, password, query and fragment.
#[must_use]
pub fn shown(url: &Url) -> String {
    let host = url.host_str().unwrap_or_default();
    let port = url.port().map(|port| format!(":{port}")).unwrap_or_default();
    format!("{}://{host}{port}{}", url.scheme(), url.path())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_bases_own_path_and_query_stay() {
        let url = |base, path| join(base, path).unwrap().to_string();
        assert_eq!(url("https://a.test/api/v1", "/models"), "https://a.test/api/v1/models");
        assert_eq!(url("https://a.test/", "models"), "https://a.test/models");
        assert_eq!(url("https://a.test/x/?v=1", "/models"), "https://a.test/x/models?v=1");
        assert_eq!(url("https://a.test?v=1", "/models?w=2"), "https://a.test/models?v=1&w=2");
    }

    #[test]
    fn what_is_no_base_url_is_refused() {
        for base in ["", "a.test/v1", "ftp://a.test", "file:///etc/passwd", "https://u:p@a.test"] {
            assert!(join(base, "/models").is_err(), "{base}");
        }
    }

    #[test]
    fn a_shown_url_has_no_secrets() {
        let url = Url::parse("https://u:p@a.test:8443/v1/models?key=k#f").unwrap();
        assert_eq!(shown(&url), "https://a.test:8443/v1/models");
    }
}

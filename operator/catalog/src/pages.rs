//! A list in pages: bounded in pages, rows and bytes, never on another host, and whole or not at all.

use std::collections::BTreeSet;
use std::sync::atomic::{AtomicUsize, Ordering};

use url::Url;
use vox_contracts::discovery::{FailureClass, FetchFailure, FetchTarget};

use crate::http::{Http, MAX_ROWS, Reply};
use crate::listing::{BodyError, Listing};
use crate::registry::Answer;

/// A list that goes on after so many pages does not end.
const MAX_PAGES: usize = 200;

/// One page of a list.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct Page<T> {
    /// What its rows are.
    pub value: T,
    /// How many rows it had, refused ones included.
    pub rows: usize,
    /// How many rows the whole list has, if the server says so.
    pub total: Option<u64>,
    /// Where the list goes on, if the server says so.
    pub next: Option<Next>,
}

/// What pages are put together to.
pub(crate) trait Pages {
    /// Adds a further page.
    fn add(&mut self, page: Self);
}

/// How a server says where its list goes on.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Next {
    /// With an address, whole or relative.
    Link(String),
    /// With a value for a parameter of the same address.
    Cursor(&'static str, String),
}

/// Fetches a list to its end.
///
/// # Errors
/// As [`Walk::first`] and [`Walk::rest`].
pub(crate) async fn fetch(
    http: &Http,
    list: &Url,
    target: &FetchTarget,
    etag: Option<&str>,
    parse: impl Fn(&[u8]) -> Result<Page<Listing>, BodyError> + Sync,
) -> Result<Answer, FetchFailure> {
    let mut walk = Walk::new(http, list, target);
    let Some((first, tag)) = walk.first(etag, &parse).await? else { return Ok(Answer::NotModified) };
    let mut listing = walk.rest(first, &parse).await?;
    // The ETag of a first page says nothing about the others.
    listing.etag = tag.filter(|_| walk.seen.len() == 1);
    Ok(Answer::Listing(listing))
}

/// A list that is being read, with what bounds it.
pub(crate) struct Walk<'a> {
    http: &'a Http,
    list: &'a Url,
    target: &'a FetchTarget,
    /// The addresses that were read, or are to be read next.
    seen: BTreeSet<String>,
    rows: usize,
    bytes: u64,
}

impl<'a> Walk<'a> {
    pub(crate) fn new(http: &'a Http, list: &'a Url, target: &'a FetchTarget) -> Self {
        let seen = BTreeSet::from([list.as_str().to_owned()]);
        Self { http, list, target, seen, rows: 0, bytes: 0 }
    }

    /// The first page with its ETag; nothing when the server says that it is as before.
    ///
    /// # Errors
    /// The failure of the request.
    pub(crate) async fn first<T>(
        &mut self,
        etag: Option<&str>,
        parse: &(impl Fn(&[u8]) -> Result<Page<T>, BodyError> + Sync),
    ) -> Result<Option<(Page<T>, Option<String>)>, FetchFailure> {
        self.page(self.list, etag, parse).await
    }

    /// The first page and all others. A page that fails, fails the list: half a list would look like removed models.
    ///
    /// # Errors
    /// The failure of a page; [`FailureClass::BodyTooLarge`] when the list does not end or its pages are together larger
    /// than the target's limit; [`FailureClass::BodyInvalid`] when a page leads to another host or back to one that was read.
    pub(crate) async fn rest<T: Pages>(
        &mut self,
        first: Page<T>,
        parse: &(impl Fn(&[u8]) -> Result<Page<T>, BodyError> + Sync),
    ) -> Result<T, FetchFailure> {
        let limit = first.rows;
        let mut next = self.next(&first, limit)?;
        let mut all = first.value;
        while let Some(url) = next {
            let Some((page, _)) = self.page(&url, None, parse).await? else { break };
            next = self.next(&page, limit)?;
            all.add(page.value);
        }
        Ok(all)
    }

    async fn page<T>(
        &mut self,
        url: &Url,
        etag: Option<&str>,
        parse: &(impl Fn(&[u8]) -> Result<Page<T>, BodyError> + Sync),
    ) -> Result<Option<(Page<T>, Option<String>)>, FetchFailure> {
        let length = AtomicUsize::new(0);
        let reply = self.http.get(url, etag, |body| {
            length.store(body.len(), Ordering::Relaxed);
            parse(body)
        });
        let (mut page, tag, link) = match reply.await? {
            Reply::NotModified => return Ok(None),
            Reply::Fresh { value, etag, next } => (value, etag, next),
        };
        page.next = page.next.or_else(|| link.map(Next::Link));
        self.rows += page.rows;
        self.bytes += length.into_inner() as u64;
        if self.bytes > self.target.max_body_bytes {
            let limit = self.target.max_body_bytes;
            return Err(
                self.endless(&format!("the pages of the list are together larger than {limit} bytes"))
            );
        }
        Ok(Some((page, tag)))
    }

    /// By the server's own word, or by counting when it says how many there are.
    fn next<T>(&mut self, page: &Page<T>, limit: usize) -> Result<Option<Url>, FetchFailure> {
        let url = match &page.next {
            Some(Next::Link(link)) if !link.is_empty() => self.link(link)?,
            Some(Next::Cursor(key, value)) if !value.is_empty() => with(self.list, &[(key, value)]),
            _ if page.rows == 0 || page.total.is_none_or(|total| self.rows as u64 >= total) => {
                return Ok(None);
            }
            _ => {
                let (offset, limit) = (self.rows.to_string(), limit.to_string());
                with(self.list, &[("offset", &offset), ("limit", &limit)])
            }
        };
        if !self.seen.insert(url.as_str().to_owned()) {
            let what = "the list leads back to a page that was read before";
            return Err(self.http.failure(
                FailureClass::BodyInvalid,
                self.list,
                what,
                "see whether the provider is healthy",
            ));
        }
        if self.seen.len() > MAX_PAGES || self.rows > MAX_ROWS {
            return Err(self.endless(&format!(
                "the list does not end after {} models in {} pages",
                self.rows,
                self.seen.len()
            )));
        }
        Ok(Some(url))
    }

    fn link(&self, link: &str) -> Result<Url, FetchFailure> {
        let url = self.list.join(link).ok().filter(|url| url.origin() == self.list.origin());
        url.ok_or_else(|| {
            let what = "the list's link to its next page leads to another host";
            self.http.failure(FailureClass::BodyInvalid, self.list, what, "check endpoint")
        })
    }

    fn endless(&self, what: &str) -> FetchFailure {
        let advice = "check the endpoint; the limits are those of the routing contract";
        self.http.failure(FailureClass::BodyTooLarge, self.list, what, advice)
    }
}

/// The address with these parameters instead of its own of the same name.
fn with(list: &Url, parameters: &[(&str, &str)]) -> Url {
    let mut url = list.clone();
    let own: Vec<(String, String)> = list
        .query_pairs()
        .filter(|(key, _)| parameters.iter().all(|(other, _)| other != key))
        .map(|(key, value)| (key.into_owned(), value.into_owned()))
        .collect();
    url.query_pairs_mut().clear().extend_pairs(own).extend_pairs(parameters);
    url
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_cursor_replaces_the_one_before_and_keeps_the_rest() {
        let list = Url::parse("https://a.test/v1/models?limit=10&after_id=a").unwrap();
        assert_eq!(
            with(&list, &[("after_id", "b/c d")]).as_str(),
            "https://a.test/v1/models?limit=10&after_id=b%2Fc+d"
        );
    }
}

//! A request, as a handler gets it.

use bytes::Bytes;
use hyper::header::AsHeaderName;
use hyper::{HeaderMap, Method};
use std::borrow::Cow;
use std::net::SocketAddr;

/// A whole request from somebody who may ask.
#[derive(Debug)]
pub struct Request {
    /// GET (a HEAD comes as one, too) or POST, as the route has it.
    pub method: Method,
    /// The path as it came, not decoded.
    pub path: String,
    /// What the `*` at the end of the route's path stands for, decoded; empty without one.
    pub rest: String,
    /// What follows the `?`.
    pub query: Option<String>,
    /// The headers.
    pub headers: HeaderMap,
    /// The body, inflated where it came in gzip.
    pub body: Bytes,
    /// Who asks.
    pub peer: SocketAddr,
}

impl Request {
    /// A header, if it is there and is text.
    #[must_use]
    pub fn header(&self, name: impl AsHeaderName) -> Option<&str> {
        self.headers.get(name)?.to_str().ok()
    }

    /// All values of a name in the query, decoded.
    #[must_use]
    pub fn queries(&self, name: &str) -> Vec<String> {
        let pairs = form_urlencoded::parse(self.query.as_deref().unwrap_or_default().as_bytes());
        pairs.filter(|(key, _)| key == name).map(|(_, value)| value.into_owned()).collect()
    }

    /// The first value of a name in the query, decoded.
    #[must_use]
    pub fn query(&self, name: &str) -> Option<Cow<'_, str>> {
        let pairs = form_urlencoded::parse(self.query.as_deref()?.as_bytes());
        pairs.into_iter().find(|(key, _)| key == name).map(|(_, value)| value)
    }
}

/// A path with its `%xx` decoded; `+` means itself in a path. `None`: it is not UTF-8.
pub(crate) fn decoded(path: &str) -> Option<String> {
    percent_encoding::percent_decode_str(path).decode_utf8().ok().map(Cow::into_owned)
}

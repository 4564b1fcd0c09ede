//! A response: bytes, or a stream of server-sent events.

use crate::events::EventStream;
use crate::gzip;
use bytes::Bytes;
use hyper::body::{Body, Frame, SizeHint};
use hyper::header::{
    ACCEPT_ENCODING, CACHE_CONTROL, CONTENT_ENCODING, CONTENT_TYPE, ETAG, HeaderName, HeaderValue,
    IF_NONE_MATCH, VARY, X_CONTENT_TYPE_OPTIONS,
};
use hyper::{HeaderMap, StatusCode};
use std::convert::Infallible;
use std::pin::Pin;
use std::task::{Context, Poll};

/// The most that bytes in gzip may be, for a client that cannot read it (bytes).
const STATIC_BYTES_MAX: usize = 4 << 20;

/// What a handler answers.
#[derive(Debug)]
pub struct Response {
    pub(crate) status: StatusCode,
    pub(crate) headers: HeaderMap,
    pub(crate) body: ResponseBody,
}

/// The body of a response.
#[derive(Debug)]
pub(crate) enum ResponseBody {
    Whole(Bytes),
    Events(EventStream),
}

impl Response {
    /// A status without a body.
    #[must_use]
    pub fn empty(status: StatusCode) -> Self {
        Self { status, headers: HeaderMap::new(), body: ResponseBody::Whole(Bytes::new()) }
    }

    /// Bytes of a type.
    #[must_use]
    pub fn bytes(content_type: &'static str, bytes: impl Into<Bytes>) -> Self {
        let response = Self { body: ResponseBody::Whole(bytes.into()), ..Self::empty(StatusCode::OK) };
        response.with(CONTENT_TYPE, HeaderValue::from_static(content_type))
    }

    /// A status with a line of text for people.
    #[must_use]
    pub fn text(status: StatusCode, text: impl AsRef<str>) -> Self {
        let line = format!("{}\n", text.as_ref());
        Self { status, ..Self::bytes("text/plain; charset=utf-8", line) }
    }

    /// JSON.
    #[must_use]
    pub fn json(bytes: impl Into<Bytes>) -> Self {
        Self::bytes("application/json", bytes)
    }

    /// A file of the program, in gzip, with a tag that changes when the file does: `"v0.1.0"`, quotes included. A client
    /// that has it already is told so; one that cannot read gzip gets it inflated.
    #[must_use]
    pub fn gzipped(content_type: &'static str, gzip: &'static [u8], tag: &'static str) -> Self {
        Self::bytes(content_type, Bytes::from_static(gzip))
            .with(CONTENT_ENCODING, HeaderValue::from_static("gzip"))
            .with(ETAG, HeaderValue::from_static(tag))
            .with(VARY, HeaderValue::from_static("accept-encoding"))
            .with(CACHE_CONTROL, HeaderValue::from_static("no-cache"))
    }

    /// A stream of events.
    #[must_use]
    pub fn events(stream: EventStream) -> Self {
        let response = Self { body: ResponseBody::Events(stream), ..Self::empty(StatusCode::OK) };
        response.with(CONTENT_TYPE, HeaderValue::from_static("text/event-stream"))
    }

    /// The same with another status.
    #[must_use]
    pub fn status(self, status: StatusCode) -> Self {
        Self { status, ..self }
    }

    /// The same with a header.
    #[must_use]
    pub fn with(mut self, name: HeaderName, value: HeaderValue) -> Self {
        self.headers.insert(name, value);
        self
    }

    /// The response to a request with these headers, as hyper sends it.
    pub(crate) fn finish(mut self, asked: &HeaderMap) -> hyper::Response<ResponseBody> {
        if self.status == StatusCode::OK && self.is_known_to(asked) {
            self.status = StatusCode::NOT_MODIFIED;
            self.body = ResponseBody::Whole(Bytes::new());
        } else if self.headers.contains_key(CONTENT_ENCODING) && !takes_gzip(asked) {
            self.inflate();
        }
        self.headers.insert(X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff"));
        // Numbers of the agent are news; a page has a tag.
        self.headers.entry(CACHE_CONTROL).or_insert(HeaderValue::from_static("no-store"));
        let mut response = hyper::Response::new(self.body);
        *response.status_mut() = self.status;
        *response.headers_mut() = self.headers;
        response
    }

    fn is_known_to(&self, asked: &HeaderMap) -> bool {
        let Some(tag) = self.headers.get(ETAG).and_then(|tag| tag.to_str().ok()) else { return false };
        let known = asked.get_all(IF_NONE_MATCH).iter().filter_map(|tags| tags.to_str().ok());
        known.flat_map(|tags| tags.split(',')).any(|known| known.trim().trim_start_matches("W/") == tag)
    }

    fn inflate(&mut self) {
        if let ResponseBody::Whole(bytes) = &mut self.body
            && let Ok(plain) = gzip::inflated(bytes, STATIC_BYTES_MAX)
        {
            *bytes = plain.into();
            self.headers.remove(CONTENT_ENCODING);
        }
    }
}

/// Whether the client reads gzip (RFC 9110, 12.5.3).
fn takes_gzip(asked: &HeaderMap) -> bool {
    let lists = asked.get_all(ACCEPT_ENCODING).iter().filter_map(|list| list.to_str().ok());
    lists.flat_map(|list| list.split(',')).any(|coding| {
        let (name, weight) = coding.split_once(';').unwrap_or((coding, ""));
        let is_none = weight.trim().strip_prefix("q=").is_some_and(|q| q.parse() == Ok(0.0));
        matches!(name.trim(), "gzip" | "*") && !is_none
    })
}

impl Body for ResponseBody {
    type Data = Bytes;
    type Error = Infallible;

    fn poll_frame(
        self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Infallible>>> {
        match self.get_mut() {
            Self::Whole(bytes) if bytes.is_empty() => Poll::Ready(None),
            Self::Whole(bytes) => Poll::Ready(Some(Ok(Frame::data(std::mem::take(bytes))))),
            Self::Events(stream) => {
                stream.poll_next(context).map(|bytes| bytes.map(|bytes| Ok(Frame::data(bytes))))
            }
        }
    }

    fn is_end_stream(&self) -> bool {
        matches!(self, Self::Whole(bytes) if bytes.is_empty())
    }

    fn size_hint(&self) -> SizeHint {
        match self {
            Self::Whole(bytes) => SizeHint::with_exact(bytes.len() as u64),
            Self::Events(_) => SizeHint::default(),
        }
    }
}

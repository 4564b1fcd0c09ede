//! The body of a request, read whole within bounds of size and time.
//!
//! All bodies that are read at one moment share [`BODIES_BYTES_MAX`], or take the size of the largest one.

use crate::gzip::{GzipError, inflated};
use bytes::{Bytes, BytesMut};
use hyper::body::{Body as _, Incoming};
use hyper::header::{CONTENT_ENCODING, CONTENT_LENGTH};
use hyper::{HeaderMap, StatusCode};
use std::cell::Cell;
use std::future::poll_fn;
use std::pin::Pin;
use std::rc::Rc;
use std::time::Duration;
use tokio::time::timeout;

/// The bytes of all bodies together.
pub(crate) const BODIES_BYTES_MAX: usize = 4 << 20;

/// The time in which a body must have come, and the longest pause in it.
const WHOLE_WITHIN: Duration = Duration::from_secs(30);
const NEXT_WITHIN: Duration = Duration::from_secs(10);

/// The bytes that bodies take now; clones share the count.
#[derive(Clone, Debug, Default)]
pub(crate) struct BodyBudget(Rc<Cell<usize>>);

/// A body, and its share of the budget until it is dropped.
#[derive(Debug)]
pub(crate) struct Collected {
    pub(crate) bytes: Bytes,
    _share: Share,
}

#[derive(Debug)]
struct Share {
    budget: BodyBudget,
    bytes: usize,
}

/// Why a body is not taken, as the status that says so.
pub(crate) type Refusal = (StatusCode, &'static str);

const TOO_LARGE: Refusal = (StatusCode::PAYLOAD_TOO_LARGE, "the body is larger than is taken here");
const BUSY: Refusal = (StatusCode::SERVICE_UNAVAILABLE, "too much comes in at once; try again");
const SLOW: Refusal = (StatusCode::REQUEST_TIMEOUT, "the body did not come in time");
const BROKEN: Refusal =
    (StatusCode::BAD_REQUEST, "the body ended before it was whole, or is not as its headers say");
const CODING: Refusal = (StatusCode::UNSUPPORTED_MEDIA_TYPE, "bodies come as they are or in gzip");

impl Share {
    /// Takes more, of at most `most` in all; fails if that is too much.
    fn grow(&mut self, bytes: usize, most: usize) -> Result<(), Refusal> {
        let all = self.budget.0.get() + bytes;
        if all > most {
            return Err(BUSY);
        }
        self.budget.0.set(all);
        self.bytes += bytes;
        Ok(())
    }
}

impl Drop for Share {
    fn drop(&mut self) {
        self.budget.0.set(self.budget.0.get().saturating_sub(self.bytes));
    }
}

impl BodyBudget {
    /// Reads a body of at most `bytes_max`; `largest` is that of any route.
    pub(crate) async fn collect(
        &self,
        (headers, body): (&HeaderMap, Incoming),
        bytes_max: usize,
        largest: usize,
    ) -> Result<Collected, Refusal> {
        let is_gzip = match headers.get(CONTENT_ENCODING).map(|coding| coding.as_bytes().to_ascii_lowercase())
        {
            None => false,
            Some(coding) if coding == b"gzip" => true,
            Some(coding) if coding == b"identity" => false,
            Some(_) => return Err(CODING),
        };
        let length = headers.get(CONTENT_LENGTH).and_then(|length| length.to_str().ok()?.parse().ok());
        if length.is_some_and(|length: u64| length > bytes_max as u64) {
            return Err(TOO_LARGE);
        }
        // One as it came and as it is inflated has room at any time.
        let most = BODIES_BYTES_MAX.max(2 * largest);
        let mut share = Share { budget: self.clone(), bytes: 0 };
        let reading = read(body, bytes_max, most, &mut share);
        let bytes = timeout(WHOLE_WITHIN, reading).await.unwrap_or(Err(SLOW))?;
        if !is_gzip {
            return Ok(Collected { bytes, _share: share });
        }
        let plain = inflated(&bytes, bytes_max).map_err(|error| match error {
            GzipError::Broken => BROKEN,
            GzipError::TooLarge => TOO_LARGE,
        })?;
        share.grow(plain.len(), most)?;
        Ok(Collected { bytes: plain.into(), _share: share })
    }
}

async fn read(
    mut body: Incoming,
    bytes_max: usize,
    most: usize,
    share: &mut Share,
) -> Result<Bytes, Refusal> {
    let mut whole = BytesMut::new();
    loop {
        let next = poll_fn(|context| Pin::new(&mut body).poll_frame(context));
        let Some(frame) = timeout(NEXT_WITHIN, next).await.map_err(|_| SLOW)? else {
            return Ok(whole.freeze());
        };
        let Ok(data) = frame.map_err(|_| BROKEN)?.into_data() else { continue };
        if whole.len() + data.len() > bytes_max {
            return Err(TOO_LARGE);
        }
        share.grow(data.len(), most)?;
        whole.extend_from_slice(&data);
    }
}

//! Payloads that others POST. One is answered when its readings are written, so that a crash takes none that was
//! acknowledged.

use super::witness::Witness;
use crate::source::stopped;
use crate::{
    ConnectionState, DecodeConfig, Decoder, PersistState, Receipt, Safety, SafetyLevel, Sink, SourceContext,
    Stop,
};
use headwater_http::header::{HeaderValue, RETRY_AFTER};
use headwater_http::{Request, Response, Route, StatusCode};
use std::cell::{Cell, RefCell};
use std::rc::Rc;
use std::time::Duration;
use tokio::time::timeout;

/// Payloads that are decoded and not written yet.
const WAITING_MAX: usize = 64;

/// The time in which readings are written, even by a slow disk.
const WRITTEN_WITHIN: Duration = Duration::from_secs(20);

/// Takes payloads until `stop`.
pub(super) async fn run(
    route: Route,
    (decode, context): (DecodeConfig, SourceContext),
    mut sink: Box<dyn Sink>,
    stop: Stop,
) {
    let Some(routes) = sink.routes() else {
        sink.connection(ConnectionState::Down { reason: "there is no listener; add [http]" });
        return stopped(stop).await;
    };
    let safety = sink.safety(Rc::new(Stateless)).map(|(safety, _)| safety);
    let receiver = Rc::new(Receiver {
        decoder: RefCell::new(Decoder::new(&decode, &context)),
        source: context.source,
        sink: RefCell::new(sink),
        safety,
        waiting: Cell::new(0),
    });
    let taking = receiver.clone();
    let route = routes.add(route, move |request: Request| {
        let receiver = taking.clone();
        async move { receiver.take(&request).await }
    });
    let state = match &route {
        Ok(_) => ConnectionState::Up,
        Err(taken) => ConnectionState::Down { reason: &taken.to_string() },
    };
    receiver.sink.borrow_mut().connection(state);
    stopped(stop).await;
}

/// The source keeps nothing over a crash: who was not answered sends again.
struct Stateless;

impl PersistState for Stateless {
    fn version(&self) -> u16 {
        1
    }

    fn save(&self, _: &mut Vec<u8>) {}
}

struct Receiver {
    decoder: RefCell<Decoder>,
    source: String,
    sink: RefCell<Box<dyn Sink>>,
    /// `None`: nothing is made safe.
    safety: Option<Safety>,
    waiting: Cell<usize>,
}

/// A place among those that wait, until it is dropped.
struct Waiting<'a>(&'a Cell<usize>);

impl Drop for Waiting<'_> {
    fn drop(&mut self) {
        self.0.set(self.0.get() - 1);
    }
}

impl Receiver {
    async fn take(&self, request: &Request) -> Response {
        if self.waiting.get() >= WAITING_MAX {
            return later(StatusCode::TOO_MANY_REQUESTS, "too many payloads wait to be written");
        }
        self.waiting.set(self.waiting.get() + 1);
        let _waiting = Waiting(&self.waiting);
        let (refusal, number) = self.decode(&request.body);
        let is_written = match &self.safety {
            None => true,
            Some(safety) => {
                let mut safe = safety.safe(SafetyLevel::Written);
                let written = safe.wait_for(|safe| *safe >= number);
                timeout(WRITTEN_WITHIN, written).await.is_ok_and(|written| written.is_ok())
            }
        };
        match refusal {
            Some(why) => Response::text(StatusCode::BAD_REQUEST, why),
            None if is_written => Response::empty(StatusCode::NO_CONTENT),
            None => later(StatusCode::SERVICE_UNAVAILABLE, "the readings could not be written in time"),
        }
    }

    /// Why nothing could be used; and the number to wait for.
    fn decode(&self, payload: &[u8]) -> (Option<String>, u64) {
        let mut sink = self.sink.borrow_mut();
        let mut witness = Witness::new(sink.as_mut());
        self.decoder.borrow_mut().on_payload(&self.source, payload, &mut witness);
        let refusal = witness.refusal();
        (refusal, sink.hand_over(Receipt(0)))
    }
}

fn later(status: StatusCode, why: &str) -> Response {
    Response::text(status, why).with(RETRY_AFTER, HeaderValue::from_static("1"))
}

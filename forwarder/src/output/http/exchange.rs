//! Requests and their answers, one after another: the half of a connection that listens.

use super::meaning::{Meaning, meaning};
use super::queue::{BATCH_BYTES_MAX, HttpQueue};
use super::trial::{BatchTrial, HttpEntry, Verdict};
use crate::{ConnectionEvent, ConnectionEvents, Disconnected, FormatTraits, NextEvents};
use headwater_http::header::{CONTENT_ENCODING, CONTENT_TYPE, HeaderMap, HeaderValue};
use headwater_http::{ANSWER_BYTES_MAX, Bytes, HttpAnswer, HttpCall, HttpClient, Method, NoAnswer, deflated};
use headwater_mqtt::Backoff;
use std::cell::RefCell;
use std::rc::Rc;
use std::time::Duration;

/// What an output has learned of its server, for one connection after another.
#[derive(Debug)]
pub(super) struct Learned {
    /// Whether bodies go in gzip.
    pub(super) is_gzip: bool,
    /// The bytes of a request's text.
    pub(super) bytes_max: usize,
    /// Whether the server has ever taken a message.
    pub(super) has_taken: bool,
    pub(super) backoff: Backoff,
}

impl Learned {
    pub(super) fn new(is_gzip: bool) -> Self {
        Self { is_gzip, bytes_max: BATCH_BYTES_MAX, has_taken: false, backoff: Backoff::by_chance() }
    }
}

/// How requests are made.
pub(super) struct Exchanger {
    /// The name of the output.
    pub(super) output: String,
    pub(super) client: HttpClient,
    pub(super) server: String,
    pub(super) method: Method,
    pub(super) format: FormatTraits,
}

impl Exchanger {
    /// Sends messages, and judges the answer.
    ///
    /// # Errors
    /// There is no answer.
    pub(super) async fn exchange(
        &mut self,
        entries: &[HttpEntry],
        is_gzip: bool,
    ) -> Result<Meaning, NoAnswer> {
        let body = joined(entries, self.format.is_list);
        let answer = self.ask(body, is_gzip).await?;
        Ok(meaning(&answer, &self.server, is_gzip))
    }

    async fn ask(&mut self, body: Vec<u8>, is_gzip: bool) -> Result<HttpAnswer, NoAnswer> {
        let mut headers = HeaderMap::new();
        headers.insert(CONTENT_TYPE, HeaderValue::from_static(self.format.media_type));
        let mut body = Bytes::from(body);
        if is_gzip && !body.is_empty() {
            body = deflated(&body).into();
            headers.insert(CONTENT_ENCODING, HeaderValue::from_static("gzip"));
        }
        let call =
            HttpCall { method: self.method.clone(), headers, body, answer_bytes_max: ANSWER_BYTES_MAX };
        self.client.call(&call).await
    }
}

/// The text of a request.
fn joined(entries: &[HttpEntry], is_list: bool) -> Vec<u8> {
    let bytes = entries.iter().map(|entry| entry.line.len() + 1).sum::<usize>();
    let mut body = Vec::with_capacity(bytes + 1);
    for (position, entry) in entries.iter().enumerate() {
        if is_list {
            body.push(if position == 0 { b'[' } else { b',' });
        }
        body.extend_from_slice(&entry.line);
    }
    if is_list {
        body.extend_from_slice(if entries.is_empty() { b"[]" } else { b"]" });
    }
    body
}

/// The half of a connection that listens.
pub(super) struct HttpExchanges {
    pub(super) queue: Rc<HttpQueue>,
    pub(super) learned: Rc<RefCell<Learned>>,
    pub(super) exchanger: Exchanger,
    pub(super) is_up: bool,
    /// The request whose messages are being tried.
    pub(super) trial: Option<BatchTrial>,
}

impl ConnectionEvents for HttpExchanges {
    fn next(mut self: Box<Self>, mut events: Vec<ConnectionEvent>) -> NextEvents {
        Box::pin(async move {
            if let Err(ended) = self.step(&mut events).await {
                events.push(ConnectionEvent::Lost(ended));
            }
            (self as Box<dyn ConnectionEvents>, events)
        })
    }
}

impl HttpExchanges {
    /// Does what comes next, up to one answer.
    async fn step(&mut self, events: &mut Vec<ConnectionEvent>) -> Result<(), Disconnected> {
        if !self.is_up {
            self.begin().await?;
            self.is_up = true;
            self.queue.up();
            events.push(ConnectionEvent::Up);
            return Ok(());
        }
        let mut trial = match self.trial.take() {
            Some(trial) => trial,
            None => {
                let bytes_max = self.learned.borrow().bytes_max;
                let Some(entries) = self.queue.take(bytes_max).await else {
                    return Err(Disconnected { reason: "said farewell".into(), wait: Duration::ZERO });
                };
                BatchTrial::new(entries, self.learned.borrow().has_taken)
            }
        };
        match trial.next() {
            Some(part) => {
                self.try_part(&mut trial, part, events).await?;
                self.trial = Some(trial);
            }
            None => self.judge(trial, events)?,
        }
        Ok(())
    }

    /// Connects and asks with an empty request, so that an output that takes nothing is not up.
    async fn begin(&mut self) -> Result<(), Disconnected> {
        let connected = self.exchanger.client.connect().await;
        connected.map_err(|why| self.failed(why.0, None))?;
        let asked = self.exchanger.exchange(&[], false).await;
        match asked.map_err(|why| self.failed(why.0, None))? {
            Meaning::Later { why, wait } => Err(self.failed(why, wait)),
            Meaning::Held(why) => Err(self.failed(why, None)),
            Meaning::Taken | Meaning::Bad { .. } | Meaning::TooLarge(_) | Meaning::NoGzip => Ok(()),
        }
    }

    async fn try_part(
        &mut self,
        trial: &mut BatchTrial,
        part: Vec<HttpEntry>,
        events: &mut Vec<ConnectionEvent>,
    ) -> Result<(), Disconnected> {
        let (is_gzip, has_taken) = {
            let learned = self.learned.borrow();
            (learned.is_gzip, learned.has_taken)
        };
        let answered = self.exchanger.exchange(&part, is_gzip).await;
        match answered.map_err(|why| self.failed(why.0, None))? {
            Meaning::Taken => {
                let mut learned = self.learned.borrow_mut();
                learned.has_taken = true;
                learned.backoff.reset();
                trial.on_taken();
                self.queue.answered(part.len());
                events.extend(part.into_iter().map(|entry| ConnectionEvent::Acked(entry.tag)));
            }
            Meaning::NoGzip => self.without_gzip(trial, part),
            Meaning::Bad { why, dropped, .. } if has_taken && dropped == Some(part.len()) => {
                trial.on_all_bad(part, &why);
            }
            Meaning::Bad { why, is_named, .. } => trial.on_bad(part, &why, is_named),
            Meaning::TooLarge(why) => {
                let bytes = part.iter().map(|entry| entry.line.len()).sum::<usize>();
                match trial.halve(part) {
                    Some(alone) => self.refuse(vec![(alone.tag, why)], events),
                    None => {
                        let mut learned = self.learned.borrow_mut();
                        learned.bytes_max = (bytes / 2).clamp(1, learned.bytes_max);
                    }
                }
            }
            Meaning::Later { why, wait } => return Err(self.failed(why, wait)),
            Meaning::Held(why) => return Err(self.failed(why, None)),
        }
        Ok(())
    }

    fn without_gzip(&self, trial: &mut BatchTrial, part: Vec<HttpEntry>) {
        self.learned.borrow_mut().is_gzip = false;
        tracing::warn!(
            "output {}: {} does not take gzip: requests go without it until the next start",
            self.exchanger.output,
            self.exchanger.server
        );
        trial.again(part);
    }

    /// Ends the trial of a request.
    fn judge(&self, trial: BatchTrial, events: &mut Vec<ConnectionEvent>) -> Result<(), Disconnected> {
        match trial.verdict() {
            Verdict::Refused(refused) => self.refuse(refused, events),
            Verdict::Nobody(why) => {
                let learned = self.learned.borrow();
                // A server that does not know gzip may call it bad without a word.
                let is_doubtful = learned.is_gzip && !learned.has_taken;
                drop(learned);
                let hint = if is_doubtful { "; if it cannot read gzip, write gzip = false" } else { "" };
                return Err(self.failed(format!("takes no message of a request: {why}{hint}"), None));
            }
        }
        Ok(())
    }

    fn refuse(&self, refused: Vec<(crate::Tag, String)>, events: &mut Vec<ConnectionEvent>) {
        self.queue.answered(refused.len());
        events.extend(refused.into_iter().map(|(tag, why)| ConnectionEvent::Refused { tag, why }));
    }

    /// The end of the connection, and when to try again.
    fn failed(&self, reason: String, wait: Option<Duration>) -> Disconnected {
        let backoff = self.learned.borrow_mut().backoff.next();
        Disconnected { reason, wait: wait.unwrap_or_default().max(backoff) }
    }
}

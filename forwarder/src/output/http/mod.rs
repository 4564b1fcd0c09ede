//! Sends messages to a server over HTTP, many in one request: line protocol for databases, or JSON.
//!
//! Limits: one request at a time, of at most [`queue::BATCH_MAX`] messages and [`queue::BATCH_BYTES_MAX`] of text, and one
//! more that gathers.

mod exchange;
mod meaning;
mod queue;
mod trial;

use crate::{
    Disconnected, Encoder, FormatTraits, Message, Opened, Output, OutputContext, OutputKind, OutputProbing,
    ProbeResult, SendRate,
};
use exchange::{Exchanger, HttpExchanges, Learned};
use headwater_http::{ClientSettings, HttpClient, Method};
use headwater_settings::{Or, Table};
use meaning::Meaning;
use queue::{HttpQueue, HttpSender};
use std::cell::RefCell;
use std::rc::Rc;
use std::sync::Arc;
use std::time::Duration;

pub(crate) const KIND: OutputKind = OutputKind {
    name: "http",
    formats: &["json", "influx"],
    read,
    tail: None,
    sample: include_str!("sample.toml"),
};

/// How long messages gather where nothing else is configured (ms).
const BATCH_MS: i64 = 1_000;

/// Longer than a request can take: connecting, sending and the answer have limits of their own.
const ACK_TIMEOUT: Duration = Duration::from_secs(180);

struct HttpOutput {
    name: String,
    client: ClientSettings,
    method: Method,
    linger: Duration,
    /// As configured; `None`: as the format suggests.
    gzip: Option<bool>,
    rate: SendRate,
    learned: Option<Rc<RefCell<Learned>>>,
}

fn read(table: &mut Table<'_>, context: &OutputContext) -> Option<Box<dyn Output>> {
    let client = ClientSettings::read(table, "http://127.0.0.1:8086/write?db=headwater");
    let method =
        table.choice("method", &[("POST", Method::POST), ("PUT", Method::PUT)]).value_or(Method::POST);
    let linger = table.duration("batch", 0..=60_000).value_or(BATCH_MS);
    let gzip = table.boolean("gzip").given();
    let rate = SendRate::read(table);
    let client = client?;
    if client.query("precision").is_some() {
        let fix = "leave it out of the url: it is added, as the key `precision` says";
        table.refuse(table.place_of("url"), "the url has a `precision`", fix);
        return None;
    }
    warn_of_nameless(table, &client);
    let linger = Duration::from_millis(linger.unsigned_abs());
    let name = context.output.clone();
    Some(Box::new(HttpOutput { name, client, method, linger, gzip, rate, learned: None }))
}

/// Warns of a url that lacks what InfluxDB asks for; others do without.
fn warn_of_nameless(table: &Table<'_>, client: &ClientSettings) {
    let path = client.path();
    let missing: Vec<&str> = match () {
        () if path.ends_with("/api/v2/write") => vec!["org", "bucket"],
        () if path.ends_with("/write") => vec!["db"],
        () => Vec::new(),
    };
    let lacks = |name: &&str| client.query(name).is_none() && client.query(&format!("{name}ID")).is_none();
    let missing: Vec<String> =
        missing.into_iter().filter(lacks).map(|name| format!("{name}={}", name.to_uppercase())).collect();
    if !missing.is_empty() {
        let what = "InfluxDB takes nothing here, because the url does not say where to; others may";
        let fix = format!("add {} to the url, if the server is InfluxDB", missing.join("&"));
        table.warn(table.place_of("url"), what, fix);
    }
}

impl HttpOutput {
    fn is_database(&self) -> bool {
        self.client.path().ends_with("/write")
    }

    fn exchanger(&self, format: FormatTraits) -> Exchanger {
        let settings = match format.precision.filter(|_| self.is_database()) {
            Some(precision) => self.client.clone().with_query("precision", precision),
            None => self.client.clone(),
        };
        let server = settings.address();
        let (output, client, method) = (self.name.clone(), HttpClient::new(settings), self.method.clone());
        Exchanger { output, client, server, method, format }
    }
}

impl Output for HttpOutput {
    fn open(&mut self, encoder: &Arc<dyn Encoder>, _gone: Option<&Message>) -> Result<Opened, Disconnected> {
        let format = encoder.format();
        // Line protocol goes to databases, which read gzip, or say that they do not.
        let is_gzip = self.gzip.unwrap_or(format.precision.is_some());
        let learned =
            self.learned.get_or_insert_with(|| Rc::new(RefCell::new(Learned::new(is_gzip)))).clone();
        let queue = Rc::new(HttpQueue::default());
        let sender = HttpSender { queue: queue.clone(), encoder: encoder.clone(), linger: self.linger };
        let exchanger = self.exchanger(format);
        let events = HttpExchanges { queue, learned, exchanger, is_up: false, trial: None };
        Ok((Box::new(sender), Box::new(events)))
    }

    fn ack_timeout(&self) -> Duration {
        ACK_TIMEOUT
    }

    fn rate(&self) -> SendRate {
        self.rate
    }

    fn probe<'a>(&'a self, encoder: &'a dyn Encoder) -> OutputProbing<'a> {
        Box::pin(async move {
            let mut exchanger = self.exchanger(encoder.format());
            let path = self.client.path();
            Some(match exchanger.exchange(&[], false).await {
                Ok(Meaning::Taken) => {
                    ProbeResult::Good(format!("{}: {path} takes an empty request", exchanger.server))
                }
                // A database finds no line that is bad in nothing: it is the request.
                Ok(Meaning::Bad { why, is_named: false, .. }) if self.is_database() => ProbeResult::Bad(why),
                Ok(Meaning::Bad { why, .. } | Meaning::TooLarge(why)) => {
                    ProbeResult::Note(format!("answers, and does not take an empty request: {why}"))
                }
                Ok(Meaning::NoGzip) => ProbeResult::Note(format!("{}: answers", exchanger.server)),
                Ok(Meaning::Later { why, .. } | Meaning::Held(why)) => ProbeResult::Bad(why),
                Err(why) => ProbeResult::Bad(why.0),
            })
        })
    }
}

#[cfg(test)]
mod tests;

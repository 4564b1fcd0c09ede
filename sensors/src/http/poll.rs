//! Payloads that are asked for, at an interval. One that has not changed, as far as the server says so (`ETag`, RFC 9110,
//! 8.8.3), is not read again.

use crate::line::too_large;
use crate::source::stopped;
use crate::{ConnectionState, DecodeConfig, Decoder, Finding, Sink, SourceContext, Stop};
use headwater_http::header::{ACCEPT, ETAG, HeaderMap, HeaderValue, IF_NONE_MATCH};
use headwater_http::{Bytes, ClientSettings, HttpAnswer, HttpCall, HttpClient, Method, StatusCode};
use std::pin::pin;
use std::time::Duration;
use tokio::time::{MissedTickBehavior, interval};

/// Asks until `stop`.
pub(super) async fn run(
    (client, every): (ClientSettings, Duration),
    (decode, context): (DecodeConfig, SourceContext),
    mut sink: Box<dyn Sink>,
    stop: Stop,
) {
    let mut poller = Poller {
        server: client.address(),
        client: HttpClient::new(client),
        tag: None,
        bytes_max: context.payload_bytes_max,
    };
    let mut decoder = Decoder::new(&decode, &context);
    let mut ticks = interval(every);
    ticks.set_missed_tick_behavior(MissedTickBehavior::Skip);
    let (mut stop, mut told) = (pin!(stopped(stop)), None);
    loop {
        let asked = async {
            ticks.tick().await;
            poller.ask().await
        };
        let asked = tokio::select! {
            () = &mut stop => return,
            asked = asked => asked,
        };
        let why = asked.as_ref().err().cloned();
        if told.as_ref() != Some(&why) {
            let state = why.as_deref().map_or(ConnectionState::Up, |reason| ConnectionState::Down { reason });
            sink.connection(state);
            told = Some(why);
        }
        if let Ok(Some(payload)) = asked {
            // One that was cut off has another length than the server's.
            if payload.len() > context.payload_bytes_max {
                sink.invalid(&context.source, &too_large(context.payload_bytes_max));
            } else {
                decoder.on_payload(&context.source, &payload, sink.as_mut());
            }
        }
    }
}

/// Asks once, for people.
pub(super) async fn probe(client: &ClientSettings, bytes_max: usize) -> Finding {
    let server = client.address();
    let client = HttpClient::new(client.clone());
    let asked = Poller { server: server.clone(), client, tag: None, bytes_max }.ask().await;
    match asked {
        Ok(Some(payload)) if payload.len() > bytes_max => {
            Finding::Fails(format!("{server}: the answer is {}", too_large(bytes_max)))
        }
        Ok(Some(payload)) => Finding::Works(format!("{server}: {} bytes", payload.len())),
        Ok(None) => Finding::Note(format!("{server}: an empty answer")),
        Err(why) => Finding::Fails(why),
    }
}

struct Poller {
    server: String,
    client: HttpClient,
    /// That of the last payload.
    tag: Option<HeaderValue>,
    bytes_max: usize,
}

impl Poller {
    /// The payload; `None`: there is none, or none but the last one. The error is for people.
    async fn ask(&mut self) -> Result<Option<Bytes>, String> {
        let mut headers = HeaderMap::new();
        headers.insert(ACCEPT, HeaderValue::from_static("*/*"));
        if let Some(tag) = &self.tag {
            headers.insert(IF_NONE_MATCH, tag.clone());
        }
        // One byte more, so that one that is too large is invalid, as from every source.
        let call = HttpCall {
            method: Method::GET,
            headers,
            body: Bytes::new(),
            answer_bytes_max: self.bytes_max + 1,
        };
        let answer = self.client.call(&call).await.map_err(|why| why.0)?;
        match answer.status {
            StatusCode::OK => {
                self.tag = answer.headers.get(ETAG).cloned();
                Ok(Some(answer.body).filter(|payload| !payload.is_empty()))
            }
            StatusCode::NOT_MODIFIED | StatusCode::NO_CONTENT => Ok(None),
            _ => Err(self.refusal(&answer)),
        }
    }

    fn refusal(&self, answer: &HttpAnswer) -> String {
        let (server, status) = (&self.server, answer.status);
        match (answer.location(), answer.words()) {
            (Some(location), _) => {
                format!("{server} redirects to {location}, which is not followed; write that as the url")
            }
            (None, words) if words.is_empty() => format!("{server}: {status}"),
            (None, words) => format!("{server}: {status}: {words}"),
        }
    }
}

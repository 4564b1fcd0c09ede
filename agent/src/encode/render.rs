//! Where a message goes on an output, and in which format.

use super::fields::Encoded;
use super::place::{Placer, Unplaced};
use super::wire::cbor_to_json;
use crate::event::Event;
use bytes::Bytes;
use headwater_forwarder::{Message, Packet, Render};

/// How an output's payloads are encoded: the same map either way.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Format {
    /// RFC 8259.
    Json,
    /// RFC 8949.
    Cbor,
}

impl Format {
    /// An event in this format, with its times as `placer` knows them; `None`: a number that the format has no word for.
    #[must_use]
    pub fn encode(self, event: &Event, placer: &dyn Placer) -> Option<Vec<u8>> {
        let encoded = Encoded { event, placer };
        match self {
            Format::Json => serde_json::to_vec(&encoded).ok(),
            Format::Cbor => serde_cbor::to_vec(&encoded).ok(),
        }
    }
}

/// The place of a message; kept beside its body so that a topic needs no decoding.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Route<'a> {
    /// `summary`, `alert`, `reading` or `report`.
    pub kind: &'a str,
    /// The stream's name, or nothing.
    pub stream: &'a str,
    /// The series' name, or nothing.
    pub series: &'a str,
    /// What the message carries beside its map, for the agent itself; see [`crate::thin`].
    pub parts: &'a [u8],
}

/// Separates the names of a stored route: a byte that no name on an MQTT topic can hold.
const SEPARATOR: u8 = 0;

impl<'a> Route<'a> {
    /// Without anything beside the map.
    #[must_use]
    pub fn new(kind: &'a str, stream: &'a str, series: &'a str) -> Self {
        Self { kind, stream, series, parts: &[] }
    }

    /// Appends the route as it is stored: three names, each ended by NUL, then the parts.
    pub fn save(&self, to: &mut Vec<u8>) {
        for name in [self.kind, self.stream, self.series] {
            to.extend(name.bytes().map(|byte| if byte == SEPARATOR { b'_' } else { byte }));
            to.push(SEPARATOR);
        }
        to.extend_from_slice(self.parts);
    }

    /// The route from its stored form; `None` if the bytes are none.
    #[must_use]
    pub fn from_bytes(bytes: &'a [u8]) -> Option<Self> {
        let mut rest = bytes;
        let mut name = || {
            let end = rest.iter().position(|byte| *byte == SEPARATOR)?;
            let (name, after) = rest.split_at_checked(end)?;
            rest = after.get(1..)?;
            std::str::from_utf8(name).ok()
        };
        let (kind, stream, series) = (name()?, name()?, name()?);
        Some(Self { kind, stream, series, parts: rest })
    }
}

/// An output's `topic`: text with `{agent}`, `{kind}`, `{stream}` and `{series}`.
#[derive(Clone, Debug, PartialEq)]
pub struct TopicTemplate(Vec<Part>);

#[derive(Clone, Debug, PartialEq)]
enum Part {
    Text(String),
    Agent,
    Kind,
    Stream,
    Series,
}

impl TopicTemplate {
    /// The default, as INTERFACE.md §4 lists it.
    pub const DEFAULT: &'static str = "headwater/{agent}/{kind}/{stream}/{series}";

    /// The level before the kind of what waited in the buffer.
    pub const BACKFILL: &'static str = "backfill";

    /// Reads a template.
    ///
    /// # Errors
    /// What is wrong with it and what would be right.
    pub fn parse(template: &str) -> Result<Self, String> {
        let mut parts = Vec::new();
        let mut rest = template;
        while let Some((text, after)) = rest.split_once('{') {
            let (name, tail) = after
                .split_once('}')
                .ok_or("`{` is never closed; write {agent}, {kind}, {stream} or {series}")?;
            if !text.is_empty() {
                parts.push(Part::Text(text.to_owned()));
            }
            parts.push(match name {
                "agent" => Part::Agent,
                "kind" => Part::Kind,
                "stream" => Part::Stream,
                "series" => Part::Series,
                _ => {
                    return Err(format!(
                        "{{{name}}} is unknown; write {{agent}}, {{kind}}, {{stream}} or {{series}}"
                    ));
                }
            });
            rest = tail;
        }
        if !rest.is_empty() {
            parts.push(Part::Text(rest.to_owned()));
        }
        if template.contains(['+', '#', '\0']) {
            return Err("a topic to publish to cannot hold `+`, `#` or NUL".to_owned());
        }
        if !parts.contains(&Part::Kind) {
            return Err(
                "{kind} is missing: without it alerts, summaries and what waited in the buffer would mix"
                    .to_owned(),
            );
        }
        Ok(Self(parts))
    }

    /// The topic of a route. What waited in the buffer has `backfill/` before its kind; parts that a route does not
    /// have leave no empty level at the end.
    #[must_use]
    pub fn topic(&self, agent: &str, route: Route<'_>, late: bool) -> String {
        let mut topic = String::new();
        for part in &self.0 {
            match part {
                Part::Text(text) => topic.push_str(text),
                Part::Agent => push_level(&mut topic, agent),
                Part::Kind => {
                    if late {
                        topic.push_str(Self::BACKFILL);
                        topic.push('/');
                    }
                    push_level(&mut topic, route.kind);
                }
                Part::Stream => push_level(&mut topic, route.stream),
                Part::Series => push_level(&mut topic, route.series),
            }
        }
        topic.truncate(topic.trim_end_matches('/').len());
        topic
    }

    /// A filter for everything that an output publishes with this template, for `tail`.
    #[must_use]
    pub fn filter(&self, agent: &str) -> String {
        let mut filter = String::new();
        for part in &self.0 {
            match part {
                Part::Text(text) => filter.push_str(text),
                Part::Agent => push_level(&mut filter, agent),
                _ => break,
            }
        }
        // A wildcard must fill its level: what stands before it in the same level cannot be asked for.
        filter.truncate(filter.rfind('/').map_or(0, |at| at + 1));
        filter.push('#');
        filter
    }
}

/// Appends a name; the characters that a topic cannot hold become `_`, `/` stays.
fn push_level(topic: &mut String, name: &str) {
    topic.extend(name.chars().map(|c| if matches!(c, '+' | '#' | '\0') { '_' } else { c }));
}

/// One output's view of the messages.
#[derive(Clone, Debug)]
pub struct OutputRender {
    /// The agent's id.
    pub agent: String,
    /// JSON or CBOR.
    pub format: Format,
    /// Where messages go.
    pub topic: TopicTemplate,
    /// Streams that this output takes; `None`: all. Reports go to every output.
    pub streams: Option<Vec<String>>,
}

impl OutputRender {
    fn wants(&self, route: Route<'_>) -> bool {
        let names = self.streams.as_ref();
        route.stream.is_empty() || names.is_none_or(|names| names.iter().any(|name| name == route.stream))
    }
}

impl Render for OutputRender {
    fn render(&self, message: &Message, late: bool) -> Option<Packet> {
        let route = Route::from_bytes(&message.route).filter(|route| self.wants(*route))?;
        let payload = encode(self.format, &message.body)?;
        Some(Packet { topic: self.topic.topic(&self.agent, route, late), payload, retain: false })
    }

    fn takes(&self, message: &Message) -> bool {
        Route::from_bytes(&message.route).is_some_and(|route| self.wants(route))
    }
}

fn encode(format: Format, body: &Bytes) -> Option<Bytes> {
    match format {
        Format::Cbor => Some(body.clone()),
        Format::Json => cbor_to_json(body).ok().map(Bytes::from),
    }
}

/// Where an output's status goes.
#[must_use]
pub fn status_topic(render: &OutputRender) -> String {
    render.topic.topic(&render.agent, Route::new("status", "", ""), false)
}

/// A status as an output wants it: retained. `None` only if it cannot be encoded, which plain values always can.
#[must_use]
pub fn status_packet(render: &OutputRender, status: &Event) -> Option<Packet> {
    let payload = render.format.encode(status, &Unplaced)?.into();
    Some(Packet { topic: status_topic(render), payload, retain: true })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn topics_are_those_of_the_contract() {
        let template = TopicTemplate::parse(TopicTemplate::DEFAULT).unwrap();
        let mut stored = Vec::new();
        Route { parts: b"\0x", ..Route::new("summary", "climate", "greenhouse/b+d#1/temp") }
            .save(&mut stored);
        let summary = Route::from_bytes(&stored).unwrap();
        assert_eq!(summary.parts, b"\0x");
        assert_eq!(
            template.topic("g7", summary, false),
            "headwater/g7/summary/climate/greenhouse/b_d_1/temp"
        );
        assert_eq!(
            template.topic("g7", summary, true),
            "headwater/g7/backfill/summary/climate/greenhouse/b_d_1/temp"
        );
        let report = Route::new("report", "", "");
        assert_eq!(template.topic("g7", report, false), "headwater/g7/report");
        assert_eq!(template.topic("g7", report, true), "headwater/g7/backfill/report");
        assert_eq!(template.filter("g7"), "headwater/g7/#");
        assert_eq!(TopicTemplate::parse("x-{kind}").unwrap().filter("g7"), "#");
    }

    #[test]
    fn bad_templates_say_what_would_be_right() {
        for (bad, word) in [
            ("a/{king}/b", "unknown"),
            ("a/{kind", "closed"),
            ("a/b", "{kind} is missing"),
            ("a/+/{kind}", "cannot hold"),
        ] {
            let error = TopicTemplate::parse(bad).unwrap_err();
            assert!(error.contains(word), "{bad}: {error}");
        }
    }
}

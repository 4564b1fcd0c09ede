//! Encodes messages for an output, in the format chosen by `format = "…"`.
//!
//! To add a format, write it here and add its entry to [`ENCODERS`]; outputs that can carry it name it in their
//! `OutputKind::formats`.

use super::batch;
use super::csv;
use super::fields::write_json;
use super::id::Id;
use super::influx::{self, Precision};
use super::kinds::Encoded;
use super::parts::PartForm;
use super::place::{Placed, Placer};
use super::privacy::Privacy;
use super::sparkplug;
use super::stored::{EventNames, StoredError, names, read_to_send};
use headwater_forwarder::{
    EncodeError, Encoder, FormatTraits, Framing, Message, MessageAddress, MessageIdentity,
};
use headwater_pipeline::event::Event;
use std::borrow::Cow;
use std::sync::Arc;

/// The format of an output's payloads. JSON and CBOR encode the same map.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Encoding {
    /// RFC 8259.
    Json,
    /// RFC 8949; consecutive messages are a sequence as in RFC 8742.
    Cbor,
    /// CBOR with numbers for keys, and without ids that the other fields tell.
    ShortCbor,
    /// RFC 4180: a row for each number.
    Csv,
    /// InfluxDB line protocol, with times in this unit: a line for each message.
    Influx(Precision),
    /// Metrics of Sparkplug B, for the payload of an edge node.
    Sparkplug,
}

/// The formats, as `format = "…"` names them.
pub const ENCODERS: &[(&str, Encoding)] = &[
    ("json", Encoding::Json),
    ("cbor", Encoding::Cbor),
    ("cbor-short", Encoding::ShortCbor),
    ("csv", Encoding::Csv),
    ("influx", Encoding::Influx(Precision::Milliseconds)),
    ("sparkplug", Encoding::Sparkplug),
];

impl Encoding {
    /// The word in the config.
    #[must_use]
    pub fn name(self) -> &'static str {
        let is_own = |format: &Self| std::mem::discriminant(format) == std::mem::discriminant(&self);
        ENCODERS.iter().find(|(_, format)| is_own(format)).map_or("", |(name, _)| name)
    }

    /// Appends an event; `placer` knows the true times.
    ///
    /// # Errors
    /// A number that the format has no word for.
    pub fn encode(self, event: &Event, placer: &dyn Placer, to: &mut Vec<u8>) -> Result<(), EncodeError> {
        let encoded = Encoded { event, placer };
        let why = match self {
            Self::Json => write_json(&encoded, to).map_err(|error| error.to_string()),
            Self::Cbor => serde_cbor::to_writer(to, &encoded).map_err(|error| error.to_string()),
            Self::ShortCbor => batch::encode_short(event, placer, to),
            Self::Csv => csv::encode(event, placer, to).map_err(|error| error.to_string()),
            Self::Influx(precision) => {
                influx::encode(event, precision, placer, to);
                Ok(())
            }
            Self::Sparkplug => {
                sparkplug::encode(event, placer, to);
                Ok(())
            }
        };
        why.map_err(|why| self.error(why))
    }

    /// Whether it has a place for messages of the kind.
    #[must_use]
    pub fn has(self, kind: &str) -> bool {
        match self {
            Self::Json | Self::Cbor | Self::ShortCbor => true,
            Self::Csv => csv::has_rows(kind),
            Self::Influx(_) => influx::has_lines(kind),
            Self::Sparkplug => sparkplug::has_metrics(kind),
        }
    }

    fn traits(self) -> FormatTraits {
        let plain = FormatTraits::default();
        match self {
            Self::Json => FormatTraits { media_type: "application/json", is_list: true, ..plain },
            Self::Cbor | Self::ShortCbor => FormatTraits { media_type: "application/cbor-seq", ..plain },
            Self::Csv => FormatTraits { media_type: "text/csv", ..plain },
            Self::Sparkplug => plain,
            Self::Influx(precision) => FormatTraits {
                media_type: "text/plain; charset=utf-8",
                precision: Some(precision.word()),
                ..plain
            },
        }
    }

    /// The form of its batches; `None`: it has none, and messages follow each other.
    fn part_form(self) -> Option<PartForm> {
        match self {
            Self::Json => Some(PartForm::Json),
            Self::Cbor => Some(PartForm::Cbor),
            Self::ShortCbor => Some(PartForm::ShortCbor),
            Self::Csv | Self::Influx(_) | Self::Sparkplug => None,
        }
    }

    fn error(self, why: String) -> EncodeError {
        EncodeError { format: self.name(), why }
    }
}

/// The messages of one output.
#[derive(Clone)]
pub struct OutputEncoder {
    /// The agent's id.
    pub agent: String,
    /// The format of payloads.
    pub format: Encoding,
    /// The streams that this output sends; `None`: all. Reports go to every output.
    pub streams: Option<Vec<String>>,
    /// The kinds of messages that this output sends; `None`: all.
    pub kinds: Option<Vec<String>>,
    /// Knows the clocks that messages were stamped with.
    pub placer: Arc<dyn Placer>,
    /// What must not leave; `None`: everything may.
    pub privacy: Option<Privacy>,
}

impl OutputEncoder {
    /// A stored event as it may leave.
    fn event(&self, body: &[u8]) -> Result<Event, StoredError> {
        let mut event = read_to_send(body)?;
        if let Some(privacy) = &self.privacy {
            privacy.apply(&mut event);
        }
        Ok(event)
    }

    /// Whether it sends messages of this kind and this stream.
    pub(super) fn wants(&self, kind: &str, stream: &str) -> bool {
        let is_among = |list: &Option<Vec<String>>, name: &str| {
            list.as_ref().is_none_or(|names| names.iter().any(|known| known == name))
        };
        is_among(&self.kinds, kind) && (stream.is_empty() || is_among(&self.streams, stream))
    }
}

impl Encoder for OutputEncoder {
    fn agent(&self) -> &str {
        &self.agent
    }

    fn takes(&self, message: &Message) -> bool {
        names(&message.body)
            .is_ok_and(|names| self.wants(names.kind, names.stream) && self.format.has(names.kind))
    }

    fn address<'m>(&'m self, message: &'m Message) -> Option<MessageAddress<'m>> {
        let EventNames { kind, stream, series, clock } = names(&message.body).ok()?;
        let series = match &self.privacy {
            None => Cow::Borrowed(series),
            Some(_) => {
                let event = self.event(&message.body).ok()?;
                Cow::Owned(event.about().map_or_else(String::new, |about| about.series.to_string()))
            }
        };
        let [agent, kind, stream] = [&self.agent, kind, stream].map(Into::into);
        let time_ms = Placed::new(&clock, &*self.placer).at(message.made_ms);
        Some(MessageAddress { agent, kind, stream, series, time_ms })
    }

    fn format(&self) -> FormatTraits {
        self.format.traits()
    }

    fn identity(&self, message: &Message) -> Option<MessageIdentity> {
        let event = self.event(&message.body).ok()?;
        let id = Id::of(&event, &*self.placer)?;
        Some(MessageIdentity { id: id.to_string(), rev: event.rev() })
    }

    fn header(&self) -> String {
        if self.format == Encoding::Csv { csv::header() } else { String::new() }
    }

    fn encode(&self, batch: &[&Message], framing: Framing, to: &mut Vec<u8>) -> Result<(), EncodeError> {
        if let Some(form) = self.format.part_form().filter(|_| framing == Framing::Batch) {
            let events = batch.iter().map(|message| self.event(&message.body)).collect::<Result<Vec<_>, _>>();
            let events = events.map_err(|error| self.format.error(error.to_string()))?;
            return batch::encode(&events, &*self.placer, form, to).map_err(|why| self.format.error(why));
        }
        for message in batch {
            let event = self.event(&message.body).map_err(|error| self.format.error(error.to_string()))?;
            self.format.encode(&event, &*self.placer, to)?;
            if (self.format, framing) == (Encoding::Json, Framing::Lines) {
                to.push(b'\n');
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{Messages, Placement, Unplaced};
    use headwater_pipeline::event::{BootId, ClockMark, Reading, Subject, Timestamp};

    fn encoder(format: Encoding, streams: Option<Vec<String>>) -> OutputEncoder {
        OutputEncoder {
            agent: "g7".into(),
            format,
            streams,
            kinds: None,
            placer: Arc::new(Unplaced),
            privacy: None,
        }
    }

    fn message(stream: &str, clock: ClockMark) -> Message {
        let about =
            Subject { agent: "g7".into(), stream: stream.into(), series: "b+d#1".into(), labels: [].into() };
        let reading = Reading { about, time: Timestamp { ms: 1_000, clock }, rev: 0, value: 0.5 };
        Messages::default().message(&Event::Reading(reading), 7)
    }

    fn encoded(encoder: &OutputEncoder, message: &Message, framing: Framing) -> Vec<u8> {
        let mut bytes = Vec::new();
        encoder.encode(&[message, message], framing, &mut bytes).unwrap();
        bytes
    }

    #[test]
    fn kinds_are_chosen_by_config() {
        let takes = |kinds: &[&str]| {
            let kinds = Some(kinds.iter().map(|kind| (*kind).to_owned()).collect());
            OutputEncoder { kinds, ..encoder(Encoding::Json, None) }
                .takes(&message("climate", ClockMark::True))
        };
        assert!(takes(&["alert", "reading"]));
        assert!(!takes(&["alert", "summary"]) && !takes(&[]));
    }

    #[test]
    fn formats_are_chosen_by_name_and_streams_by_config() {
        let message = message("climate", ClockMark::True);
        let json = encoded(&encoder(Encoding::Json, None), &message, Framing::Lines);
        let lines: Vec<&str> = std::str::from_utf8(&json).unwrap().lines().collect();
        assert!(
            lines.len() == 2 && lines[0].starts_with("{\"v\":1,\"kind\":\"reading\"") && lines[0] == lines[1]
        );
        let cbor = encoded(&encoder(Encoding::Cbor, None), &message, Framing::Lines);
        let (one, other) = cbor.split_at(cbor.len() / 2);
        assert!(one == other && one.starts_with(&[0xaa, 0x61, b'v', 1]));
        let some = encoder(Encoding::Json, Some(vec!["climate".into()]));
        assert!(some.takes(&message) && !some.takes(&super::tests::message("other", ClockMark::True)));
        let address = some.address(&message).unwrap();
        assert_eq!((&*address.kind, &*address.series, address.time_ms), ("reading", "b+d#1", 7));
        let broken = Message { body: vec![0xff, 1].into(), ..message };
        let error = some.encode(&[&broken], Framing::Single, &mut Vec::new()).unwrap_err();
        assert!(error.to_string().starts_with("cannot be written as json: a stored event is of kind 255"));
    }

    /// Every time is placed as it is sent; an unknown clock is marked.
    #[test]
    fn times_are_placed_as_they_are_sent() {
        struct Known;
        impl Placer for Known {
            fn place(&self, boot: &BootId) -> Option<Placement> {
                (**boot == *"known").then_some(Placement { offset_ms: 5_000, estimated: true })
            }
        }
        let encoder = OutputEncoder { placer: Arc::new(Known), ..encoder(Encoding::Json, None) };
        let of = |boot: &str| {
            let message = message("s", ClockMark::Boot(BootId::from(boot)));
            let text = String::from_utf8(encoded(&encoder, &message, Framing::Lines)).unwrap();
            (text.lines().next().unwrap().to_owned(), encoder.address(&message).unwrap().time_ms)
        };
        let (text, time_ms) = of("known");
        assert!(text.contains("\"id\":\"s/b+d#1@6000\"") && text.contains("\"time\":6000"), "{text}");
        assert!(text.ends_with(",\"clock\":\"estimated\",\"boot\":\"known\"}"), "{text}");
        assert_eq!(time_ms, 5_007);
        let (text, time_ms) = of("unknown-boot");
        assert!(
            text.contains("\"id\":\"s/b+d#1@1000~unknown-\"") && text.contains("\"time\":1000"),
            "{text}"
        );
        assert!(text.ends_with(",\"clock\":\"unsynced\",\"boot\":\"unknown-boot\"}"), "{text}");
        assert_eq!(time_ms, 7);
    }
}

//! Encoders: how a message looks on an output, chosen by `format = "…"`.
//!
//! To add a format, write it here and add its entry to [`ENCODERS`]; outputs that can carry it name it in their
//! `OutputKind::formats`.

use super::fields::Encoded;
use super::place::Placer;
use super::wire::cbor_to_json;
use crate::event::Event;
use headwater_forwarder::{Address, EncodeError, Encoder, Framing, Message};

/// How an output's payloads are encoded: the same map either way.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Format {
    /// RFC 8259.
    Json,
    /// RFC 8949; messages that follow one another are a sequence after RFC 8742.
    Cbor,
}

/// The formats, as `format = "…"` names them.
pub const ENCODERS: &[(&str, Format)] = &[("json", Format::Json), ("cbor", Format::Cbor)];

impl Format {
    /// Its word in the config.
    #[must_use]
    pub fn name(self) -> &'static str {
        ENCODERS.iter().find(|(_, format)| *format == self).map_or("", |(name, _)| name)
    }

    /// An event in this format, with its times as `placer` knows them; `None`: a number that the format has no word for.
    #[must_use]
    pub fn encode(self, event: &Event, placer: &dyn Placer) -> Option<Vec<u8>> {
        let encoded = Encoded { event, placer };
        match self {
            Self::Json => serde_json::to_vec(&encoded).ok(),
            Self::Cbor => serde_cbor::to_vec(&encoded).ok(),
        }
    }

    /// Appends a stored message.
    fn write(self, message: &Message, framing: Framing, to: &mut Vec<u8>) -> Result<(), String> {
        match self {
            Self::Json => {
                to.extend_from_slice(&cbor_to_json(&message.body).map_err(|error| error.to_string())?);
                to.extend((framing == Framing::Lines).then_some(b'\n'));
            }
            Self::Cbor => to.extend_from_slice(&message.body),
        }
        Ok(())
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

/// One output's view of the messages.
#[derive(Clone)]
pub struct OutputEncoder {
    /// The agent's id.
    pub agent: String,
    /// How payloads are written.
    pub format: Format,
    /// Streams that this output takes; `None`: all. Reports go to every output.
    pub streams: Option<Vec<String>>,
}

impl OutputEncoder {
    fn wants(&self, route: Route<'_>) -> bool {
        let names = self.streams.as_ref();
        route.stream.is_empty() || names.is_none_or(|names| names.iter().any(|name| name == route.stream))
    }
}

impl Encoder for OutputEncoder {
    fn agent(&self) -> &str {
        &self.agent
    }

    fn takes(&self, message: &Message) -> bool {
        Route::from_bytes(&message.route).is_some_and(|route| self.wants(route))
    }

    fn address<'m>(&'m self, message: &'m Message) -> Option<Address<'m>> {
        let Route { kind, stream, series, .. } = Route::from_bytes(&message.route)?;
        let [agent, kind, stream, series] = [&self.agent, kind, stream, series].map(Into::into);
        Some(Address { agent, kind, stream, series, time_ms: message.made_ms })
    }

    fn encode(&self, batch: &[&Message], framing: Framing, to: &mut Vec<u8>) -> Result<(), EncodeError> {
        let format = self.format.name();
        batch.iter().try_for_each(|message| {
            self.format.write(message, framing, to).map_err(|why| EncodeError { format, why })
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use headwater_forwarder::Lane;

    fn encoder(format: Format, streams: Option<Vec<String>>) -> OutputEncoder {
        OutputEncoder { agent: "g7".into(), format, streams }
    }

    fn message(stream: &str) -> Message {
        let mut route = Vec::new();
        Route { parts: b"\0x", ..Route::new("summary", stream, "b+d#1") }.save(&mut route);
        assert_eq!(Route::from_bytes(&route).unwrap().parts, b"\0x");
        // {"v": 1}
        let body = vec![0xa1, 0x61, b'v', 1];
        Message { lane: Lane::Data, made_ms: 7, route: route.into(), body: body.into() }
    }

    #[test]
    fn formats_are_chosen_by_name_and_streams_by_config() {
        let message = message("climate");
        let text = |format, framing| {
            let mut bytes = Vec::new();
            encoder(format, None).encode(&[&message, &message], framing, &mut bytes).map(|()| bytes)
        };
        assert_eq!(text(Format::Json, Framing::Lines).unwrap(), b"{\"v\":1}\n{\"v\":1}\n");
        assert_eq!(
            text(Format::Cbor, Framing::Lines).unwrap(),
            [&message.body[..], &message.body[..]].concat()
        );
        let some = encoder(Format::Json, Some(vec!["climate".into()]));
        assert!(some.takes(&message) && !some.takes(&super::tests::message("other")));
        let address = some.address(&message).unwrap();
        assert_eq!((&*address.kind, &*address.series, address.time_ms), ("summary", "b+d#1", 7));
        let broken = Message { body: vec![0xff].into(), ..message };
        let error = some.encode(&[&broken], Framing::Single, &mut Vec::new()).unwrap_err();
        assert!(error.to_string().starts_with("cannot be written as json: "));
    }
}

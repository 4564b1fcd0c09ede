//! What it costs to be safe from brokers and publishers: `cargo bench -p headwater-sensors --bench safety`.
//!
//! Aim: less than 3 % of a message's whole path. A packet's frame is judged before it is decoded, for each message; that it is
//! taken out of what was read is no part of it, because a decoder needs that in any case. A name is made
//! safe when its series is new, and text is cleaned when it is shown. The path here is from the bytes of a socket to the readings,
//! without the socket, windows and the journal, so that the share in the agent is less.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::indexing_slicing, reason = "a bench fails loudly")]

use headwater_mqtt::Version;
use headwater_mqtt::bench::{hear_messages, split_packets, take_frames};
use headwater_sensors::{
    ConnectionState, DecodeConfig, Decoder, SeriesRef, Sink, SourceContext, Stamp, TopicTemplate,
};
use headwater_settings::Document;
use std::hint::black_box;
use std::path::Path;
use std::time::Instant;

/// A round is shorter than a slice of the scheduler, so that the best one is undisturbed on a busy machine too.
const ROUNDS: usize = 500;
const MESSAGES: usize = 1_000;

const TOPIC: &str = "plant/line3/device7/climate";

fn main() {
    let payload = br#"{"ts":1700000000123,"temp":21.5,"hum":45.2}"#;
    for (version, properties) in [(Version::V4, &b""[..]), (Version::V5, &b"\0"[..])] {
        let mut packet = vec![0x30, 0, 0, u8::try_from(TOPIC.len()).unwrap()];
        packet.extend_from_slice(TOPIC.as_bytes());
        packet.extend_from_slice(properties);
        packet.extend_from_slice(payload);
        packet[1] = u8::try_from(packet.len() - 2).unwrap();
        let bytes = packet.repeat(MESSAGES);
        let splitting = best(|| assert_eq!(split_packets(packet.len(), black_box(&bytes)), MESSAGES));
        let framing = best(|| assert_eq!(take_frames(version, black_box(&bytes)), MESSAGES)) - splitting;
        let (mut decoder, mut sink) = (decoder(), Sum::default());
        let whole = best(|| {
            hear_messages(version, black_box(&bytes), |publish| {
                decoder.on_payload(publish.topic(), &publish.payload, &mut sink);
            });
        });
        assert_eq!(sink.readings as usize, 2 * ROUNDS * MESSAGES, "every message was read");
        println!(
            "{version:?}: frames {:5.1} ns a message, of {:6.1} ns: {:4.1} %",
            per_message(framing),
            per_message(whole),
            100.0 * framing / whole
        );
    }
    let names: Vec<String> = (0..MESSAGES).map(|n| format!("plant/line3/device{n}/climate/temp")).collect();
    for (what, text) in [("plain", ""), ("unsafe", "\u{1b}[2J")] {
        let texts: Vec<String> = names.iter().map(|name| format!("{name}{text}")).collect();
        let cleaning = best(|| {
            for text in &texts {
                black_box(headwater_text::clean(black_box(text), headwater_text::LINE_BYTES_MAX));
            }
        });
        println!("a line, {what}: cleaned in {:.1} ns, when it is shown", per_message(cleaning));
    }
}

/// The shortest time of a round (s).
fn best(mut round: impl FnMut()) -> f64 {
    let mut best = f64::INFINITY;
    for _ in 0..ROUNDS {
        let start = Instant::now();
        round();
        best = best.min(start.elapsed().as_secs_f64());
    }
    best
}

fn per_message(seconds: f64) -> f64 {
    seconds * 1e9 / MESSAGES as f64
}

fn decoder() -> Decoder {
    let document =
        Document::parse(Path::new("bench.toml"), "time = \"ts\"\nfields = [\"temp\", \"hum\"]", |_| None);
    let topics = vec![TopicTemplate::parse("plant/{line}/{device}/climate").unwrap()];
    let config = DecodeConfig::read(&mut document.root(), &Vec::new(), Some(topics)).expect("a sound config");
    let context = SourceContext {
        agent: "bench".into(),
        source: "bench".into(),
        payload_bytes_max: 1 << 18,
        series_max: 1_000,
    };
    Decoder::new(&config, &context)
}

#[derive(Default)]
struct Sum {
    readings: u64,
    total: f64,
}

impl Sink for Sum {
    fn series(&mut self, _name: &str, _labels: &[(String, String)]) -> Option<SeriesRef> {
        Some(SeriesRef(0))
    }

    fn reading(&mut self, _series: SeriesRef, _stamp: Stamp, value: f64) {
        self.readings += 1;
        self.total += value;
    }

    fn refused(&mut self, _count: u32) {}

    fn invalid(&mut self, origin: &str, why: &dyn std::fmt::Display) {
        panic!("{origin}: {why}");
    }

    fn connection(&mut self, _: ConnectionState<'_>) {}
}

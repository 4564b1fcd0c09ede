//! Time per payload from bytes to readings, the lookup of its topic included: `cargo bench -p headwater-sensors`.
//!
//! Aims: a number 60 ns, JSON of 43 bytes 250 ns. The topics come in turn, as from many devices. For comparison,
//! `serde_json` reads the same two fields and the time with a streaming visitor, without any lookup or sink.

#![allow(clippy::unwrap_used, clippy::expect_used, reason = "a bench fails loudly")]

use headwater_sensors::{
    ConnectionState, DecodeConfig, Decoder, SeriesRef, Sink, SourceContext, Stamp, TopicTemplate,
};
use headwater_settings::Document;
use serde::de::{Deserializer, IgnoredAny, MapAccess, Visitor};
use std::fmt;
use std::hint::black_box;
use std::path::Path;
use std::time::Instant;

const ROUNDS: usize = 7;
const PAYLOADS: usize = 1_000_000;

fn main() {
    let number = "format = \"number\"";
    let wanted = "fields = [\"temp\", \"hum\"]\ntime = \"ts\"";
    let small = br#"{"ts":1700000000123,"temp":21.5,"hum":45.2}"#;
    let text = br#"{"ts":"2023-11-14T22:13:20.123Z","temp":21.5,"hum":45.2}"#;
    let device = br#"{"ts":1700000000123,"id":7,"temp":21.5,"hum":45.2}"#;
    let ten: Vec<String> = (0..10)
        .map(|n| format!("{{\"ts\":{},\"temp\":21.5,\"hum\":45.2}}", 1_700_000_000_123_i64 + n))
        .collect();
    let ten = format!("{{\"values\":[{}]}}", ten.join(","));
    compare("serde_json, 43 bytes, 2 fields and time", small);
    for topics in [1, 100, 10_000] {
        report("bare number", number, topics, b"21.537");
        report("json, every number of 1", "", topics, br#"{"value":21.5}"#);
        report("json, 43 bytes, 2 fields and time", wanted, topics, small);
        report("json, 43 bytes, every number", "", topics, small);
        report("json, time as text", wanted, topics, text);
        report(
            "json, a field in the name",
            &format!("{wanted}\nseries = \"{{id}}/{{field}}\""),
            topics,
            device,
        );
        report("json, a condition", &format!("{wanted}\nwhere = \"temp > 0.0\""), topics, small);
        report(
            "json, 10 records of 2 fields",
            &format!("{wanted}\nrecords = \"values\""),
            topics,
            ten.as_bytes(),
        );
    }
}

/// As other harnesses do it: an argument selects by name.
fn is_selected(what: &str) -> bool {
    std::env::args().skip(1).all(|wanted| wanted.starts_with('-') || what.contains(&wanted))
}

/// What the agent would do with `serde_json`, reading alone.
fn compare(what: &str, payload: &[u8]) {
    if !is_selected(what) {
        return;
    }
    let (mut total, mut best) = (0.0, f64::INFINITY);
    for _ in 0..ROUNDS {
        let start = Instant::now();
        for _ in 0..PAYLOADS {
            let mut json = serde_json::Deserializer::from_slice(black_box(payload));
            let read = json.deserialize_map(TwoFields).expect("a sound payload");
            json.end().expect("nothing more");
            total += read.temp + read.hum + read.ts as f64;
        }
        best = best.min(start.elapsed().as_secs_f64());
    }
    assert!(total.is_finite());
    println!("{what:35} {:>6} topics {:7.1} ns a payload", "no", best * 1e9 / PAYLOADS as f64);
}

struct TwoFields;

#[derive(Default)]
struct Read {
    ts: i64,
    temp: f64,
    hum: f64,
}

impl<'de> Visitor<'de> for TwoFields {
    type Value = Read;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an object")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Read, A::Error> {
        let mut read = Read::default();
        while let Some(name) = map.next_key::<&str>()? {
            match name {
                "ts" => read.ts = map.next_value()?,
                "temp" => read.temp = map.next_value()?,
                "hum" => read.hum = map.next_value()?,
                _ => drop(map.next_value::<IgnoredAny>()?),
            }
        }
        Ok(read)
    }
}

fn report(what: &str, config: &str, topics: usize, payload: &[u8]) {
    if !is_selected(what) {
        return;
    }
    let config = config_of(config);
    let context = SourceContext {
        agent: "bench".into(),
        source: "bench".into(),
        payload_bytes_max: 1 << 18,
        series_max: 100_000,
    };
    let names: Vec<String> = (0..topics).map(|n| format!("plant/line{}/device{n}/climate", n % 7)).collect();
    let mut decoder = Decoder::new(&config, &context);
    let mut sink = Sum::default();
    let mut best = f64::INFINITY;
    for _ in 0..ROUNDS {
        let start = Instant::now();
        for name in names.iter().cycle().take(PAYLOADS) {
            decoder.on_payload(black_box(name), black_box(payload), &mut sink);
        }
        best = best.min(start.elapsed().as_secs_f64());
    }
    assert!(sink.readings >= (ROUNDS * PAYLOADS) as u64 && sink.total.is_finite(), "every payload was read");
    let ns = best * 1e9 / PAYLOADS as f64;
    println!("{what:35} {topics:6} topics {ns:7.1} ns a payload");
}

fn config_of(text: &str) -> DecodeConfig {
    let document = Document::parse(Path::new("bench.toml"), text, |_| None);
    let topics = vec![TopicTemplate::parse("plant/{line}/{device}/climate").unwrap()];
    DecodeConfig::read(&mut document.root(), &Vec::new(), Some(topics)).expect("a sound config")
}

#[derive(Default)]
struct Sum {
    series: u64,
    readings: u64,
    total: f64,
}

impl Sink for Sum {
    fn series(&mut self, _name: &str, _labels: &[(String, String)]) -> Option<SeriesRef> {
        self.series += 1;
        Some(SeriesRef(self.series))
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

//! Every format against what others take for it: `cargo bench -p headwater-sensors --bench formats`.
//!
//! Ours is from bytes to readings, with the lookups of topic, record and series, of one topic whose series are known. Theirs is
//! reading alone: into a tree or, of protocol buffers, into structs, and picking the two numbers and the time; with `to a sink`
//! it has the lookups and the sink too. The last column is theirs through ours, in one run.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::indexing_slicing, reason = "a bench fails loudly")]

use headwater_sensors::{
    ConnectionState, DecodeConfig, Decoder, SeriesRef, Sink, SourceContext, Stamp, TopicTemplate,
};
use headwater_settings::Document;
use prost::Message;
use std::collections::HashMap;
use std::hint::black_box;
use std::path::Path;
use std::time::Instant;

/// A round is shorter than a slice of the scheduler, so that the best one is undisturbed on a busy machine too.
const ROUNDS: usize = 500;
const PAYLOADS: usize = 1_000;

const TIME: i64 = 1_700_000_000_123;

fn main() {
    let json = br#"{"ts":1700000000123,"temp":21.5,"hum":45.2}"#.to_vec();
    let wanted = "fields = [\"temp\", \"hum\"]\ntime = \"ts\"";
    let tree: serde_json::Value = serde_json::from_slice(&json).unwrap();
    compare("json, 2 fields and time", wanted, "a/b", &json, ("serde_json::Value", serde_json_value));
    compare("json, the same to a sink", wanted, "a/b", &json, ("Value, maps, sink", whole_way()));
    compare("json, every number", "", "a/b", &json, ("serde_json::Value", serde_json_value));
    // Nearly all of it is what each payload costs, whatever its format: the lookups, and handing the reading over.
    compare("number", "format = \"number\"", "a/b", b"21.5", ("str::parse", parse));
    let cbor = serde_cbor::to_vec(&tree).unwrap();
    let cbor_wanted = format!("format = \"cbor\"\n{wanted}");
    compare("cbor, 2 fields and time", &cbor_wanted, "a/b", &cbor, ("ciborium::Value", ciborium_value));
    let csv = b"ts,temp,hum\n1700000000123,21.5,45.2\n".to_vec();
    let csv_wanted = format!("format = \"csv\"\n{wanted}");
    compare("csv, header and a row", &csv_wanted, "a/b", &csv, ("csv", csv_reader));
    let line = b"climate,room=a temp=21.5,hum=45.2 1700000000123000000".to_vec();
    compare(
        "influx, a tag, 2 fields and time",
        "format = \"influx\"",
        "a/b",
        &line,
        ("split and parse", split_line),
    );
    let senml =
        br#"[{"bn":"d/","bt":1700000000.123,"n":"temp","u":"Cel","v":21.5},{"n":"hum","u":"%RH","v":45.2}]"#;
    compare("senml, 2 records", "format = \"senml\"", "a/b", senml, ("serde_json::Value", serde_json_list));
    let sparkplug = sparkplug().encode_to_vec();
    compare(
        "sparkplug, 2 metrics",
        "format = \"sparkplug\"",
        "spBv1.0/g/DDATA/n/d",
        &sparkplug,
        ("prost", prost_payload),
    );
    let obis = b"1-0:1.8.1(000992.992*kWh)\n1-0:1.7.0(00.424*kW)\n".to_vec();
    compare("obis, 2 lines", "format = \"obis\"", "a/b", &obis, ("split and parse", split_lines));
    let pairs = b"temp=21.5 hum=45.2 state=ok".to_vec();
    compare(
        "pairs, 2 numbers and a text",
        "format = \"pairs\"",
        "a/b",
        &pairs,
        ("split and parse", split_pairs),
    );
    let nmea = b"$GPVTG,054.7,T,034.4,M,005.5,N,010.2,K*48".to_vec();
    compare("nmea, VTG", "format = \"nmea\"", "a/b", &nmea, ("split and parse", split_sentence));
}

fn serde_json_value(payload: &[u8]) -> f64 {
    let tree: serde_json::Value = serde_json::from_slice(payload).unwrap();
    tree["temp"].as_f64().unwrap() + tree["hum"].as_f64().unwrap() + tree["ts"].as_f64().unwrap()
}

/// What stands in a program around the reading: the topic and its fields are found, the time is a time, and a sink gets the numbers.
fn whole_way() -> impl FnMut(&[u8]) -> f64 {
    let fields = HashMap::from([("temp".to_owned(), SeriesRef(1)), ("hum".to_owned(), SeriesRef(2))]);
    let topics = HashMap::from([("a/b".to_owned(), fields)]);
    let mut sink = Sum::default();
    move |payload| {
        let tree: serde_json::Value = serde_json::from_slice(payload).unwrap();
        let stamp = Stamp::Event(tree["ts"].as_i64().unwrap());
        for (field, series) in &topics[black_box("a/b")] {
            let sink: &mut dyn Sink = black_box(&mut sink);
            sink.reading(*series, stamp, tree[field].as_f64().unwrap());
        }
        sink.total
    }
}

fn parse(payload: &[u8]) -> f64 {
    std::str::from_utf8(payload).unwrap().parse().unwrap()
}

fn serde_json_list(payload: &[u8]) -> f64 {
    let tree: serde_json::Value = serde_json::from_slice(payload).unwrap();
    tree.as_array().unwrap().iter().map(|entry| entry["v"].as_f64().unwrap()).sum()
}

fn ciborium_value(payload: &[u8]) -> f64 {
    let tree: ciborium::Value = ciborium::from_reader(payload).unwrap();
    let number = |(name, value): &(ciborium::Value, ciborium::Value)| {
        name.as_text().map_or(0.0, |_| value.as_float().unwrap_or(1.0))
    };
    tree.as_map().unwrap().iter().map(number).sum()
}

fn csv_reader(payload: &[u8]) -> f64 {
    let mut reader = csv::Reader::from_reader(payload);
    let row = reader.records().next().unwrap().unwrap();
    row.iter().map(|cell| cell.parse::<f64>().unwrap()).sum()
}

fn split_line(payload: &[u8]) -> f64 {
    let mut parts = std::str::from_utf8(payload).unwrap().split(' ');
    let (_, fields, time) = (parts.next(), parts.next().unwrap(), parts.next().unwrap());
    let value = |field: &str| field.split_once('=').unwrap().1.parse::<f64>().unwrap();
    fields.split(',').map(value).sum::<f64>() + time.parse::<f64>().unwrap()
}

fn split_sentence(payload: &[u8]) -> f64 {
    let text = std::str::from_utf8(payload).unwrap();
    text.split([',', '*']).filter_map(|column| column.parse::<f64>().ok()).sum()
}

fn split_lines(payload: &[u8]) -> f64 {
    let text = std::str::from_utf8(payload).unwrap();
    text.split(['(', '*']).filter_map(|part| part.parse::<f64>().ok()).sum()
}

fn split_pairs(payload: &[u8]) -> f64 {
    let text = std::str::from_utf8(payload).unwrap();
    text.split([' ', '=']).filter_map(|part| part.parse::<f64>().ok()).sum()
}

/// The messages of Sparkplug B, as far as they are here.
#[derive(Clone, PartialEq, Message)]
struct Payload {
    #[prost(uint64, optional, tag = "1")]
    timestamp: Option<u64>,
    #[prost(message, repeated, tag = "2")]
    metrics: Vec<Metric>,
    #[prost(uint64, optional, tag = "3")]
    seq: Option<u64>,
}

#[derive(Clone, PartialEq, Message)]
struct Metric {
    #[prost(string, optional, tag = "1")]
    name: Option<String>,
    #[prost(uint64, optional, tag = "2")]
    alias: Option<u64>,
    #[prost(uint64, optional, tag = "3")]
    timestamp: Option<u64>,
    #[prost(uint32, optional, tag = "4")]
    datatype: Option<u32>,
    #[prost(double, optional, tag = "13")]
    double_value: Option<f64>,
}

fn sparkplug() -> Payload {
    let metric = |name: &str, alias: u64, value: f64| Metric {
        name: Some(name.to_owned()),
        alias: Some(alias),
        timestamp: TIME.try_into().ok(),
        datatype: Some(10),
        double_value: Some(value),
    };
    let metrics = vec![metric("temp", 1, 21.5), metric("hum", 2, 45.2)];
    Payload { timestamp: TIME.try_into().ok(), metrics, seq: Some(0) }
}

fn prost_payload(payload: &[u8]) -> f64 {
    Payload::decode(payload).unwrap().metrics.iter().filter_map(|metric| metric.double_value).sum()
}

/// The best time of a payload (ns).
fn best(mut run: impl FnMut()) -> f64 {
    let time = |_| {
        let start = Instant::now();
        (0..PAYLOADS).for_each(|_| run());
        start.elapsed().as_secs_f64()
    };
    (0..ROUNDS).map(time).fold(f64::INFINITY, f64::min) * 1e9 / PAYLOADS as f64
}

fn compare(
    what: &str,
    keys: &str,
    topic: &str,
    payload: &[u8],
    (rival, mut theirs): (&str, impl FnMut(&[u8]) -> f64),
) {
    // As other harnesses do it: an argument selects by name.
    if !std::env::args().skip(1).all(|wanted| wanted.starts_with('-') || what.contains(&wanted)) {
        return;
    }
    let document = Document::parse(Path::new("bench.toml"), keys, |_| None);
    let topics = vec![TopicTemplate::parse("#").unwrap()];
    let config = DecodeConfig::read(&mut document.root(), &Vec::new(), Some(topics)).expect("a sound config");
    let context = SourceContext {
        agent: "bench".into(),
        source: "bench".into(),
        payload_bytes_max: 1 << 18,
        series_max: 1_000,
    };
    let mut decoder = Decoder::new(&config, &context);
    let mut sink = Sum::default();
    // A birth, where there are births.
    decoder.on_payload(&topic.replace("DDATA/n/d", "NBIRTH/n"), payload, &mut sink);
    let ours = best(|| decoder.on_payload(black_box(topic), black_box(payload), &mut sink));
    let mut total = 0.0;
    let theirs = best(|| total += theirs(black_box(payload)));
    assert!(sink.readings >= ROUNDS * PAYLOADS && total.is_finite() && sink.total.is_finite());
    println!("{what:34} {ours:6.0} ns   {rival:18} {theirs:6.0} ns   {:4.1} times", theirs / ours);
}

#[derive(Default)]
struct Sum {
    series: u64,
    readings: usize,
    total: f64,
}

impl Sink for Sum {
    fn series(&mut self, _: &str, _: &[(String, String)]) -> Option<SeriesRef> {
        self.series += 1;
        Some(SeriesRef(self.series))
    }

    fn reading(&mut self, _: SeriesRef, _: Stamp, value: f64) {
        self.readings += 1;
        self.total += value;
    }

    fn refused(&mut self, _: u32) {}

    fn invalid(&mut self, origin: &str, why: &dyn std::fmt::Display) {
        panic!("{origin}: {why}");
    }

    fn connection(&mut self, _: ConnectionState<'_>) {}
}

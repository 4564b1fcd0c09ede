//! Once the series of a payload are known, decoding it again allocates nothing, in any format.

#![allow(clippy::unwrap_used, clippy::expect_used, reason = "a test fails loudly")]

use headwater_sensors::{
    ConnectionState, DecodeConfig, Decoder, FORMATS, SeriesRef, Sink, SourceContext, Stamp, TopicTemplate,
};
use headwater_settings::Document;
use stats_alloc::{INSTRUMENTED_SYSTEM, Region, StatsAlloc};
use std::alloc::System;
use std::path::Path;

#[global_allocator]
static ALLOCATOR: &StatsAlloc<System> = &INSTRUMENTED_SYSTEM;

/// Takes everything, and remembers how much.
#[derive(Default)]
struct Count {
    series: u64,
    readings: usize,
}

impl Sink for Count {
    fn series(&mut self, _: &str, _: &[(String, String)]) -> Option<SeriesRef> {
        self.series += 1;
        Some(SeriesRef(self.series))
    }

    fn reading(&mut self, _: SeriesRef, _: Stamp, _: f64) {
        self.readings += 1;
    }

    fn refused(&mut self, _: u32) {}

    fn invalid(&mut self, origin: &str, why: &dyn std::fmt::Display) {
        panic!("{origin}: {why}");
    }

    fn connection(&mut self, _: ConnectionState<'_>) {}
}

fn config(text: &str) -> DecodeConfig {
    let document = Document::parse(Path::new("test.toml"), text, |_| None);
    let topics = vec![TopicTemplate::parse("#").unwrap()];
    DecodeConfig::read(&mut document.root(), &Vec::new(), Some(topics)).expect("a sound config")
}

/// A Sparkplug payload: time, and a metric with name, alias, kind and value.
const SPARKPLUG: &[u8] = b"\x08\x80\xd0\x95\xff\xbc\x31\x12\x0a\x0a\x02ab\x10\x07\x20\x03\x50\x05\x18\x00";

/// A telegram of an electricity meter: energy taken and given.
const SML: &[u8] = b"\x1b\x1b\x1b\x1b\x01\x01\x01\x01\x76\x05\x1c\x41\x4c\x02\x62\x00\x62\x00\x72\x63\x01\x01\x76\x01\x01\
\x02\x31\x0b\x0a\x01\x44\x5a\x47\x00\x02\x82\xc0\xb0\x72\x62\x01\x65\x05\x47\x1c\x2a\x62\x02\x63\xf9\x38\x00\x76\x05\x1d\
\x41\x4c\x02\x62\x00\x62\x00\x72\x63\x07\x01\x77\x01\x0b\x0a\x01\x44\x5a\x47\x00\x02\x82\xc0\xb0\x07\x01\x00\x62\x0a\xff\
\xff\x72\x62\x01\x65\x05\x47\x1c\x2a\x74\x77\x07\x01\x00\x60\x32\x01\x01\x01\x72\x62\x01\x62\x00\x62\x00\x52\x00\x04\x44\
\x5a\x47\x01\x77\x07\x01\x00\x60\x01\x00\xff\x01\x72\x62\x01\x62\x00\x62\x00\x52\x00\x0b\x0a\x01\x44\x5a\x47\x00\x02\x82\
\xc0\xb0\x01\x77\x07\x01\x00\x01\x08\x00\xff\x64\x1c\x01\x04\x72\x62\x01\x62\x00\x62\x1e\x52\x03\x63\x34\x4f\x01\x77\x07\
\x01\x00\x02\x08\x00\xff\x01\x72\x62\x01\x62\x00\x62\x1e\x52\x03\x62\x00\x01\x01\x01\x63\x93\x77\x00\x76\x05\x1e\x41\x4c\
\x02\x62\x00\x62\x00\x72\x63\x02\x01\x71\x01\x63\xe6\xba\x00\x00\x00\x00\x00\x1b\x1b\x1b\x1b\x1a\x04\xda\xd0";

/// Formats, their keys, topics and payloads, and how many readings each holds.
const PAYLOADS: &[(&str, &str, &str, &[u8], usize)] = &[
    ("json", "time = \"t\"", "a/b", br#"{"t": 1700000000000, "temp": 21.5, "hum": 48, "n": null}"#, 2),
    (
        "json",
        "records = \"v\"\nseries = \"{id}/{field}\"",
        "a/b",
        br#"{"id": "x", "v": [{"a": 1}, {"a": 2}]}"#,
        2,
    ),
    ("number", "", "a/b", b"21.5", 1),
    ("cbor", "", "a/b", b"\xa3\x61t\xf9\x4d\x60\x61n\x18\x30\x05\xfb\x40\x35\x80\0\0\0\0\0", 3),
    ("csv", "", "a/b", b"t,h\n21.5,48\n22,49\n", 4),
    (
        "influx",
        "",
        "a/b",
        b"cpu,host=a,cpu=0 usage=1.5,s=\"x\\\"y\",n=3i 1700000000000000000\nmem,host=a\\ b used=5u",
        3,
    ),
    (
        "senml",
        "",
        "a/b",
        br#"[{"bn":"d/","bt":1700000000,"bu":"Cel","n":"t","v":21.5},{"n":"h","u":"%RH","v":48,"s":5}]"#,
        3,
    ),
    ("sparkplug", "", "spBv1.0/g/DDATA/n/d", SPARKPLUG, 1),
    ("obis", "", "a/b", b"1-0:1.8.1(000992.992*kWh)\n1-0:1.7.0(00.424*kW)\n", 2),
    ("sml", "", "a/b", SML, 2),
    ("pairs", "units = \"strip\"", "a/b", b"t=21.5 h=48 % state=ok", 2),
    ("pairs", "", "a/b", b"t: 21.5, h: 48", 2),
    (
        "nmea",
        "time = \"utc\"",
        "a/b",
        b"$GPRMC,123519,A,4807.038,N,01131.000,E,022.4,084.4,230394,003.1,W*6A",
        5,
    ),
];

#[test]
fn known_series_cost_no_allocation() {
    let context = SourceContext {
        agent: "agent".into(),
        source: "source".into(),
        payload_bytes_max: 1 << 18,
        series_max: 1_000,
    };
    for kind in FORMATS {
        assert!(PAYLOADS.iter().any(|(format, ..)| *format == kind.name), "no payload of {}", kind.name);
    }
    for (format, keys, topic, payload, readings) in PAYLOADS {
        let mut decoder = Decoder::new(&config(&format!("format = \"{format}\"\n{keys}")), &context);
        if *format == "sparkplug" {
            decoder.on_payload("spBv1.0/g/NBIRTH/n", payload, &mut Count::default());
        }
        let mut sink = Count::default();
        for _ in 0..3 {
            decoder.on_payload(topic, payload, &mut sink);
        }
        assert_eq!(sink.readings, 3 * readings, "{format}");
        // The test harness allocates now and then on its own thread; what a payload costs, it costs every time.
        let least = (0..5).map(|_| {
            let region = Region::new(ALLOCATOR);
            for _ in 0..100 {
                decoder.on_payload(topic, payload, &mut sink);
            }
            let change = region.change();
            change.allocations + change.reallocations
        });
        assert_eq!(least.min(), Some(0), "{format}: of 100 payloads with {readings} readings each");
    }
}

//! Time that grows with a payload, and no faster: one long part beside many short ones is where it would.

use super::tests::config;
use super::{Decoder, SourceContext};
use crate::{ConnectionState, SeriesRef, Sink, Stamp};
use rustix::time::{ClockId, clock_gettime};
use std::fmt::Display;

const SMALL: usize = 8_192;
const GROWTH: usize = 16;

/// Between the growth of a linear time and that of a quadratic one, which are 16 and 256.
const GROWTH_MAX: f64 = 64.0;

/// A shorter time says more of the clock than of the decoder (s).
const TIME_MIN: f64 = 100e-6;

/// How often a time is measured anew that was perhaps disturbed.
const ATTEMPTS: usize = 5;

/// Takes everything, and shows why something cannot be used.
#[derive(Default)]
struct Shown {
    readings: usize,
    reasons: usize,
}

impl Sink for Shown {
    fn series(&mut self, name: &str, _: &[(String, String)]) -> Option<SeriesRef> {
        Some(SeriesRef(name.len() as u64))
    }

    fn reading(&mut self, _: SeriesRef, _: Stamp, _: f64) {
        self.readings += 1;
    }

    fn refused(&mut self, count: u32) {
        self.reasons += count as usize;
    }

    fn filtered(&mut self, count: u32) {
        self.reasons += count as usize;
    }

    fn invalid(&mut self, _: &str, why: &dyn Display) {
        self.reasons += usize::from(!format!("{why:#}").is_empty());
    }

    fn connection(&mut self, _: ConnectionState<'_>) {}
}

/// The processor time of this thread (s).
fn processor_time() -> f64 {
    let time = clock_gettime(ClockId::ThreadCPUTime);
    time.tv_sec as f64 + time.tv_nsec as f64 / 1e9
}

/// The processor time that a payload takes, and whether anything came of it.
fn time_of(keys: &str, payload: &str) -> (f64, bool) {
    let context = SourceContext {
        agent: "agent".into(),
        source: "source".into(),
        payload_bytes_max: 2 * payload.len(),
        series_max: 1_000,
    };
    let (mut decoder, mut sink) = (Decoder::new(&config(keys, &["#"]), &context), Shown::default());
    let begin = processor_time();
    decoder.on_payload("t", payload.as_bytes(), &mut sink);
    (processor_time() - begin, sink.readings + sink.reasons > 0)
}

/// Half of a payload is what stands for `$`, and half is what is repeated, in which `@` is its number.
fn payload((begin, long, repeated, end): (&str, &str, &str, &str), bytes: usize) -> String {
    let mut payload = begin.replace('$', &long.repeat(bytes / 2 / long.len()));
    let from = payload.len();
    let mut number = 0;
    while payload.len() - from < bytes / 2 {
        payload.push_str(&repeated.replace('@', &number.to_string()));
        number += 1;
    }
    payload + end
}

#[test]
fn the_time_of_a_payload_grows_no_faster_than_its_length() {
    let named = "records = \"a\"\nseries = \"{id}/{field}\"";
    let judged = "records = \"a\"\nwhere = \"id.contains('end')\"";
    let timed = "records = \"a\"\ntime = \"t\"";
    let keyed = "records = \"{id}\"\nseries = \"{id}/{field}\"";
    let senml = "format = \"senml\"";
    let of_unit = "[{\"n\":\"z\",\"u\":\"V\",\"v\":1},{\"bu\":\"$\",\"n\":\"a\",\"v\":1}";
    for (keys, shape) in [
        // A name above many others is in the path of each.
        ("", ("{\"$\":{\"b\":1", "x", ",\"b@\":1", "}}")),
        ("", ("{\"$\":{\"b\":1", "x", ",\"b@\":NaN", "}}")),
        ("fields = [\"*/a\", \"b\"]", ("{\"$\":{\"b\":1", "x", ",\"b@\":{\"a\":1}", "},\"b\":1}")),
        // What stands beside the records is of each.
        (named, ("{\"id\":\"$\",\"a\":[0", "x", ",1", "]}")),
        (judged, ("{\"id\":\"$\",\"a\":[0", "x", ",1", "]}")),
        (timed, ("{\"t\":\"$\",\"a\":[0", "x", ",1", "]}")),
        (keyed, ("{\"$\":[{\"a\":1}", "x", ",{\"a\":1}", "]}")),
        // A base value is of every entry.
        (senml, ("[{\"bn\":\"$\",\"n\":\"a\",\"v\":1}", "x", ",{\"n\":\"a\",\"v\":1}", "]")),
        (senml, ("[{\"bn\":\"$\",\"n\":\"a\",\"v\":1}", "/", ",{\"n\":\"a\",\"v\":1}", "]")),
        (senml, (of_unit, "x", ",{\"n\":\"z\",\"v\":1}", "]")),
        (senml, ("[{\"bu\":\"$\",\"n\":\"a\",\"v\":1}", "x", ",{\"n\":\"a@\",\"v\":1}", "]")),
        (senml, ("[{\"bu\":\"$\",\"n\":\"a\",\"v\":1}", "x", ",{\"n\":\"a@\",\"s\":1}", "]")),
        // A unit, a word and a number are looked for in a text.
        ("fields = [\"a\"]", ("{\"a\":\"$\"", "x", ",\"a\":\"1x\"", "}")),
        (
            "fields = [\"a\"]\nunits = \"strip\"\ndecimal = \",\"",
            ("{\"a\":\"$\"", "1.000", ",\"a\":\"1 x\"", "}"),
        ),
        ("format = \"csv\"", ("a,b\n\"$", "x", "\n\"1,2", "\n")),
        ("format = \"pairs\"\nfields = [\"a\"]", ("a=\"$\"", "x ", " a=\" \" b", "\n")),
        ("format = \"influx\"\nfields = [\"a\"]", ("m a=\"$\"\n", "x\n", "m a=\"x\n\",b=1\n", "\n")),
    ] {
        let (small, large) = (payload(shape, SMALL), payload(shape, SMALL * GROWTH));
        let growths = (0..ATTEMPTS).map(|_| {
            let ((before, _), (after, is_read)) = (time_of(keys, &small), time_of(keys, &large));
            assert!(is_read, "{keys} {shape:?}");
            after / before.max(TIME_MIN)
        });
        let mut seen = Vec::new();
        let is_linear = growths.inspect(|growth| seen.push(*growth)).any(|growth| growth < GROWTH_MAX);
        assert!(is_linear, "{keys} {shape:?}: {GROWTH} times the length took {seen:?} times the time");
    }
}

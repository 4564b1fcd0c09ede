//! A payload of every format: a byte says which and under which settings, then the payload.
#![no_main]

use headwater_fuzz::{CheckedSink, context, decoding};
use headwater_sensors::{DecodeConfig, Decoder};
use libfuzzer_sys::fuzz_target;

/// Tables of sources, and the topics of the first payload and of those that follow.
const SETTINGS: [(&str, [&str; 2]); 27] = [
    ("", PLAIN),
    ("time = \"ts\"\nfields = [\"a\", \"b/c\", \"list/0\"]", PLAIN),
    ("records = \"values\"\nseries = \"{id}/{field}\"\nlabels = { kind = \"{kind}\" }", PLAIN),
    ("records = \"{time}\"\nfields = [\"a\"]", PLAIN),
    ("records = \"values\"\nwhere = \"a > 1.0 && kind != 'x'\"", PLAIN),
    (
        "time = [\"date\", \"clock\"]\ntime_format = \"%d.%m.%Y %H:%M:%S\"\ntime_zone = \"Europe/Berlin\"",
        PLAIN,
    ),
    ("words = { on = 1, off = 0 }\nskip = [\"unavailable\"]\ndecimal = \",\"", PLAIN),
    ("time = \"ts\"\nrepeats = \"drop\"\ntime_else = \"arrival\"", PLAIN),
    ("format = \"number\"", PLAIN),
    ("format = \"number\"\ndecimal = \",\"\nunits = \"strip\"\nwords = { on = 1, off = 0 }", PLAIN),
    ("format = \"cbor\"", PLAIN),
    ("format = \"cbor\"\nrecords = \"values\"\ntime = \"t\"\nseries = \"{id}/{field}\"", PLAIN),
    ("format = \"csv\"", PLAIN),
    ("format = \"csv\"\nheader = false\ncolumns = [\"ts\", \"a\", \"b\"]\ntime = \"ts\"", PLAIN),
    ("format = \"csv\"\ndelimiter = \";\"\ndecimal = \",\"\ntime = \"ts\"\nseries = \"{id}/{field}\"", PLAIN),
    ("format = \"influx\"", PLAIN),
    ("format = \"influx\"\nseries = \"{name}/{host}/{field}\"\ntime_format = \"unix\"", PLAIN),
    ("format = \"senml\"", PLAIN),
    ("format = \"sparkplug\"", ["spBv1.0/group/NBIRTH/node", "spBv1.0/group/NDATA/node"]),
    ("format = \"sparkplug\"", ["spBv1.0/group/DBIRTH/node/device", "spBv1.0/group/DDATA/node/device"]),
    ("format = \"nmea\"", PLAIN),
    ("format = \"nmea\"\nchecksum = \"optional\"", PLAIN),
    ("format = \"obis\"", PLAIN),
    ("format = \"obis\"\ntime = \"clock\"\ntime_zone = \"Europe/Amsterdam\"", PLAIN),
    ("format = \"pairs\"", PLAIN),
    ("format = \"pairs\"\ndecimal = \",\"\nunits = \"strip\"\ntime = \"ts\"\nseries = \"{id}/{field}\"", PLAIN),
    ("format = \"sml\"", PLAIN),
];

const PLAIN: [&str; 2] = ["a/b", "a/b"];

fuzz_target!(|data: &[u8]| {
    thread_local!(static CONFIGS: Vec<(DecodeConfig, [&'static str; 2])> =
        SETTINGS.iter().map(|(table, topics)| (decoding(table, &["#"]), *topics)).collect());
    let Some((how, payload)) = data.split_first() else { return };
    CONFIGS.with(|configs| {
        let (config, [first, next]) = &configs[usize::from(*how) % configs.len()];
        let (mut decoder, mut sink) = (Decoder::new(config, &context()), CheckedSink::default());
        decoder.on_payload(first, payload, &mut sink);
        // What it remembers of the fields meets the same ones, and others.
        decoder.on_payload(next, payload, &mut sink);
        decoder.on_payload(next, &payload[payload.len() / 2..], &mut sink);
    });
});

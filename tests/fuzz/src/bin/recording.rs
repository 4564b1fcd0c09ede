//! A recording that `replay` reads: a byte for its kind and the source's settings, then the file.
#![no_main]

use headwater_fuzz::{CheckedSink, context, decoding};
use headwater_sensors::recording::Recording;
use libfuzzer_sys::fuzz_target;
use std::fs;

const SETTINGS: [&str; 3] =
    ["", "time = \"ts\"\nfields = [\"a\", \"b\"]", "format = \"number\"\ndecimal = \",\""];

fuzz_target!(|data: &[u8]| {
    let Some((how, bytes)) = data.split_first() else { return };
    let ending = if how % 2 == 0 { "csv" } else { "jsonl" };
    let path = std::env::temp_dir().join(format!("headwater-fuzz-{}.{ending}", std::process::id()));
    fs::write(&path, bytes).expect("a file");
    let table = SETTINGS[usize::from(how / 2) % SETTINGS.len()];
    if let Ok(mut recording) = Recording::open(&path, &decoding(table, &["#"]), &context()) {
        let mut sink = CheckedSink::default();
        while recording.step(&mut sink).expect("a file that can be read") {}
    }
    let _ = fs::remove_file(path);
});

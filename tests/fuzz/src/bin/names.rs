//! Topics to names: a template of topics, one of series' names, and topics that come, a line each.
#![no_main]

use headwater_fuzz::{CheckedSink, context};
use headwater_sensors::{DecodeConfig, Decoder, TopicTemplate};
use headwater_settings::Document;
use libfuzzer_sys::fuzz_target;
use std::path::Path;

fuzz_target!(|data: &[u8]| {
    let Ok(text) = std::str::from_utf8(data) else { return };
    let mut lines = text.split('\n');
    let (Some(template), Some(series)) = (lines.next(), lines.next()) else { return };
    let Ok(template) = TopicTemplate::parse(template) else { return };
    let table = format!("labels = {{ place = {series:?} }}\nseries = {series:?}\nfields = [\"a\"]");
    let document = Document::parse(Path::new("/etc/fuzz.toml"), &table, |_| None);
    let mut root = document.root();
    let labels = root.pairs("labels").map(|at| at.value).unwrap_or_default();
    let Some(config) = DecodeConfig::read(&mut root, &labels, Some(vec![template])) else { return };
    let _ = config.names();
    let (mut decoder, mut sink) = (Decoder::new(&config, &context()), CheckedSink::default());
    for topic in lines {
        decoder.on_payload(topic, b"{\"a\":1,\"b\":\"\\u202e/x\",\"name\":\"n/\\n\"}", &mut sink);
    }
});

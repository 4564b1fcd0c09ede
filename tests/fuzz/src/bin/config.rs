//! A config, as `headwater check` reads it; what passes runs for a while.
#![no_main]

use headwater_forwarder::OUTPUTS;
use headwater_fuzz::begin_with;
use headwater_kernel::time::{Now, Time};
use headwater_pipeline::pipeline::{Pipeline, SourceEntry, TakenAt};
use headwater_sensors::SOURCES;
use libfuzzer_sys::fuzz_target;

/// The most readings and ticks that a config gets.
const STEPS: i64 = 60;

fuzz_target!(init: begin(), |data: &[u8]| {
    let Ok(text) = std::str::from_utf8(data) else { return };
    let Some(config) = headwater::fuzzing::check(text) else { return };
    let entry = |source: &headwater::config::SourceConfig| SourceEntry {
        name: source.name.clone(),
        future_ms: source.future_ms,
        is_durable: source.source.is_durable(),
    };
    let sources: Vec<SourceEntry> = config.sources.iter().map(entry).collect();
    let mut pipeline = Pipeline::new("agent", sources, config.streams, config.limits);
    let start = headwater::fuzzing::START;
    pipeline.resume(start, false);
    let names = ["a/temperature", "a/humidity", "b/temperature"];
    let series = names.map(|name| pipeline.introduce(0, name, &[("zone".to_owned(), "1".to_owned())]));
    for step in 0..STEPS {
        let now = Now::uncorrected(Time(start.time.0 + step * 1_700));
        for (series, value) in series.iter().zip([20.0 + step as f64, -1e9, 0.1]) {
            if let Some(series) = series {
                pipeline.on_reading(*series, TakenAt::Event(now.time.0 - step % 7 * 300), value, now);
            }
        }
        pipeline.on_tick(now);
        pipeline.drain().for_each(drop);
    }
    assert!(pipeline.totals().balances());
});

/// Every kind of source and of output, as its sample has it.
fn begin() {
    const STREAM: &str = "[streams.all]\nwindow = { type = \"tumbling\", size = \"10s\" }\n";
    for kind in SOURCES {
        begin_with(&format!("source-{}", kind.name), format!("{}{STREAM}", kind.sample).as_bytes());
    }
    for kind in OUTPUTS {
        let source = "[sources.s]\ntype = \"stdin\"\n";
        let config = format!("{source}{STREAM}{}", kind.sample);
        begin_with(&format!("output-{}", kind.name), config.as_bytes());
    }
    begin_with("streams", headwater_fuzz::state::CONFIG.as_bytes());
}

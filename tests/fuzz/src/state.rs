//! A pipeline of every kind of window, aggregate, detector and filter, and what it has made.

use headwater::fuzzing::START;
use headwater_kernel::time::{Now, Time};
use headwater_pipeline::config::{Limits, StreamConfig};
use headwater_pipeline::event::Event;
use headwater_pipeline::pipeline::{Pipeline, SourceEntry, TakenAt};

/// The first levels of the series of each stream, which takes no others.
pub const PARTS: [&str; 6] = ["tumbling", "sliding", "session", "count", "filtered", "detected"];

/// Their config.
pub const CONFIG: &str = r##"
[sources.s]
type = "mqtt"
url = "mqtt://127.0.0.1"
topics = ["#"]
[streams.tumbling]
series = ["tumbling/*"]
window = { type = "tumbling", size = "10s" }
lateness = "3s"
retain = "1m"
aggregates = ["count", "sum", "mean", "first", "last", "p90", "slope", "increase", "integral"]
downsample = { type = "lttb", points = 4 }
[streams.sliding]
series = ["sliding/*"]
window = { type = "sliding", size = "20s", every = "5s" }
pairs = [{ a = "*/a", b = "*/b", tolerance = "2s" }]
[streams.session]
series = ["session/*"]
window = { type = "session", gap = "3s" }
[streams.count]
series = ["count/*"]
window = { type = "count", size = 7 }
[streams.filtered]
series = ["filtered/*"]
window = { type = "none" }
filter = { type = "swinging-door", error = 4.0 }
[streams.detected]
series = ["detected/*"]
window = { type = "none" }
[[streams.detected.detectors]]
type = "threshold"
above = 25.0
[[streams.detected.detectors]]
type = "hampel"
[[streams.detected.detectors]]
type = "seasonal"
[[streams.detected.detectors]]
type = "auto"
"##;

/// A pipeline that knows nothing yet.
pub fn fresh() -> Pipeline {
    thread_local! {
        static PARTS: (Vec<StreamConfig>, Limits) = {
            let config = headwater::fuzzing::check(CONFIG).expect("a config without mistakes");
            (config.streams, config.limits)
        };
    }
    let sources = vec![SourceEntry { name: "s".to_owned(), future_ms: 300_000, is_durable: false }];
    PARTS.with(|(streams, limits)| Pipeline::new("agent", sources, streams.clone(), *limits))
}

/// Feeds two series of a part, and shows each event.
fn feed(pipeline: &mut Pipeline, part: &str, each: &mut dyn FnMut(&Event)) -> Now {
    pipeline.resume(START, false);
    let series = ["a", "b"].map(|name| pipeline.introduce(0, &format!("{part}/{name}"), &[]));
    let mut now = START;
    for step in 0..40 {
        now = Now::uncorrected(Time(START.time.0 + step * 1_000));
        let value = if step == 30 { 60.0 } else { 20.0 + (step % 7) as f64 };
        for series in series.into_iter().flatten() {
            pipeline.on_reading(series, TakenAt::Event(now.time.0 - step % 3 * 900), value, now);
        }
        pipeline.on_tick(now);
        pipeline.drain().for_each(|(_, event)| each(&event));
    }
    now
}

/// The body of a checkpoint with two series of a part.
pub fn body(part: &str) -> Vec<u8> {
    let (mut pipeline, mut body) = (fresh(), Vec::new());
    let now = feed(&mut pipeline, part, &mut |_| {});
    pipeline.save(now, &mut body);
    body
}

/// Shows an event of each kind that the parts make, with a number.
pub fn events(mut each: impl FnMut(usize, &Event)) {
    let mut number = 0;
    for part in PARTS {
        let mut of_part = 0;
        feed(&mut fresh(), part, &mut |event| {
            of_part += 1;
            if of_part <= 4 {
                number += 1;
                each(number, event);
            }
        });
    }
}

/// Lets what was restored go on: it tells what is due, and can be saved and restored again.
pub fn go_on(mut pipeline: Pipeline) {
    feed(&mut pipeline, "tumbling", &mut |_| {});
    let now = feed(&mut pipeline, "detected", &mut |_| {});
    assert!(pipeline.totals().balances());
    let mut body = Vec::new();
    pipeline.save(now, &mut body);
}

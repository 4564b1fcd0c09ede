//! The status as metrics: the text format of Prometheus (0.0.4), or OpenMetrics 1.0 for those who ask for it.
//!
//! Names follow Prometheus' rules: a prefix, base units, `_total` for counters. Counters go on over restarts, because the
//! accounts do.

use crate::status::{AgentStatus, OutputStatus, SourceStatus};
use headwater_pipeline::account::{NamedCounts, ReadingCounts};
use std::fmt::{self, Display, Write};

/// The type of Prometheus' text format.
pub(super) const TEXT: &str = "text/plain; version=0.0.4; charset=utf-8";

/// The type of OpenMetrics.
pub(super) const OPEN: &str = "application/openmetrics-text; version=1.0.0; charset=utf-8";

/// Whether a client that accepts this wants OpenMetrics.
pub(super) fn wants_open(accept: &str) -> bool {
    let weight = |name: &str| {
        let kinds = accept.split(',').map(str::trim).filter(|kind| kind.starts_with(name));
        let weight = |kind: &str| {
            let given = kind.split(';').find_map(|part| part.trim().strip_prefix("q="));
            given.map_or(1.0, |q| q.parse().unwrap_or(0.0))
        };
        kinds.map(weight).fold(0.0, f64::max)
    };
    let open = weight("application/openmetrics-text");
    open > 0.0 && open >= weight("text/plain")
}

/// The help of what is counted and is no reading.
const BESIDE: &str = "What is no reading and no part of the readings received: records without a reading, retained messages, \
                      payloads that were dropped undecoded, series that were forgotten.";

/// Whether a metric only grows.
#[derive(Clone, Copy, PartialEq)]
enum Kind {
    Counter,
    Gauge,
}

/// Labels of a sample, by name.
type SampleLabels<'a> = &'a [(&'a str, &'a str)];

/// Writes families of metrics.
struct Writer {
    text: String,
    is_open: bool,
    /// The name of the family's samples.
    name: String,
}

impl Writer {
    /// Begins a family. The name of a counter is written without `_total`.
    fn family(&mut self, name: &str, kind: Kind, help: &str) -> &mut Self {
        self.name = match kind {
            Kind::Counter => format!("headwater_{name}_total"),
            Kind::Gauge => format!("headwater_{name}"),
        };
        let word = if kind == Kind::Counter { "counter" } else { "gauge" };
        // OpenMetrics describes the family, and Prometheus its samples.
        let described = if self.is_open { format!("headwater_{name}") } else { self.name.clone() };
        self.put(format_args!("# HELP {described} {help}\n# TYPE {described} {word}\n"));
        self
    }

    fn sample(&mut self, labels: SampleLabels<'_>, value: impl Display) -> &mut Self {
        let shown = labels.iter().map(|(name, value)| format!("{name}=\"{}\"", escaped(value)));
        let shown = shown.collect::<Vec<_>>().join(",");
        let name = std::mem::take(&mut self.name);
        if shown.is_empty() {
            self.put(format_args!("{name} {value}\n"));
        } else {
            self.put(format_args!("{name}{{{shown}}} {value}\n"));
        }
        self.name = name;
        self
    }

    fn one(&mut self, name: &str, kind: Kind, help: &str, value: impl Display) {
        self.family(name, kind, help).sample(&[], value);
    }

    /// A gauge that is not always known.
    fn some(&mut self, name: &str, help: &str, value: Option<impl Display>) {
        if let Some(value) = value {
            self.one(name, Kind::Gauge, help, value);
        }
    }

    fn put(&mut self, text: fmt::Arguments<'_>) {
        // A string takes all.
        let _ = self.text.write_fmt(text);
    }
}

/// A label's value (exposition formats: backslash, quote and line feed).
fn escaped(value: &str) -> String {
    value.replace('\\', "\\\\").replace('"', "\\\"").replace('\n', "\\n")
}

/// All metrics.
pub(super) fn metrics(status: &AgentStatus, is_open: bool) -> String {
    let mut writer = Writer { text: String::with_capacity(8 << 10), is_open, name: String::new() };
    write_agent(&mut writer, status);
    write_readings(&mut writer, status);
    write_sources(&mut writer, &status.sources);
    write_outputs(&mut writer, &status.outputs);
    write_storage(&mut writer, status);
    if is_open {
        writer.text.push_str("# EOF\n");
    }
    writer.text
}

fn write_agent(to: &mut Writer, status: &AgentStatus) {
    let build = [("agent", &*status.agent), ("version", status.version)];
    to.family("build_info", Kind::Gauge, "The agent and its version.").sample(&build, 1);
    let started = seconds(status.started_ms);
    to.one("start_time_seconds", Kind::Gauge, "When the run began, since the Unix epoch.", started);
    let resident = status.memory.resident_bytes;
    to.some("memory_resident_bytes", "Resident memory of the program.", resident);
    to.some("memory_limit_bytes", "The most memory that the service may take.", status.memory.max_bytes);
    let synced = u8::from(status.clock.synced);
    to.one("clock_synchronized", Kind::Gauge, "1 where the true time is known.", synced);
    to.one("series", Kind::Gauge, "Series that are known.", status.series);
    to.one("troubles", Kind::Gauge, "What needs a person; /health says what.", status.trouble.len());
    let help = "Alerts that were held back, because they came too soon or too often.";
    to.one("alerts_suppressed", Kind::Counter, help, status.suppressed);
    if let Some(remote) = &status.remote {
        to.family(
            "remote_requests",
            Kind::Counter,
            "Requests for remote changes of the config, in this run.",
        );
        to.sample(&[("result", "followed")], remote.accepted)
            .sample(&[("result", "refused")], remote.refused);
    }
}

/// Every reading has one fate; `received` is the sum of all fates and of what is in windows.
fn write_readings(to: &mut Writer, status: &AgentStatus) {
    let received = "Readings that came in, once for each stream that selects them.";
    to.one("readings_received", Kind::Counter, received, status.readings.received);
    to.family("readings", Kind::Counter, "Readings by what became of them.");
    let (known, beside) = fates(&status.readings);
    for (fate, count) in known {
        to.sample(&[("fate", fate)], count);
    }
    to.family("beside_readings", Kind::Counter, BESIDE);
    for (what, count) in beside {
        to.sample(&[("what", what)], count);
    }
    let open = "Readings in windows that are open.";
    to.one("readings_in_windows", Kind::Gauge, open, status.readings.in_windows);
    to.family("stream_readings_received", Kind::Counter, "Readings that a stream selected.");
    for stream in &status.streams {
        to.sample(&[("stream", &stream.name)], stream.readings.received);
    }
    to.family("stream_readings", Kind::Counter, "Readings of a stream by what became of them.");
    for stream in &status.streams {
        for (fate, count) in fates(&stream.readings).0 {
            to.sample(&[("stream", &stream.name), ("fate", fate)], count);
        }
    }
    to.family("stream_readings_in_windows", Kind::Gauge, "Readings of a stream in windows that are open.");
    for stream in &status.streams {
        to.sample(&[("stream", &stream.name)], stream.readings.in_windows);
    }
}

/// The fates of readings, without what is open, and what stands beside them.
fn fates(counts: &ReadingCounts) -> (NamedCounts, NamedCounts) {
    let (mut fates, beside) = counts.parts_and_beside();
    fates.retain(|(name, _)| *name != "in_windows");
    (fates, beside)
}

fn write_sources(to: &mut Writer, sources: &[SourceStatus]) {
    let mut each = |name: &str, kind: Kind, help: &str, value: &dyn Fn(&SourceStatus) -> Option<f64>| {
        to.family(name, kind, help);
        for source in sources {
            if let Some(value) = value(source) {
                to.sample(&[("source", &source.name)], value);
            }
        }
    };
    each("source_up", Kind::Gauge, "1 where the source is connected.", &|source| {
        Some(f64::from(u8::from(source.up == Some(true))))
    });
    each("source_readings_received", Kind::Counter, "Readings that a source brought.", &|source| {
        Some(source.readings.received as f64)
    });
    let help = "When the last reading of a source came in, since the Unix epoch.";
    each("source_last_reading_timestamp_seconds", Kind::Gauge, help, &|source| {
        source.last_reading_ms.map(seconds)
    });
    let help = "Messages of a source that wait for their acknowledgement.";
    each("source_unacknowledged_messages", Kind::Gauge, help, &|source| {
        source.acks.as_ref().map(|acks| acks.held as f64)
    });
    to.family("source_readings", Kind::Counter, "Readings and payloads of a source by what became of them.");
    for source in sources {
        for (fate, count) in source.readings.parts_and_beside().0 {
            to.sample(&[("source", &source.name), ("fate", fate)], count);
        }
    }
    to.family("source_beside_readings", Kind::Counter, BESIDE);
    for source in sources {
        for (what, count) in source.readings.parts_and_beside().1 {
            to.sample(&[("source", &source.name), ("what", what)], count);
        }
    }
}

fn write_outputs(to: &mut Writer, outputs: &[OutputStatus]) {
    to.family("output_up", Kind::Gauge, "1 where the output can take messages.");
    for output in outputs {
        to.sample(&[("output", &output.name)], u8::from(output.up));
    }
    to.family("output_waiting_messages", Kind::Gauge, "Messages that an output still has to get.");
    for output in outputs {
        to.sample(&[("output", &output.name)], output.waiting);
    }
    let help = "When the oldest message was made that waits for an output, since the Unix epoch.";
    to.family("output_oldest_message_timestamp_seconds", Kind::Gauge, help);
    for (output, oldest) in outputs.iter().filter_map(|output| Some((output, output.oldest_ms?))) {
        to.sample(&[("output", &output.name)], seconds(oldest));
    }
}

fn write_storage(to: &mut Writer, status: &AgentStatus) {
    to.one("messages_made", Kind::Counter, "Messages that were made.", status.messages.made);
    to.family("messages", Kind::Counter, "Messages by what became of them.");
    for (fate, count) in [
        ("delivered", status.messages.delivered),
        ("thinned", status.messages.thinned),
        ("lost", status.messages.lost),
    ] {
        to.sample(&[("fate", fate)], count);
    }
    let buffer = &status.buffer;
    to.one("messages_waiting", Kind::Gauge, "Messages that some output still has to get.", buffer.waiting);
    to.one("buffer_memory_bytes", Kind::Gauge, "Messages in memory.", buffer.memory_bytes);
    to.one("buffer_disk_bytes", Kind::Gauge, "What the buffer takes on disk.", buffer.disk_bytes);
    to.one("buffer_disk_limit_bytes", Kind::Gauge, "The most that it may take on disk.", buffer.max_bytes);
    let good = u8::from(buffer.disk_error.is_none());
    to.one("buffer_disk_up", Kind::Gauge, "1 where the disk takes messages, as far as known.", good);
    let writes = &status.writes;
    let help = "What the agent wrote to storage today, in UTC.";
    to.one("storage_written_today_bytes", Kind::Gauge, help, writes.today_bytes);
    let help = "What it should write in a day at most.";
    to.one("storage_written_daily_limit_bytes", Kind::Gauge, help, writes.daily_bytes);
    let help = "What all programs wrote today to the device of the state, while the agent ran.";
    to.some("storage_device_written_today_bytes", help, writes.device_today_bytes);
    let checkpoint = status.checkpoint.as_ref();
    let help = "The age of the last checkpoint.";
    to.some("checkpoint_age_seconds", help, checkpoint.map(|checkpoint| seconds(checkpoint.age_ms)));
    let help = "The interval of checkpoints in the config.";
    to.some("checkpoint_interval_seconds", help, checkpoint.map(|checkpoint| seconds(checkpoint.every_ms)));
}

fn seconds(ms: i64) -> f64 {
    ms as f64 / 1e3
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::status;

    #[test]
    fn both_formats_say_the_same_in_their_own_way() {
        let mut status = status::tests::status();
        status.agent = "a\"b\\c\nd".to_owned();
        let (text, open) = (metrics(&status, false), metrics(&status, true));
        let build = "headwater_build_info{agent=\"a\\\"b\\\\c\\nd\",version=\"0.1.0\"} 1\n";
        assert!(text.contains(build) && open.contains(build), "{text}");
        assert!(text.contains(
            "# TYPE headwater_readings_received_total counter\nheadwater_readings_received_total 0\n"
        ));
        assert!(
            open.contains(
                "# TYPE headwater_readings_received counter\nheadwater_readings_received_total 0\n"
            )
        );
        assert!(open.ends_with("# EOF\n") && !text.contains("EOF"));
        assert!(
            text.contains("headwater_output_up{output=\"lab\"} 0\n") && !text.contains("memory_resident")
        );
        let helps = text.lines().filter(|line| line.starts_with("# HELP")).count();
        assert_eq!(helps, text.lines().filter(|line| line.starts_with("# TYPE")).count());
    }

    /// The sum of the samples of a family.
    fn sum(text: &str, family: &str) -> f64 {
        let samples = text.lines().filter(|line| line.split(['{', ' ']).next() == Some(family));
        samples.map(|line| line.rsplit(' ').next().unwrap().parse::<f64>().unwrap()).sum()
    }

    #[test]
    fn fates_add_up_and_what_is_no_reading_stands_beside_them() {
        let mut status = status::tests::status();
        let names = ReadingCounts::default().named().map(|(name, _)| name);
        let counts = names.into_iter().zip(1..).map(|(name, at)| (name, if at == 1 { 54 } else { at }));
        status.readings = ReadingCounts::from_named(counts);
        assert!(status.readings.balances(), "{:?}", status.readings);
        let text = metrics(&status, false);
        let parts = sum(&text, "headwater_readings_total") + sum(&text, "headwater_readings_in_windows");
        assert_eq!((parts, sum(&text, "headwater_readings_received_total")), (54.0, 54.0), "{text}");
        assert_eq!(sum(&text, "headwater_beside_readings_total"), f64::from(11 + 12 + 13 + 14), "{text}");
    }

    #[test]
    fn who_asks_for_openmetrics_gets_it() {
        let prometheus = "application/openmetrics-text;version=1.0.0;q=0.5,application/openmetrics-text;version=0.0.1;q=0.4,\
                          text/plain;version=0.0.4;q=0.3,*/*;q=0.2";
        assert!(wants_open(prometheus) && wants_open("application/openmetrics-text"));
        assert!(!wants_open("") && !wants_open("*/*") && !wants_open("text/plain"));
        assert!(!wants_open("text/plain, application/openmetrics-text;q=0.1"));
    }

    /// The values of a key, wherever it is.
    fn values<'v>(key: &str, of: &'v serde_json::Value, found: &mut Vec<&'v str>) {
        if let Some(map) = of.as_object() {
            found.extend(map.get(key).and_then(serde_json::Value::as_str));
            map.values().for_each(|value| values(key, value, found));
        }
        of.as_array().into_iter().flatten().for_each(|value| values(key, value, found));
    }

    #[test]
    fn a_dashboard_asks_for_what_there_is() {
        let mut status = status::tests::status();
        status.memory = status::MemoryStatus { resident_bytes: Some(1), max_bytes: Some(2) };
        let (allowed_ms, daily_bytes) = (None, None);
        let checkpoint = status::CheckpointStatus { every_ms: 1, allowed_ms, age_ms: 2, daily_bytes };
        status.checkpoint = Some(checkpoint);
        let text = metrics(&status, false);
        let names: Vec<&str> =
            text.lines().filter_map(|line| line.strip_prefix("# TYPE ")?.split(' ').next()).collect();
        let dashboard: serde_json::Value =
            serde_json::from_str(include_str!("../../grafana/agents.json")).unwrap();
        let mut asked = Vec::new();
        values("expr", &dashboard, &mut asked);
        assert!(asked.len() > 15, "{asked:?}");
        for question in asked {
            let is_of_name = |c: char| c.is_ascii_alphanumeric() || c == '_';
            let words = question.split(|c| !is_of_name(c)).filter(|word| word.starts_with("headwater_"));
            let unknown: Vec<&str> = words.filter(|word| !names.contains(word)).collect();
            assert!(unknown.is_empty() && question.contains("headwater_"), "{unknown:?} in {question}");
            let fates = question.split("fate=\"").skip(1).filter_map(|rest| rest.split('"').next());
            for fate in fates {
                assert!(text.contains(&format!("fate=\"{fate}\"")), "{fate} in {question}");
            }
        }
    }
}

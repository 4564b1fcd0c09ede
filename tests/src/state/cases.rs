//! What the cases hold: streams of every shape with every aggregate and every detector, groups, pairs and filters; a buffer
//! that waits; a source that remembers what may come again.

use super::{Outcome, input};
use crate::agent::state_dir;
use crate::{Messages, Publisher, Session, TempDir};
use std::fmt::Write as _;

/// A case of stored state.
pub struct Case {
    /// The folder's name.
    pub name: &'static str,
    /// The config; `{session}`, `{plain}` and `{uplink}` stand for ports.
    pub config: String,
    /// How the run before ends.
    pub end: End,
    /// Whether so much more is buffered before the line is mended that what waits must be merged.
    pub(super) fills: bool,
    /// Whether filters decide about the last readings, which they do when no other comes.
    filters: bool,
}

/// How a run ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum End {
    /// By SIGTERM.
    Stopped,
    /// By SIGKILL, with all of it on the disk.
    Killed,
    /// By SIGKILL, with all of it in a checkpoint that is a delta.
    KilledLater,
}

/// The start of an hour.
const START_MS: i64 = 1_700_002_800_000;
/// Steps of a second before the run ends, and after it has begun again.
const BEFORE: i64 = 330;
const AFTER: i64 = 400;
/// Messages that the broker sends again.
const AGAIN: i64 = 5;
/// Minutes of the case that is merged, before and after, and series that fill the buffer with it.
const MINUTES: [i64; 2] = [30, 150];
const FILLERS: usize = 40;
/// The series that the state of that case has.
const OWN: [&str; 2] = ["sensors/hall/a", "sensors/hall/b"];
/// Lines of the file that is read before and after, of which four make a window.
const LINES: [std::ops::Range<i64>; 2] = [0..6, 6..10];
/// What closes all windows comes from so much later (ms).
const LATER_MS: i64 = 86_400_000;

/// All cases.
#[must_use]
pub fn cases() -> [Case; 5] {
    let case =
        |name, end| Case { name, config: head("1s") + &everything(), end, fills: false, filters: true };
    [
        // Positions are in the checkpoint.
        Case { config: head("1s") + &everything() + INPUT, ..case("stopped", End::Stopped) },
        case("killed", End::Killed),
        // All of it is in a journal on the disk, with receipts and positions.
        Case { config: head("1h") + &everything() + INPUT, ..case("journal", End::Killed) },
        case("deltas", End::KilledLater),
        Case {
            name: "offline",
            config: head("1s") + &minutes(),
            end: End::Stopped,
            fills: true,
            filters: false,
        },
    ]
}

fn head(checkpoint: &str) -> String {
    format!(
        "[agent]\nid = \"golden\"\ncheckpoint = \"{checkpoint}\"\nreport = \"1s\"\n[clock]\ntrust = \"always\"\n\
         [buffer]\nsync = \"1s\"\nmax_size = \"4MiB\"\ndaily_writes = \"100GiB\"\n\
         [sources.field]\ntype = \"mqtt\"\nurl = \"mqtt://127.0.0.1:{{session}}\"\nack = \"durable\"\n\
         topics = [\"sensors/{{place}}\"]\ntime = \"ts\"\n\
         [sources.arrivals]\ntype = \"mqtt\"\nurl = \"mqtt://127.0.0.1:{{plain}}\"\ntopics = [\"arrivals/{{place}}\"]\nqos = 1\nformat = \"number\"\n\
         [outputs.cloud]\ntype = \"mqtt\"\nurl = \"mqtt://127.0.0.1:{{uplink}}\"\n\
         [streams.arrivals]\nfrom = [\"arrivals\"]\nwindow = {{ type = \"count\", size = 4 }}\naggregates = [\"count\", \"sum\"]\n"
    )
}

const ALL: &str = "aggregates = [\"count\", \"sum\", \"min\", \"max\", \"range\", \"mean\", \"stddev\", \"variance\", \"first\", \
    \"last\", \"delta\", \"increase\", \"rate\", \"slope\", \"time_weighted_mean\", \"integral\", \"states\", \"time_on\", \
    \"time_off\", \"p90\"]\nsketch = true\n";

/// Aggregates that came later, in a stream of their own, because older states know nothing of it.
const STEPS: &str = "[streams.steps]\nfrom = [\"field\"]\nwindow = { type = \"tumbling\", size = \"1m\" }\nlateness = \"2s\"\n\
    idle = \"6h\"\naggregates = [\"mean_abs_change\", \"max_abs_change\", \"longest_run\"]\n";

fn everything() -> String {
    let windows = [
        (
            "tumbling",
            r#"{ type = "tumbling", size = "2m" }"#,
            "downsample = { type = \"lttb\", points = 4 }\n",
        ),
        ("sliding", r#"{ type = "sliding", size = "3m", every = "1m" }"#, PAIRS),
        ("session", r#"{ type = "session", gap = "15s" }"#, ""),
        ("count", r#"{ type = "count", size = 90 }"#, ""),
        ("local", r#"{ type = "tumbling", size = "1d" }"#, "align = \"Europe/Berlin\"\n"),
        (
            "meter",
            r#"{ type = "tumbling", size = "2m" }"#,
            "offset = \"30s\"\ncounters = { wrap = 100.0, dip = \"1%\" }\n",
        ),
        (
            "scaled",
            r#"{ type = "tumbling", size = "1m" }"#,
            "normalise = \"zscore\"\nnormalise_over = \"2m\"\n",
        ),
        (
            "bounded",
            r#"{ type = "tumbling", size = "1m" }"#,
            "normalise = \"minmax\"\nnormalise_over = \"2m\"\n",
        ),
        ("raw", r#"{ type = "none" }"#, "where = \"value > 70.0\"\n"),
        (
            "band",
            r#"{ type = "none" }"#,
            "filter = { type = \"deadband\", absolute = 30.0, heartbeat = \"1m\" }\n",
        ),
        ("door", r#"{ type = "none" }"#, "filter = { type = \"swinging-door\", error = 30.0 }\n"),
    ];
    let mut text = String::new();
    for (name, window, more) in windows {
        let lateness = if name == "count" { "" } else { "lateness = \"2s\"\nidle = \"6h\"\n" };
        let aggregates = if window.contains("none") { "" } else { ALL };
        let _ = write!(
            text,
            "[streams.{name}]\nfrom = [\"field\"]\nwindow = {window}\n{lateness}{aggregates}{more}"
        );
    }
    text + STEPS + &detectors()
}

/// A file whose position is stored with its readings.
const INPUT: &str = "[sources.input]\ntype = \"file\"\npath = \"{input}\"\nack = \"durable\"\ntime = \"ts\"\n\
    [streams.input]\nfrom = [\"input\"]\nwindow = { type = \"count\", size = 4 }\naggregates = [\"count\", \"sum\"]\n";

const PAIRS: &str = "pairs = [{ a = \"*/a\", b = \"*/b\", tolerance = \"2s\" }]\n";

/// Every detector, on readings, on windows, over several series.
fn detectors() -> String {
    let kinds = [
        ("auto", ""),
        ("threshold", "above = 60.0\nfor = \"1s\"\nclear = 30.0\n"),
        ("rate", "rise = 50.0\n"),
        ("jump", "above = 60.0\n"),
        ("stuck", "after = \"4s\"\n"),
        ("missing", "after = \"6h\"\n"),
        ("range", "max = 95.0\n"),
        ("zscore", ""),
        ("hampel", "above = 12.0\nnoise = 1.0\n"),
        ("cusum", "above = 5.0\nslack = 0.5\n"),
        ("page-hinkley", "above = 5.0\nslack = 0.3\n"),
        ("seasonal", ""),
        ("quantile", "risk = 0.01\n"),
        ("half-space", "above = 0.8\n"),
        ("half-space", "over = [\"*/a\", \"*/b\"]\nname = \"both\"\nabove = 0.8\n"),
    ];
    let mut text = "[streams.watched]\nfrom = [\"field\"]\nwindow = { type = \"tumbling\", size = \"1h\" }\nidle = \"6h\"\n".to_owned();
    for (kind, parameters) in kinds {
        let few = match kind {
            "range" | "missing" => "",
            "threshold" | "auto" => "evidence = { before = 2, after = 2 }\n",
            _ => "evidence = { before = 1, after = 0 }\n",
        };
        let head = "[[streams.watched.detectors]]\ntype";
        let _ = write!(text, "{head} = \"{kind}\"\n{parameters}per_hour = 0\n{few}");
    }
    text + "[[streams.tumbling.detectors]]\ntype = \"threshold\"\non = \"max\"\nabove = 85.0\nper_hour = 0\n"
        + DIAGNOSED
}

/// A model over the windows of two series.
const DIAGNOSED: &str = "[streams.diagnosed]\nfrom = [\"field\"]\nwindow = { type = \"tumbling\", size = \"10s\" }\n\
    lateness = \"2s\"\nidle = \"6h\"\naggregates = [\"mean\", \"max\"]\n\
    [[streams.diagnosed.detectors]]\ntype = \"model\"\nfile = \"golden.model\"\nover = [\"*/a\", \"*/b\"]\npredictions = true\n\
    fill = \"hold\"\nfill_within = \"1m\"\nper_hour = 0\n";

fn minutes() -> String {
    format!(
        "[streams.minutes]\nfrom = [\"field\"]\nwindow = {{ type = \"tumbling\", size = \"1m\" }}\nlateness = \"0s\"\n\
         idle = \"6h\"\n{ALL}downsample = {{ type = \"lttb\", points = 3 }}\n"
    )
}

/// A field of a step: what is usual, a spike now and then, whiles without change, and two that are unlike anything before.
fn value(step: i64, field: i64) -> f64 {
    match (step, step % 97) {
        (335..=338 | 371..=374, _) => 90.0 - field as f64,
        (_, 60 | 61) => 80.0 + field as f64,
        (_, 30..=37) => 20.0,
        _ => 15.0 + ((step * 7 + field * 3) % 11) as f64,
    }
}

impl Case {
    /// What comes before the run ends; all of it is in a checkpoint then.
    pub(super) fn before(&self, session: &Session, plain: u16, dir: &TempDir) {
        self.arrivals(plain, 3);
        let [lines, _] = LINES;
        if self.reads() {
            input::append(dir, START_MS, lines);
            input::wait_read(dir, &state_dir(dir));
        }
        let steps = if self.fills { 0..MINUTES[0] } else { 0..BEFORE };
        steps.clone().for_each(|step| self.step(session, step, false));
        session.wait_acknowledged(steps.map(id));
    }

    /// What comes when it goes on: first, again, what the broker has seen no acknowledgement of.
    pub(super) fn after(&self, session: &Session, plain: u16, dir: &TempDir) {
        let [_, lines] = LINES;
        input::append(dir, START_MS, lines);
        let [from, to] = if self.fills { MINUTES } else { [BEFORE, AFTER] };
        (from - AGAIN..from).for_each(|step| self.step(session, step, true));
        (from..to).for_each(|step| self.step(session, step, false));
        self.arrivals(plain, 1);
        let payload = format!(r#"{{"ts":{},"a":75.0,"b":75.0}}"#, START_MS + LATER_MS);
        session.send("sensors/hall", &payload, id(to), false);
        session.wait_acknowledged((from - AGAIN..=to).map(id));
    }

    /// Whether a file is read.
    pub(super) fn reads(&self) -> bool {
        self.config.contains(input::PATH)
    }

    /// Whether all has been said of what comes, under a config that may be an earlier one of the case.
    pub(super) fn is_done(&self, messages: &Messages, config: &str) -> bool {
        let count_of =
            |stream| messages.of("summary").filter(|summary| summary.text("stream") == stream).count();
        let arrived = count_of("arrivals") > 0 && (!config.contains(input::PATH) || count_of("input") >= 2);
        let newest = messages.reports().into_iter().max_by_key(|report| report.integer("to"));
        let is_empty = newest.is_some_and(|report| {
            report.map["total"]["messages"]["waiting"] == 0 && messages.has_cause("restart")
        });
        arrived && is_empty && (!self.filters || self.is_filtered(messages))
    }

    /// Whether filters have decided about all that came.
    fn is_filtered(&self, messages: &Messages) -> bool {
        let of = |stream: &str, time: i64| {
            let readings = messages.of("reading").filter(|reading| reading.text("stream") == stream);
            readings.filter(|reading| reading.integer("time") == time).count()
        };
        ["band", "raw"].iter().all(|stream| of(stream, START_MS + LATER_MS) == 2)
    }

    /// The same under a config without the streams of the source that remembers.
    #[must_use]
    pub fn without_streams(self) -> Self {
        let head = self.config.split_once("[streams.tumbling]").map(|(head, _)| head.to_owned());
        Self { config: head.unwrap_or(self.config), filters: false, ..self }
    }

    /// What came of it. How much is merged differs from run to run, and what merged windows hold together does not.
    #[track_caller]
    pub(super) fn outcome(&self, messages: &Messages) -> Outcome {
        let merged_before_ms = START_MS + MINUTES[0] * 60_000;
        if self.fills { Outcome::of_sums(messages, OWN, merged_before_ms) } else { Outcome::of(messages) }
    }

    fn arrivals(&self, plain: u16, count: usize) {
        let mut publisher = Publisher::new(plain);
        (0..count).for_each(|_| publisher.publish("arrivals/door", "1").expect("a publish"));
        publisher.flush().expect("the broker's acknowledgements");
    }

    fn step(&self, session: &Session, step: i64, again: bool) {
        let every_ms = if self.fills { 60_000 } else { 1_000 };
        // Every fifth one comes a little late.
        let late_ms = if step % 5 == 3 && !self.fills { 1_500 } else { 0 };
        // Twice nothing comes for a while.
        let gap_ms = if self.fills { 0 } else { (step / 180) * 20_000 };
        let time = START_MS + step * every_ms + gap_ms - late_ms;
        let mut payload = format!(r#"{{"ts":{time},"a":{},"b":{}"#, value(step, 0), value(step, 1));
        // What fills the buffer comes from the program that goes on.
        let fillers = if self.fills && step >= MINUTES[0] { FILLERS } else { 0 };
        for filler in 0..fillers {
            let _ = write!(payload, r#","f{filler}":{}"#, value(step, filler as i64));
        }
        session.send("sensors/hall", &(payload + "}"), id(step), again);
    }
}

/// The packet id of a step.
fn id(step: i64) -> u16 {
    u16::try_from(step + 1).expect("few steps")
}

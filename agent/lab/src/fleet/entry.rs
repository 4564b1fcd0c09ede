//! What a merge needs of one summary.

use super::MergeOptions;
use super::sketch::{COUNT_MAX, Sketch, WireSketch};
use serde::Deserialize;
use std::collections::BTreeMap;

/// The end of the year 9999, and as long before 1970 (ms).
const TIME_MAX_MS: u64 = 253_402_300_799_999;

/// What is merged with each other.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Group {
    pub(super) stream: String,
    /// The last level of the series.
    pub(super) field: String,
    /// Names and values, in the order in which they were asked for; `None`: the summary lacks the label.
    pub(super) labels: Vec<(String, Option<String>)>,
}

/// A summary's names and numbers; a number that it lacks is `None`.
#[derive(Debug)]
pub(super) struct Entry {
    pub(super) id: String,
    pub(super) rev: u64,
    pub(super) agent: String,
    pub(super) series: String,
    pub(super) is_partial: bool,
    pub(super) count: u64,
    pub(super) min: Option<f64>,
    pub(super) max: Option<f64>,
    pub(super) sum: Option<f64>,
    pub(super) mean: Option<f64>,
    /// The sum of the squared distances to the mean.
    pub(super) m2: Option<f64>,
    pub(super) sketch: Option<Sketch>,
}

/// Why a message cannot be merged.
#[derive(Debug)]
pub(super) struct Refusal {
    /// One word, to count by.
    pub(super) reason: &'static str,
    pub(super) text: String,
}

/// What every message has.
#[derive(Deserialize)]
struct Head {
    v: Option<serde_json::Value>,
    kind: Option<serde_json::Value>,
    /// The first of a pair's series.
    a: Option<serde::de::IgnoredAny>,
}

/// The summary on the wire.
#[derive(Deserialize)]
struct WireSummary {
    id: String,
    rev: i64,
    agent: String,
    stream: String,
    series: String,
    labels: Option<BTreeMap<String, serde_json::Value>>,
    start: i64,
    end: i64,
    partial: Option<bool>,
    count: Option<i64>,
    min: Option<f64>,
    max: Option<f64>,
    sum: Option<f64>,
    mean: Option<f64>,
    variance: Option<f64>,
    stddev: Option<f64>,
    sketch: Option<serde_json::Value>,
}

impl Group {
    /// The id of the result of a window.
    pub(super) fn id(&self, start_ms: i64) -> String {
        let label = |(name, value): &(String, Option<String>)| {
            format!("{name}={}", value.as_deref().unwrap_or_default())
        };
        let labels: Vec<String> = self.labels.iter().map(label).collect();
        format!("{}/{}/{}@{start_ms}", self.stream, self.field, labels.join(","))
    }
}

impl Entry {
    /// The window's start (ms), the group and the entry of a message; `None`: it is of another kind.
    pub(super) fn read(text: &[u8], options: &MergeOptions) -> Result<Option<(i64, Group, Self)>, Refusal> {
        let head: Head = serde_json::from_slice(text).map_err(malformed)?;
        let known = u64::from(headwater_wire::WIRE_VERSION);
        if head.v.as_ref().and_then(serde_json::Value::as_u64) != Some(known) {
            let text = format!("version {} is unknown; {known} is known", head.v.unwrap_or_default());
            return Err(Refusal { reason: "version", text });
        }
        if head.kind.is_none_or(|kind| kind != "summary") || head.a.is_some() {
            return Ok(None);
        }
        let summary: WireSummary = serde_json::from_slice(text).map_err(malformed)?;
        let every_ms = options.every_ms;
        let (start, end) = (summary.start, summary.end);
        if start.unsigned_abs() > TIME_MAX_MS || end.unsigned_abs() > TIME_MAX_MS || end < start {
            return Err(malformed(format_args!("a summary from {start} to {end} ms since 1970")));
        }
        let start_ms = start.div_euclid(every_ms).saturating_mul(every_ms);
        if end > start_ms.saturating_add(every_ms) {
            let length = end - start;
            let text = format!("a summary of {length} ms from {start} fits into no window of {every_ms} ms");
            return Err(Refusal { reason: "coarse", text });
        }
        let labels = summary.labels.as_ref();
        let label = |name: &String| labels?.get(name)?.as_str().map(str::to_owned);
        let group = Group {
            stream: summary.stream.clone(),
            field: summary.series.rsplit('/').next().unwrap_or_default().to_owned(),
            labels: options.by.iter().map(|name| (name.clone(), label(name))).collect(),
        };
        Ok(Some((start_ms, group, Self::new(summary)?)))
    }

    fn new(summary: WireSummary) -> Result<Self, Refusal> {
        let Some(count) = summary.count else {
            let text = "the summary has no `count`; add it to the stream's aggregates".to_owned();
            return Err(Refusal { reason: "no_count", text });
        };
        let count = u64::try_from(count).ok().filter(|count| *count <= COUNT_MAX);
        let count = count.ok_or_else(|| malformed("`count` is negative, or too large"))?;
        let rev = u64::try_from(summary.rev).map_err(|_| malformed("`rev` is negative"))?;
        if [summary.variance, summary.stddev].into_iter().flatten().any(|spread| spread < 0.0) {
            return Err(malformed("`variance` or `stddev` is negative"));
        }
        let readings = (count > 0).then_some(count as f64);
        let sum = summary.sum.or_else(|| Some(summary.mean? * readings?));
        let mean = summary.mean.or_else(|| Some(sum? / readings?));
        let variance = summary.variance.or_else(|| summary.stddev.map(|stddev| stddev * stddev));
        let of_sketch = |text| Refusal { reason: "sketch", text };
        let sketch = summary.sketch.map(|sketch| {
            let wire: WireSketch =
                serde_json::from_value(sketch).map_err(|error| of_sketch(error.to_string()))?;
            let sketch = Sketch::read(&wire).map_err(of_sketch)?;
            if sketch.count() != count {
                let text = format!("the sketch holds {} values, and `count` is {count}", sketch.count());
                return Err(of_sketch(text));
            }
            Ok(sketch)
        });
        Ok(Self {
            id: summary.id,
            rev,
            agent: summary.agent,
            series: summary.series,
            is_partial: summary.partial.unwrap_or_default(),
            count,
            min: summary.min,
            max: summary.max,
            sum,
            mean,
            m2: variance.map(|variance| variance * count as f64),
            sketch: sketch.transpose()?,
        })
    }
}

fn malformed(error: impl std::fmt::Display) -> Refusal {
    Refusal { reason: "malformed", text: error.to_string() }
}

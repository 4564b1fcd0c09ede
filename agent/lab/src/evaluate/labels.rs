//! Labels, and the recordings they describe.
//!
//! A window is told by its rows, as benchmarks do, or by times, as people note when something failed.

use super::EvaluateError;
use headwater_sensors::recording::Recording;
use headwater_sensors::{ConnectionState, DecodeConfig, SeriesRef, Sink, SourceContext, Stamp, TimeFormat};
use headwater_settings::{Document, nearest};
use jiff::tz::TimeZone;
use serde::Deserialize;
use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Display;
use std::path::Path;

/// Columns of a recording that are judged; more are an error.
const COLUMNS_MAX: usize = 1_000;

#[derive(Deserialize)]
struct Labels {
    format: String,
    /// A [`Label`] each.
    series: BTreeMap<String, serde_json::Value>,
}

/// The label of one recording.
#[derive(Clone, Debug, Deserialize)]
pub struct Label {
    /// The benchmark that it belongs to.
    #[serde(default = "own_corpus")]
    pub corpus: String,
    /// Rows at the start that are never scored.
    #[serde(default)]
    pub probation: usize,
    /// First and last row of each anomaly, in order; known once the recording is.
    #[serde(skip)]
    pub windows: Vec<(usize, usize)>,
    #[serde(rename = "windows")]
    spans: Vec<Span>,
    /// What went wrong in each window, in their order; missing ones are a `fault`.
    #[serde(default)]
    classes: Vec<String>,
    /// The expected number of rows, if it is known.
    rows: Option<usize>,
    #[serde(flatten)]
    others: BTreeMap<String, serde_json::Value>,
}

/// The keys of a label that may be left out: other keys are notes, unless they look like one of these.
const OPTIONAL_KEYS: [&str; 4] = ["corpus", "probation", "classes", "rows"];

/// The corpus of recordings of people's own.
fn own_corpus() -> String {
    "own".to_owned()
}

/// The first and the last moment of an anomaly, as a label tells them.
#[derive(Clone, Debug, Deserialize)]
#[serde(untagged)]
enum Span {
    Rows(usize, usize),
    Times(String, String),
}

impl Span {
    /// Its first and its last row, in a recording with these times (ms).
    fn rows(&self, times: &[i64]) -> Result<(usize, usize), String> {
        let (from, to) = match self {
            Self::Rows(first, last) => return Ok((*first, *last)),
            Self::Times(from, to) => (from, to),
        };
        let ms = |text: &String| {
            let read = TimeFormat::Rfc3339.of_text(text, &TimeZone::UTC);
            read.ok_or_else(|| {
                format!("`{text}` is no time; write `2026-03-12T14:05:00Z`, or the number of a row")
            })
        };
        let (first, end) = (ms(from)?, ms(to)?);
        let is_within = |time: &i64| (first..=end).contains(time);
        if let Some(rows) = times.iter().position(is_within).zip(times.iter().rposition(is_within)) {
            return Ok(rows);
        }
        let shown = |ms: Option<&i64>| {
            let time = ms.and_then(|ms| jiff::Timestamp::from_millisecond(*ms).ok());
            time.map_or_else(|| "nothing".to_owned(), |time| time.to_string())
        };
        Err(format!(
            "no row lies from {from} to {to}: the recording reaches from {} to {}",
            shown(times.first()),
            shown(times.last())
        ))
    }
}

/// The class of an anomaly that has no name.
const FAULT: &str = "fault";

impl Label {
    /// The class of each window, in their order.
    pub(crate) fn classes(&self) -> impl Iterator<Item = &str> {
        let named = self.classes.iter().map(String::as_str);
        named.chain(std::iter::repeat(FAULT)).take(self.spans.len())
    }

    /// A key that is meant to be another one.
    fn misspelt(&self) -> Option<String> {
        let likely = |key: &String| {
            nearest(key, OPTIONAL_KEYS).map(|likely| format!("`{key}`: did you mean `{likely}`?"))
        };
        self.others.keys().find_map(likely)
    }
}

/// A recording with its label.
#[derive(Clone, Debug)]
pub struct Labelled {
    /// Its path below the labels.
    pub name: String,
    /// Its label.
    pub label: Label,
    /// The time of each row [ms since the epoch].
    pub times: Vec<i64>,
    /// The columns; NaN where a cell is no number.
    pub columns: Vec<Vec<f64>>,
}

impl Labelled {
    /// A recording without columns, in which these rows are anomalies.
    pub(crate) fn new(corpus: &str, times: Vec<i64>, windows: Vec<(usize, usize)>) -> Self {
        let rows = times.len();
        let spans = windows.iter().map(|(first, last)| Span::Rows(*first, *last)).collect();
        let label = Label {
            corpus: corpus.to_owned(),
            probation: 0,
            windows,
            spans,
            classes: Vec::new(),
            rows: Some(rows),
            others: BTreeMap::new(),
        };
        Self { name: String::new(), label, times, columns: Vec::new() }
    }
}

/// Reads the labels, and the recordings of `corpora` (all, where none is named) below `data`.
///
/// # Errors
/// [`EvaluateError`] names the file.
pub fn load(labels: &Path, data: &Path, corpora: &[String]) -> Result<Vec<Labelled>, EvaluateError> {
    let read = read_labels(labels, corpora)?;
    read.into_iter().map(|(name, label)| read_one(data, name, label)).collect()
}

/// Reads the labels of the recordings of `corpora`, by name.
pub(crate) fn read_labels(
    labels: &Path,
    corpora: &[String],
) -> Result<BTreeMap<String, Label>, EvaluateError> {
    let path = labels.display().to_string();
    let text =
        std::fs::read_to_string(labels).map_err(|cause| EvaluateError::File { path: path.clone(), cause })?;
    let read: Labels = serde_json::from_str(&text).map_err(|error| {
        let wanted = "labels are a JSON object with `format` and `series`";
        EvaluateError::Unfit(format!("{path}: not labels: {error}; {wanted}"))
    })?;
    if read.format != "anomaly-labels-1" {
        return Err(EvaluateError::Unfit(format!(
            "{path}: the format is `{}`, not `anomaly-labels-1`",
            read.format
        )));
    }
    let (mut all, mut known) = (BTreeMap::new(), BTreeSet::new());
    for (name, label) in read.series {
        let label = Label::deserialize(label).map_err(|error| {
            let wanted = "a label has `windows`, such as [[900, 950]] or [[\"2026-03-12T14:05:00Z\", \"2026-03-12T15:00:00Z\"]]";
            EvaluateError::Unfit(format!("{path}: the label of `{name}`: {error}; {wanted}"))
        })?;
        if let Some(mistake) = label.misspelt() {
            return Err(EvaluateError::Unfit(format!("{path}: the label of `{name}` has {mistake}")));
        }
        known.insert(label.corpus.clone());
        if corpora.is_empty() || corpora.contains(&label.corpus) {
            all.insert(name, label);
        }
    }
    if let Some(unknown) = corpora.iter().find(|corpus| !known.contains(*corpus)) {
        let fix = nearest(unknown, known.iter().map(String::as_str)).map_or_else(
            || format!("known: {}", known.iter().cloned().collect::<Vec<_>>().join(", ")),
            |likely| format!("did you mean `{likely}`?"),
        );
        return Err(EvaluateError::Unfit(format!("{path}: no series of corpus `{unknown}` in it; {fix}")));
    }
    if all.is_empty() {
        return Err(EvaluateError::Unfit(format!("{path}: no series in it")));
    }
    Ok(all)
}

fn read_one(data: &Path, name: String, label: Label) -> Result<Labelled, EvaluateError> {
    let path = data.join(&name);
    let unfit = |why: &dyn Display| EvaluateError::Unfit(format!("{}: {why}", path.display()));
    let document = Document::parse(Path::new(""), "", |_| None);
    let config = DecodeConfig::read(&mut document.root(), &Vec::new(), Some(Vec::new()));
    let config = config.ok_or_else(|| unfit(&"the default format cannot be built"))?;
    let context = SourceContext {
        agent: String::new(),
        source: String::new(),
        payload_bytes_max: 1 << 20,
        series_max: COLUMNS_MAX,
    };
    let mut recording = Recording::open(&path, &config, &context).map_err(|error| unfit(&error))?;
    let mut rows = ReadingRows::default();
    while recording.step(&mut rows).map_err(|error| unfit(&error))? {
        rows.finish_row();
    }
    rows.labelled(&path, name, label)
}

/// Gathers a recording's rows as columns.
#[derive(Default)]
pub(crate) struct ReadingRows {
    times: Vec<i64>,
    columns: Vec<Vec<f64>>,
    /// The time of the row being read.
    time: Option<i64>,
    /// Why the first row that could not be read is none.
    invalid: Option<String>,
}

impl ReadingRows {
    pub(crate) fn finish_row(&mut self) {
        let before = self.times.last().copied().unwrap_or(0);
        self.times.push(self.time.take().unwrap_or(before));
        let rows = self.times.len();
        self.columns.iter_mut().for_each(|column| column.resize(rows, f64::NAN));
    }

    /// Notes the time of the row being read.
    pub(crate) fn time(&mut self, ms: i64) {
        self.time = Some(ms);
    }

    /// The recording that they are, if its label fits.
    pub(crate) fn labelled(
        self,
        path: &Path,
        name: String,
        mut label: Label,
    ) -> Result<Labelled, EvaluateError> {
        let unfit = |why: &dyn Display| EvaluateError::Unfit(format!("{}: {why}", path.display()));
        let rows = self.times.len();
        if let Some(said) = label.rows.filter(|said| *said != rows) {
            return Err(unfit(&format!("{rows} rows, the label says {said}")));
        }
        if let Some(why) = self.invalid.filter(|_| self.columns.is_empty()) {
            return Err(unfit(&format!("no row can be read: {why}")));
        }
        let windows: Result<Vec<_>, String> = label.spans.iter().map(|span| span.rows(&self.times)).collect();
        label.windows = windows.map_err(|why| unfit(&why))?;
        if !label.classes.is_empty() && label.classes.len() != label.windows.len() {
            let (classes, windows) = (label.classes.len(), label.windows.len());
            return Err(unfit(&format!(
                "the label has {classes} classes for {windows} windows; name one for each"
            )));
        }
        let in_order = label.windows.iter().all(|(first, last)| first <= last && *last < rows);
        if !in_order || !label.windows.is_sorted_by(|a, b| a.1 < b.0) {
            return Err(unfit(&"the label's windows overlap, are out of order, or reach past the last row"));
        }
        Ok(Labelled { name, label, times: self.times, columns: self.columns })
    }
}

impl Sink for ReadingRows {
    fn series(&mut self, _: &str, _: &[(String, String)]) -> Option<SeriesRef> {
        let index = u64::try_from(self.columns.len()).ok()?;
        self.columns.push(vec![f64::NAN; self.times.len()]);
        Some(SeriesRef(index))
    }

    fn reading(&mut self, series: SeriesRef, stamp: Stamp, value: f64) {
        if let Stamp::Event(ms) = stamp {
            self.time(ms);
        }
        let rows = self.times.len();
        if let Some(column) = self.columns.get_mut(series.0 as usize).filter(|column| column.len() == rows) {
            column.push(value);
        }
    }

    fn refused(&mut self, _: u32) {}

    fn invalid(&mut self, _: &str, why: &dyn Display) {
        self.invalid.get_or_insert_with(|| why.to_string());
    }

    fn connection(&mut self, _: ConnectionState<'_>) {}
}

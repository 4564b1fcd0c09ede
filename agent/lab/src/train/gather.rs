//! Makes rows of recordings: runs each through the stream in virtual time, by itself, as if the agent had just started.
//!
//! A row is what the detector `model` judges in the running agent, from the same code: the windows of the series of a
//! group with one end. Its class is that of the label that holds at least half of the window, or lies in it for at least
//! half of its own length; of several that which holds most.

use super::TrainError;
use super::dataset::{Dataset, RecordedRows, RowMark};
use crate::evaluate::{Label, Labelled, ReadingRows, read_labels};
use crate::replay::{RecordingOrigin, ReplayError};
use crate::virtual_time::{VirtualRun, Watcher};
use headwater_kernel::model::{Fill, WindowRows};
use headwater_kernel::time::{SteadyTime, Time};
use headwater_pipeline::Pipeline;
use headwater_pipeline::config::place_among;
use headwater_pipeline::event::Event;
use headwater_sensors::{SeriesRef, Sink, Stamp};
use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::path::Path;
use std::sync::Arc;

/// The class of windows without a label.
const NORMAL: &str = "normal";

/// Series that are remembered of a recording, and those that an error names.
const BROUGHT_MAX: usize = 1_000;
const LISTED_MAX: usize = 12;

/// What makes a row of windows.
#[derive(Clone, Debug)]
pub struct RowRecipe {
    /// The stream's name.
    pub stream: String,
    /// The patterns of the series of a row.
    pub over: Vec<String>,
    /// The aggregates of each series.
    pub aggregates: Vec<String>,
    /// What takes the place of a missing window.
    pub fill: Fill,
    /// The longest gap that is filled (ms).
    pub fill_within_ms: i64,
}

/// Where recordings and their labels are.
#[derive(Clone, Copy, Debug)]
pub struct TrainingFiles<'a> {
    /// The labels.
    pub labels: &'a Path,
    /// The folder that their names start at.
    pub folder: &'a Path,
    /// Only these corpora; all where none is named.
    pub corpora: &'a [String],
}

/// Gathers the rows of all recordings. `pipeline` makes one that has seen nothing.
///
/// # Errors
/// [`TrainError`] says what is wrong with labels or recordings.
pub fn gather(
    files: TrainingFiles<'_>,
    origin: &RecordingOrigin,
    recipe: &RowRecipe,
    pipeline: impl Fn() -> Pipeline,
) -> Result<Dataset, TrainError> {
    let labels: BTreeMap<String, Label> = read_labels(files.labels, files.corpora)?;
    let mut data = Dataset {
        features: recipe.over.len() * recipe.aggregates.len(),
        names: vec![NORMAL.to_owned()],
        values: Vec::new(),
        marks: Vec::new(),
        recordings: Vec::new(),
        unusable: 0,
    };
    let mut brought = BTreeSet::new();
    let classes: Vec<&str> = labels.values().flat_map(|label| label.classes()).collect();
    data.names.extend(sorted(classes));
    for (name, label) in labels {
        let path = files.folder.join(&name);
        let mut run = VirtualRun::new(pipeline(), origin.source, Gatherer::new(recipe));
        run.play(&path, origin).map_err(|error| match error {
            ReplayError::Other(text) => TrainError::Unfit(format!(
                "{text}; the recordings that the labels name lie {}, or where --data says",
                match files.folder.display().to_string() {
                    folder if folder.is_empty() => "beside them".to_owned(),
                    folder => format!("in {folder}"),
                }
            )),
            error => TrainError::Replay(error),
        })?;
        run.finish()?;
        let gathered = run.watcher;
        brought.extend(gathered.places.keys().take(BROUGHT_MAX).cloned());
        let readings = gathered.readings.labelled(&path, name, label)?;
        let first = data.marks.len();
        data.unusable += gathered.unusable;
        let mut rows = gathered.rows;
        rows.sort_by(|a, b| (a.0.1, &a.1).cmp(&(b.0.1, &b.1)));
        for ((start, end), _, features) in rows {
            let class = class_of(&readings, (start, end), &data.names);
            let probation = readings.times.get(readings.label.probation);
            let is_scored = probation.is_some_and(|from| end > *from);
            data.marks.push(RowMark { class, start, end, is_scored });
            data.values.extend(features);
        }
        data.recordings.push(RecordedRows { rows: first..data.marks.len(), readings });
    }
    check(&data, recipe, &brought)?;
    Ok(data)
}

/// Whether there is something to learn.
fn check(data: &Dataset, recipe: &RowRecipe, brought: &BTreeSet<Arc<str>>) -> Result<(), TrainError> {
    if data.marks.is_empty() {
        let over = recipe.over.join(", ");
        let nearest = "`headwater replay` shows what their windows hold";
        let why = if data.unusable > 0 {
            format!("{} windows lack an aggregate, and no row is complete", data.unusable)
        } else {
            let brought = listed(brought) + &over_columns(&recipe.over, brought);
            format!("no window of stream `{}` is of all of {over}; {brought}", recipe.stream)
        };
        return Err(TrainError::Unfit(format!("the recordings give no row: {why}; {nearest}")));
    }
    let counts = data.counts(&(0..data.len()).collect::<Vec<_>>());
    let named = data.names.iter().zip(&counts);
    let absent: Vec<&str> =
        named.clone().filter(|(_, count)| **count == 0).map(|(name, _)| name.as_str()).collect();
    let present: Vec<&str> = named.filter(|(_, count)| **count > 0).map(|(name, _)| name.as_str()).collect();
    if let [only] = present[..] {
        return Err(TrainError::Unfit(format!(
            "all {} windows are of one class, `{only}`: there is nothing to tell apart; label what went wrong in `windows`",
            data.len()
        )));
    }
    if !absent.is_empty() {
        return Err(TrainError::Unfit(format!(
            "no window is of class {}: its labels hold less than half of any window; make windows shorter, or labels longer",
            absent.join(", ")
        )));
    }
    Ok(())
}

/// The series that windows are of.
fn listed(series: &BTreeSet<Arc<str>>) -> String {
    let shown: Vec<String> = series.iter().take(LISTED_MAX).map(|name| format!("`{name}`")).collect();
    match series.len().saturating_sub(shown.len()) {
        _ if shown.is_empty() => "there is no window of any series".to_owned(),
        0 => format!("there are windows of {}", shown.join(", ")),
        more => format!("there are windows of {} and {more} more", shown.join(", ")),
    }
}

/// The options that name columns of a file, where patterns such as `*/flow` have their names as last levels.
fn over_columns(patterns: &[String], brought: &BTreeSet<Arc<str>>) -> String {
    let column = |pattern: &String| {
        let name = pattern.rsplit('/').next().filter(|name| brought.contains(*name))?;
        Some(format!("--over {name}"))
    };
    let options: Option<Vec<String>> = patterns.iter().map(column).collect();
    options
        .map_or_else(String::new, |options| format!("; name the columns of a file by {}", options.join(" ")))
}

fn sorted(mut names: Vec<&str>) -> Vec<String> {
    names.sort_unstable();
    names.dedup();
    names.into_iter().filter(|name| *name != NORMAL).map(str::to_owned).collect()
}

/// The class of a window.
fn class_of(readings: &Labelled, (start, end): (i64, i64), names: &[String]) -> usize {
    let time = |row: usize| readings.times.get(row).copied().unwrap_or(i64::MAX);
    let label = &readings.label;
    let overlap = |(window, class): (&(usize, usize), &str)| {
        let (from, to) = (time(window.0), time(window.1).saturating_add(1));
        let shared = end.min(to).saturating_sub(start.max(from));
        let holds = shared > 0 && (2 * shared >= end - start || 2 * shared >= to - from);
        holds.then(|| (shared, names.iter().position(|name| name == class).unwrap_or(0)))
    };
    // The first of equal ones.
    let found = label.windows.iter().zip(label.classes()).filter_map(overlap);
    found.reduce(|a, b| if b.0 > a.0 { b } else { a }).map_or(0, |(_, class)| class)
}

/// A row: start and end of its windows, its group, its features.
type GatheredRow = ((i64, i64), String, Vec<f64>);

/// Makes rows of summaries, and keeps the readings.
struct Gatherer<'r> {
    recipe: &'r RowRecipe,
    groups: HashMap<String, WindowRows<Vec<f64>>>,
    /// The place of each series, and its group; `None`: it is in no row.
    places: HashMap<Arc<str>, Option<(usize, String)>>,
    /// The starts of windows that are not in a row yet, by group and end.
    starts: HashMap<(String, i64), i64>,
    rows: Vec<GatheredRow>,
    unusable: u64,
    readings: ReadingRows,
    /// The columns of series that are in a row.
    columns: HashMap<SeriesRef, SeriesRef>,
    named: HashMap<String, SeriesRef>,
}

impl<'r> Gatherer<'r> {
    fn new(recipe: &'r RowRecipe) -> Self {
        Self {
            recipe,
            groups: HashMap::new(),
            places: HashMap::new(),
            starts: HashMap::new(),
            rows: Vec::new(),
            unusable: 0,
            readings: ReadingRows::default(),
            columns: HashMap::new(),
            named: HashMap::new(),
        }
    }

    fn place(&self, series: &str) -> Option<(usize, String)> {
        place_among(&self.recipe.over, "model", series)
    }
}

impl Watcher for Gatherer<'_> {
    fn introduce(&mut self, _: usize, series: SeriesRef, name: &str, labels: &[(String, String)]) {
        if self.place(name).is_none() {
            return;
        }
        let known = self.named.get(name).copied();
        let column = known.or_else(|| self.readings.series(name, labels));
        if let Some(column) = column {
            self.named.insert(name.to_owned(), column);
            self.columns.insert(series, column);
        }
    }

    fn reading(&mut self, series: SeriesRef, time: Time, value: f64) {
        match self.columns.get(&series) {
            Some(column) => self.readings.reading(*column, Stamp::Event(time.0), value),
            None => self.readings.time(time.0),
        }
    }

    fn row(&mut self) {
        self.readings.finish_row();
    }

    fn event(&mut self, event: &Event) -> Result<(), ReplayError> {
        let Event::Summary(summary) = event else { return Ok(()) };
        let is_own = summary.about.stream.as_ref() == self.recipe.stream && summary.pair.is_none();
        if !is_own || summary.rev > 0 || summary.is_retracted {
            return Ok(());
        }
        let place = place_among(&self.recipe.over, "model", &summary.about.series);
        let place = self.places.entry(summary.about.series.clone()).or_insert(place);
        let Some((member, group)) = place.clone() else { return Ok(()) };
        let features: Vec<f64> =
            self.recipe.aggregates.iter().filter_map(|name| summary.number_of(name)).collect();
        let RowRecipe { over, aggregates, fill, fill_within_ms, .. } = self.recipe;
        self.unusable += u64::from(features.len() < aggregates.len());
        let start = self.starts.entry((group.clone(), summary.end_ms)).or_insert(summary.start.ms);
        *start = (*start).min(summary.start.ms);
        let new = || WindowRows::new(over.len(), aggregates.len(), *fill, *fill_within_ms);
        let rows = self.groups.entry(group.clone()).or_insert_with(new);
        rows.on_window(member, SteadyTime(summary.end_ms), &features);
        let mut row = vec![0.0; rows.features()];
        while let Some(SteadyTime(end)) = rows.pop(&mut row) {
            let start = self.starts.remove(&(group.clone(), end)).unwrap_or(end);
            self.rows.push(((start, end), group.clone(), row.clone()));
        }
        Ok(())
    }
}

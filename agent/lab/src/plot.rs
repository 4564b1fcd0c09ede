//! `replay --plot`: a picture of readings, windows and alerts, as SVG.
//!
//! One panel for each series of each stream, over a common time axis: the readings that the stream takes, the
//! windows' min to max as a band and their mean as a line, and alerts from raised to cleared. The same input gives
//! the same bytes. Memory is bounded: data that is too dense to see is made coarser but keeps its extremes
//! ([`minmax`]), and series beyond `PANELS_MAX` are only counted.

mod draw;

use headwater_kernel::aggregate::Stamped;
use headwater_kernel::decimate::minmax;
use headwater_kernel::time::Time;
use headwater_pipeline::config::StreamConfig;
use headwater_pipeline::event::{self, AlertState, Event};
use headwater_sensors::SeriesRef;
use headwater_wire::id;
use std::collections::{BTreeMap, BTreeSet, HashMap};

/// The most panels.
const PANELS_MAX: usize = 40;
/// The most readings and windows of a panel before they are made coarser.
const KEPT_MAX: usize = 40_000;
/// The most alerts of a panel; further ones are counted.
const ALERTS_MAX: usize = 500;

/// A picture in the making.
pub struct Plot {
    title: String,
    streams: Vec<StreamConfig>,
    /// The known series, and their panels.
    series: HashMap<SeriesRef, Series>,
    /// Panels by stream (its index in the config) and series.
    panels: BTreeMap<(usize, String), Panel>,
    /// Series of streams without a panel.
    left_out: BTreeSet<(usize, String)>,
}

struct Series {
    name: String,
    labels: Vec<(String, String)>,
    /// The streams that select it.
    streams: Vec<usize>,
}

/// One series of one stream.
#[derive(Default)]
struct Panel {
    readings: Vec<Stamped>,
    windows: Vec<Window>,
    alerts: Vec<Alert>,
    alerts_left_out: usize,
}

/// The part of a summary that is drawn.
#[derive(Clone, Copy, Debug, PartialEq)]
struct Window {
    start_ms: i64,
    end_ms: i64,
    /// As its id has it: that of the first revision.
    named_end_ms: i64,
    range: Option<(f64, f64)>,
    mean: Option<f64>,
}

struct Alert {
    id: String,
    detector: String,
    severity: String,
    reason: String,
    raised_ms: i64,
    cleared_ms: Option<i64>,
    value: f64,
    /// Whether the value is a reading, so that it can be marked on the line.
    on_reading: bool,
}

impl Plot {
    /// An empty picture for these streams.
    pub fn new(title: &str, streams: &[StreamConfig]) -> Self {
        Self {
            title: title.to_owned(),
            streams: streams.to_vec(),
            series: HashMap::new(),
            panels: BTreeMap::new(),
            left_out: BTreeSet::new(),
        }
    }

    /// Introduces a series of a source.
    pub fn introduce(&mut self, source: usize, handle: SeriesRef, name: &str, labels: &[(String, String)]) {
        let takes = self.streams.iter().enumerate().filter(|(_, stream)| stream.selects(source, name));
        let streams: Vec<usize> = takes.map(|(index, _)| index).collect();
        self.series.entry(handle).or_insert_with(|| Series {
            name: name.to_owned(),
            labels: labels.to_vec(),
            streams,
        });
    }

    /// Adds a reading, as each stream takes it.
    pub fn reading(&mut self, handle: SeriesRef, time: Time, value: f64) {
        let Self { series, streams, panels, left_out, .. } = self;
        let Some(series) = series.get(&handle) else { return };
        for index in &series.streams {
            // On the stream's own scale a reading is not what came.
            let stream = streams.get(*index).filter(|stream| stream.normalise.is_none());
            let value = stream
                .and_then(|stream| stream.apply_expressions(&series.name, &series.labels, time, value).ok());
            let panel = value.and_then(|_| panel(panels, left_out, *index, &series.name));
            if let (Some(panel), Some(value)) = (panel, value) {
                panel.reading(time, value);
            }
        }
    }

    /// Adds an event.
    pub fn event(&mut self, event: &Event) {
        let Some(about) = event.about() else { return };
        let Some(stream) = self.streams.iter().position(|stream| stream.name == about.stream) else { return };
        let id = id(event);
        let Self { panels, left_out, .. } = self;
        let mut of = |series: &str, put: &dyn Fn(&mut Panel)| {
            panel(panels, left_out, stream, series).into_iter().for_each(put);
        };
        match event {
            Event::Summary(summary) => of(&about.series, &|panel| panel.window(summary)),
            Event::Alert(alert) if alert.values.is_empty() && alert.value.is_finite() => {
                of(&about.series, &|panel| panel.alert(&id, alert, alert.value));
            }
            Event::Alert(alert) => {
                for (series, value) in &alert.values {
                    of(series, &|panel| panel.alert(&id, alert, *value));
                }
            }
            _ => {}
        }
    }

    /// The picture.
    pub fn svg(mut self) -> String {
        self.panels.values_mut().for_each(Panel::sort);
        draw::svg(&self)
    }
}

/// The panel of a series in a stream, if there is room for it.
fn panel<'p>(
    panels: &'p mut BTreeMap<(usize, String), Panel>,
    left_out: &mut BTreeSet<(usize, String)>,
    stream: usize,
    series: &str,
) -> Option<&'p mut Panel> {
    let key = (stream, series.to_owned());
    if panels.len() >= PANELS_MAX && !panels.contains_key(&key) {
        left_out.insert(key);
        return None;
    }
    Some(panels.entry(key).or_default())
}

impl Panel {
    fn reading(&mut self, time: Time, value: f64) {
        if self.readings.len() >= KEPT_MAX {
            self.sort();
            let mut coarser = Vec::with_capacity(KEPT_MAX);
            minmax(&self.readings, KEPT_MAX / 2, |reading| coarser.push(reading));
            self.readings = coarser;
        }
        self.readings.push((time, value));
    }

    fn window(&mut self, summary: &event::Summary) {
        let (start_ms, end_ms, named_end_ms) = (summary.start.ms, summary.end_ms, summary.named_end_ms);
        let range = summary.number_of("min").zip(summary.number_of("max"));
        let window = Window { start_ms, end_ms, named_end_ms, range, mean: summary.number_of("mean") };
        // A revision replaces the summary that it revises.
        let same = |other: &Window| (other.start_ms, other.named_end_ms) == (start_ms, named_end_ms);
        let recent = self.windows.len().saturating_sub(100);
        let revised = self.windows.iter().skip(recent).rposition(same).map(|at| recent + at);
        if summary.is_retracted {
            revised.map(|at| self.windows.remove(at));
            return;
        }
        if let Some(revised) = revised.and_then(|at| self.windows.get_mut(at)) {
            *revised = window;
            return;
        }
        if self.windows.len() >= KEPT_MAX {
            self.sort();
            self.windows = self
                .windows
                .chunks(2)
                .map(|pair| pair.iter().fold(None, Window::with))
                .collect::<Option<_>>()
                .unwrap_or_default();
        }
        self.windows.push(window);
    }

    fn alert(&mut self, id: &str, alert: &event::Alert, value: f64) {
        if alert.state == AlertState::Cleared {
            let known = self.alerts.iter_mut().rev().find(|known| known.id == id);
            known.into_iter().for_each(|known| known.cleared_ms = Some(alert.time.ms));
        } else if self.alerts.len() >= ALERTS_MAX {
            self.alerts_left_out += 1;
        } else {
            self.alerts.push(Alert {
                id: id.to_owned(),
                detector: alert.detector.clone(),
                severity: alert.severity.clone(),
                reason: alert.reason.clone(),
                raised_ms: alert.time.ms,
                cleared_ms: None,
                value,
                on_reading: alert.on.is_none(),
            });
        }
    }

    /// Sorts everything by time.
    fn sort(&mut self) {
        self.readings.sort_by_key(|(time, _)| *time);
        self.windows.sort_by_key(|window| (window.start_ms, window.end_ms));
    }
}

impl Window {
    /// Both as one; the mean is that of the means.
    fn with(before: Option<Self>, next: &Self) -> Option<Self> {
        let Some(before) = before else { return Some(*next) };
        let range = before.range.zip(next.range).map(|(a, b)| (a.0.min(b.0), a.1.max(b.1)));
        let mean = before.mean.zip(next.mean).map(|(a, b)| f64::midpoint(a, b));
        let end_ms = next.end_ms.max(before.end_ms);
        Some(Self { start_ms: before.start_ms, end_ms, named_end_ms: end_ms, range, mean })
    }
}

#[cfg(test)]
mod tests;

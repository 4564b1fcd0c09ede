//! `[streams.NAME]`.

use super::detector::DetectorConfig;
use super::fingerprint::Fingerprint;
use super::group::GroupConfig;
use super::model::{ModelStream, NO_FILL, ReadModel};
use super::pair::PairConfig;
use super::refuse::refuse_unselected;
use super::window::WindowConfig;
use super::{
    Normalise, counter, detector, fingerprint, model, normalise, pair, refuse_unknown, summary, window,
};
use crate::glob;
use crate::plan::AggregatePlan;
use headwater_expression::{EvalError, Expression, ExpressionType, Input, Program};
use headwater_kernel::model::Fill;
use headwater_kernel::time::Time;
use headwater_kernel::window::Shape;
use headwater_settings::{At, Table};
use std::ops::Range;
use std::rc::Rc;
use std::sync::Arc;

/// A stream: which series it selects, how it cuts them into windows, and what it emits.
#[derive(Clone)]
pub struct StreamConfig {
    /// The name in the config.
    pub name: Arc<str>,
    /// The sources it selects, by index; `None`: all.
    pub from: Option<Vec<usize>>,
    /// Globs of the series it selects; `None`: all.
    pub series: Option<Vec<String>>,
    /// `expect`: names of series, or globs of which one series must come. Detectors of silence know them from the start.
    pub expect: Vec<String>,
    /// `where`: readings that do not satisfy it are filtered.
    pub condition: Option<Rc<Program>>,
    /// `map`: replaces the value of a reading.
    pub map: Option<Rc<Program>>,
    /// `normalise`: readings are scaled by the past of their series.
    pub normalise: Option<Normalise>,
    /// How readings are cut into windows, or filtered.
    pub window: WindowConfig,
    /// The contents of its summaries.
    pub plan: AggregatePlan,
    /// Pairs of its series.
    pub pairs: Vec<PairConfig>,
    /// The detectors of single series.
    pub detectors: Vec<DetectorConfig>,
    /// The detectors of groups.
    pub groups: Vec<GroupConfig>,
    /// `fill`: what takes the place of a window that a row of a model lacks, and the longest gap that is filled (ms).
    pub fill: (Fill, i64),
}

/// Why a stream takes no value of a reading.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum NoValue {
    /// `where` is not true for it, or has no value (a missing label).
    Filtered,
    /// `map` has no value for it (a missing label, a division by zero, a result that is not a number).
    Unmapped(EvalError),
}

/// What a roll-up must know of a stream.
#[derive(Clone, Debug)]
pub struct Thinned {
    /// The aggregates in its summaries.
    pub plan: AggregatePlan,
    /// Whether its windows overlap. If so, those that begin at a multiple of their length cover every reading once.
    pub overlap: bool,
}

impl StreamConfig {
    /// Whether the stream selects series of a source at all.
    #[must_use]
    pub fn takes_from(&self, source: usize) -> bool {
        self.from.as_ref().is_none_or(|from| from.contains(&source))
    }

    /// Whether the stream selects a series of a source.
    #[must_use]
    pub fn selects(&self, source: usize, series: &str) -> bool {
        self.takes_from(source)
            && self.series.as_ref().is_none_or(|globs| globs.iter().any(|glob| glob::matches(glob, series)))
    }

    /// What a roll-up of its summaries must know.
    #[must_use]
    pub fn thinned(&self) -> Thinned {
        let overlap = match &self.window {
            WindowConfig::None(_) => false,
            WindowConfig::Cut(specs) => matches!(specs.of(false).shape, Shape::Sliding(_)),
        };
        Thinned { plan: self.plan.clone(), overlap }
    }
}

impl StreamConfig {
    /// The value that the stream takes of a reading.
    ///
    /// # Errors
    /// [`NoValue`]: `where` turns the reading away, or `map` makes no number of it.
    #[inline]
    pub fn apply_expressions(
        &self,
        series: &str,
        labels: &[(String, String)],
        time: Time,
        value: f64,
    ) -> Result<f64, NoValue> {
        if self.condition.is_none() && self.map.is_none() {
            return Ok(value);
        }
        let input = Input { value, time_ms: time.0, series, labels, fields: &[] };
        let passes = self.condition.as_ref().is_none_or(|condition| condition.filter(&input) == Ok(true));
        match &self.map {
            _ if !passes => Err(NoValue::Filtered),
            Some(map) => map.number(&input).map_err(NoValue::Unmapped),
            None => Ok(value),
        }
    }

    /// The shape of its windows, in one line; empty: there are none.
    #[must_use]
    pub fn window_fingerprint(&self) -> String {
        window_fingerprint(&self.window, self.normalise)
    }

    /// Identifies the state of open windows: under another fingerprint they cannot be restored.
    #[must_use]
    pub fn fingerprint(&self) -> String {
        let print = match &self.window {
            WindowConfig::Cut(specs) => self.plan.fingerprint(fingerprint::of_shape(&specs.of(false).shape)),
            WindowConfig::None(Some(filter)) => filter.fingerprint.clone(),
            WindowConfig::None(None) => "none".to_owned(),
        };
        with_scale(Fingerprint::of(&print), self.normalise).finish()
    }
}

pub(super) fn read(
    name: &At<String>,
    mut table: Table<'_>,
    sources: &[String],
    models: &ReadModel<'_>,
) -> Option<StreamConfig> {
    let from = table.at_least_one("from").map(|list| {
        list.value.iter().for_each(|source| refuse_unknown(&table, source, "source", sources));
        list.value
            .iter()
            .filter_map(|source| sources.iter().position(|known| *known == source.value))
            .collect()
    });
    let series = table.at_least_one("series").map(|list| list.value.into_iter().map(|at| at.value).collect());
    let expect = table.strings("expect");
    let condition = read_expression(&mut table, "where", ExpressionType::Condition);
    let map = read_expression(&mut table, "map", ExpressionType::Number);
    let window = window::read(&mut table);
    let plan = summary::read(&mut table, window.as_ref()).and_then(|plan| counter::read(&mut table, plan));
    let pairs = pair::read(&mut table, window.as_ref());
    let (normalise, fill) = (normalise::read(&mut table), model::read_fill(&mut table, NO_FILL));
    let shape = window.as_ref().map_or_else(String::new, |window| window_fingerprint(window, normalise));
    let made = ModelStream { window: window.as_ref(), shape: &shape, plan: plan.as_ref(), models, fill };
    let (detectors, groups) = detector::read(&mut table, made, series.as_deref());
    let expect =
        expect.map_or_else(Vec::new, |expect| checked_expect(&table, expect, series.as_deref(), &detectors));
    table.belongs_elsewhere(&["type", "size", "every", "gap", "max"], "write it in `window = { … }`");
    table.finish();
    let (name, window, plan) = (Arc::from(name.value.as_str()), window?, plan?);
    Some(StreamConfig {
        name,
        from,
        series,
        expect,
        condition,
        map,
        normalise,
        window,
        plan,
        pairs,
        detectors,
        groups,
        fill,
    })
}

/// The shape of windows, and the scale of what is in them, in one line; empty: there are none.
fn window_fingerprint(window: &WindowConfig, normalise: Option<Normalise>) -> String {
    match window {
        WindowConfig::Cut(specs) => {
            with_scale(fingerprint::of_shape(&specs.of(false).shape), normalise).finish()
        }
        WindowConfig::None(_) => String::new(),
    }
}

/// With the scale of the readings, if they have one.
fn with_scale(print: Fingerprint, normalise: Option<Normalise>) -> Fingerprint {
    normalise.map_or(print.clone(), |normalise| normalise.put(print))
}

/// The expected series; each must be one that the stream selects, and a detector must miss it.
fn checked_expect(
    table: &Table<'_>,
    expect: At<Vec<At<String>>>,
    series: Option<&[String]>,
    detectors: &[DetectorConfig],
) -> Vec<String> {
    if !detectors.iter().any(DetectorConfig::misses_first_reading) {
        let what = "`expect` without a detector that misses what never came";
        let fix = "add one of type `missing` to the stream, with `after`";
        table.refuse(expect.span.clone(), what, fix);
    }
    refuse_unselected(table, &expect.value, series);
    expect.value.into_iter().map(|name| name.value).collect()
}

/// Reads a CEL expression; a mistake is shown at its place in the file.
fn read_expression(stream: &mut Table<'_>, key: &str, want: ExpressionType) -> Option<Rc<Program>> {
    let text = stream.string(key)?;
    match Expression::compile(&text.value, want) {
        Ok(program) => Some(Rc::new(program)),
        Err(error) => {
            stream.refuse(place_in(&text, &error.span), format!("`{key}`: {}", error.what), error.fix);
            None
        }
    }
}

/// The place in the file of a part of an expression.
#[must_use]
pub fn place_in(expression: &At<String>, part: &Range<usize>) -> Range<usize> {
    // Skips the quote, if the text is plain: without escapes or variables.
    let is_plain = expression.span.len() == expression.value.len() + 2;
    let start = expression.span.start + 1;
    if is_plain { start + part.start..start + part.end.max(part.start + 1) } else { expression.span.clone() }
}

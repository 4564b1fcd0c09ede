//! `[streams.NAME]`.

use super::detector::DetectorConfig;
use super::group::GroupConfig;
use super::pair::PairConfig;
use super::window::WindowConfig;
use super::{counter, detector, fingerprint, pair, refuse_unknown, summary, window};
use crate::glob;
use crate::plan::AggregatePlan;
use headwater_expression::{Expression, ExpressionType, Input, Program};
use headwater_kernel::time::Time;
use headwater_kernel::window::Shape;
use headwater_settings::{At, Table};
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
    /// `where`: readings that do not satisfy it are filtered.
    pub condition: Option<Rc<Program>>,
    /// `map`: replaces the value of a reading.
    pub map: Option<Rc<Program>>,
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
    /// Whether the stream selects a series of a source.
    #[must_use]
    pub fn selects(&self, source: usize, series: &str) -> bool {
        self.from.as_ref().is_none_or(|from| from.contains(&source))
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
    /// The value that the stream takes of a reading. `None`: `where` rejects it, or an expression has no value (a
    /// missing label, a division by zero).
    #[inline]
    #[must_use]
    pub fn apply_expressions(
        &self,
        series: &str,
        labels: &[(String, String)],
        time: Time,
        value: f64,
    ) -> Option<f64> {
        if self.condition.is_none() && self.map.is_none() {
            return Some(value);
        }
        let input = Input { value, time_ms: time.0, series, labels, fields: &[] };
        let passes = self.condition.as_ref().is_none_or(|condition| condition.filter(&input) == Ok(true));
        match &self.map {
            _ if !passes => None,
            Some(map) => map.number(&input).ok(),
            None => Some(value),
        }
    }

    /// Identifies the state of open windows: under another fingerprint they cannot be restored.
    #[must_use]
    pub fn fingerprint(&self) -> String {
        match &self.window {
            WindowConfig::Cut(specs) => self.plan.fingerprint(fingerprint::of_shape(&specs.of(false).shape)),
            WindowConfig::None(Some(filter)) => filter.fingerprint.clone(),
            WindowConfig::None(None) => "none".to_owned(),
        }
    }
}

pub(super) fn read(name: &At<String>, mut table: Table<'_>, sources: &[String]) -> Option<StreamConfig> {
    let from = table.strings("from").map(|list| {
        list.value.iter().for_each(|source| refuse_unknown(&table, source, "source", sources));
        list.value
            .iter()
            .filter_map(|source| sources.iter().position(|known| *known == source.value))
            .collect()
    });
    let series = table.strings("series").map(|list| list.value.into_iter().map(|at| at.value).collect());
    let condition = read_expression(&mut table, "where", ExpressionType::Condition);
    let map = read_expression(&mut table, "map", ExpressionType::Number);
    let window = window::read(&mut table);
    let plan = summary::read(&mut table, window.as_ref()).and_then(|plan| counter::read(&mut table, plan));
    let pairs = pair::read(&mut table, window.as_ref());
    let (detectors, groups) = detector::read(&mut table, window.as_ref(), plan.as_ref());
    table.finish();
    let (name, window, plan) = (Arc::from(name.value.as_str()), window?, plan?);
    Some(StreamConfig { name, from, series, condition, map, window, plan, pairs, detectors, groups })
}

/// Reads a CEL expression; a mistake is shown at its place in the file.
fn read_expression(stream: &mut Table<'_>, key: &str, want: ExpressionType) -> Option<Rc<Program>> {
    let text = stream.string(key)?;
    match Expression::compile(&text.value, want) {
        Ok(program) => Some(Rc::new(program)),
        Err(error) => {
            // Skips the quote, if the text is plain: without escapes or variables.
            let is_plain = text.span.len() == text.value.len() + 2;
            let start = text.span.start + 1;
            let inside = start + error.span.start..start + error.span.end.max(error.span.start + 1);
            stream.refuse(
                if is_plain { inside } else { text.span },
                format!("`{key}`: {}", error.what),
                error.fix,
            );
            None
        }
    }
}

//! `[streams.NAME]`.

use super::{DAY, HOUR, SECOND, refuse_unknown};
use crate::glob;
use crate::pipeline::{OPEN_MAX, detector_bytes};
use crate::plan::{AGGREGATES, Aggregate, Plan};
use headwater_expression::{Expression, Input, Program, Want};
use headwater_kernel::OutOfRange;
use headwater_kernel::detect::{Alarm, DetectorKind, KINDS, ParameterKind, Parameters, Watch};
use headwater_kernel::series::Spec;
use headwater_kernel::time::Time;
use headwater_kernel::window::{SPAN_MAX_MS, Shape};
use headwater_settings::{At, Or, Table, format_duration, nearest};
use std::rc::Rc;

/// A stream: which series, how they are cut, what is told of them.
#[derive(Clone)]
pub struct StreamConfig {
    /// The name in the config.
    pub name: String,
    /// Indices of the sources it takes; `None`: all.
    pub from: Option<Vec<usize>>,
    /// Globs of the series it takes; `None`: all.
    pub series: Option<Vec<String>>,
    /// `where`: readings that do not fulfil it are filtered.
    pub condition: Option<Rc<Program>>,
    /// `map`: what is taken instead of the reading's value.
    pub map: Option<Rc<Program>>,
    /// How its series are cut.
    pub window: WindowConfig,
    /// What its summaries carry.
    pub plan: Plan,
    /// What looks at its readings.
    pub detectors: Vec<DetectorConfig>,
}

/// How the series of a stream are cut.
#[derive(Clone, Debug, PartialEq)]
pub enum WindowConfig {
    /// Not at all: readings are forwarded themselves.
    None,
    /// Into windows.
    Cut(Specs),
}

/// The windows' rules, for readings with a time of their own and for those stamped on arrival.
#[derive(Clone, Debug, PartialEq)]
pub struct Specs {
    by_event: Spec,
    by_arrival: Spec,
    /// As the config says; memory may allow less.
    retain_ms: i64,
}

/// A detector, ready to be copied for each series.
#[derive(Clone)]
pub struct DetectorConfig {
    /// Its name on the wire: that of its kind, or the config's.
    pub name: String,
    /// As the config says.
    pub severity: String,
    /// The detector and its alarm, before the first reading.
    pub watch: Watch,
    /// What its state depends on: kind, name and parameters.
    pub fingerprint: String,
    /// What it takes for each series (bytes).
    pub bytes: usize,
    /// Whether values that it calls invalid are no readings at all: physical limits.
    pub refuses: bool,
}

impl StreamConfig {
    /// Whether the stream selects a series of a source.
    #[must_use]
    pub fn takes(&self, source: usize, series: &str) -> bool {
        self.from.as_ref().is_none_or(|from| from.contains(&source))
            && self.series.as_ref().is_none_or(|globs| globs.iter().any(|glob| glob::matches(glob, series)))
    }
}

impl StreamConfig {
    /// The value that the stream takes of a reading; `None`: `where` turns it away, or neither it nor `map` has an
    /// answer (a label that is not there, a division by zero).
    #[inline]
    #[must_use]
    pub fn selected(&self, series: &str, labels: &[(String, String)], time: Time, value: f64) -> Option<f64> {
        if self.condition.is_none() && self.map.is_none() {
            return Some(value);
        }
        let input = Input { value, time_ms: time.0, series, labels };
        let passes = self.condition.as_ref().is_none_or(|condition| condition.filter(&input) == Ok(true));
        match &self.map {
            _ if !passes => None,
            Some(map) => map.number(&input).ok(),
            None => Some(value),
        }
    }

    /// What open windows depend on: under another fingerprint they cannot go on.
    #[must_use]
    pub fn fingerprint(&self) -> String {
        let WindowConfig::Cut(specs) = &self.window else { return "none".to_owned() };
        let numbers: Vec<&str> = self.plan.names().collect();
        format!("{:?} {}", specs.by_event.shape, numbers.join(" "))
    }
}

impl Specs {
    fn new(by_event: Spec) -> Self {
        Self { by_event, by_arrival: Spec { by_arrival: true, ..by_event }, retain_ms: by_event.retain_ms }
    }

    /// Keeps closed windows for revisions no longer than memory allows: `slots` of them a series.
    pub fn limit_retention(&mut self, slots: usize) {
        let wanted = Spec { retain_ms: self.retain_ms, ..self.by_event }.slots_retained();
        let (slots, wanted) = (slots.min(wanted), wanted.max(1));
        let retain_ms = i128::from(self.retain_ms) * slots as i128 / wanted as i128;
        let retain_ms = i64::try_from(retain_ms).unwrap_or(self.retain_ms);
        self.by_event.retain_ms = retain_ms;
        self.by_arrival.retain_ms = retain_ms;
    }

    /// The rules for readings stamped on arrival, or for those with a time of their own.
    #[must_use]
    #[inline]
    pub fn of(&self, by_arrival: bool) -> &Spec {
        if by_arrival { &self.by_arrival } else { &self.by_event }
    }
}

impl std::fmt::Display for WindowConfig {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let WindowConfig::Cut(specs) = self else {
            return f.write_str("no window: every reading is forwarded");
        };
        let spec = specs.by_event;
        match spec.shape {
            Shape::Tumbling(window) => write!(f, "tumbling {}", format_duration(window.size_ms()))?,
            Shape::Sliding(window) => write!(
                f,
                "sliding {} every {}",
                format_duration(window.size_ms()),
                format_duration(window.every_ms())
            )?,
            Shape::Session(window) => {
                write!(f, "session with a gap of {}", format_duration(window.gap_ms()))?
            }
            Shape::Count(_) => write!(f, "a count of readings")?,
        }
        write!(f, ", lateness {}, idle {}", format_duration(spec.lateness_ms), format_duration(spec.idle_ms))
    }
}

/// Late readings of a closed window gather this long before its revision is made (ms).
const GATHER_MS: i64 = 1_000;

/// The kind of detector whose invalid values are refused instead of told.
const REFUSING: &str = "range";

const AGGREGATES_DEFAULT: [&str; 4] = ["count", "min", "max", "mean"];

pub(super) fn read(name: &At<String>, mut table: Table<'_>, sources: &[String]) -> Option<StreamConfig> {
    if name.value.is_empty() || name.value.contains('\0') {
        table.refuse(
            name.span.clone(),
            "a stream's name cannot be empty or hold NUL",
            "write [streams.NAME]",
        );
    }
    let from = table.strings("from").map(|list| {
        list.value.iter().for_each(|source| refuse_unknown(&table, source, "source", sources));
        list.value
            .iter()
            .filter_map(|source| sources.iter().position(|known| *known == source.value))
            .collect()
    });
    let series = table.strings("series").map(|list| list.value.into_iter().map(|at| at.value).collect());
    let condition = read_expression(&mut table, "where", Want::Condition);
    let map = read_expression(&mut table, "map", Want::Number);
    let window = read_window(&mut table);
    let plan = read_plan(&mut table);
    let detectors = read_detectors(&mut table);
    table.finish();
    let name = name.value.clone();
    Some(StreamConfig { name, from, series, condition, map, window: window?, plan: plan?, detectors })
}

/// A CEL expression; a mistake in it is shown where it stands.
fn read_expression(stream: &mut Table<'_>, key: &str, want: Want) -> Option<Rc<Program>> {
    let text = stream.string(key)?;
    match Expression::compile(&text.value, want) {
        Ok(program) => Some(Rc::new(program)),
        Err(error) => {
            // Behind the quote, if the text stands in the file as it is, without escapes or variables.
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

fn read_window(stream: &mut Table<'_>) -> Option<WindowConfig> {
    let span = stream.place_of("window");
    let shape = match stream.table("window") {
        None => Some(Some(Shape::tumbling(60 * SECOND))),
        Some(window) => read_shape(window),
    };
    let lateness_ms = stream.duration("lateness", 0..=7 * DAY).value_or(5 * SECOND);
    let idle_ms = stream.duration("idle", 1..=7 * DAY).value_or(60 * SECOND);
    let retain_ms = stream.duration("retain", 0..=7 * DAY).value_or(HOUR);
    let Some(shape) = shape? else { return Some(WindowConfig::None) };
    let shape = shape.map_err(|error| refuse_parameter(stream, span, &error)).ok()?;
    let spec = Spec { shape, lateness_ms, idle_ms, retain_ms, gather_ms: GATHER_MS, by_arrival: false };
    if spec.slots_needed() > OPEN_MAX {
        let what = format!("`lateness` would keep {} windows of a series open", spec.slots_needed());
        let fix = format!("at most {OPEN_MAX}: make it shorter, or the window longer");
        stream.refuse(stream.place_of("lateness"), what, fix);
        return None;
    }
    Some(WindowConfig::Cut(Specs::new(spec)))
}

/// The window's shape: outer `None`: there were mistakes; inner `None`: readings are forwarded as they are.
fn read_shape(mut window: Table<'_>) -> Option<Option<Result<Shape, OutOfRange>>> {
    #[derive(Clone)]
    enum Kind {
        Tumbling,
        Sliding,
        Session,
        Count,
        None,
    }
    let words = [
        ("tumbling", Kind::Tumbling),
        ("sliding", Kind::Sliding),
        ("session", Kind::Session),
        ("count", Kind::Count),
        ("none", Kind::None),
    ];
    let kind = window.choice("type", &words);
    if kind.is_none() {
        window.missing("type", "add `type = \"tumbling\"`");
    }
    let shape = match kind.given()? {
        Kind::None => Some(None),
        Kind::Tumbling => duration_in(&mut window, "size", "1m").map(|size| Some(Shape::tumbling(size))),
        Kind::Sliding => {
            let (size, every) =
                (duration_in(&mut window, "size", "5m"), duration_in(&mut window, "every", "1m"));
            size.zip(every).map(|(size, every)| Some(Shape::sliding(size, every)))
        }
        Kind::Session => {
            let (gap, max) =
                (duration_in(&mut window, "gap", "30s"), window.duration("max", 1..=SPAN_MAX_MS));
            gap.map(|gap| Some(Shape::session(gap, max.value_or(gap.max(HOUR)))))
        }
        Kind::Count => {
            let size = window.integer("size", 1..=1 << 32);
            if size.is_none() {
                window.missing("size", "add `size = 100`");
            }
            size.given().map(|size| Some(Shape::count(size.unsigned_abs())))
        }
    };
    window.finish();
    shape
}

/// A duration that the window cannot be without.
fn duration_in(window: &mut Table<'_>, key: &str, example: &str) -> Option<i64> {
    let value = window.duration(key, 1..=SPAN_MAX_MS);
    if value.is_none() {
        window.missing(key, format!("add `{key} = \"{example}\"`"));
    }
    value.given()
}

fn refuse_parameter(table: &Table<'_>, span: std::ops::Range<usize>, error: &OutOfRange) {
    table.refuse(span, error.to_string(), format!("change `{}`", error.parameter));
}

fn read_plan(stream: &mut Table<'_>) -> Option<Plan> {
    let Some(names) = stream.strings("aggregates") else {
        let defaults = AGGREGATES_DEFAULT
            .iter()
            .filter_map(|name| Some(((*name).to_owned(), Aggregate::parse(name).ok()?)));
        return Some(Plan::new(defaults.collect()));
    };
    let mut aggregates: Vec<(String, Aggregate)> = Vec::new();
    for name in names.value {
        if aggregates.iter().any(|(known, _)| *known == name.value) {
            stream.warn(name.span, format!("`{}` stands here twice", name.value), "once is enough");
            continue;
        }
        match Aggregate::parse(&name.value) {
            Ok(aggregate) => aggregates.push((name.value, aggregate)),
            Err(what) => {
                let likely = nearest(&name.value, AGGREGATES.iter().map(|(name, _)| *name));
                let fix = likely.map_or_else(
                    || {
                        let names: Vec<&str> = AGGREGATES.iter().map(|(name, _)| *name).collect();
                        format!("known: {}, and any percentile pNN", names.join(", "))
                    },
                    |word| format!("did you mean `{word}`?"),
                );
                stream.refuse(name.span, what, fix);
            }
        }
    }
    if aggregates.is_empty() {
        stream.refuse(names.span, "`aggregates` is empty", "name at least one, e.g. \"mean\"");
        return None;
    }
    Some(Plan::new(aggregates))
}

fn read_detectors(stream: &mut Table<'_>) -> Vec<DetectorConfig> {
    let mut detectors: Vec<DetectorConfig> = Vec::new();
    for mut table in stream.tables("detectors") {
        let words: Vec<(&str, &DetectorKind)> = KINDS.iter().map(|kind| (kind.name, kind)).collect();
        let kind = table.choice("type", &words);
        if kind.is_none() {
            table.missing("type", "add `type = \"threshold\"`");
        }
        let name = table.string("name").given();
        let severity = table.string("severity").value_or("warning".to_owned());
        let Some(kind) = kind.given() else { continue };
        let watch = read_watch(&mut table, kind);
        table.finish();
        let Some((parameters, watch)) = watch else { continue };
        let name = unique(name.unwrap_or_else(|| kind.name.to_owned()), &detectors);
        let fingerprint = format!("{name} {} {parameters:?}", kind.name);
        let bytes = detector_bytes(&watch);
        let refuses = kind.name == REFUSING;
        detectors.push(DetectorConfig { name, severity, watch, fingerprint, bytes, refuses });
    }
    detectors
}

/// A name that no detector before has: alerts of one stream are told apart by it.
fn unique(name: String, before: &[DetectorConfig]) -> String {
    let is_free = |name: &str| before.iter().all(|detector| detector.name != name);
    if is_free(&name) {
        return name;
    }
    (2..).map(|number| format!("{name}-{number}")).find(|name| is_free(name)).unwrap_or(name)
}

fn read_watch(table: &mut Table<'_>, kind: &DetectorKind) -> Option<(Parameters, Watch)> {
    let mut parameters = Parameters::new();
    for parameter in kind.parameters.iter().chain(Alarm::PARAMETERS) {
        let number = match parameter.kind {
            ParameterKind::Number => table.number(parameter.name, f64::MIN..=f64::MAX).given(),
            ParameterKind::Duration => {
                table.duration(parameter.name, 0..=SPAN_MAX_MS).given().map(|ms| ms as f64)
            }
            ParameterKind::Integer => table.integer(parameter.name, 0..=1 << 31).given().map(|n| n as f64),
            ParameterKind::Flag => table.boolean(parameter.name).given().map(f64::from),
            ParameterKind::Choice(words) => {
                let numbered: Vec<(&str, f64)> = words.iter().copied().zip((0..).map(f64::from)).collect();
                table.choice(parameter.name, &numbered).given()
            }
        };
        if let Some(number) = number {
            let set = parameters.set(parameter.name, number);
            set.map_err(|error| refuse_parameter(table, table.place_of(parameter.name), &error)).ok()?;
        }
    }
    let watch = Watch::new(kind, &parameters);
    let watch =
        watch.map_err(|error| refuse_parameter(table, table.place_of(error.parameter), &error)).ok()?;
    Some((parameters, watch))
}

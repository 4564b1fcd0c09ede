//! `window`, `filter`, `lateness`, `idle` and `retain` of a stream: how readings are cut into windows, or filtered.

use super::align;
use super::filter::{self, FilterConfig};
use super::{DAY, HOUR, SECOND};
use headwater_kernel::OutOfRange;
use headwater_kernel::series::Spec;
use headwater_kernel::window::{SPAN_MAX_MS, Shape};
use headwater_settings::{Or, Table, format_duration};

/// The most windows of one series, open ones and those retained for late readings. A config that needs more is
/// refused.
pub const OPEN_MAX: usize = 1_024;

/// How a stream cuts its series into windows.
#[derive(Clone, Debug, PartialEq)]
pub enum WindowConfig {
    /// Into none: readings are forwarded, all of them or those that a filter passes.
    None(Option<FilterConfig>),
    /// Into windows.
    Cut(Specs),
}

/// The rules of the windows, for readings with an event time and for readings stamped on arrival.
#[derive(Clone, Debug, PartialEq)]
pub struct Specs {
    by_event: Spec,
    by_arrival: Spec,
    /// As configured; memory may allow less.
    retain_ms: i64,
    /// Memory for the closed windows of a series (bytes).
    retained_bytes: usize,
    /// How long a value holds from one window into another (ms).
    hold_ms: i64,
}

impl WindowConfig {
    /// The filter, if there is one.
    #[must_use]
    pub fn filter(&self) -> Option<&FilterConfig> {
        if let Self::None(filter) = self { filter.as_ref() } else { None }
    }
}

impl Specs {
    /// `idle_ms` is as configured; `None`: not.
    fn new(by_event: Spec, idle_ms: Option<i64>) -> Self {
        let by_arrival = Spec { by_arrival: true, ..by_event };
        let hold_ms = idle_ms.map_or(i64::MAX, |idle_ms| idle_ms.max(length_ms(&by_event.shape)));
        Self { by_event, by_arrival, retain_ms: by_event.retain_ms, retained_bytes: usize::MAX, hold_ms }
    }

    /// How long a value holds from one window into another (ms): for ever, if `idle` is not configured; else as long
    /// as that or the window, because within a window a value holds until the next one.
    #[must_use]
    pub fn hold_ms(&self) -> i64 {
        self.hold_ms
    }

    /// Limits how long closed windows are kept to what `bytes` a series allow, where one window takes at least
    /// `slot_bytes`.
    pub fn limit_retention(&mut self, bytes: usize, slot_bytes: usize) {
        self.retained_bytes = bytes;
        let slots = bytes / slot_bytes.max(1);
        let wanted = Spec { retain_ms: self.retain_ms, ..self.by_event }.slots_retained();
        let (slots, wanted) = (slots.min(wanted), wanted.max(1));
        let retain_ms = i128::from(self.retain_ms) * slots as i128 / wanted as i128;
        let retain_ms = i64::try_from(retain_ms).unwrap_or(self.retain_ms);
        self.by_event.retain_ms = retain_ms;
        self.by_arrival.retain_ms = retain_ms;
    }

    /// The time after a summary by which the next one has come, if the series has readings in every window (ms). `None`:
    /// there is no such time.
    #[must_use]
    pub fn told_within_ms(&self) -> Option<i64> {
        let Spec { shape, lateness_ms, idle_ms, .. } = self.by_event;
        let step_ms = match shape {
            Shape::Tumbling(window) => window.size_ms(),
            Shape::Sliding(window) => window.every_ms(),
            Shape::Session(_) | Shape::Count(_) => return None,
        };
        Some(2 * step_ms + lateness_ms + idle_ms)
    }

    /// Memory for the closed windows of a series (bytes).
    #[must_use]
    pub fn retained_bytes(&self) -> usize {
        self.retained_bytes
    }

    /// Sets the highest revision that windows may emit.
    pub fn limit_revisions(&mut self, rev_max: u32) {
        self.by_event.rev_max = rev_max;
        self.by_arrival.rev_max = rev_max;
    }

    /// The rules for readings stamped on arrival, or for readings with an event time.
    #[must_use]
    #[inline]
    pub fn of(&self, by_arrival: bool) -> &Spec {
        if by_arrival { &self.by_arrival } else { &self.by_event }
    }
}

/// The length of a window, or what is known of it (ms).
fn length_ms(shape: &Shape) -> i64 {
    match shape {
        Shape::Tumbling(window) => window.size_ms(),
        Shape::Sliding(window) => window.size_ms(),
        Shape::Session(window) => window.gap_ms(),
        Shape::Count(_) => 0,
    }
}

impl std::fmt::Display for WindowConfig {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let specs = match self {
            WindowConfig::Cut(specs) => specs,
            WindowConfig::None(None) => return f.write_str("no window: every reading is forwarded"),
            WindowConfig::None(Some(filter)) => {
                return write!(f, "no window: readings are forwarded as {filter} lets them pass");
            }
        };
        let spec = specs.by_event;
        match spec.shape {
            Shape::Tumbling(window) => {
                write!(f, "tumbling {}", format_duration(window.size_ms()))?;
                if let Some(zone) = window.zone() {
                    write!(f, " in {}", zone.name())?;
                }
                if window.offset_ms() > 0 {
                    write!(f, " from {}", format_duration(window.offset_ms()))?;
                }
            }
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

/// How long late readings of a closed window gather before its revision is emitted (ms).
const GATHER_MS: i64 = 1_000;

pub(super) fn read(stream: &mut Table<'_>) -> Option<WindowConfig> {
    let span = stream.place_of("window");
    let align = stream.time_zone("align");
    let offset = stream.duration("offset", 0..=SPAN_MAX_MS);
    let shape = match stream.table("window") {
        None => Some(Some(Shape::tumbling(60 * SECOND))),
        Some(window) => read_shape(window),
    };
    let lateness_ms = stream.duration("lateness", 0..=7 * DAY).value_or(5 * SECOND);
    let idle = stream.duration("idle", 1..=7 * DAY).given();
    let idle_ms = idle.unwrap_or(60 * SECOND);
    let retain_ms = stream.duration("retain", 0..=7 * DAY).value_or(HOUR);
    let filter =
        stream.table("filter").map(|table| (table.span(), filter::read(table, lateness_ms, idle_ms)));
    let Some(shape) = shape? else {
        let places = [("align", align.map(|at| at.span)), ("offset", offset.map(|at| at.span))];
        for (key, span) in places.into_iter().filter_map(|(key, span)| Some((key, span?))) {
            stream.refuse(span, format!("`{key}` is for windows, and there is none"), "leave it out");
        }
        let waits = filter.is_some();
        warn_of_no_effect(stream, if waits { &["retain"] } else { &["lateness", "idle", "retain"] });
        return match filter {
            Some((_, filter)) => filter.map(|filter| WindowConfig::None(Some(filter))),
            None => Some(WindowConfig::None(None)),
        };
    };
    if let Some((span, _)) = filter {
        let fix = "set `window = { type = \"none\" }`, or thin windows with `downsample`";
        stream.refuse(span, "`filter` lets readings pass one by one, but this stream has windows", fix);
    }
    if matches!(shape, Ok(Shape::Count(_))) {
        warn_of_no_effect(stream, &["lateness", "idle", "retain"]);
    }
    let shape = shape.map_err(|error| refuse_shape(stream, span, &error)).ok()?;
    let shape = align::offset(stream, offset, align::apply(stream, align, shape)?)?;
    let spec = Spec {
        shape,
        lateness_ms,
        idle_ms,
        retain_ms,
        gather_ms: GATHER_MS,
        rev_max: u32::MAX,
        by_clock: idle.is_none(),
        by_arrival: false,
    };
    let panes = Spec { lateness_ms: 0, ..spec }.slots_needed();
    if spec.slots_needed() > OPEN_MAX {
        let (key, fix) = match panes > OPEN_MAX {
            true => ("window", "make `every` longer"),
            false => ("lateness", "make it shorter, or the window longer"),
        };
        let what = format!("`{key}` would keep {} windows of a series open", spec.slots_needed());
        stream.refuse(stream.place_of(key), what, format!("at most {OPEN_MAX}: {fix}"));
        return None;
    }
    Some(WindowConfig::Cut(Specs::new(spec, idle)))
}

/// Warns of keys that have no effect under this window.
fn warn_of_no_effect(stream: &Table<'_>, keys: &[&str]) {
    for key in keys.iter().filter(|key| stream.has(key)) {
        let what = format!("`{key}` has no effect under this window");
        stream.warn(stream.place_of(key), what, "leave it out");
    }
}

/// Keys of the stream that people write into its window.
const OF_THE_STREAM: [&str; 10] = [
    "align",
    "offset",
    "lateness",
    "idle",
    "retain",
    "filter",
    "aggregates",
    "downsample",
    "sketch",
    "counters",
];

/// Reads the window's shape. Outer `None`: there were mistakes; inner `None`: readings are forwarded.
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
    window.belongs_elsewhere(&OF_THE_STREAM, "it stands in the stream, beside `window`");
    window.belongs_elsewhere(&["every"], "it is for windows of type `sliding`");
    window.belongs_elsewhere(&["gap", "max"], "it is for windows of type `session`");
    window.note("size", "how long a window is; of type `count`: how many readings it has");
    window.note("every", "how often a window begins");
    window.note("gap", "a silence that ends the window");
    window.note("max", "the longest window; default: 1h");
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

/// Reports what the kernel refuses of a window. It has all keys that can be wrong.
fn refuse_shape(stream: &Table<'_>, span: std::ops::Range<usize>, error: &OutOfRange) {
    stream.refuse(span, error.to_string(), format!("change `{}`", error.parameter));
}

/// Reads a duration that the window requires.
fn duration_in(window: &mut Table<'_>, key: &str, example: &str) -> Option<i64> {
    let value = window.duration(key, 1..=SPAN_MAX_MS);
    if value.is_none() {
        window.missing(key, format!("add `{key} = \"{example}\"`"));
    }
    value.given()
}

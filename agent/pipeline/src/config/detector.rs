//! `[[streams.NAME.detectors]]`.

use super::evidence::EvidenceConfig;
use super::fingerprint::Fingerprint;
use super::group::{GroupConfig, GroupDetector, GroupJudge};
use super::listing::{listing, meaning};
use super::model::{self, ModelKeys, ModelStream};
use super::refuse::{refuse_parameter, refuse_unselected};
use super::window::WindowConfig;
use crate::plan::{Aggregate, AggregatePlan};
use headwater_kernel::OutOfRange;
use headwater_kernel::detect::{
    Alarm, AlertingDetector, DetectorKind, Judges, KINDS, Parameter, ParameterKind, Parameters,
    ROW_PARAMETERS, SERIES_MAX,
};
use headwater_kernel::time::SteadyTime;
use headwater_kernel::window::SPAN_MAX_MS;
use headwater_settings::{At, Or, Table, nearest};
use std::fmt;

/// A detector of a stream, copied for each series.
#[derive(Clone)]
pub struct DetectorConfig {
    /// Its name on the wire: the config's, or that of its kind.
    pub name: String,
    /// Its kind and all its parameters, for people.
    pub listing: String,
    /// The severity from the config.
    pub severity: String,
    /// The detector and its alarm, before the first reading.
    pub watch: AlertingDetector,
    /// Identifies the state: kind, name, parameters and input.
    pub fingerprint: String,
    /// The version of the detector's own state.
    pub version: u16,
    /// The input of the detector.
    pub on: On,
    /// How many readings its alerts carry.
    pub evidence: EvidenceConfig,
}

impl DetectorConfig {
    /// Whether the detector notices that a series never sends its first reading.
    pub(super) fn misses_first_reading(&self) -> bool {
        let mut watch = self.watch;
        watch.expect_reading(SteadyTime(0));
        watch.due().is_some()
    }
}

/// The input of a detector.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum On {
    /// Every reading.
    Reading,
    /// Every reading, and that none comes.
    Silence,
    /// Every reading, before anything else sees it. A reading that the detector calls invalid is refused.
    RangeCheck,
    /// The named number of every closed window.
    Window(String),
}

/// The word in the config.
impl fmt::Display for On {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Reading | Self::Silence | Self::RangeCheck => f.write_str("reading"),
            Self::Window(name) => f.write_str(name),
        }
    }
}

/// `type` of a trained model, which is not built from numbers alone.
const MODEL: &str = "model";

/// Reads the detectors of a stream: those of single series, and those of groups.
pub(super) fn read(
    stream: &mut Table<'_>,
    made: ModelStream<'_>,
    series: Option<&[String]>,
) -> (Vec<DetectorConfig>, Vec<GroupConfig>) {
    let mut detectors: Vec<DetectorConfig> = Vec::new();
    let mut groups: Vec<GroupConfig> = Vec::new();
    for mut table in stream.tables("detectors") {
        let words = KINDS.iter().map(|kind| (kind.name, Some(kind))).chain([(MODEL, None)]);
        let words: Vec<(&str, Option<&DetectorKind>)> = words.collect();
        let kind = table.choice("type", &words);
        if kind.is_none() {
            table.missing("type", "add `type = \"threshold\"`");
        }
        let name = read_word(&mut table, "name");
        let severity = read_word(&mut table, "severity").value_or("warning".to_owned());
        let evidence = EvidenceConfig::read(&mut table);
        let on = table.string("on");
        let Some(kind) = kind.given() else { continue };
        let named = detectors.iter().map(|known| &known.name).chain(groups.iter().map(|known| &known.name));
        let named: Vec<&String> = named.collect();
        if let Some(twice) = name.as_ref().filter(|name| named.contains(&&name.value)) {
            let what = format!("the stream has a detector `{}` already", twice.value);
            table.refuse(twice.span.clone(), what, "give it another `name`: alerts are told apart by it");
        }
        let name =
            unique(name.given().unwrap_or_else(|| kind.map_or(MODEL, |kind| kind.name).to_owned()), &named);
        let Some(kind) = kind else {
            let read = read_model(&mut table, on, &name, made, series);
            table.finish();
            let Some((patterns, listing, fingerprint, judge)) = read else { continue };
            groups.push(GroupConfig { name, listing, severity, patterns, judge, fingerprint, evidence });
            continue;
        };
        let on = read_on(&table, kind, on, made.window, made.plan);
        if let Some(patterns) = table.strings("over") {
            refuse_unselected(&table, &patterns.value, series);
            let detector = read_group_detector(&mut table, kind, &patterns);
            table.finish();
            let (Some((parameters, detector)), Some(On::Reading)) = (detector, on) else { continue };
            let patterns: Vec<String> = patterns.value.into_iter().map(|pattern| pattern.value).collect();
            let print = Fingerprint::of(kind.name).with_parameters(group_parameters(kind), &parameters);
            let print = patterns.iter().fold(print, |print, pattern| print.with_text("over", pattern));
            let fingerprint = print.with_text("name", &name).finish();
            let over = format!("over {}; ", patterns.join(" and "));
            let listing = over + &described(kind, group_parameters(kind), &parameters);
            let judge = GroupJudge::Readings(detector);
            groups.push(GroupConfig { name, listing, severity, patterns, judge, fingerprint, evidence });
            continue;
        }
        let watch = read_watch(&mut table, kind);
        table.finish();
        let (Some((parameters, watch)), Some(on)) = (watch, on) else { continue };
        let print = Fingerprint::of(kind.name).with_parameters(own_parameters(kind), &parameters);
        let fingerprint = print.with("on", &on).with_text("name", &name).finish();
        let version = kind.version;
        let listing = described(kind, own_parameters(kind), &parameters);
        detectors.push(DetectorConfig { name, listing, severity, watch, fingerprint, version, on, evidence });
    }
    (detectors, groups)
}

/// Reads a word that ids and topics are made of.
fn read_word(table: &mut Table<'_>, key: &str) -> Option<At<String>> {
    let word = table.string(key)?;
    if !word.value.is_empty() && !word.value.contains(|c: char| c == '/' || c.is_control()) {
        return Some(word);
    }
    let what = format!("`{key}` cannot be `{}`", word.value.escape_debug());
    table.refuse(word.span, what, "leave it out, or write a word without `/` and control characters");
    None
}

/// Reads the input of a detector; `None`: the stream cannot give it.
fn read_on(
    table: &Table<'_>,
    kind: &DetectorKind,
    on: Option<At<String>>,
    window: Option<&WindowConfig>,
    plan: Option<&AggregatePlan>,
) -> Option<On> {
    let usual = match kind.judges {
        Judges::RawReadings => On::RangeCheck,
        Judges::Silence => On::Silence,
        _ => On::Reading,
    };
    let Some(on) = on.filter(|on| on.value != "reading") else { return Some(usual) };
    if matches!(kind.judges, Judges::RawReadings | Judges::Silence) {
        let what = format!("`{}` looks at readings, not at `{}`", kind.name, on.value);
        table.refuse(on.span, what, "leave `on` out");
        return None;
    }
    if matches!(window, Some(WindowConfig::None(_))) {
        let what = format!("`on` cannot be `{}`: the stream has no windows", on.value);
        table.refuse(on.span, what, "give the stream a window, or leave `on` out");
        return None;
    }
    // Without a plan `aggregates` has a mistake, and one message is enough.
    let names: Vec<&str> = plan?.names().collect();
    if names.contains(&on.value.as_str()) {
        return Some(On::Window(on.value));
    }
    let fix = match nearest(&on.value, names.iter().copied().chain(["reading"])) {
        _ if Aggregate::parse(&on.value).is_ok() => {
            format!("add \"{}\" to the stream's `aggregates`", on.value)
        }
        Some(likely) => format!("did you mean `{likely}`?"),
        None => format!("the stream gives: reading, {}", names.join(", ")),
    };
    table.refuse(on.span, format!("the stream's windows have no `{}`", on.value), fix);
    None
}

/// Makes the name unique among the stream's detectors, since alerts are told apart by it.
fn unique(name: String, before: &[&String]) -> String {
    let is_free = |name: &str| before.iter().all(|known| *known != name);
    if is_free(&name) {
        return name;
    }
    (2..).map(|number| format!("{name}-{number}")).find(|name| is_free(name)).unwrap_or(name)
}

/// Reads a detector of a group, with its parameters.
fn read_group_detector(
    table: &mut Table<'_>,
    kind: &DetectorKind,
    patterns: &At<Vec<At<String>>>,
) -> Option<(Parameters, GroupDetector)> {
    if kind.judges != Judges::ValuesOrRows {
        let what = format!("`{}` looks at one series at a time", kind.name);
        let able = KINDS.iter().filter(|kind| kind.judges == Judges::ValuesOrRows);
        let able: Vec<&str> = able.map(|kind| kind.name).collect();
        table.refuse(patterns.span.clone(), what, format!("`over` is for {}", able.join(" and ")));
        return None;
    }
    if table.has("on") {
        table.refuse(table.place_of("on"), "`over` looks at readings", "leave `on` out");
    }
    if !are_a_group(table, patterns) {
        return None;
    }
    let parameters = read_parameters(table, group_parameters(kind))?;
    let detector = GroupDetector::build(kind, &parameters, patterns.value.len());
    let refuse = |error: OutOfRange| refuse_parameter(table, table.place_of(error.parameter), &error);
    Some((parameters, detector.map_err(refuse).ok()?))
}

/// Reads a model: its patterns, what it is for people, its fingerprint, and the judge.
fn read_model(
    table: &mut Table<'_>,
    on: Option<At<String>>,
    name: &str,
    made: ModelStream<'_>,
    series: Option<&[String]>,
) -> Option<(Vec<String>, String, String, GroupJudge)> {
    if let Some(on) = on {
        table.refuse(on.span, "a model looks at all aggregates of a window", "leave `on` out");
    }
    let patterns = table.at_least_one("over");
    if patterns.is_none() {
        table.missing("over", "name the series of a row: `over = [\"*/flow\", \"*/pressure\"]`");
    }
    let (parameters, keys) =
        (read_parameters(table, Alarm::PARAMETERS.iter()), ModelKeys::read(table, made.fill));
    let (patterns, parameters) = (patterns?, parameters?);
    refuse_unselected(table, &patterns.value, series);
    let refuse = |error: OutOfRange| refuse_parameter(table, table.place_of(error.parameter), &error);
    let alarm = Alarm::build(&parameters).map_err(refuse).ok()?;
    if patterns.value.len() > SERIES_MAX {
        let what = format!("a row is of {SERIES_MAX} series at most");
        table.refuse(patterns.span.clone(), what, "name fewer, or use two models");
        return None;
    }
    if !are_a_group(table, &patterns) {
        return None;
    }
    let judge = model::build(table, keys, &patterns, alarm, made)?;
    let patterns: Vec<String> = patterns.value.into_iter().map(|pattern| pattern.value).collect();
    let print = Fingerprint::of(MODEL).with_parameters(Alarm::PARAMETERS.iter(), &parameters);
    let print = patterns.iter().fold(print, |print, pattern| print.with_text("over", pattern));
    let alarm = listing(Alarm::PARAMETERS.iter(), &parameters);
    let shown = format!("over {}; {MODEL}, {judge}, {alarm}", patterns.join(" and "));
    Some((patterns, shown, print.with_text("name", name).finish(), GroupJudge::Windows(judge)))
}

/// Whether the patterns name the series of groups.
fn are_a_group(table: &Table<'_>, patterns: &At<Vec<At<String>>>) -> bool {
    let stars = |pattern: &At<String>| pattern.value.matches('*').count();
    let first = patterns.value.first().map_or(0, stars);
    if let Some(odd) = patterns.value.iter().find(|pattern| stars(pattern) != first) {
        let what = format!("`{}` has another number of `*` than the others", odd.value);
        table.refuse(
            odd.span.clone(),
            what,
            "series belong together where `*` is the same text in all patterns",
        );
        return false;
    }
    for (at, pattern) in patterns.value.iter().enumerate() {
        if patterns.value.iter().take(at).any(|before| before.value == pattern.value) {
            let fix = "name each series of a group once";
            table.refuse(pattern.span.clone(), format!("`{}` stands here twice", pattern.value), fix);
            return false;
        }
    }
    true
}

fn read_watch(table: &mut Table<'_>, kind: &DetectorKind) -> Option<(Parameters, AlertingDetector)> {
    let parameters = read_parameters(table, own_parameters(kind))?;
    let watch = AlertingDetector::new(kind, &parameters);
    let refuse = |error: OutOfRange| refuse_parameter(table, table.place_of(error.parameter), &error);
    Some((parameters, watch.map_err(refuse).ok()?))
}

/// The parameters of a detector of single series.
fn own_parameters(kind: &DetectorKind) -> impl Iterator<Item = &'static Parameter> + use<> {
    kind.parameters.iter().chain(Alarm::PARAMETERS)
}

/// The parameters of a detector of groups.
fn group_parameters(kind: &DetectorKind) -> impl Iterator<Item = &'static Parameter> + use<> {
    kind.parameters.iter().chain(ROW_PARAMETERS).chain(Alarm::PARAMETERS)
}

/// A detector's kind and its parameters, for people.
fn described(
    kind: &DetectorKind,
    known: impl Iterator<Item = &'static Parameter>,
    given: &Parameters,
) -> String {
    format!("{}, {}", kind.name, listing(known, given))
}

/// Reads the parameters that the table gives.
fn read_parameters<'p>(
    table: &mut Table<'_>,
    known: impl Iterator<Item = &'p Parameter>,
) -> Option<Parameters> {
    let (mut parameters, mut is_whole) = (Parameters::new(), true);
    for parameter in known {
        table.note(parameter.name, &meaning(parameter));
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
        // What is there and cannot be read is told already: it is not missing.
        is_whole &= number.is_some() || !table.has(parameter.name);
        if let Some(number) = number {
            let set = parameters.set(parameter.name, number);
            set.map_err(|error| refuse_parameter(table, table.place_of(parameter.name), &error)).ok()?;
        }
    }
    is_whole.then_some(parameters)
}

#[cfg(test)]
mod tests {
    use crate::config::parsed;

    fn mistakes(keys: &str) -> String {
        let text = format!("[streams.a]\n[[streams.a.detectors]]\ntype = \"threshold\"\n{keys}\n");
        parsed(&text).1
    }

    #[test]
    fn words_of_ids_are_neither_empty_nor_several_levels() {
        assert_eq!(mistakes("above = 1\nname = \"too hot\"\nseverity = \"critical\""), "");
        for bad in ["name = \"\"", "name = \"a/b\"", "name = \"a\\n\"", "severity = \"\""] {
            let told = mistakes(&format!("above = 1\n{bad}"));
            assert!(told.contains("leave it out"), "{bad}: {told}");
        }
    }

    #[test]
    fn a_limit_that_cannot_be_read_is_not_missing() {
        assert!(mistakes("").contains("`above` is missing"));
        for bad in ["above = \"35\"", "above = nan"] {
            let told = mistakes(bad);
            assert!(told.contains("above") && !told.contains("missing"), "{bad}: {told}");
        }
    }
}

//! The table of a simulated source.

use super::signal::{Fault, FaultKind, Shape, Signal, Step, Wave};
use super::{PARTS_MAX, SIGNALS_MAX, Simulation};
use crate::series_table::{read_labels, read_name, required};
use crate::{Source, SourceContext, SourceKind, TimeFormat};
use headwater_settings::{Or, Pairs, Table};
use std::collections::HashSet;

pub(crate) const KIND: SourceKind =
    SourceKind { name: "simulate", read, find: None, discover: None, sample: include_str!("sample.toml") };

/// No sensor has larger values, and sums of these stay finite.
const VALUE_MAX: f64 = 1e12;
const YEAR_MS: i64 = 366 * 86_400_000;

fn read(table: &mut Table<'_>, _: &SourceContext, labels: &Pairs) -> Option<Box<dyn Source>> {
    let interval_ms = duration(table, "interval", 1).unwrap_or(1_000);
    let seed = table.integer("seed", 0..=i64::MAX).value_or(1).unsigned_abs();
    let from_ms = read_from(table);
    let tables = table.tables("signals");
    let is_fine = (1..=SIGNALS_MAX).contains(&tables.len());
    if tables.is_empty() {
        table.missing("signals", "add [[sources.NAME.signals]] with a name and a base");
    } else if !is_fine {
        let what = format!("{} signals", tables.len());
        table.refuse(table.place_of("signals"), what, format!("write at most {SIGNALS_MAX}"));
    }
    let mut names = HashSet::new();
    let signals: Vec<Option<Signal>> =
        tables.into_iter().map(|signal| read_signal(signal, labels, &mut names)).collect();
    let signals = signals.into_iter().collect::<Option<Vec<Signal>>>()?;
    is_fine.then(|| Box::new(Simulation { interval_ms, seed, from_ms, signals }) as Box<dyn Source>)
}

fn read_from(table: &mut Table<'_>) -> Option<i64> {
    let text = table.string("from")?;
    let ms = TimeFormat::Rfc3339.of_text(&text.value, &jiff::tz::TimeZone::UTC);
    if ms.is_none() {
        let fix = "write a time such as \"2024-05-01T00:00:00Z\"";
        table.refuse(text.span, format!("`from` cannot be `{}`", text.value), fix);
    }
    ms
}

fn read_signal(mut table: Table<'_>, labels: &Pairs, names: &mut HashSet<String>) -> Option<Signal> {
    let name = read_name(&mut table, names, ("signal", "greenhouse/bed1/temp"));
    let labels = read_labels(&mut table, labels);
    let base = value(&mut table, "base").unwrap_or(0.0);
    let noise = table.number("noise", 0.0..=VALUE_MAX).value_or(0.0);
    let resolution = table.number("resolution", 0.0..=VALUE_MAX).value_or(0.0);
    let waves = parts(&mut table, "waves", read_wave);
    let steps = parts(&mut table, "steps", read_step);
    let faults = parts(&mut table, "faults", read_fault);
    table.finish();
    Some(Signal {
        name: name?,
        labels,
        base,
        waves: waves?,
        noise,
        steps: steps?,
        faults: faults?,
        resolution,
    })
}

/// `None`: there were mistakes.
fn parts<'d, T>(
    table: &mut Table<'d>,
    key: &str,
    read: impl Fn(&mut Table<'d>) -> Option<T>,
) -> Option<Vec<T>> {
    let tables = table.tables(key);
    if tables.len() > PARTS_MAX {
        let what = format!("{} {key}", tables.len());
        table.refuse(table.place_of(key), what, format!("write at most {PARTS_MAX}"));
        return None;
    }
    let read = |mut part: Table<'d>| {
        let made = read(&mut part);
        part.finish();
        made
    };
    tables.into_iter().map(read).collect::<Vec<_>>().into_iter().collect()
}

fn read_wave(table: &mut Table<'_>) -> Option<Wave> {
    let shapes = [
        ("sine", Shape::Sine),
        ("triangle", Shape::Triangle),
        ("saw", Shape::Saw),
        ("square", Shape::Square),
    ];
    table.note("shape", "default: sine");
    table.note("period", "the length of a wave");
    table.note("amplitude", "the height of a wave above its middle");
    table.note("phase", "where the wave begins, as a part of its period; default: 0");
    let shape = table.choice("shape", &shapes).value_or(Shape::Sine);
    let period_ms = required(table, "period", "period = \"1m\"", |table| duration(table, "period", 1));
    let amplitude = required(table, "amplitude", "amplitude = 5.0", |table| value(table, "amplitude"));
    let phase = table.number("phase", -1.0..=1.0).value_or(0.0);
    Some(Wave { shape, period_ms: period_ms?, amplitude: amplitude?, phase })
}

fn read_step(table: &mut Table<'_>) -> Option<Step> {
    table.note("at", "when, from the beginning");
    table.note("by", "how much is added");
    let at_ms = required(table, "at", "at = \"1m\"", |table| duration(table, "at", 0));
    let by = required(table, "by", "by = 3.0", |table| value(table, "by"));
    Some(Step { at_ms: at_ms?, by: by? })
}

fn read_fault(table: &mut Table<'_>) -> Option<Fault> {
    let kinds = [
        ("spike", FaultKind::Spike(0.0)),
        ("drift", FaultKind::Drift(0.0)),
        ("stuck", FaultKind::Stuck),
        ("dropout", FaultKind::Dropout),
    ];
    let kind = required(table, "type", "type = \"spike\"", |table| table.choice("type", &kinds).given());
    table.note("at", "when it comes first, from the beginning");
    table.note("for", "how long it lasts");
    table.note("every", "how often it comes; left out: once");
    table.note("by", "how much is added");
    let at_ms = required(table, "at", "at = \"1m\"", |table| duration(table, "at", 0));
    let for_ms = required(table, "for", "for = \"10s\"", |table| duration(table, "for", 1));
    let every_ms = duration(table, "every", 1);
    if every_ms.zip(for_ms).is_some_and(|(every_ms, for_ms)| every_ms < for_ms) {
        let fix = "write an `every` of at least `for`";
        table.refuse(table.place_of("every"), "the fault would come again while it is there", fix);
        return None;
    }
    let mut by = || required(table, "by", "by = 3.0", |table| value(table, "by"));
    let kind = match kind? {
        FaultKind::Spike(_) => FaultKind::Spike(by()?),
        FaultKind::Drift(_) => FaultKind::Drift(by()?),
        kind => kind,
    };
    Some(Fault { kind, at_ms: at_ms?, for_ms: for_ms?, every_ms })
}

fn value(table: &mut Table<'_>, key: &str) -> Option<f64> {
    table.number(key, -VALUE_MAX..=VALUE_MAX).given()
}

fn duration(table: &mut Table<'_>, key: &str, least_ms: i64) -> Option<u64> {
    table.duration(key, least_ms..=YEAR_MS).given().map(i64::unsigned_abs)
}

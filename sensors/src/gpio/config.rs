//! The table of a GPIO source.

use super::line::{CountedEdge, GpioLine, LineBias, LineUse, request};
use super::{GpioDevice, LINES_MAX, Requester};
use crate::polled::{PolledConfig, PolledSource};
use crate::series_table::{read_name, required};
use crate::{FoundDevice, Source, SourceContext, SourceKind, sysfs};
use headwater_settings::{Or, Pairs, Table};
use std::collections::HashSet;
use std::path::{Path, PathBuf};
use std::time::Duration;

pub(crate) const KIND: SourceKind =
    SourceKind { name: "gpio", read, find: Some(find), discover: None, sample: include_str!("sample.toml") };

/// The default of `interval`, and the least (ms).
const INTERVAL_MS: (i64, i64) = (1_000, 10);

/// Counts are multiplied with no more.
const SCALE_MAX: f64 = 1e12;

/// A Pi shows its header here; a chip with other lines has another number.
const CHIP: &str = "/dev/gpiochip0";

/// What the keys of a line mean.
const LINE_KEYS: [(&str, &str); 9] = [
    ("name", "of the series"),
    ("line", "its number; 17 is GPIO17 of a Pi"),
    ("read", "the level at each look, every edge, or how many pulses came; default: level"),
    ("edge", "of pulses: which edges count; default: rising"),
    ("bias", "the resistor inside; default: as-is"),
    ("active", "which level is 1; default: high"),
    ("debounce", "a level holds so long before it counts; default: 0s"),
    ("scale", "of pulses: what one is worth; default: 1"),
    ("unit_of_measure", "the unit of the series"),
];

/// The first chip, where there is one: which lines are wired to what, Linux cannot tell.
fn find(root: &Path) -> Vec<FoundDevice> {
    let lines = "lines = [{ name = \"door\", line = 17, bias = \"pull-up\" }]";
    let found = |chip: &PathBuf| {
        let name = sysfs::name(chip);
        FoundDevice {
            name: "pins".to_owned(),
            what: format!("the GPIO chip /dev/{name}: `gpioinfo` shows its lines"),
            table: format!("type = \"gpio\"\nchip = \"/dev/{name}\"\n{lines}\n"),
            is_example: true,
        }
    };
    sysfs::entries(&root.join("dev"), "gpiochip").iter().take(1).map(found).collect()
}

fn read(table: &mut Table<'_>, context: &SourceContext, labels: &Pairs) -> Option<Box<dyn Source>> {
    let config = PolledConfig::read_interval(table, context, labels, INTERVAL_MS);
    let chip = table.path_to("chip").value_or(PathBuf::from(CHIP));
    let tables = table.tables("lines");
    if tables.is_empty() {
        table.missing("lines", "add what is read: lines = [{ name = \"door\", line = 17 }]");
        return None;
    }
    if tables.len() > LINES_MAX {
        let what = format!("{} lines", tables.len());
        table.refuse(table.place_of("lines"), what, format!("write at most {LINES_MAX}"));
        return None;
    }
    let (mut names, mut offsets) = (HashSet::new(), HashSet::new());
    let lines: Vec<Option<GpioLine>> =
        tables.into_iter().map(|line| read_line(line, &mut names, &mut offsets)).collect();
    let lines = lines.into_iter().collect::<Option<Vec<GpioLine>>>()?;
    let device = move || GpioDevice::<Requester>::new(chip.clone(), lines.clone(), request);
    Some(Box::new(PolledSource::new(config?, device)))
}

fn read_line(
    mut table: Table<'_>,
    names: &mut HashSet<String>,
    offsets: &mut HashSet<i64>,
) -> Option<GpioLine> {
    for (key, meaning) in LINE_KEYS {
        table.note(key, meaning);
    }
    let name = read_name(&mut table, names, ("line", "door"));
    let offset = required(&mut table, "line", "line = 17, which is GPIO17 of a Pi", |table| {
        table.integer("line", 0..=1_023)
    });
    let offset = offset.filter(|offset| {
        let is_new = offsets.insert(offset.value);
        if !is_new {
            table.refuse(
                offset.span.clone(),
                "another line of the source has this number",
                "read a line once",
            );
        }
        is_new
    });
    let wanted = read_use(&mut table);
    let biases = [
        ("as-is", LineBias::AsIs),
        ("pull-up", LineBias::PullUp),
        ("pull-down", LineBias::PullDown),
        ("off", LineBias::Off),
    ];
    let bias = table.choice("bias", &biases).value_or(LineBias::AsIs);
    let is_active_low = table.choice("active", &[("high", false), ("low", true)]).value_or(false);
    let debounce_ms = table.duration("debounce", 0..=10_000).value_or(0);
    let scale = table.number("scale", -SCALE_MAX..=SCALE_MAX);
    if let (Some(scale), Some(LineUse::Level | LineUse::Edges)) = (&scale, wanted) {
        table.refuse(
            scale.span.clone(),
            "a level is 0 or 1",
            "leave `scale` out, or count with `read = \"pulses\"`",
        );
    }
    let unit = table.string("unit_of_measure").value_or(String::new());
    table.finish();
    Some(GpioLine {
        name: name?,
        offset: u32::try_from(offset?.value).ok()?,
        wanted: wanted?,
        bias,
        is_active_low,
        debounce: Duration::from_millis(debounce_ms.unsigned_abs()),
        scale: scale.value_or(1.0),
        unit,
    })
}

/// `None`: there were mistakes.
fn read_use(table: &mut Table<'_>) -> Option<LineUse> {
    let is_given = table.has("read");
    let uses = [
        ("level", LineUse::Level),
        ("edges", LineUse::Edges),
        ("pulses", LineUse::Pulses(CountedEdge::Rising)),
    ];
    let wanted = table.choice("read", &uses).given().or((!is_given).then_some(LineUse::Level));
    let edges =
        [("rising", CountedEdge::Rising), ("falling", CountedEdge::Falling), ("both", CountedEdge::Both)];
    let edge = table.choice("edge", &edges);
    match (wanted, edge) {
        (Some(LineUse::Pulses(_)), Some(edge)) => Some(LineUse::Pulses(edge.value)),
        (Some(LineUse::Level | LineUse::Edges), Some(edge)) => {
            table.refuse(
                edge.span,
                "`edge` says which edge counts",
                "add `read = \"pulses\"`, or leave it out",
            );
            None
        }
        (wanted, None) => wanted,
        (None, Some(_)) => None,
    }
}

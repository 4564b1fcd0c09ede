//! A channel of a device: its files, and what they mean.

use crate::sysfs;
use std::path::Path;

/// Kinds of channels: the name in the ABI, what makes of the kernel's unit ours, and ours.
const KINDS: [(&str, f64, &str); 27] = [
    ("accel", 1.0, "m/s²"),
    ("altvoltage", 1e-3, "V"),
    ("angl", 1.0, "rad"),
    ("anglvel", 1.0, "rad/s"),
    ("capacitance", 1.0, "nF"),
    ("concentration", 1.0, "%"),
    ("current", 1e-3, "A"),
    ("distance", 1.0, "m"),
    ("electricalconductivity", 1.0, "S/m"),
    ("energy", 1.0, "J"),
    ("gravity", 1.0, "m/s²"),
    ("humidityrelative", 1e-3, "%"),
    ("illuminance", 1.0, "lx"),
    ("incli", 1.0, "°"),
    ("magn", 1.0, "G"),
    ("massconcentration", 1.0, "µg/m³"),
    ("ph", 1.0, ""),
    ("phase", 1.0, "rad"),
    ("power", 1e-3, "W"),
    ("pressure", 10.0, "hPa"),
    ("resistance", 1.0, "Ω"),
    ("rot", 1.0, "°"),
    ("temp", 1e-3, "°C"),
    ("uvindex", 1.0, ""),
    ("velocity", 1.0, "m/s"),
    ("voltage", 1e-3, "V"),
    ("weight", 1.0, "kg"),
];

/// A channel that can be read.
#[derive(Debug, PartialEq)]
pub(super) struct Channel {
    /// Without `in_` and what follows: `temp`, `voltage0`, `accel_x`.
    pub(super) name: String,
    /// Empty: it has none that is known, and a value is as the kernel has it.
    pub(super) unit: &'static str,
    /// What makes of the kernel's unit ours.
    factor: f64,
    /// Whether the kernel has the value, and not only the converter's.
    is_processed: bool,
}

impl Channel {
    /// The channels of a device, in the order of their names.
    pub(super) fn all(device: &Path) -> Vec<Self> {
        let files = sysfs::entries(device, "in_");
        let names: Vec<&str> = files.iter().map(|file| sysfs::name(file)).collect();
        let mut channels: Vec<Self> = names
            .iter()
            .filter_map(|file| {
                let file = file.strip_prefix("in_")?;
                let (name, is_processed) = match file.strip_suffix("_input") {
                    Some(name) => (name, true),
                    None => (file.strip_suffix("_raw")?, false),
                };
                // Where there are both, the kernel knows better than we do.
                let is_double = !is_processed && names.contains(&format!("in_{name}_input").as_str());
                (!is_double).then(|| Self::new(device, name, is_processed))
            })
            .collect();
        channels.sort_by(|a, b| a.name.cmp(&b.name));
        channels
    }

    fn new(device: &Path, name: &str, is_processed: bool) -> Self {
        let has_meaning = is_processed || names_of_scale(name).any(|of| device.join(of).exists());
        let kind = KINDS.iter().find(|(kind, ..)| has_meaning && *kind == kind_of(name));
        let (factor, unit) = kind.map_or((1.0, ""), |(_, factor, unit)| (*factor, *unit));
        Self { name: name.to_owned(), unit, factor, is_processed }
    }

    /// Its value [`unit`](Self::unit), or why there is none.
    pub(super) fn value(&self, device: &Path) -> Result<f64, String> {
        let Self { name, factor, is_processed, .. } = self;
        let of = |ending: &str| {
            candidates(name)
                .map(|of| device.join(format!("in_{of}_{ending}")))
                .find(|path| path.exists())
                .map(|path| sysfs::number(&path).map_err(|error| format!("{}: {error}", sysfs::name(&path))))
                .transpose()
        };
        let read = |ending: &str| {
            sysfs::number(&device.join(format!("in_{name}_{ending}")))
                .map_err(|error| format!("it cannot be read: {error}"))
        };
        if *is_processed {
            return Ok(read("input")? * factor);
        }
        Ok((read("raw")? + of("offset")?.unwrap_or(0.0)) * of("scale")?.unwrap_or(1.0) * factor)
    }
}

/// The kind of a channel: what stands before its number, its modifier or its other end.
fn kind_of(name: &str) -> &str {
    name.split(|c: char| c.is_ascii_digit() || c == '_' || c == '-').next().unwrap_or_default()
}

/// The names under which a channel's scale or offset may stand, its own first: channels of a kind share files, and those that
/// are the difference of two share others.
fn candidates(name: &str) -> impl Iterator<Item = String> {
    let kind = kind_of(name);
    let before_modifier = name.split('_').next().unwrap_or_default();
    let of_kind = if name.contains('-') { format!("{kind}-{kind}") } else { kind.to_owned() };
    [name.to_owned(), before_modifier.to_owned(), of_kind].into_iter()
}

fn names_of_scale(name: &str) -> impl Iterator<Item = String> {
    candidates(name).map(|of| format!("in_{of}_scale"))
}

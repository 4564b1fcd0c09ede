//! The table of an I2C source.

use crate::SourceContext;
use crate::polled::PolledConfig;
use crate::series_table::{read_name, required};
use headwater_settings::{Or, Pairs, Table};
use std::collections::HashSet;
use std::path::PathBuf;

/// The default of `interval`, and the least (ms).
const INTERVAL_MS: (i64, i64) = (10_000, 100);

/// The bus on the header of a Pi.
const BUS: &str = "/dev/i2c-1";

/// The most sensors of a source: the addresses of a bus.
const SENSORS_MAX: usize = 112;

/// A chip, and what must be known of what is around it.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) enum Chip {
    /// Also a BMP280, which has no humidity.
    Bme280,
    Sht3x,
    Ads1115,
    /// With a resistor through which the current flows (Ω).
    Ina219 {
        shunt: f64,
    },
}

impl Chip {
    /// The addresses that it can have.
    fn addresses(self) -> std::ops::RangeInclusive<u8> {
        match self {
            Self::Bme280 => 0x76..=0x77,
            Self::Sht3x => 0x44..=0x45,
            Self::Ads1115 => 0x48..=0x4B,
            Self::Ina219 { .. } => 0x40..=0x4F,
        }
    }
}

/// A sensor on the bus.
#[derive(Clone, Debug)]
pub(super) struct Sensor {
    /// The first levels of its series' names.
    pub(super) name: String,
    pub(super) address: u8,
    pub(super) chip: Chip,
}

/// A bus, and what is on it.
#[derive(Clone, Debug)]
pub(super) struct I2cConfig {
    pub(super) polled: PolledConfig,
    pub(super) bus: PathBuf,
    pub(super) sensors: Vec<Sensor>,
}

/// Reads the table of a source. `None`: there were mistakes.
pub(super) fn read_config(
    table: &mut Table<'_>,
    context: &SourceContext,
    labels: &Pairs,
) -> Option<I2cConfig> {
    let polled = PolledConfig::read_interval(table, context, labels, INTERVAL_MS);
    let bus = table.path_to("bus").value_or(PathBuf::from(BUS));
    let tables = table.tables("sensors");
    if tables.is_empty() {
        table.missing(
            "sensors",
            "add what is on the bus: sensors = [{ name = \"cellar\", chip = \"bme280\" }]",
        );
        return None;
    }
    if tables.len() > SENSORS_MAX {
        let what = format!("{} sensors", tables.len());
        table.refuse(table.place_of("sensors"), what, format!("write at most {SENSORS_MAX}"));
        return None;
    }
    let (mut names, mut addresses) = (HashSet::new(), HashSet::new());
    let sensors: Vec<Option<Sensor>> =
        tables.into_iter().map(|sensor| read_sensor(sensor, &mut names, &mut addresses)).collect();
    Some(I2cConfig { polled: polled?, bus, sensors: sensors.into_iter().collect::<Option<_>>()? })
}

/// What the keys of a sensor mean.
const SENSOR_KEYS: [(&str, &str); 4] = [
    ("name", "with which its series begin"),
    ("chip", "what it is"),
    ("address", "on the bus; default: the first that the chip can have"),
    ("shunt", "the resistor that the current goes through [ohm]; default: 0.1"),
];

fn read_sensor(mut table: Table<'_>, names: &mut HashSet<String>, taken: &mut HashSet<u8>) -> Option<Sensor> {
    for (key, meaning) in SENSOR_KEYS {
        table.note(key, meaning);
    }
    let name = read_name(&mut table, names, ("sensor", "cellar"));
    let chips = [
        ("bme280", Chip::Bme280),
        ("bmp280", Chip::Bme280),
        ("sht3x", Chip::Sht3x),
        ("ads1115", Chip::Ads1115),
        ("ina219", Chip::Ina219 { shunt: 0.1 }),
    ];
    let chip =
        required(&mut table, "chip", "chip = \"bme280\"", |table| table.choice("chip", &chips)).given();
    let chip = match chip {
        Some(Chip::Ina219 { shunt }) => {
            Some(Chip::Ina219 { shunt: table.number("shunt", 1e-6..=1e3).value_or(shunt) })
        }
        other => other,
    };
    let address = chip.and_then(|chip| read_address(&mut table, chip, taken));
    table.finish();
    Some(Sensor { name: name?, address: address?, chip: chip? })
}

/// The address of a chip, by itself the first that it can have; `None`: there were mistakes.
fn read_address(table: &mut Table<'_>, chip: Chip, taken: &mut HashSet<u8>) -> Option<u8> {
    let range = chip.addresses();
    let given = table.integer("address", 0..=0x7F);
    if table.has("address") && given.is_none() {
        return None;
    }
    let place = given.as_ref().map_or_else(|| table.span(), |given| given.span.clone());
    let address = u8::try_from(given.value_or(i64::from(*range.start()))).ok()?;
    let what = if !range.contains(&address) {
        format!("the chip cannot have the address {address:#04x}")
    } else if !taken.insert(address) {
        format!("another sensor of the bus has the address {address:#04x}")
    } else {
        return Some(address);
    };
    table.refuse(place, what, format!("write one from {:#04x} to {:#04x}", range.start(), range.end()));
    None
}

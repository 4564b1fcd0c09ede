//! Temperatures, fans and power (Linux `Documentation/ABI/testing/sysfs-class-thermal`, `Documentation/hwmon/sysfs-interface.rst`).
//!
//! A Pi says that its voltage was too low in two places: the driver `rpi_volt`, and `get_throttled` of its firmware, as older
//! kernels of Raspberry Pi OS show it.

use crate::polled::PolledReadings;
use crate::sysfs;
use std::io;
use std::path::Path;

/// The bits of `get_throttled` that say how it is now.
const THROTTLED: [(u32, &str); 4] =
    [(0, "undervoltage"), (1, "frequency_capped"), (2, "throttled"), (3, "soft_limit")];

pub(super) fn look(sys: &Path, to: &mut PolledReadings) {
    look_at_zones(&sys.join("class/thermal"), to);
    let has_undervoltage = look_at_monitors(&sys.join("class/hwmon"), to);
    look_at_firmware(&sys.join("devices/platform"), has_undervoltage, to);
    if let Some(khz) = number(&sys.join("devices/system/cpu/cpu0/cpufreq/scaling_cur_freq"), to) {
        to.reading(format_args!("cpu/frequency"), "Hz", khz * 1_000.0);
    }
}

/// Thermal zones. One that is switched off has no temperature.
fn look_at_zones(thermal: &Path, to: &mut PolledReadings) {
    let zones = sysfs::entries(thermal, "thermal_zone");
    let kinds: Vec<_> = zones.iter().map(|zone| sysfs::text(&zone.join("type")).ok()).collect();
    for (at, (zone, kind)) in zones.iter().zip(&kinds).enumerate() {
        let (Some(kind), Some(millidegrees)) = (kind, number(&zone.join("temp"), to)) else { continue };
        let degrees = millidegrees / 1_000.0;
        match kinds.iter().take(at).filter(|other| other.as_ref() == Some(kind)).count() {
            0 => to.reading(format_args!("temperature/{kind}"), "°C", degrees),
            before => to.reading(format_args!("temperature/{kind}-{before}"), "°C", degrees),
        }
    }
}

/// Chips that monitor hardware. Answers whether one of them watches the voltage of a Pi.
fn look_at_monitors(hwmon: &Path, to: &mut PolledReadings) -> bool {
    let mut has_undervoltage = false;
    let monitors = sysfs::entries(hwmon, "hwmon");
    let names: Vec<_> = monitors.iter().map(|monitor| sysfs::text(&monitor.join("name")).ok()).collect();
    for (monitor, name) in monitors.iter().zip(&names) {
        let Some(name) = name else { continue };
        let device = sysfs::target(&monitor.join("device")).unwrap_or_default();
        if name == "rpi_volt"
            && let Some(alarm) = number(&monitor.join("in0_lcrit_alarm"), to)
        {
            to.reading(format_args!("power/undervoltage"), "", alarm);
            has_undervoltage = true;
        }
        // Thermal zones were read already.
        if device.starts_with("thermal_zone") {
            continue;
        }
        let is_alone = names.iter().filter(|other| other.as_ref() == Some(name)).count() == 1;
        let chip = if is_alone { name.clone() } else { format!("{name}@{device}") };
        let (chip, at) = (chip.as_str(), monitor.as_path());
        look_at_channels(at, ("temp", to), |label, value, to| {
            to.reading(format_args!("temperature/{chip}/{label}"), "°C", value / 1_000.0);
        });
        look_at_channels(at, ("fan", to), |label, value, to| {
            to.reading(format_args!("fan/{chip}/{label}"), "rpm", value);
        });
    }
    has_undervoltage
}

/// Every channel of a kind of a chip, with its label, or else its name.
fn look_at_channels(
    monitor: &Path,
    (kind, to): (&str, &mut PolledReadings),
    on_value: impl Fn(&str, f64, &mut PolledReadings),
) {
    for input in sysfs::entries(monitor, kind) {
        let Some(channel) = sysfs::name(&input).strip_suffix("_input") else { continue };
        let Some(value) = number(&input, to) else { continue };
        let label = sysfs::text(&monitor.join(format!("{channel}_label")));
        on_value(label.as_deref().ok().filter(|label| !label.is_empty()).unwrap_or(channel), value, to);
    }
}

/// The number in a file; `None`: it has none now, as what is switched off. A file with something else counts as invalid.
fn number(path: &Path, to: &mut PolledReadings) -> Option<f64> {
    match sysfs::number(path) {
        Ok(value) => return Some(value),
        Err(error) if error.kind() == io::ErrorKind::InvalidData => {
            to.invalid(&path.display().to_string(), error);
        }
        Err(_) => {}
    }
    None
}

/// What the firmware of a Pi says, in hexadecimal digits.
fn look_at_firmware(platform: &Path, has_undervoltage: bool, to: &mut PolledReadings) {
    let files = sysfs::entries(platform, "soc").into_iter().flat_map(|soc| sysfs::entries(&soc, "soc"));
    let bits = files
        .filter_map(|soc| sysfs::text(&soc.join("get_throttled")).ok())
        .find_map(|text| u32::from_str_radix(text.strip_prefix("0x").unwrap_or(&text), 16).ok());
    let Some(bits) = bits else { return };
    for (bit, name) in THROTTLED.into_iter().filter(|(bit, _)| *bit > 0 || !has_undervoltage) {
        to.reading(format_args!("power/{name}"), "", f64::from(bits >> bit & 1));
    }
}

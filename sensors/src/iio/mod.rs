//! `type = "iio"`: sensors and converters of Linux' Industrial I/O (Linux `Documentation/ABI/testing/sysfs-bus-iio`).
//!
//! A channel is a file with its value as it is (`_input`), or as the converter has it (`_raw`), with files that say what that
//! means: the value is `(raw + offset) * scale`. The kernel's units become those that people read: `channel.rs`.

mod channel;

use crate::polled::{PollError, PolledConfig, PolledDevice, PolledReadings, PolledSource};
use crate::{FoundDevice, Source, SourceContext, SourceKind, sysfs};
use channel::Channel;
use headwater_settings::{Or, Pairs, Table};
use std::path::{Path, PathBuf};

pub(crate) const KIND: SourceKind =
    SourceKind { name: "iio", read, find: Some(find), discover: None, sample: include_str!("sample.toml") };

/// The default of `interval`, and the least (ms).
const INTERVAL_MS: (i64, i64) = (1_000, 10);

/// Where the kernel shows its devices.
const DEVICES: &str = "sys/bus/iio/devices";

#[derive(Clone)]
struct IioDevices {
    folder: PathBuf,
    /// Names of channels, and what their values are multiplied with.
    scale: Vec<(String, f64)>,
}

fn read(table: &mut Table<'_>, context: &SourceContext, labels: &Pairs) -> Option<Box<dyn Source>> {
    let config = PolledConfig::read(table, context, labels, INTERVAL_MS);
    let root = table.path_to("root").value_or(PathBuf::from("/"));
    let scale = table.numbers("scale").value_or(Vec::new());
    let scale = scale.into_iter().map(|(name, scale)| (name, scale.value)).collect();
    let devices = IioDevices { folder: root.join(DEVICES), scale };
    let device = move || devices.clone();
    Some(Box::new(PolledSource::new_remote(config?, device)))
}

/// The folders of the devices that are there.
fn devices(folder: &Path) -> Vec<PathBuf> {
    sysfs::entries(folder, "iio:device")
}

/// What a device is called whatever its number: its label, or its name and where it is.
fn device_name(device: &Path) -> String {
    if let Ok(label) = sysfs::text(&device.join("label"))
        && !label.is_empty()
    {
        return label;
    }
    let name = sysfs::text(&device.join("name")).unwrap_or_else(|_| sysfs::name(device).to_owned());
    let place = std::fs::canonicalize(device).ok();
    match place.as_deref().and_then(Path::parent).map(sysfs::name) {
        Some(place) if !place.is_empty() && place != "devices" => format!("{name}@{place}"),
        _ => name,
    }
}

fn find(root: &Path) -> Vec<FoundDevice> {
    let names: Vec<String> = devices(&root.join(DEVICES)).iter().map(|device| device_name(device)).collect();
    if names.is_empty() {
        return Vec::new();
    }
    let what = format!("sensors that Linux knows (IIO): {}", names.join(", "));
    let table = "type = \"iio\"\n".to_owned();
    vec![FoundDevice { name: "sensors".to_owned(), what, table, is_example: false }]
}

impl PolledDevice for IioDevices {
    fn look(&mut self, to: &mut PolledReadings) -> Result<(), PollError> {
        let devices = devices(&self.folder);
        if devices.is_empty() {
            return Err(PollError::Absent(format!(
                "no device in {}: it needs its driver, on a Pi a line such as `dtoverlay=i2c-sensor,bme280` in \
                 /boot/firmware/config.txt",
                self.folder.display()
            )));
        }
        for device in devices {
            let name = device_name(&device);
            to.device(&name);
            for channel in Channel::all(&device) {
                self.look_at(&device, (&name, &channel), to);
            }
        }
        Ok(())
    }
}

impl IioDevices {
    fn look_at(&self, device: &Path, (name, channel): (&str, &Channel), to: &mut PolledReadings) {
        let found = format!("{name}/{}", channel.name);
        let scale = self.scale.iter().find(|(of, _)| *of == found).map(|(_, scale)| *scale);
        match channel.value(device) {
            Ok(value) => to.reading(format_args!("{found}"), channel.unit, value * scale.unwrap_or(1.0)),
            Err(why) => to.invalid(&found, why),
        }
    }
}

#[cfg(test)]
mod tests;

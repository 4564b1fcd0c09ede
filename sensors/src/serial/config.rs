//! The table of a serial source.

use super::Serial;
use crate::serial_port::{LineSettings, PortName};
use crate::topic::TopicTemplate;
use crate::{DecodeConfig, FoundDevice, Source, SourceContext, SourceKind, sysfs};
use headwater_settings::{Pairs, Table};
use std::path::Path;

pub(crate) const KIND: SourceKind = SourceKind {
    name: "serial",
    read,
    find: Some(find),
    discover: None,
    sample: include_str!("sample.toml"),
};

fn read(table: &mut Table<'_>, context: &SourceContext, labels: &Pairs) -> Option<Box<dyn Source>> {
    let device = read_device(table);
    let line = LineSettings::read(table);
    let topic = TopicTemplate::literal(&context.source);
    let decode = DecodeConfig::read(table, labels, Some(vec![topic]));
    Some(Box::new(Serial { device: device?, line: line?, decode: decode?, context: context.clone() }))
}

/// `None`: there were mistakes.
fn read_device(table: &mut Table<'_>) -> Option<PortName> {
    let fix =
        "write the device: `device = \"/dev/serial/by-id/usb-…\"`, or a pattern such as \"/dev/ttyUSB*\"";
    let Some(device) = table.string("device") else {
        table.missing("device", fix);
        return None;
    };
    let port = PortName::new(&device.value);
    if port.is_none() {
        table.refuse(device.span, format!("`device` cannot be `{}`", device.value), fix);
    }
    port
}

/// Ports that have a name of their own, whichever order they are plugged in.
fn find(root: &Path) -> Vec<FoundDevice> {
    let ports = sysfs::entries(&root.join("dev/serial/by-id"), "");
    let ports =
        ports.iter().map(|port| sysfs::name(port)).filter(|name| !name.contains(['"', '\\', '[', '*', '?']));
    let found = |name: &str| FoundDevice {
        name: "serial".to_owned(),
        what: format!("the serial port {name}: lines, or Modbus, which is a type of its own"),
        table: format!("type = \"serial\"\ndevice = \"/dev/serial/by-id/{name}\"\nbaud = 9600\n"),
        is_example: false,
    };
    ports.map(found).collect()
}

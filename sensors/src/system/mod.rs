//! `type = "system"`: how the machine stands, by the kernel's own files.
//!
//! What a machine does not have gives no series. The names are those of the kernel: see `README.md`.

mod board;
mod kernel;

use crate::polled::{PollError, PolledConfig, PolledDevice, PolledReadings, PolledSource};
use crate::{FoundDevice, Source, SourceContext, SourceKind, sysfs};
use headwater_settings::{Or, Pairs, Table};
use kernel::Kernel;
use std::path::{Path, PathBuf};

pub(crate) const KIND: SourceKind = SourceKind {
    name: "system",
    read,
    find: Some(find),
    discover: None,
    sample: include_str!("sample.toml"),
};

/// The default of `interval`, and the least (ms).
const INTERVAL_MS: (i64, i64) = (10_000, 100);

/// What is looked at.
#[derive(Clone)]
struct Machine {
    /// Where `proc` and `sys` are.
    root: PathBuf,
    /// Folders whose disks are looked at, beneath `root`.
    disks: Vec<String>,
    kernel: Kernel,
}

fn read(table: &mut Table<'_>, context: &SourceContext, labels: &Pairs) -> Option<Box<dyn Source>> {
    let config = PolledConfig::read(table, context, labels, INTERVAL_MS);
    let root = table.path_to("root").value_or(PathBuf::from("/"));
    let disks = read_disks(table)?;
    let machine = Machine { root, disks, kernel: Kernel::default() };
    let device = move || machine.clone();
    Some(Box::new(PolledSource::new_remote(config?, device)))
}

/// `None`: there were mistakes.
fn read_disks(table: &mut Table<'_>) -> Option<Vec<String>> {
    let Some(disks) = table.strings("disks") else {
        return Some(vec!["/".to_owned()]).filter(|_| !table.has("disks"));
    };
    if let Some(disk) = disks.value.iter().find(|disk| !disk.value.starts_with('/')) {
        table.refuse(
            disk.span.clone(),
            format!("`{}` is no folder", disk.value),
            "write the whole path of a folder on the disk, such as \"/\" or \"/var\"",
        );
        return None;
    }
    Some(disks.value.into_iter().map(|disk| disk.value).collect())
}

fn find(root: &Path) -> Vec<FoundDevice> {
    let zones = sysfs::entries(&root.join("sys/class/thermal"), "thermal_zone");
    let zones: Vec<String> = zones.iter().filter_map(|zone| sysfs::text(&zone.join("type")).ok()).collect();
    if !root.join("proc/meminfo").exists() {
        return Vec::new();
    }
    let what = match zones.as_slice() {
        [] => "load, memory, disk and network of this machine".to_owned(),
        zones => {
            format!("load, memory, disk, network and temperature ({}) of this machine", zones.join(", "))
        }
    };
    let table = "type = \"system\"\n".to_owned();
    vec![FoundDevice { name: "board".to_owned(), what, table, is_example: false }]
}

impl PolledDevice for Machine {
    fn look(&mut self, to: &mut PolledReadings) -> Result<(), PollError> {
        self.kernel.look(&self.root.join("proc"), to);
        board::look(&self.root.join("sys"), to);
        self.disks.iter().for_each(|disk| kernel::look_at_disk(&self.root, disk, to));
        let root = self.root.display();
        match self.root.join("proc/stat").exists() {
            true => Ok(()),
            false if self.root.exists() => {
                Err(PollError::Failed(format!("{root} has no proc/stat: is it the root of a machine?")))
            }
            false => Err(PollError::Absent(format!("{root} is not there; it is read as soon as it is"))),
        }
    }
}

#[cfg(test)]
mod tests;

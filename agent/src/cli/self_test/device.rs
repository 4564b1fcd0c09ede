//! Buses and ports of this machine, and whether this user may use them. Nothing is opened: opening a serial port
//! resets many a board behind it.

use super::Finding;
use std::fs::{self, Metadata};
use std::os::unix::fs::MetadataExt;

/// Beginnings of names in `/dev`, and the drop-in of the service that opens them.
const KINDS: [(&str, &str); 6] = [
    ("i2c-", "i2c.conf"),
    ("gpiochip", "gpio.conf"),
    ("ttyUSB", "serial.conf"),
    ("ttyACM", "serial.conf"),
    ("ttyAMA", "serial.conf"),
    ("serial", "serial.conf"),
];

pub(super) fn look() -> Finding {
    let ids = Ids::own(&fs::read_to_string("/proc/self/status").unwrap_or_default());
    let mut names: Vec<String> = fs::read_dir("/dev")
        .into_iter()
        .flatten()
        .flatten()
        .filter_map(|it| it.file_name().into_string().ok())
        .collect();
    names.sort();
    let (mut open, mut shut) = (Vec::new(), Vec::new());
    for name in names {
        let Some((_, drop_in)) = KINDS.iter().find(|(start, _)| has_number(&name, start)) else { continue };
        let Ok(metadata) = fs::metadata(format!("/dev/{name}")) else { continue };
        if ids.may_use(&metadata) {
            open.push(format!("/dev/{name}"));
        } else {
            shut.push(format!("/dev/{name} (drop-in {drop_in})"));
        }
    }
    match (open.as_slice(), shut.as_slice()) {
        ([], []) => Finding::Good("no bus or serial port here".into()),
        (open, []) => Finding::Good(format!("may use {}", open.join(", "))),
        ([], shut) => Finding::Note(format!("may not use {}", shut.join(", "))),
        (open, shut) => {
            Finding::Note(format!("may use {}; may not use {}", open.join(", "), shut.join(", ")))
        }
    }
}

/// Whether the name is `start` and a number.
fn has_number(name: &str, start: &str) -> bool {
    let rest = name.strip_prefix(start).unwrap_or_default();
    rest.starts_with(|c: char| c.is_ascii_digit())
}

/// Who this process is.
struct Ids {
    user: Option<u32>,
    groups: Vec<u32>,
}

impl Ids {
    /// From `/proc/self/status`: the effective user, the effective and the further groups.
    fn own(status: &str) -> Self {
        let numbers = |key: &str| {
            let line = status.lines().find_map(|line| line.strip_prefix(key)).unwrap_or_default();
            line.split_whitespace().filter_map(|word| word.parse().ok()).collect::<Vec<u32>>()
        };
        let mut groups = numbers("Groups:");
        groups.extend(numbers("Gid:").get(1));
        Self { user: numbers("Uid:").get(1).copied(), groups }
    }

    fn may_use(&self, device: &Metadata) -> bool {
        let both = |shift: u32| device.mode() >> shift & 0o6 == 0o6;
        let owned = self.user == Some(device.uid());
        let shared = self.groups.contains(&device.gid());
        self.user == Some(0)
            || if owned {
                both(6)
            } else if shared {
                both(3)
            } else {
                both(0)
            }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn who_may_use_what_is_as_the_kernel_would_say() {
        let status = "Name:\tx\nUid:\t1000\t1001\t1000\t1000\nGid:\t5\t6\t5\t5\nGroups:\t20 44 \n";
        let ids = Ids::own(status);
        assert_eq!((ids.user, ids.groups.as_slice()), (Some(1001), [20, 44, 6].as_slice()));
        assert!(ids.may_use(&fs::metadata("/dev/null").unwrap()), "everybody may");
        let mem = fs::metadata("/proc/self/mem").unwrap();
        assert!(!Ids { user: Some(mem.uid().wrapping_add(1)), groups: vec![] }.may_use(&mem));
        assert!(Ids { user: Some(0), groups: vec![] }.may_use(&mem));
        assert!(has_number("i2c-1", "i2c-") && !has_number("i2c-x", "i2c-") && !has_number("null", "i2c-"));
    }
}

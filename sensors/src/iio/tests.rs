//! Devices with the layout of the kernel's documentation.

use super::{device_name, find};
use crate::Finding;
use crate::testing::{Folder, Run, Told, run_local, source};
use std::path::{Path, PathBuf};

fn device(folder: &Folder, number: u32, place: &str, files: &[(&str, &str)]) -> PathBuf {
    let real = folder.join(&format!("sys/devices/platform/i2c-1/{place}/iio:device{number}"));
    std::fs::create_dir_all(&real).unwrap();
    for (name, text) in files {
        std::fs::write(real.join(name), format!("{text}\n")).unwrap();
    }
    let devices = folder.join("sys/bus/iio/devices");
    std::fs::create_dir_all(&devices).unwrap();
    let link = devices.join(format!("iio:device{number}"));
    std::os::unix::fs::symlink(&real, &link).unwrap();
    link
}

/// A device is unplugged and comes back under another number, while another one takes its old one.
#[test]
fn a_device_keeps_its_name_whatever_its_number() {
    run_local(async {
        let (folder, told) = (Folder::new(), Told::default());
        let table = format!("type = \"iio\"\ninterval = \"10ms\"\nroot = \"{}\"\n", folder.0.display());
        let Some(Finding::Note(what)) = source(&table).probe().await else { panic!("there is none") };
        assert!(what.contains("dtoverlay=i2c-sensor"), "{what}");
        let run = Run::start(&table, &told);
        told.until_link("no device").await;
        let first = device(&folder, 0, "1-0076", &[("name", "bme280"), ("in_temp_input", "21500")]);
        told.until("a reading", |seen| !seen.readings.is_empty()).await;
        std::fs::remove_file(&first).unwrap();
        told.until_link("no device").await;
        device(&folder, 2, "1-0076", &[("name", "bme280"), ("in_temp_input", "21500")]);
        device(&folder, 1, "1-0077", &[("name", "bme280"), ("in_temp_input", "-4000")]);
        let is_cold =
            |(name, _, value): &(String, Option<i64>, f64)| name.ends_with("1-0077/temp") && *value == -4.0;
        told.until("the other one", |seen| seen.readings.iter().any(is_cold)).await;
        run.stop().await;
        let seen = told.0.borrow();
        let of_first = seen.readings.iter().filter(|(name, ..)| name == "source/bme280@1-0076/temp");
        assert!(of_first.clone().count() > 0 && of_first.clone().all(|(.., value)| *value == 21.5));
    });
}

#[test]
fn a_label_names_a_device() {
    let folder = Folder::new();
    let named = device(&folder, 0, "1-0048", &[("name", "ads1115"), ("label", "battery")]);
    assert_eq!(device_name(&named), "battery");
    assert_eq!(device_name(Path::new("/nowhere/devices/iio:device7")), "iio:device7");
    let found = find(&folder.0);
    assert!(found.len() == 1 && found[0].what.ends_with(": battery"), "{found:?}");
}

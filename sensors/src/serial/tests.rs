//! Pseudo-terminals in the place of ports: the same calls, without wires.

use crate::Finding;
use crate::sml_telegram::tests::telegram;
use crate::testing::{Folder, Run, Told, port, run_local, source};
use rustix::termios::{ControlModes, tcgetattr};
use std::fs::File;
use std::io::Write as _;

fn table(folder: &Folder, more: &str) -> String {
    format!("type = \"serial\"\ndevice = \"{}/ttyUSB*\"\nformat = \"number\"\n{more}\n", folder.0.display())
}

#[test]
fn lines_of_a_port_are_read_whatever_ends_them_and_its_settings_are_made() {
    run_local(async {
        let (folder, told, (mut device, path)) = (Folder::new(), Told::default(), port());
        std::os::unix::fs::symlink(&path, folder.join("ttyUSB0")).unwrap();
        let keys = table(&folder, "baud = 115200\nparity = \"even\"\ndata_bits = 7\nstop_bits = 2");
        let Some(Finding::Works(what)) = source(&keys).probe().await else { panic!("it is there") };
        assert!(what.contains("it was not opened"), "{what}");
        let run = Run::start(&keys, &told);
        told.until_link("up").await;
        let settings = tcgetattr(File::open(&path).unwrap_or_else(|_| device.try_clone().unwrap())).unwrap();
        assert_eq!(settings.output_speed(), 115_200);
        let has = |modes| settings.control_modes.contains(modes);
        assert!(has(ControlModes::CSTOPB) && !has(ControlModes::PARODD));
        device.write_all(b"1\r\n2\r3\n\n4").unwrap();
        told.until_values(&[1.0, 2.0, 3.0]).await;
        device.write_all(b"5\n").unwrap();
        told.until_values(&[1.0, 2.0, 3.0, 45.0]).await;
        run.stop().await;
    });
}

#[test]
fn telegrams_of_bytes_are_cut_out_of_what_a_port_says() {
    run_local(async {
        let (folder, told, (mut device, path)) = (Folder::new(), Told::default(), port());
        std::os::unix::fs::symlink(&path, folder.join("ttyUSB0")).unwrap();
        let keys =
            format!("type = \"serial\"\ndevice = \"{}/ttyUSB0\"\nformat = \"sml\"", folder.0.display());
        let run = Run::start(&keys, &told);
        told.until_link("up").await;
        let telegram = telegram();
        let (begin, end) = telegram.split_at(100);
        device.write_all(&[end, begin].concat()).unwrap();
        device.write_all(&[end, b"\x1b\x1b", begin].concat()).unwrap();
        told.until_values(&[13_391_000.0, 0.0]).await;
        device.write_all(end).unwrap();
        told.until_values(&[13_391_000.0, 0.0, 13_391_000.0, 0.0]).await;
        run.stop().await;
        assert_eq!(told.0.borrow().invalid, [""; 0]);
    });
}

#[test]
fn a_device_comes_back_under_another_name() {
    run_local(async {
        let (folder, told) = (Folder::new(), Told::default());
        let keys = table(&folder, "");
        let Some(Finding::Note(_)) = source(&keys).probe().await else { panic!("it is not there") };
        let run = Run::start(&keys, &told);
        told.until_link("is not there").await;
        for (name, value) in [("ttyUSB0", "1"), ("ttyUSB1", "2")] {
            let (mut device, path) = port();
            std::os::unix::fs::symlink(&path, folder.join(name)).unwrap();
            told.until_link("up").await;
            device.write_all(format!("{value}\n9").as_bytes()).unwrap();
            told.until(value, |seen| seen.readings.last().is_some_and(|last| last.2.to_string() == value))
                .await;
            drop(device);
            std::fs::remove_file(folder.join(name)).unwrap();
            told.until("the loss", |seen| seen.links.last().is_some_and(|link| link != "up")).await;
        }
        run.stop().await;
        assert_eq!(told.values(), [1.0, 2.0], "what was cut off is no value");
    });
}

#[test]
fn what_is_no_port_is_told() {
    run_local(async {
        let (folder, told) = (Folder::new(), Told::default());
        std::fs::write(folder.join("ttyUSB0"), "1\n").unwrap();
        let run = Run::start(&table(&folder, ""), &told);
        told.until_link("Inappropriate ioctl").await;
        run.stop().await;
    });
}

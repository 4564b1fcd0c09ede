//! This machine, and what changes between two looks.

use super::kernel::Kernel;
use crate::polled::{PolledConfig, PolledReadings};
use crate::testing::{Folder, Run, Told, run_local, source};
use crate::{Finding, FoundDevice};
use std::path::Path;

#[test]
fn this_machine_has_load_memory_and_a_disk() {
    run_local(async {
        let told = Told::default();
        let table = "type = \"system\"\ninterval = \"100ms\"\nonly = [\"load/1m\", \"cpu/*\", \"memory/*\", \"disk/*\", \"uptime\"]\n";
        let Some(Finding::Works(what)) = source(table).probe().await else { panic!("it is a machine") };
        assert!(what.contains("load/1m "), "{what}");
        let run = Run::start(table, &told);
        told.until("the processors' use", |seen| {
            seen.readings
                .iter()
                .any(|(name, _, used)| name == "source/cpu/used" && (0.0..=100.0).contains(used))
        })
        .await;
        run.stop().await;
        let seen = told.0.borrow();
        for name in ["source/memory/used", "source/disk/used", "source/disk/free", "source/uptime"] {
            let of_it = seen.readings.iter().find(|(of, ..)| of == name).map(|(.., value)| *value);
            assert!(of_it.is_some_and(|value| value > 0.0), "{name}: {of_it:?}");
        }
    });
}

#[test]
fn the_processors_use_is_that_of_the_time_between_two_looks() {
    let folder = Folder::new();
    let config = PolledConfig::for_tests();
    let (mut kernel, mut readings) = (Kernel::default(), PolledReadings::new(config));
    for stat in ["cpu  100 0 100 700 100 0 0 0 0 0\n", "cpu  110 0 115 765 110 0 0 0 9 9\n"] {
        std::fs::write(folder.join("stat"), stat).unwrap();
        kernel.look(&folder.0, &mut readings);
    }
    // 100 ticks have passed, and the processors were idle in 75 of them.
    assert_eq!(readings.values(), [("cpu/used".to_owned(), 25.0)]);
}

#[test]
fn a_machine_that_is_none_and_a_disk_that_is_not_there_are_told_of() {
    run_local(async {
        let folder = Folder::new();
        let table = format!("type = \"system\"\nroot = \"{}\"\n", folder.0.display());
        let Some(Finding::Fails(what)) = source(&table).probe().await else { panic!("it is no machine") };
        assert!(what.contains("has no proc/stat"), "{what}");
        let table = "type = \"system\"\ndisks = [\"/nowhere\"]\n";
        let Some(Finding::Note(what)) = source(table).probe().await else { panic!("one disk is missing") };
        assert!(what.contains("/nowhere: No such file"), "{what}");
    });
}

#[test]
fn init_finds_the_board() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("src/system/cases/pi4/root");
    let [FoundDevice { name, what, table, is_example: false }] = &super::find(&root)[..] else {
        panic!("one board")
    };
    assert_eq!((name.as_str(), table.as_str()), ("board", "type = \"system\"\n"));
    assert!(what.contains("temperature (cpu-thermal)"), "{what}");
    assert!(super::find(Path::new("/nowhere")).is_empty());
}

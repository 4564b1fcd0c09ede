//! Files that are written, rotated, emptied and read, and sources that end in the middle of it.

use crate::Finding;
use crate::testing::{Folder, Run, Told, run_local, source};
use proptest::prelude::*;
use std::fs::{self, File, OpenOptions};
use std::io::Write as _;
use std::path::Path;

/// A source that looks often, and at everything in the folder that ends so.
fn table(folder: &Folder, pattern: &str, more: &str) -> String {
    format!("type = \"file\"\npath = \"{}/{pattern}\"\ninterval = \"10ms\"\n{more}\n", folder.0.display())
}

fn append(path: &Path, text: &str) {
    let mut file = OpenOptions::new().create(true).append(true).open(path).unwrap();
    file.write_all(text.as_bytes()).unwrap();
}

#[test]
fn a_file_is_read_as_it_grows_and_a_line_waits_for_its_end() {
    run_local(async {
        let (folder, told) = (Folder::new(), Told::default());
        let path = folder.join("m.log");
        let run = Run::start(&table(&folder, "m.log", "format = \"number\""), &told);
        told.until_link("no file").await;
        append(&path, "1\n2\n\n3");
        told.until_values(&[1.0, 2.0]).await;
        append(&path, "5\nx\n");
        told.until_values(&[1.0, 2.0, 35.0]).await;
        told.until("one that is no number", |seen| seen.invalid.len() == 1).await;
        assert!(told.0.borrow().origins[0].ends_with("m.log:5"), "{:?}", told.0.borrow().origins);
        assert_eq!(told.0.borrow().readings[0].0, "m");
        run.stop().await;
        append(&path, "6\n");
        let run = Run::start(&table(&folder, "m.log", "format = \"number\""), &told);
        told.until_values(&[1.0, 2.0, 35.0, 6.0]).await;
        run.stop().await;
    });
}

/// As logrotate does it: renamed and made anew; copied and emptied; and what the writer still writes to the old one.
#[test]
fn rotation_loses_nothing_and_repeats_nothing() {
    run_local(async {
        let (folder, told) = (Folder::new(), Told::default());
        let path = folder.join("m.log");
        append(&path, "1\n");
        let run = Run::start(&table(&folder, "m.log", "format = \"number\""), &told);
        told.until_values(&[1.0]).await;
        let mut old = OpenOptions::new().append(true).open(&path).unwrap();
        fs::rename(&path, folder.join("m.log.1")).unwrap();
        append(&path, "2\n");
        told.until_values(&[1.0, 2.0]).await;
        old.write_all(b"3\n").unwrap();
        told.until_values(&[1.0, 2.0, 3.0]).await;
        fs::copy(&path, folder.join("m.log.2")).unwrap();
        File::create(&path).unwrap();
        append(&path, "44\n55\n");
        told.until_values(&[1.0, 2.0, 3.0, 44.0, 55.0]).await;
        // Renamed while nobody looks: what it holds beyond the position is read from where it is now.
        run.kill().await;
        append(&path, "6\n");
        fs::rename(&path, folder.join("m.log.3")).unwrap();
        append(&path, "7\n");
        let run = Run::start(&table(&folder, "m.log", "format = \"number\""), &told);
        told.until("both", |seen| seen.readings.len() >= 7).await;
        let mut last = told.values().split_off(5);
        last.sort_by(f64::total_cmp);
        assert_eq!(last, [6.0, 7.0]);
        run.stop().await;
    });
}

/// As a script does it that keeps the last value in a file: what it writes is often as long as what was there.
#[test]
fn a_file_that_is_overwritten_by_as_much_is_read_again() {
    run_local(async {
        let (folder, told) = (Folder::new(), Told::default());
        let path = folder.join("value");
        append(&path, "21.5\n");
        let run = Run::start(&table(&folder, "value", "format = \"number\""), &told);
        let mut values = Vec::new();
        for value in [21.5, 21.7, 21.6] {
            fs::write(&path, format!("{value}\n")).unwrap();
            values.push(value);
            told.until_values(&values).await;
        }
        run.stop().await;
    });
}

#[test]
fn a_table_goes_on_with_its_header_and_each_file_has_its_own() {
    run_local(async {
        let (folder, told) = (Folder::new(), Told::default());
        append(&folder.join("a.csv"), "ts,x\n1,10\n");
        append(&folder.join("b.csv"), "x;ts\n20;2\n");
        let table = table(&folder, "*.csv", "format = \"csv\"\ntime = \"ts\"");
        let run = Run::start(&table, &told);
        told.until("two rows", |seen| seen.readings.len() == 2).await;
        run.kill().await;
        append(&folder.join("a.csv"), "3,30\n");
        append(&folder.join("b.csv"), "40;4\n");
        let run = Run::start(&table, &told);
        told.until("four rows", |seen| seen.readings.len() == 4).await;
        run.stop().await;
        let mut readings = told.0.borrow().readings.clone();
        readings.sort_by_key(|(_, time, _)| *time);
        let row = |name: &str, time, value| (name.to_owned(), Some(time), value);
        let expected = [row("a/x", 1, 10.0), row("b/x", 2, 20.0), row("a/x", 3, 30.0), row("b/x", 4, 40.0)];
        assert_eq!(readings, expected);
    });
}

#[test]
fn without_follow_it_reads_to_the_end_and_the_last_line_needs_no_end() {
    run_local(async {
        let (folder, told) = (Folder::new(), Told::default());
        for number in 0..300 {
            append(&folder.join(&format!("{number}.log")), "1\n2");
        }
        let table = table(&folder, "*.log", "format = \"number\"\nfollow = false\nseries = \"x\"");
        for _ in 0..2 {
            let run = Run::start(&table, &told);
            told.until_link("ended").await;
            run.stop().await;
            assert_eq!(told.values().iter().sum::<f64>(), 900.0, "a second run finds nothing new");
            told.0.borrow_mut().links.clear();
        }
    });
}

#[test]
fn what_cannot_be_read_is_said_with_the_way_out() {
    run_local(async {
        let (folder, told) = (Folder::new(), Told::default());
        let path = folder.join("m");
        fs::create_dir(&path).unwrap();
        let keys = table(&folder, "m", "format = \"number\"");
        let run = Run::start(&keys, &told);
        told.until_link("is a folder; write").await;
        let Some(Finding::Fails(why)) = source(&keys).probe().await else { panic!("a folder") };
        assert!(why.contains("is a folder"), "{why}");
        fs::remove_dir(&path).unwrap();
        told.until_link("no file").await;
        append(&path, "7\n");
        told.until_values(&[7.0]).await;
        told.until_link("up").await;
        fs::remove_file(&path).unwrap();
        told.until_link("no file").await;
        append(&path, "8\n");
        told.until_values(&[7.0, 8.0]).await;
        let Some(Finding::Works(what)) = source(&keys).probe().await else { panic!("a file") };
        assert!(what.starts_with("1 files, 1 KiB"), "{what}");
        run.stop().await;
    });
}

#[test]
fn compressed_files_and_lines_too_long_are_passed_over() {
    run_local(async {
        let (folder, told) = (Folder::new(), Told::default());
        fs::write(folder.join("a.gz"), b"\x1f\x8b\x08\0\0\n1\n").unwrap();
        append(&folder.join("b"), &format!("1\n{}\n2\n", "x".repeat(300_000)));
        let run = Run::start(&table(&folder, "*", "format = \"number\""), &told);
        told.until_values(&[1.0, 2.0]).await;
        assert!(told.0.borrow().invalid[0].contains("longer than `payload`"));
        run.stop().await;
    });
}

#[derive(Clone, Debug)]
enum Deed {
    /// Lines are written, perhaps not to the end of the last one.
    Write(u8, bool),
    Rotate,
    /// The source has time to read.
    Look,
    /// A checkpoint is durable.
    Save,
    /// The process ends; what the journal holds is there still.
    Kill,
    /// The power goes: what came since the checkpoint is forgotten, readings and positions alike.
    Cut,
}

fn deeds() -> impl Strategy<Value = Vec<Deed>> {
    let deed = prop_oneof![
        6 => (1..20_u8, any::<bool>()).prop_map(|(lines, is_whole)| Deed::Write(lines, is_whole)),
        2 => Just(Deed::Rotate),
        4 => Just(Deed::Look),
        2 => Just(Deed::Save),
        2 => Just(Deed::Kill),
        2 => Just(Deed::Cut),
    ];
    prop::collection::vec(deed, 1..24)
}

/// Whatever happens, each line that was written is used once.
async fn live(deeds: &[Deed]) {
    let (folder, told) = (Folder::new(), Told::default());
    // Nobody can know a file that had the name and lost it before the first look.
    let keys = table(&folder, "m.log*", "format = \"number\"");
    let path = folder.join("m.log");
    let mut saved = told.0.borrow().clone();
    let (mut run, mut next, mut rotated) = (Run::start(&keys, &told), 0_u32, 0);
    for deed in deeds {
        match deed {
            Deed::Write(lines, is_whole) => {
                let text: String = (0..*lines).map(|line| format!("{}\n", next + u32::from(line))).collect();
                let (first, rest) = text.split_at(if *is_whole { text.len() } else { text.len() / 2 });
                append(&path, first);
                tokio::task::yield_now().await;
                append(&path, rest);
                next += u32::from(*lines);
            }
            Deed::Rotate if path.exists() => {
                rotated += 1;
                fs::rename(&path, folder.join(&format!("m.log.{rotated}"))).unwrap();
            }
            Deed::Rotate => {}
            Deed::Look => tokio::time::sleep(std::time::Duration::from_millis(15)).await,
            Deed::Save => saved = told.0.borrow().clone(),
            Deed::Kill => {
                run.kill().await;
                run = Run::start(&keys, &told);
            }
            Deed::Cut => {
                run.kill().await;
                *told.0.borrow_mut() = saved.clone();
                run = Run::start(&keys, &told);
            }
        }
    }
    append(&path, &format!("{next}\n"));
    told.until("the last line", |seen| seen.readings.len() > next as usize).await;
    run.stop().await;
    let mut values = told.values();
    values.sort_by(f64::total_cmp);
    assert_eq!(values, (0..=next).map(f64::from).collect::<Vec<_>>());
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 12, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn no_crash_loses_or_repeats_a_line(deeds in deeds()) {
        run_local(live(&deeds));
    }
}

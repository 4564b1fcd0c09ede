//! What people's devices really send: every folder of `tests/cases` is a test of its own, named as the folder with `_` for
//! what no name may have.
//!
//! `config.toml` and `input.jsonl` or `input.csv` give, by `replay`, the messages in `expected.jsonl` and the words in
//! `expected.txt`. A case without an input is one for `check`. To write what comes out as the expectation of a new case, run
//! the tests with `HEADWATER_BLESS=1`, and read it before it is committed.

use headwater_tests::TempDir;
use headwater_tests::agent::run;
use headwater_tests::tree::root;
use std::path::{Path, PathBuf};

fn check(name: &str) {
    let case = folders().into_iter().find(|folder| test_name(folder) == name).unwrap();
    let dir = TempDir::new();
    let copy = |file: &str| std::fs::copy(case.join(file), dir.join(file));
    copy("config.toml").unwrap();
    let input = ["input.jsonl", "input.csv"].into_iter().find(|input| copy(input).is_ok());
    let arguments = match input {
        Some(input) => vec!["replay", "--config", "config.toml", input],
        None => vec!["check", "--config", "config.toml"],
    };
    let output = run(&dir, &arguments);
    assert_eq!(output.status.success(), input.is_some(), "a case for `check` has a mistake in it");
    for (file, got) in [("expected.jsonl", output.stdout), ("expected.txt", output.stderr)] {
        let (file, got) = (case.join(file), String::from_utf8(got).unwrap());
        if std::env::var_os("HEADWATER_BLESS").is_some() {
            if got.is_empty() {
                drop(std::fs::remove_file(&file))
            } else {
                std::fs::write(&file, &got).unwrap()
            }
        }
        let expected = std::fs::read_to_string(&file).unwrap_or_default();
        assert!(got == expected, "{}:\n--- expected\n{expected}--- got\n{got}", file.display());
    }
}

fn folders() -> Vec<PathBuf> {
    let entries = std::fs::read_dir(root().join("tests/cases")).unwrap();
    entries.map(|entry| entry.unwrap().path()).filter(|path| path.is_dir()).collect()
}

fn test_name(folder: &Path) -> String {
    folder.file_name().unwrap().to_string_lossy().replace('-', "_")
}

/// A test for each folder.
macro_rules! cases {
    ($($name:ident)+) => {
        $(#[test] fn $name() { check(stringify!($name)); })+

        #[test]
        fn every_folder_is_a_test() {
            let mut folders: Vec<String> = folders().iter().map(|folder| test_name(folder)).collect();
            folders.sort();
            assert_eq!(folders, [$(stringify!($name)),+]);
        }
    };
}

cases! {
    a_sensor_that_never_came
    almost_json
    bare_words_beside_json
    counters_that_dip
    counters_that_wrap
    decimal_commas_in_tables
    devices_on_one_topic
    every_number_in_quotes
    growth_between_windows
    integers_beyond_floats
    keys_that_are_names
    labels_from_the_payload
    latency_above_the_keep_alive
    layouts_of_times
    lists_of_records
    local_times_without_a_zone
    numbers_in_quotes
    one_reading_of_a_list
    other_words
    percentiles_of_few_values
    places_that_nobody_fills
    places_that_some_fill
    quality_flags
    recordings_of_mosquitto_sub
    series_that_nobody_selects
    sessions_that_become_one
    several_texts_in_one_message
    shifts_in_local_time
    stars_in_fields
    switches_in_json
    the_end_of_a_recording
    times_of_smart_meters
    times_that_are_sometimes_there
    topics_to_leave_out
    units_and_commas
    values_of_mixed_kinds
    values_that_are_away
}

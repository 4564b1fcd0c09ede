//! `headwater merge` over files of messages, as somebody at a desk uses it.

use headwater_tests::TempDir;
use headwater_tests::agent::run;
use std::path::Path;
use std::process::Output;

fn merge(arguments: &[&str]) -> Output {
    run(&TempDir::new(), &[&["merge"], arguments].concat())
}

fn vectors(name: &str) -> String {
    let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/../forwarder/fleet/vectors");
    Path::new(folder).join(name).to_string_lossy().into_owned()
}

/// What an archive holds is merged as it is, and the command says what it leaves out.
#[test]
fn compressed_files_are_merged_like_plain_ones() {
    let dir = TempDir::new();
    let plain = std::fs::read(vectors("summaries.jsonl")).expect("the vectors");
    let mut gzip = std::process::Command::new("gzip");
    let archive = dir.write("messages.jsonl", &plain);
    assert!(gzip.arg(&archive).status().expect("gzip").success());
    let archive = format!("{}.gz", archive.display());
    let merged = merge(&["--by", "site", "--sketch", &archive]);
    let expected = std::fs::read_to_string(vectors("results.jsonl")).expect("the vectors");
    assert_eq!(String::from_utf8_lossy(&merged.stdout), expected);
    assert!(String::from_utf8_lossy(&merged.stderr).contains("1 messages are left out (version)"));
    assert_eq!(merged.status.code(), Some(0));
}

#[test]
fn nothing_to_merge_is_a_failure_that_says_why() {
    let all = std::fs::read_to_string(vectors("summaries.jsonl")).expect("the vectors");
    let minutes = all.lines().next().expect("a summary of a minute");
    let dir = TempDir::new();
    let file = dir.write("minute.jsonl", minutes.as_bytes());
    let merged = merge(&["--every", "5s", &file.display().to_string()]);
    assert_eq!(merged.status.code(), Some(1));
    let said = String::from_utf8_lossy(&merged.stderr).into_owned();
    assert!(
        said.contains("fits into no window of 5000 ms") && said.contains("`--every` has to be"),
        "{said}"
    );
    assert_eq!(merge(&["--every", "no", "-"]).status.code(), Some(2));
    assert_eq!(merge(&["nowhere.jsonl"]).status.code(), Some(1));
}

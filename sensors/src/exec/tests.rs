//! Programs that print, end, fork, hang and say nothing.

use crate::Finding;
use crate::testing::{Folder, Run, Told, run_local, source};
use std::fs;
use std::time::Duration;
use tokio::time::sleep;

fn table(script: &str, more: &str) -> String {
    format!("type = \"exec\"\ncommand = [\"/bin/sh\", \"-c\", '''{script}''']\nformat = \"number\"\n{more}\n")
}

/// Whether a process with this argument runs.
fn runs(argument: &str) -> bool {
    fs::read_dir("/proc").unwrap().flatten().any(|entry| {
        let words = fs::read(entry.path().join("cmdline")).unwrap_or_default();
        words.split(|byte| *byte == 0).any(|word| word == argument.as_bytes())
    })
}

async fn until_gone(argument: &str) {
    for _ in 0..4_000 {
        if !runs(argument) {
            return;
        }
        sleep(Duration::from_millis(10)).await;
    }
    panic!("{argument} runs still");
}

#[test]
fn a_program_runs_at_every_interval_and_its_failure_is_told() {
    run_local(async {
        let (folder, told) = (Folder::new(), Told::default());
        let path = folder.join("value");
        let script = format!("cat {}", path.display());
        let run = Run::start(&table(&script, "interval = \"100ms\""), &told);
        told.until_link("exit status: 1: cat: ").await;
        fs::write(&path, "7\n8").unwrap();
        told.until_link("up").await;
        told.until("two runs", |seen| seen.readings.len() >= 4).await;
        run.stop().await;
        assert_eq!(told.values()[..4], [7.0, 8.0, 7.0, 8.0]);
        assert_eq!(told.0.borrow().links.len(), 2, "a state is told once: {:?}", told.0.borrow().links);
    });
}

#[test]
fn an_output_can_be_one_payload() {
    run_local(async {
        let told = Told::default();
        let keys = "interval = \"100ms\"\nframing = \"output\"\nenvironment = { NAME = \"t\" }";
        let table = table("printf '{\"%s\":\\n 1,\\n \"u\": 2}' $NAME", keys);
        let run = Run::start(&table.replace("\"number\"", "\"json\""), &told);
        told.until("both", |seen| seen.readings.len() >= 2).await;
        run.stop().await;
        let seen = told.0.borrow();
        assert_eq!((seen.readings[0].0.as_str(), seen.readings[1].0.as_str()), ("source/t", "source/u"));
        assert_eq!(seen.invalid, [""; 0]);
    });
}

#[test]
fn a_program_that_ends_is_started_again_and_what_it_forked_ends_with_it() {
    run_local(async {
        let told = Told::default();
        let run = Run::start(&table("sleep 4711.1 & echo 1; exit 3", ""), &told);
        told.until("two lives", |seen| seen.readings.len() >= 2).await;
        told.until_link("exit status: 3").await;
        run.stop().await;
        until_gone("4711.1").await;
    });
}

/// A program that prints its number and ends is no fault, with an interval and without.
#[test]
fn a_program_that_ends_well_is_up_and_one_that_says_nothing_is_not() {
    run_local(async {
        for keys in ["", "interval = \"100ms\""] {
            let told = Told::default();
            let run = Run::start(&table("echo 1", keys), &told);
            told.until("three runs", |seen| seen.readings.len() >= 3).await;
            run.stop().await;
            assert_eq!(told.0.borrow().links, ["up"], "it is told once");
        }
        let told = Told::default();
        let run = Run::start(&table("true", ""), &told);
        told.until_link("printed nothing").await;
        run.stop().await;
    });
}

#[test]
fn a_program_that_ignores_every_word_is_ended_with_its_group() {
    run_local(async {
        let told = Told::default();
        let script = "trap '' TERM; echo 1; sleep 4712.1 & while :; do sleep 4712.2; done";
        let run = Run::start(&table(script, ""), &told);
        told.until_values(&[1.0]).await;
        told.until_link("up").await;
        run.stop().await;
        until_gone("4712.1").await;
        until_gone("4712.2").await;
        let run = Run::start(&table("sleep 4713.1", "interval = \"10s\"\ntimeout = \"100ms\""), &told);
        told.until_link("longer than `timeout`").await;
        until_gone("4713.1").await;
        run.kill().await;
    });
}

/// A line without an end is counted once, whatever it takes, and memory is bounded.
#[test]
fn a_program_that_never_ends_its_line_is_counted() {
    run_local(async {
        let told = Told::default();
        let run = Run::start(&table("cat /dev/zero | tr '\\0' x", ""), &told);
        told.until("the line", |seen| !seen.invalid.is_empty()).await;
        sleep(Duration::from_millis(50)).await;
        run.stop().await;
        assert_eq!(told.0.borrow().invalid.len(), 1);
    });
}

#[test]
fn a_program_that_is_not_there_is_told_with_the_way_out() {
    run_local(async {
        let told = Told::default();
        let table = "type = \"exec\"\ncommand = [\"no-such-program\"]\n";
        let Some(Finding::Fails(why)) = source(table).probe().await else { panic!("it is not there") };
        assert!(why.contains("write its whole path"), "{why}");
        let run = Run::start(table, &told);
        told.until_link("cannot run no-such-program").await;
        run.stop().await;
        let there = source(&self::table("true", "")).probe().await;
        assert!(matches!(there, Some(Finding::Works(_))), "{there:?}");
    });
}

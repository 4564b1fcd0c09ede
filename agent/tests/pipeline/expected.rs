//! Series that the config expects: `missing` knows those that have never come.

use super::*;
use headwater_kernel::time::AgentTime;

const STREAM: &str = "[streams.x]\nwindow = { type = \"none\" }\nexpect = [\"mis/tank\", \"bed*/temp\"]\n\
                      [[streams.x.detectors]]\ntype = \"missing\"\nafter = \"4s\"\n";

/// Lets the time pass to the second, and says of each alert: series, state, second, reason.
fn until(pipeline: &mut Pipeline, second: i64) -> Vec<(String, String, i64, String)> {
    pipeline.on_tick(at(START + second * 1_000));
    let alerts = drained(pipeline).into_iter().filter(|message| message.text("kind") == "alert");
    let time = |alert: &Wire| (alert.number("time").unwrap() as i64 - START) / 1_000;
    let text = |alert: &Wire, key: &str| alert.text(key).to_owned();
    alerts
        .map(|alert| (text(&alert, "series"), text(&alert, "state"), time(&alert), text(&alert, "reason")))
        .collect()
}

fn told(series: &str, state: &str, second: i64, reason: &str) -> (String, String, i64, String) {
    (series.to_owned(), state.to_owned(), second, reason.to_owned())
}

fn read(pipeline: &mut Pipeline, series: &str, second: i64, taken: TakenAt) {
    let labels = [("zone".to_owned(), "north".to_owned())];
    let series = pipeline.introduce(0, series, &labels).unwrap();
    pipeline.on_reading(series, taken, 21.5, at(START + second * 1_000));
}

#[test]
fn what_never_came_is_missed_and_its_first_reading_clears_the_alert() {
    let mut pipeline = pipeline(STREAM, 10);
    pipeline.resume(at(START), false);
    assert_eq!(until(&mut pipeline, 3), []);
    let never = "no reading has come yet: nothing for 4s";
    let raised = until(&mut pipeline, 4);
    assert_eq!(raised, [told("mis/tank", "raised", 4, never), told("bed*/temp", "raised", 4, never)]);
    // A device whose clock is behind is heard, too.
    read(&mut pipeline, "mis/tank", 9, TakenAt::Event(START + 2_000));
    let came = "21.5 has come, after 2s without a reading";
    assert_eq!(
        until(&mut pipeline, 9).first().map(|(series, state, _, reason)| (&**series, &**state, &**reason)),
        Some(("mis/tank", "cleared", came))
    );
    // Any series ends the wait of a glob, and each is missed by itself from then on.
    read(&mut pipeline, "bed2/temp", 10, TakenAt::Arrival);
    let came = "21.5 has come, after 10s without a reading";
    assert_eq!(until(&mut pipeline, 10), [told("bed*/temp", "cleared", 10, came)]);
    read(&mut pipeline, "bed1/temp", 12, TakenAt::Arrival);
    let again = until(&mut pipeline, 20);
    let series: Vec<&str> = again.iter().map(|(series, ..)| series.as_str()).collect();
    assert_eq!(series, ["mis/tank", "bed2/temp", "bed1/temp"]);
    assert!(
        again
            .iter()
            .all(|(_, state, _, reason)| state == "raised" && reason.contains("21.5 is the last reading"))
    );
    assert!(pipeline.totals().balances());
}

#[test]
fn a_restart_neither_raises_again_nor_forgets() {
    let mut first = pipeline(STREAM, 10);
    first.resume(at(START), false);
    assert_eq!(until(&mut first, 5).len(), 2);
    read(&mut first, "bed1/temp", 6, TakenAt::Arrival);
    assert_eq!(until(&mut first, 6).len(), 1);
    let mut body = Vec::new();
    first.save(at(START + 6_000), &mut body);
    let mut second = pipeline(STREAM, 10);
    second.restore_since(AgentTime(START + 60_000), &mut StateReader::new(&body)).unwrap();
    second.resume(at(START + 60_000), false);
    let again = until(&mut second, 70);
    assert_eq!(again.iter().map(|(series, ..)| series.as_str()).collect::<Vec<_>>(), ["bed1/temp"]);
    read(&mut second, "mis/tank", 71, TakenAt::Arrival);
    let cleared = until(&mut second, 71);
    assert_eq!(cleared, [told("mis/tank", "cleared", 71, "21.5 has come, after 1m11s without a reading")]);
}

/// Nothing is missing while nothing could come.
#[test]
fn a_source_that_is_down_is_no_silence() {
    let mut pipeline = pipeline(STREAM, 10);
    pipeline.resume(at(START), false);
    pipeline.on_link(0, false, at(START));
    assert_eq!(until(&mut pipeline, 60), []);
    pipeline.on_link(0, true, at(START + 60_000));
    assert_eq!(until(&mut pipeline, 63), []);
    assert_eq!(until(&mut pipeline, 64).len(), 2);
}

/// A source that the stream does not select may come and go.
#[test]
fn another_source_that_comes_and_goes_hides_no_silence() {
    let text = format!("{SOURCE}{}", STREAM.replace("window", "from = [\"s\"]\nwindow"));
    let (config, document) = config::parse(Path::new("test.toml"), &text, |_| None);
    let config = config.unwrap_or_else(|| panic!("{}", document.render_all()));
    let source = |name: &str| SourceEntry { name: name.to_owned(), future_ms: 300_000, is_durable: false };
    let mut pipeline =
        Pipeline::new("a1", vec![source("s"), source("program")], config.streams, config.limits);
    pipeline.resume(at(START), false);
    let mut told = Vec::new();
    for second in 1..=10 {
        pipeline.on_link(1, second % 2 == 0, at(START + second * 1_000));
        told.extend(until(&mut pipeline, second));
    }
    assert_eq!(told.iter().map(|(_, state, at, _)| (&**state, *at)).collect::<Vec<_>>(), [("raised", 4); 2]);
}

//! Readings on the scale of their series' past.

use super::*;
use headwater_pipeline::unit;

const STREAMS: &str = "[streams.scaled]\nwindow = { type = \"tumbling\", size = \"10s\" }\naggregates = [\"count\", \"mean\"]\n\
                       lateness = \"0s\"\nnormalise = \"zscore\"\nnormalise_over = \"5m\"\n";

/// Two pumps with unlike levels, a reading a second, that move by ten of their own spreads from 200 on.
fn feed(pipeline: &mut Pipeline, seconds: std::ops::Range<i64>) -> Vec<Wire> {
    let mut said = Vec::new();
    for second in seconds {
        let now = at(START + second * 1_000);
        pipeline.on_tick(now);
        for (name, level, spread) in [("p1", 20.0, 0.5), ("p2", -900.0, 40.0)] {
            let labels = unit::with_unit(&[], Some("Cel".to_owned())).into_owned();
            let series = pipeline.introduce(0, name, &labels).unwrap();
            let side = if second % 2 == 0 { 1.0 } else { -1.0 };
            let moved = if second >= 200 { 10.0 } else { 0.0 };
            let value = level + spread * (side + moved);
            pipeline.on_reading(series, TakenAt::Event(START + second * 1_000), value, now);
        }
        said.extend(drained(pipeline));
    }
    said
}

#[test]
fn devices_of_unlike_levels_say_the_same_without_a_unit_and_the_first_readings_are_accounted_for() {
    let mut pipeline = pipeline(STREAMS, 10);
    let said = feed(&mut pipeline, 0..241);
    let totals = pipeline.totals();
    assert_eq!(totals.filtered, 2 * 30, "they only teach");
    assert!(totals.balances());
    let means = |series: &str| -> Vec<f64> {
        let own = said.iter().filter(|message| message.text("series") == series);
        own.map(|message| serde_json::to_value(message).unwrap()["mean"].as_f64().unwrap()).collect()
    };
    let (first, second) = (means("p1"), means("p2"));
    assert_eq!(first.len(), 21, "from 30 to 240");
    assert!(first.iter().zip(&second).all(|(a, b)| (a - b).abs() < 1e-6), "{first:?} {second:?}");
    assert!(first[..17].iter().all(|mean| mean.abs() < 0.1), "{first:?}");
    assert!(first[17] > 5.0, "the pumps have moved: {first:?}");
    let json = serde_json::to_string(&said).unwrap();
    assert!(!json.contains("Cel"), "what has no unit names none");
}

#[test]
fn a_restart_at_any_point_changes_nothing() {
    let whole = feed(&mut pipeline(STREAMS, 10), 0..241);
    for cut in [1, 29, 31, 100, 199, 205] {
        let mut first = pipeline(STREAMS, 10);
        let mut said = feed(&mut first, 0..cut);
        let mut state = Vec::new();
        first.save(at(START), &mut state);
        check_cut(STREAMS, &state[..state.len() / 2]);
        let mut second = pipeline(STREAMS, 10);
        assert_eq!(second.restore(&mut StateReader::new(&state)), Ok(0));
        second.resume(at(START + cut * 1_000), false);
        said.extend(feed(&mut second, cut..241));
        assert_eq!(said, whole, "cut at {cut}");
    }
}

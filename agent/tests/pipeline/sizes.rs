//! What a checkpoint takes: bytes for each series, and the time to take it and to go on from it.

use super::*;

const SERIES: usize = 1_000;

/// A pipeline of many series with a percentile and a detector each, an hour into their windows.
fn filled() -> Pipeline {
    let mut pipeline = pipeline(STREAMS, SERIES);
    let mut random = fastrand::Rng::with_seed(1);
    for n in 0..SERIES {
        let labels = [("room".to_owned(), format!("r{}", n % 40))];
        let series = pipeline.introduce(0, &format!("bench/{}/f{}", n / 10, n % 10), &labels).unwrap();
        for step in 0..60 {
            let value = (1_500.0 + 1_000.0 * random.f64()).round() / 100.0;
            pipeline.on_reading(
                series,
                TakenAt::Event(START + step * 1_000),
                value,
                at(START + step * 1_000),
            );
        }
    }
    pipeline
}

const STREAMS: &str = "[streams.a]\nwindow = { type = \"tumbling\", size = \"1h\" }\n\
    aggregates = [\"count\", \"min\", \"max\", \"mean\", \"p95\"]\n\
    [[streams.a.detectors]]\ntype = \"zscore\"\nfor = \"2s\"\n";

#[test]
fn a_checkpoint_stays_small() {
    let full = filled();
    let mut state = Vec::new();
    full.save(at(START), &mut state);
    let per_series = state.len() / SERIES;
    assert!(per_series <= 1_000, "{per_series} bytes a series");
}

/// After a restart every series finds its channel by a look into a table, however many there are. Run by hand, as below.
#[test]
#[ignore = "measures"]
fn what_introducing_series_after_a_restart_costs() {
    for series in [10_000, 40_000] {
        let name = |n: usize| format!("bench/{n}");
        let mut before = pipeline("[streams.a]\n", series);
        (0..series).for_each(|n| _ = before.introduce(0, &name(n), &[]));
        let mut state = Vec::new();
        before.save(at(START), &mut state);
        let mut after = pipeline("[streams.a]\n", series);
        after.restore(&mut StateReader::new(&state)).unwrap();
        let start = std::time::Instant::now();
        (0..series).for_each(|n| _ = after.introduce(0, &name(n), &[]));
        println!("{series} series introduced after a restart in {:?}", start.elapsed());
        assert_eq!(after.series_count(), series);
    }
}

/// Run by hand: `cargo test --release -p headwater --lib sizes -- --ignored --nocapture`.
#[test]
#[ignore = "measures"]
fn what_taking_and_going_on_costs() {
    let full = filled();
    let mut state = Vec::new();
    for round in 0..6 {
        let start = std::time::Instant::now();
        for _ in 0..20 {
            state.clear();
            full.save(at(START), &mut state);
        }
        let saved = start.elapsed() / 20;
        let start = std::time::Instant::now();
        for _ in 0..20 {
            let mut next = pipeline(STREAMS, SERIES);
            assert_eq!(next.restore(&mut StateReader::new(&state)), Ok(0));
        }
        let restored = start.elapsed() / 20;
        println!("round {round}: {} bytes, saved in {saved:?}, restored in {restored:?}", state.len());
    }
}

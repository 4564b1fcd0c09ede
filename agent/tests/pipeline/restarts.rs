//! The pipeline over a restart: nothing is told twice with another content, and our own absence is nobody's silence.

use super::*;

/// A restart at any point of a stream leaves no trace in what comes after; a changed stream's windows are accounted for.
#[test]
fn a_restored_pipeline_goes_on_as_if_nothing_had_happened() {
    let streams = "[streams.a]\nwindow = { type = \"tumbling\", size = \"10s\" }\naggregates = [\"count\", \"mean\", \"p95\", \"last\", \"rate\", \"slope\"]\n\
        [[streams.a.detectors]]\ntype = \"threshold\"\nabove = 900.0\nfor = \"2s\"\n[streams.b]\nwindow = { type = \"session\", gap = \"3s\" }\n";
    let reading = |step: i64| (START + step * 700 + (step * 37 % 11) * 400, ((step * 7_919) % 1_000) as f64);
    let feed = |pipeline: &mut Pipeline, steps: std::ops::Range<i64>| {
        let series = pipeline.introduce(0, "t", &[("k".to_owned(), "v".to_owned())]).unwrap();
        let mut said = Vec::new();
        for step in steps {
            let (time, value) = reading(step);
            pipeline.on_reading(series, TakenAt::Event(time), value, at(START + step * 700));
            pipeline.on_tick(at(START + step * 700));
            said.extend(drained(pipeline));
        }
        said
    };
    let whole = feed(&mut pipeline(streams, 10), 0..200);
    assert!(whole.iter().any(|message| message.text("kind") == "alert"));
    for cut in [1, 13, 77, 150] {
        let mut before = pipeline(streams, 10);
        let mut said = feed(&mut before, 0..cut);
        let mut state = Vec::new();
        before.save(at(START), &mut state);
        let mut after = pipeline(streams, 10);
        assert_eq!(after.restore(&mut headwater_kernel::state::StateReader::new(&state)), Ok(0));
        assert_eq!(after.totals(), before.totals());
        after.resume(at(START + cut * 700), false);
        said.extend(feed(&mut after, cut..200));
        assert_eq!(said, whole, "cut at {cut}");
        for end in 0..state.len() {
            check_cut(streams, &state[..end]);
        }
        let mut changed = pipeline("[streams.a]\nwindow = { type = \"tumbling\", size = \"20s\" }\n", 10);
        let given_up = changed.restore(&mut headwater_kernel::state::StateReader::new(&state)).unwrap();
        assert_eq!(given_up, before.totals().in_windows);
        assert!(changed.totals().balances() && changed.totals().received == before.totals().received);
    }
}

#[test]
fn silence_is_judged_in_the_series_own_time_and_not_after_our_own_absence() {
    let streams = "[streams.a]\n[[streams.a.detectors]]\ntype = \"missing\"\nafter = \"10s\"\n";
    let alerts = |pipeline: &mut Pipeline, now: i64| {
        pipeline.on_tick(at(now));
        let messages = drained(pipeline);
        messages
            .into_iter()
            .filter(|message| message.text("kind") == "alert")
            .map(|m| m.text("state").to_owned())
            .collect::<Vec<_>>()
    };
    let mut first = pipeline(streams, 10);
    let series = first.introduce(0, "t", &[]).unwrap();
    // The device's clock is a day behind.
    let day = 86_400_000;
    for second in 0..3 {
        first.on_reading(
            series,
            TakenAt::Event(START + second * 1_000),
            1.0,
            at(START + day + second * 1_000),
        );
    }
    assert!(alerts(&mut first, START + day + 11_000).is_empty());
    let mut state = Vec::new();
    first.save(at(START), &mut state);
    assert_eq!(alerts(&mut first, START + day + 12_100), ["raised"]);
    assert!(alerts(&mut first, START + day + 100_000).is_empty(), "raised once");
    first.on_reading(series, TakenAt::Event(START + 200_000), 1.0, at(START + day + 200_000));
    assert_eq!(alerts(&mut first, START + day + 200_000), ["cleared"]);
    let mut second = pipeline(streams, 10);
    let back = at(START + 2 * day);
    second.restore_since(back.alive, &mut headwater_kernel::state::StateReader::new(&state)).unwrap();
    second.resume(back, false);
    assert!(alerts(&mut second, START + 2 * day + 9_000).is_empty(), "we were away ourselves");
    assert_eq!(alerts(&mut second, START + 2 * day + 10_100), ["raised"]);
    // What the device took while we were away is judged as it comes.
    let series = second.introduce(0, "t", &[]).unwrap();
    for offset in [3_000, 13_000] {
        second.on_reading(series, TakenAt::Event(START + offset), 1.0, at(START + 2 * day + 11_000));
    }
    assert_eq!(alerts(&mut second, START + 2 * day + 11_000), ["cleared"]);
    assert_eq!((second.totals().late, second.totals().in_windows), (0, 5), "and is in time for its window");
}

#[test]
fn after_a_crash_no_two_different_summaries_have_the_same_revision() {
    let mut first = pipeline("[streams.all]\nlateness = \"0s\"\n", 10);
    let series = first.introduce(0, "t", &[]).unwrap();
    first.on_reading(series, TakenAt::Event(START), 1.0, at(START));
    let mut state = Vec::new();
    first.save(at(START), &mut state);
    for offset in [1_000, 60_000] {
        first.on_reading(series, TakenAt::Event(START + offset), 1.0, at(START + offset));
    }
    let told = drained(&mut first).remove(0);
    assert_eq!((told.number("rev"), told.number("count")), (Some(0.0), Some(2.0)));
    let mut second = pipeline("[streams.all]\nlateness = \"0s\"\n", 10);
    second.restore(&mut headwater_kernel::state::StateReader::new(&state)).unwrap();
    second.resume(at(START + 61_000), true);
    let series = second.introduce(0, "t", &[]).unwrap();
    for offset in [2_000, 3_000, 61_000] {
        second.on_reading(series, TakenAt::Event(START + offset), 1.0, at(START + 62_000));
    }
    let again = drained(&mut second).remove(0);
    assert_eq!(again.text("id"), told.text("id"));
    assert!(again.number("rev") > told.number("rev"));
    assert_eq!(again.number("count"), Some(3.0));
}

/// The connection to the broker is ours; what cannot come is not missing.
#[test]
fn no_series_is_missing_while_its_source_is_cut_off() {
    let mut pipeline =
        pipeline("[streams.a]\n[[streams.a.detectors]]\ntype = \"missing\"\nafter = \"10s\"\n", 10);
    let raised = |pipeline: &mut Pipeline, second: i64| {
        pipeline.on_tick(at(START + second * 1_000));
        drained(pipeline).iter().filter(|message| message.text("state") == "raised").count()
    };
    let series = pipeline.introduce(0, "t", &[]).unwrap();
    pipeline.on_reading(series, TakenAt::Event(START), 1.0, at(START));
    pipeline.on_link(0, false, at(START + 5_000));
    assert_eq!((6..600).map(|second| raised(&mut pipeline, second)).sum::<usize>(), 0);
    pipeline.on_link(0, true, at(START + 600_000));
    assert_eq!((600..609).map(|second| raised(&mut pipeline, second)).sum::<usize>(), 0);
    assert_eq!((609..700).map(|second| raised(&mut pipeline, second)).sum::<usize>(), 1, "silent since");
}

/// A broker sends a value that it has kept whenever somebody subscribes, however long the sensor has been dead.
#[test]
fn a_value_that_the_broker_had_kept_is_no_sign_of_life() {
    let streams = "[streams.a]\n[[streams.a.detectors]]\ntype = \"missing\"\nafter = \"10s\"\n\
        [[streams.a.detectors]]\ntype = \"threshold\"\nabove = 800.0\n";
    let mut pipeline = pipeline(streams, 10);
    let said = |pipeline: &mut Pipeline, second: i64| {
        pipeline.on_tick(at(START + second * 1_000));
        let alerts = drained(pipeline).into_iter().filter(|message| message.text("kind") == "alert");
        alerts.map(|alert| format!("{} {}", alert.text("detector"), alert.text("state"))).collect::<Vec<_>>()
    };
    let series = pipeline.introduce(0, "t", &[]).unwrap();
    let replay = |pipeline: &mut Pipeline, second: i64, value: f64| {
        pipeline.set_replayed(true);
        pipeline.on_reading(series, TakenAt::Arrival, value, at(START + second * 1_000));
        pipeline.set_replayed(false);
    };
    pipeline.on_reading(series, TakenAt::Arrival, 1.0, at(START));
    replay(&mut pipeline, 9, 5.0);
    assert_eq!(said(&mut pipeline, 11), ["missing raised"], "not put off");
    replay(&mut pipeline, 20, 5.0);
    assert_eq!(said(&mut pipeline, 21), [""; 0], "not cleared");
    replay(&mut pipeline, 22, 899.0);
    assert_eq!(said(&mut pipeline, 22), ["threshold raised"], "a value all the same");
    pipeline.on_reading(series, TakenAt::Arrival, 1.0, at(START + 30_000));
    assert_eq!(said(&mut pipeline, 30), ["missing cleared", "threshold cleared"]);
}

/// A service whose memory was capped lower goes on with the series that it has room for, and says what it has given up.
#[test]
fn of_a_state_that_memory_has_no_room_for_a_part_goes_on() {
    const SERIES: usize = 10;
    const KEPT: usize = 4;
    let feed = |pipeline: &mut Pipeline, second: i64| {
        let name = |n: usize| format!("s{n}");
        let known = (0..SERIES).filter_map(|n| pipeline.introduce(0, &name(n), &[])).collect::<Vec<_>>();
        let time = START + second * 1_000;
        known.iter().for_each(|series| pipeline.on_reading(*series, TakenAt::Event(time), 1.0, at(time)));
        known.len()
    };
    let mut first = pipeline("[streams.a]\n", 100);
    assert_eq!(feed(&mut first, 0), SERIES);
    let mut state = Vec::new();
    first.save(at(START), &mut state);
    let mut second = pipeline("[streams.a]\n", 100);
    let looks = std::cell::Cell::new(0);
    let look = || (looks.replace(looks.get() + 1) == KEPT).then_some(Pressure::Full);
    let given_up =
        second.restore_within(AgentTime::MIN, StoredBody::new(&state), look, &mut Unread::default()).unwrap();
    assert_eq!((given_up, looks.get()), ((SERIES - KEPT) as i64, SERIES));
    let totals = second.totals();
    assert!(totals.balances());
    assert_eq!((totals.in_windows, totals.refused), (KEPT as i64, given_up));
    assert_eq!(feed(&mut second, 1), KEPT, "others are refused");
    second.on_pressure(Pressure::None);
    assert_eq!(feed(&mut second, 2), SERIES, "until there is room");
}

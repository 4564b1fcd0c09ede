//! Thinning that keeps shape, end to end: filters keep their bound whatever the disorder, windows their points.

use super::*;
use headwater_kernel::decimate::lttb;
use proptest::prelude::*;

/// Times (ms) and values.
type Readings = Vec<(i64, f64)>;

/// Times and values as they were taken, in order of arrival: mostly forward, some back, some twice.
fn arrivals() -> impl Strategy<Value = Vec<(i64, f64)>> {
    let step = prop_oneof![6 => 0..3_000_i64, 2 => -4_000..0_i64, 1 => -60_000..60_000_i64];
    prop::collection::vec((step, -30..30_i32), 1..120).prop_map(|steps| {
        let walk = steps.iter().scan((START, 20.0), |(time, value), (step, change)| {
            *time += step;
            *value += f64::from(*change) / 10.0;
            Some((*time, *value))
        });
        walk.collect()
    })
}

/// What goes on of readings of one a second, and which were not too late.
fn forwarded(streams: &str, arrivals: &[(i64, f64)]) -> (Readings, Readings) {
    let mut pipeline = pipeline(streams, 10);
    let series = pipeline.introduce(0, "t", &[]).unwrap();
    let mut taken = Vec::new();
    let mut said = Vec::new();
    let mut now = START;
    for (number, (time, value)) in arrivals.iter().enumerate() {
        now = START + number as i64 * 1_000;
        pipeline.on_tick(at(now));
        let late = pipeline.totals().late;
        // A clock that is not set: no time is in the future.
        pipeline.on_reading(series, TakenAt::Event(*time), *value, Now { synced: false, ..at(now) });
        if pipeline.totals().late == late {
            taken.push((*time, *value));
        }
        if number % 40 == 39 {
            said.extend(restart(&mut pipeline, streams, now));
            assert_eq!(pipeline.introduce(0, "t", &[]), Some(series));
        }
        said.extend(drained(&mut pipeline));
    }
    pipeline.on_tick(at(now + 60_000));
    said.extend(drained(&mut pipeline));
    let totals = pipeline.totals();
    assert!(totals.balances());
    assert_eq!((totals.in_windows, totals.summarised), (0, said.len() as i64));
    assert_eq!((totals.filtered + totals.summarised, pipeline.poll_timeout()), (taken.len() as i64, None));
    taken.sort_by_key(|(time, _)| *time);
    let reading = |message: &Wire| (message.number("time").unwrap() as i64, message.number("value").unwrap());
    (said.iter().map(reading).collect(), taken)
}

/// Goes on from the state; answers what the pipeline had said and nobody had taken.
fn restart(pipeline: &mut Pipeline, streams: &str, now: i64) -> Vec<Wire> {
    let mut state = Vec::new();
    pipeline.save(at(START), &mut state);
    let said = drained(pipeline);
    *pipeline = super::pipeline(streams, 10);
    assert_eq!(pipeline.restore(&mut headwater_kernel::state::StateReader::new(&state)), Ok(0));
    pipeline.resume(at(now), false);
    said
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(48))]

    #[test]
    fn a_swinging_door_keeps_every_reading_within_its_error(arrivals in arrivals(), error in 0.2..4.0_f64, lateness in 0..6_i64) {
        let streams = format!(
            "[streams.raw]\nwindow = {{ type = \"none\" }}\nlateness = \"{lateness}s\"\n\
             filter = {{ type = \"swinging-door\", error = {error}, max = \"1m\" }}\n"
        );
        let (corners, taken) = forwarded(&streams, &arrivals);
        prop_assert!(corners.is_sorted_by_key(|(time, _)| *time));
        for (time, value) in &taken {
            let near = |from: &(i64, f64), to: &(i64, f64)| {
                let share = (time - from.0) as f64 / (to.0 - from.0).max(1) as f64;
                let line = from.1 + share * (to.1 - from.1);
                from.0 <= *time && *time <= to.0 && (line - value).abs() <= error * 1.000_000_001
            };
            let is_near = corners.iter().any(|corner| near(corner, corner)) || corners.windows(2).any(|line| near(&line[0], &line[1]));
            prop_assert!(is_near, "{time} {value} {corners:?}");
        }
    }

    #[test]
    fn a_deadband_keeps_every_reading_near_the_last_one_passed(arrivals in arrivals(), band in 0.2..4.0_f64, lateness in 0..6_i64) {
        let streams = format!(
            "[streams.raw]\nwindow = {{ type = \"none\" }}\nlateness = \"{lateness}s\"\n\
             filter = {{ type = \"deadband\", absolute = {band}, heartbeat = \"10s\" }}\n"
        );
        let (passed, taken) = forwarded(&streams, &arrivals);
        prop_assert!(passed.is_sorted_by_key(|(time, _)| *time));
        for (time, value) in &taken {
            let before = passed.iter().rev().find(|(other, _)| other < time);
            let same = passed.iter().filter(|(other, _)| other == time);
            let last = before.into_iter().chain(same).find(|(other, last)| (last - value).abs() <= band && time - other < 10_000);
            prop_assert!(last.is_some(), "{time} {value} {passed:?}");
        }
    }

    #[test]
    fn a_windows_points_are_those_of_its_readings_in_order(arrivals in arrivals()) {
        let streams = "[streams.all]\nwindow = { type = \"tumbling\", size = \"30s\" }\nretain = \"7d\"\n\
                       aggregates = [\"count\"]\ndownsample = { type = \"lttb\", points = 8 }\n";
        let mut pipeline = pipeline(streams, 10);
        let series = pipeline.introduce(0, "t", &[]).unwrap();
        let (mut last, mut said) = (std::collections::BTreeMap::new(), Vec::new());
        for (number, (time, value)) in arrivals.iter().enumerate() {
            pipeline.on_reading(series, TakenAt::Event(*time), *value, Now { synced: false, ..at(START) });
            if number % 40 == 39 {
                said.extend(restart(&mut pipeline, streams, START));
                prop_assert_eq!(pipeline.introduce(0, "t", &[]), Some(series));
            }
        }
        pipeline.on_tick(at(START + 86_400_000));
        said.extend(drained(&mut pipeline));
        for message in said {
            last.insert(message.number("start").unwrap() as i64, message.get("points").cloned().unwrap());
        }
        let mut sorted = arrivals.clone();
        sorted.sort_by_key(|(time, _)| *time);
        let windows = sorted.chunk_by(|a, b| a.0.div_euclid(30_000) == b.0.div_euclid(30_000));
        for window in windows.filter(|window| window.len() <= 64) {
            let window: Vec<_> = window.iter().map(|(time, value)| (Time(*time), *value)).collect();
            let mut points = Vec::new();
            lttb(&window, 8, |(time, value)| points.push(Wire::List(vec![Wire::Integer(time.0), Wire::Float(value)])));
            prop_assert_eq!(&last[&(window[0].0.0.div_euclid(30_000) * 30_000)], &Wire::List(points));
        }
    }
}

#[test]
fn a_filter_drops_what_says_nothing_new_and_detectors_see_it_all_the_same() {
    let streams = "[streams.raw]\nwindow = { type = \"none\" }\nfilter = { type = \"deadband\", percent = 50 }\n\
                   [[streams.raw.detectors]]\ntype = \"threshold\"\nabove = 25.0\n";
    let mut pipeline = pipeline(streams, 10);
    let series = pipeline.introduce(0, "t", &[]).unwrap();
    for (second, value) in [(0, 20.0), (1, 21.0), (2, 29.0), (3, 31.0)] {
        pipeline.on_reading(series, TakenAt::Arrival, value, at(START + second * 1_000));
    }
    let said: Vec<_> = drained(&mut pipeline)
        .iter()
        .map(|m| (m.text("kind").to_owned(), m.number("value").unwrap()))
        .collect();
    let expected = [("reading", 20.0), ("alert", 29.0), ("reading", 31.0)];
    assert_eq!(said, expected.map(|(kind, value)| (kind.to_owned(), value)));
    assert_eq!((pipeline.totals().summarised, pipeline.totals().filtered), (2, 2));
}

#[test]
fn what_a_changed_filter_held_back_is_accounted_for() {
    let door = |error: f64| {
        format!(
            "[streams.raw]\nwindow = {{ type = \"none\" }}\nfilter = {{ type = \"swinging-door\", error = {error} }}\n"
        )
    };
    let mut before = pipeline(&door(1.0), 10);
    let series = before.introduce(0, "t", &[]).unwrap();
    for second in 0..3 {
        before.on_reading(series, TakenAt::Arrival, 1.0, at(START + second * 1_000));
    }
    assert_eq!((before.totals().summarised, before.totals().filtered, before.totals().in_windows), (1, 1, 1));
    let mut state = Vec::new();
    before.save(at(START), &mut state);
    let mut after = pipeline(&door(2.0), 10);
    assert_eq!(after.restore(&mut headwater_kernel::state::StateReader::new(&state)), Ok(1));
    assert!(after.totals().balances() && after.totals().refused == 1);
}

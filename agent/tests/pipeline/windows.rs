//! Windows, aggregates, the account and limits of one stream.

use super::*;

#[test]
fn a_window_closes_by_event_time_and_says_what_the_contract_says() {
    let mut pipeline = pipeline(
        "[streams.climate]\nretain = \"0s\"\naggregates = [\"count\", \"mean\", \"first\", \"last\", \"p50\"]\n",
        10,
    );
    let labels = [("zone".to_owned(), "bed1".to_owned())];
    let series = pipeline.introduce(0, "g/bed1/temp", &labels).unwrap();
    for (offset, value) in
        [(0, 1.0), (59_999, 3.0), (30_000, 2.0), (64_999, 9.0), (65_000, 9.0), (1_000, 5.0)]
    {
        pipeline.on_reading(series, TakenAt::Event(START + offset), value, at(START + 100_000));
    }
    let messages = drained(&mut pipeline);
    assert_eq!(messages.len(), 1);
    let json = serde_json::to_string(&messages[0]).unwrap();
    assert_eq!(
        json,
        "{\"v\":1,\"kind\":\"summary\",\"id\":\"climate/g/bed1/temp@1700000040000+60000\",\"rev\":0,\"agent\":\"a1\",\
         \"stream\":\"climate\",\"series\":\"g/bed1/temp\",\"labels\":{\"zone\":\"bed1\"},\"start\":1700000040000,\
         \"end\":1700000100000,\"count\":3,\"mean\":2.0,\"first\":1.0,\"last\":3.0,\"p50\":2.0}"
    );
    let totals = pipeline.totals();
    assert_eq!((totals.received, totals.summarised, totals.late, totals.in_windows), (6, 3, 1, 2));
}

#[test]
fn arrival_stamped_windows_close_on_the_second_and_silence_closes_the_others() {
    let mut pipeline = pipeline("[streams.all]\nretain = \"0s\"\n", 10);
    let arriving = pipeline.introduce(0, "arriving", &[]).unwrap();
    let timed = pipeline.introduce(0, "timed", &[]).unwrap();
    pipeline.on_reading(arriving, TakenAt::Arrival, 1.0, at(START + 10));
    pipeline.on_reading(timed, TakenAt::Event(START), 1.0, at(START + 10));
    assert_eq!(pipeline.poll_timeout(), Some(AgentTime(START + 60_000)));
    pipeline.on_tick(at(START + 59_999));
    assert!(!pipeline.has_events());
    pipeline.on_tick(at(START + 60_000));
    assert_eq!(drained(&mut pipeline)[0].text("series"), "arriving");
    pipeline.on_tick(at(pipeline.poll_timeout().unwrap().0));
    assert_eq!(drained(&mut pipeline)[0].text("series"), "timed");
    assert_eq!(pipeline.poll_timeout(), None);
    assert_eq!(pipeline.totals().in_windows, 0);
}

#[test]
fn every_aggregate_says_what_its_name_says() {
    let names: Vec<String> =
        headwater_pipeline::plan::AGGREGATES.iter().map(|(name, _)| format!("\"{name}\"")).collect();
    let mut pipeline = pipeline(&format!("[streams.a]\naggregates = [{}]\n", names.join(", ")), 10);
    let series = pipeline.introduce(0, "counter", &[]).unwrap();
    // A counter that is reset once, with two readings that change places.
    for (second, value) in [(0, 10.0), (20, 0.0), (10, 30.0), (40, 20.0), (70, 0.0)] {
        pipeline.on_reading(
            series,
            TakenAt::Event(START + second * 1_000),
            value,
            at(START + second * 1_000),
        );
    }
    let summary = drained(&mut pipeline).remove(0);
    let mean = 15.0_f64;
    let variance = [10.0_f64, 30.0, 0.0, 20.0].iter().map(|v| (v - mean).powi(2)).sum::<f64>() / 4.0;
    let area = 20.0 * 10.0 + 15.0 * 10.0 + 10.0 * 20.0;
    for (name, expected) in [
        ("count", 4.0),
        ("sum", 60.0),
        ("min", 0.0),
        ("max", 30.0),
        ("range", 30.0),
        ("mean", mean),
        ("stddev", variance.sqrt()),
        ("variance", variance),
        ("first", 10.0),
        ("last", 20.0),
        ("delta", 10.0),
        ("increase", 40.0),
        ("rate", 1.0),
        ("time_weighted_mean", area / 40.0),
        ("integral", area),
        ("states", 2.0),
        ("time_on", 40_000.0 - 20_000.0),
        ("time_off", 20_000.0),
        ("mean_abs_change", (20.0 + 30.0 + 20.0) / 3.0),
        ("max_abs_change", 30.0),
        ("longest_run", 1.0),
        // Covariance of seconds and values over the variance of the seconds.
        (
            "slope",
            (0.0 * 10.0 + 10.0 * 30.0 + 40.0 * 20.0 - 4.0 * 17.5 * 15.0) / (2_100.0 - 4.0 * 17.5 * 17.5),
        ),
    ] {
        let number = summary.number(name).unwrap_or_else(|| panic!("{name} is missing"));
        assert!((number - expected).abs() < 1e-9, "{name}: {number}, not {expected}");
    }
}

/// A jump between two windows is one of the later window; a run ends with its window.
#[test]
fn a_jump_between_windows_is_seen_and_a_sensor_that_hangs_too() {
    let stream = "[streams.a]\naggregates = [\"mean_abs_change\", \"max_abs_change\", \"longest_run\"]\nidle = \"2m\"\n";
    let mut pipeline = pipeline(stream, 10);
    let series = pipeline.introduce(0, "t", &[]).unwrap();
    let first = [(0, 1.0), (30, 3.0)];
    let hangs = [(60, 13.0), (90, 13.0), (119, 13.0)];
    let after_an_outage = [(900, 50.0), (970, 50.0)];
    for (second, value) in [&first[..], &hangs, &after_an_outage].concat() {
        let time = START + second * 1_000;
        pipeline.on_reading(series, TakenAt::Event(time), value, at(time));
    }
    let says = |summary: &Wire| {
        ["mean_abs_change", "max_abs_change", "longest_run"].map(|name| summary.number(name))
    };
    let told: Vec<_> = drained(&mut pipeline).iter().map(says).collect();
    let wanted = [
        [Some(2.0), Some(2.0), Some(1.0)],
        [Some(10.0 / 3.0), Some(10.0), Some(3.0)],
        [None, None, Some(1.0)],
    ];
    assert_eq!(told, wanted);
}

#[test]
fn a_late_reading_makes_the_same_summary_again_with_the_next_revision() {
    let mut pipeline = pipeline("[streams.all]\n", 10);
    let series = pipeline.introduce(0, "t", &[]).unwrap();
    for (offset, value) in [(0, 1.0), (65_000, 9.0), (1_000, 3.0), (2_000, 5.0)] {
        pipeline.on_reading(series, TakenAt::Event(START + offset), value, at(START + 100_000));
    }
    let first = drained(&mut pipeline);
    assert_eq!((first.len(), first[0].number("rev"), first[0].number("count")), (1, Some(0.0), Some(1.0)));
    assert_eq!(pipeline.totals().in_windows, 3);
    let due = pipeline.poll_timeout().unwrap();
    pipeline.on_tick(at(due.0));
    let again = drained(&mut pipeline);
    assert_eq!(again.len(), 1);
    assert_eq!(again[0].text("id"), first[0].text("id"));
    assert_eq!((again[0].number("rev"), again[0].number("count")), (Some(1.0), Some(3.0)));
    assert_eq!((again[0].number("mean"), pipeline.totals().in_windows), (Some(3.0), 1));
}

#[test]
fn a_window_that_silence_closed_too_early_is_corrected() {
    let mut pipeline = pipeline(
        "[streams.all]\nwindow = { type = \"tumbling\", size = \"6h\" }\nlateness = \"0s\"\nidle = \"2s\"\n",
        10,
    );
    let series = pipeline.introduce(0, "t", &[]).unwrap();
    let hour = 3_600_000;
    let start = START - START.rem_euclid(6 * hour);
    let now = start + 1_000 * hour;
    for step in 0..5 {
        pipeline.on_reading(series, TakenAt::Event(start + step * hour), 1.0, at(now));
    }
    pipeline.on_tick(at(now + 2_000));
    assert_eq!(drained(&mut pipeline).len(), 1);
    for step in 5..20 {
        pipeline.on_reading(series, TakenAt::Event(start + step * hour), 1.0, at(now + 3_000));
    }
    pipeline.on_tick(at(now + 10_000));
    let messages = drained(&mut pipeline);
    let said: Vec<_> =
        messages.iter().map(|m| (m.number("start"), m.number("rev"), m.number("count"))).collect();
    let window = |n: i64| Some((start + n * 6 * hour) as f64);
    assert_eq!(
        said,
        [
            (window(0), Some(1.0), Some(6.0)),
            (window(1), Some(0.0), Some(6.0)),
            (window(2), Some(0.0), Some(6.0)),
            (window(3), Some(0.0), Some(2.0)),
        ]
    );
}

#[test]
fn closed_windows_are_kept_only_as_memory_allows() {
    let mut pipeline = pipeline("[streams.all]\n[limits]\nretained = \"0B\"\n", 10);
    let series = pipeline.introduce(0, "t", &[]).unwrap();
    for offset in [0, 65_000, 1_000] {
        pipeline.on_reading(series, TakenAt::Event(START + offset), 1.0, at(START + offset));
    }
    assert_eq!(pipeline.totals().late, 1);
}

#[test]
fn times_in_a_wrong_unit_are_refused_with_a_hint() {
    let mut pipeline = pipeline("[streams.all]\n", 10);
    let series = pipeline.introduce(0, "x", &[]).unwrap();
    pipeline.on_reading(series, TakenAt::Event(START / 1_000), 1.0, at(START));
    assert!(pipeline.take_notice().unwrap().text.contains("before the year 2000"));
    pipeline.on_reading(series, TakenAt::Event(START * 1_000), 1.0, at(START));
    assert!(pipeline.take_notice().unwrap().text.contains("in the future"));
    pipeline.on_reading(series, TakenAt::Event(START), 1.0, at(START));
    let totals = pipeline.totals();
    assert_eq!((totals.received, totals.late, totals.future, totals.in_windows), (3, 1, 1, 1));
    let unsynced = Now { synced: false, ..at(0) };
    pipeline.on_reading(series, TakenAt::Event(START + 1), 1.0, unsynced);
    assert_eq!(pipeline.totals().in_windows, 2, "a clock that is wrong proves no reading wrong");
}

#[test]
fn globs_limits_and_sources_are_counted() {
    let mut pipeline = pipeline("[streams.a]\nseries = [\"*/temp\"]\n[streams.b]\nseries = [\"x/*\"]\n", 3);
    let both = pipeline.introduce(0, "x/temp", &[]).unwrap();
    let none = pipeline.introduce(0, "y/hum", &[]).unwrap();
    assert_eq!(pipeline.introduce(0, "x/temp", &[]), Some(both), "introducing twice is no second series");
    assert!(["x/second", "x/third"].iter().all(|name| pipeline.introduce(0, name, &[]).is_some()));
    assert_eq!(pipeline.introduce(0, "x/fourth", &[]), None);
    assert!(pipeline.introduce(0, "z/hum", &[]).is_some(), "what no stream selects takes no place");
    pipeline.on_reading(both, TakenAt::Event(START), 1.0, at(START));
    pipeline.on_reading(none, TakenAt::Event(START), 1.0, at(START));
    pipeline.on_refused(0, 2);
    pipeline.on_invalid(0);
    let totals = pipeline.totals();
    assert_eq!(totals.received, 6, "once for each stream, once if none takes it");
    assert_eq!((totals.in_windows, totals.unselected, totals.refused, totals.invalid), (2, 1, 2, 1));
    let ledger = pipeline.ledger();
    assert!(ledger.balances());
    let [(_, source)] = &ledger.sources[..] else { panic!("{ledger:?}") };
    assert_eq!((source.received, source.selected, source.unselected), (5, 1, 1), "each reading once");
    let streams: Vec<i64> = ledger.streams.iter().map(|(_, counts)| counts.received).collect();
    assert_eq!(streams, [1, 1]);
    assert_eq!(pipeline.idle_streams().count(), 0);
}

#[test]
fn where_and_map_are_cel_and_what_they_turn_away_is_filtered() {
    let streams = "[streams.f]\nwhere = \"value > -40.0 && has(labels.zone) && labels.zone == 'bed1'\"\nmap = \"value * 1.8 + 32\"\n\
                   window = { type = \"none\" }\n";
    let mut pipeline = pipeline(streams, 10);
    let bed1 = pipeline.introduce(0, "a", &[("zone".to_owned(), "bed1".to_owned())]).unwrap();
    let none = pipeline.introduce(0, "b", &[]).unwrap();
    for (series, value) in [(bed1, 20.0), (bed1, -50.0), (none, 20.0)] {
        pipeline.on_reading(series, TakenAt::Event(START), value, at(START));
    }
    let values: Vec<_> = drained(&mut pipeline).iter().map(|message| message.number("value")).collect();
    assert_eq!(values, [Some(68.0)]);
    let totals = pipeline.totals();
    assert_eq!((totals.received, totals.filtered, totals.summarised), (3, 2, 1));
}

/// A reading without a result is not one that `where` turned away, and a person hears of it once.
#[test]
fn what_map_makes_no_number_of_is_invalid_and_named_once() {
    let streams = "[streams.f]\nmap = \"1.0 / value\"\nwindow = { type = \"none\" }\n";
    let mut pipeline = pipeline(streams, 10);
    let series = pipeline.introduce(0, "a", &[]).unwrap();
    let mut told = Vec::new();
    for value in [4.0, 0.0, 2.0, 0.0] {
        pipeline.on_reading(series, TakenAt::Event(START), value, at(START));
        told.extend(pipeline.take_notice().map(|notice| notice.text));
    }
    let values: Vec<_> = drained(&mut pipeline).iter().map(|message| message.number("value")).collect();
    assert_eq!(values, [Some(0.25), Some(0.5)]);
    let (totals, ledger) = (pipeline.totals(), pipeline.ledger());
    assert_eq!((totals.received, totals.invalid, totals.filtered, totals.summarised), (4, 2, 0, 2));
    assert!(ledger.balances() && ledger.streams[0].1.invalid == 2, "{ledger:?}");
    assert!(
        told.len() == 1 && told[0].contains("`map` of stream `f`") && told[0].contains("finite"),
        "{told:?}"
    );
}

#[test]
fn a_mistake_in_an_expression_is_shown_where_it_stands() {
    let text = format!("{SOURCE}[streams.f]\nwhere = \"value > 'a'\"\nmap = \"valeu * 2\"\n");
    let (config, document) = config::parse(Path::new("t.toml"), &text, |_| None);
    assert!(config.is_none());
    let shown = document.render_all();
    assert!(shown.contains("t.toml:6:10: error") && shown.contains("t.toml:7:8: error"), "{shown}");
    assert!(shown.contains("`value`"), "{shown}");
}

#[test]
fn an_alert_is_raised_and_cleared_under_one_id_before_its_summary() {
    let detector = "[streams.all]\nwindow = { type = \"tumbling\", size = \"10s\" }\nlateness = \"0s\"\n\
                    [[streams.all.detectors]]\ntype = \"threshold\"\nabove = 35.0\nfor = \"2s\"\nseverity = \"critical\"\n";
    let mut pipeline = pipeline(detector, 10);
    let series = pipeline.introduce(0, "t", &[]).unwrap();
    for (second, value) in [(0, 36.0), (1, 36.5), (2, 36.25), (3, 34.0), (10, 20.0)] {
        pipeline.on_reading(
            series,
            TakenAt::Event(START + second * 1_000),
            value,
            at(START + second * 1_000),
        );
    }
    let messages = drained(&mut pipeline);
    let kinds: Vec<&str> = messages.iter().map(|message| message.text("kind")).collect();
    assert_eq!(kinds, ["alert", "alert", "summary"]);
    let ids: Vec<&str> = messages.iter().take(2).map(|message| message.text("id")).collect();
    assert_eq!(ids, ["all/t/threshold@1700000042000"; 2]);
    assert_eq!(messages[0].text("reason"), "36.25 has been above 35 for 2s");
    assert_eq!((messages[0].text("state"), messages[1].text("state")), ("raised", "cleared"));
    assert_eq!((messages[0].number("score"), messages[0].number("expected")), (Some(1.25), Some(35.0)));
    assert_eq!((messages[0].number("rev"), messages[1].number("rev")), (Some(0.0), Some(1.0)));
}

#[test]
fn window_none_forwards_readings_and_tells_equal_times_apart() {
    let mut pipeline = pipeline("[streams.raw]\nwindow = { type = \"none\" }\n", 10);
    let series = pipeline.introduce(0, "t", &[]).unwrap();
    for (time, value) in [(START, 1.0), (START, 2.0), (START + 1, 3.0)] {
        pipeline.on_reading(series, TakenAt::Event(time), value, at(START));
    }
    let revs: Vec<_> = drained(&mut pipeline).iter().map(|m| (m.number("value"), m.number("rev"))).collect();
    assert_eq!(revs, [(Some(1.0), Some(0.0)), (Some(2.0), Some(1.0)), (Some(3.0), Some(0.0))]);
    assert_eq!(pipeline.totals().summarised, 3);
}

#[test]
fn what_is_physically_impossible_is_refused_and_seen_by_nobody() {
    let streams = "[streams.a]\nwindow = { type = \"none\" }\n[[streams.a.detectors]]\ntype = \"range\"\nmax = 85.0\n\
                   [[streams.a.detectors]]\ntype = \"threshold\"\nabove = 50.0\n";
    let mut pipeline = pipeline(streams, 10);
    let series = pipeline.introduce(0, "t", &[]).unwrap();
    for (offset, value) in [(0, 20.0), (1, 2_000.0), (2, 60.0)] {
        pipeline.on_reading(series, TakenAt::Event(START + offset), value, at(START));
    }
    let said: Vec<_> =
        drained(&mut pipeline).iter().map(|m| (m.text("kind").to_owned(), m.number("value"))).collect();
    let expect = |kind: &str, value| (kind.to_owned(), Some(value));
    assert_eq!(said, [expect("reading", 20.0), expect("reading", 60.0), expect("alert", 60.0)]);
    assert_eq!((pipeline.totals().refused, pipeline.totals().summarised), (1, 2));
}

#[test]
fn every_window_type_says_its_own_id() {
    let streams = "[streams.count]\nwindow = { type = \"count\", size = 2 }\n\
        [streams.session]\nwindow = { type = \"session\", gap = \"5s\" }\nlateness = \"0s\"\n\
        [streams.sliding]\nwindow = { type = \"sliding\", size = \"20s\", every = \"10s\" }\nlateness = \"0s\"\n";
    let mut pipeline = pipeline(streams, 10);
    let series = pipeline.introduce(0, "t", &[]).unwrap();
    for (second, value) in [(0, 1.0), (0, 2.0), (0, 3.0), (0, 4.0), (3, 5.0), (20, 6.0)] {
        pipeline.on_reading(series, TakenAt::Event(START + second * 1_000), value, at(START + 30_000));
    }
    let said: Vec<(String, f64)> = drained(&mut pipeline)
        .iter()
        .map(|m| (m.text("id").to_owned(), m.number("count").unwrap()))
        .collect();
    let expected = [
        ("count/t@1700000040000+1#0", 2.0),
        ("count/t@1700000040000+1#1", 2.0),
        ("session/t@1700000040000+8000", 5.0),
        ("sliding/t@1700000030000+20000", 5.0),
        ("sliding/t@1700000040000+20000", 5.0),
    ];
    for (id, count) in expected {
        assert!(said.contains(&(id.to_owned(), count)), "{id} {count} is not in {said:?}");
    }
}

#[test]
fn short_memory_costs_revisions_first_and_then_unknown_series() {
    let mut pipeline = pipeline("[streams.all]\nlateness = \"0s\"\n", 10);
    let known = pipeline.introduce(0, "known", &[]).unwrap();
    let late_after_another = |pipeline: &mut Pipeline, start: i64| {
        for offset in [0, 60_000, 1_000] {
            pipeline.on_reading(known, TakenAt::Event(start + offset), 1.0, at(start + 60_000));
            pipeline.on_tick(at(start + 60_000));
        }
        pipeline.totals().late
    };
    assert_eq!(late_after_another(&mut pipeline, START), 0, "a late reading makes a revision");
    pipeline.on_pressure(Pressure::Some);
    assert_eq!(late_after_another(&mut pipeline, START + 600_000), 1);
    assert!(pipeline.introduce(0, "new", &[]).is_some());
    pipeline.on_pressure(Pressure::Full);
    assert!(pipeline.introduce(0, "newer", &[]).is_none(), "refused");
    assert_eq!(pipeline.introduce(0, "known", &[]), Some(known));
    pipeline.on_pressure(Pressure::None);
    assert!(pipeline.introduce(0, "newer", &[]).is_some());
    assert_eq!(late_after_another(&mut pipeline, START + 1_200_000), 1);
}

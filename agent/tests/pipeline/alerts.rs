//! Alerts: what detectors look at, what goes with them, how they are limited.

use super::*;

fn of_kind<'m>(messages: &'m [Wire], kind: &str) -> Vec<&'m Wire> {
    messages.iter().filter(|message| message.text("kind") == kind).collect()
}

/// Times (s after the start) of the readings that a message carries.
fn seconds(message: &Wire) -> Vec<i64> {
    let Some(Wire::List(readings)) = message.get("evidence") else { return Vec::new() };
    let second = |reading: &Wire| match reading {
        Wire::List(pair) => match pair[..] {
            [Wire::Integer(time), Wire::Float(_)] => (time - START) / 1_000,
            _ => panic!("{reading:?}"),
        },
        _ => panic!("{reading:?}"),
    };
    readings.iter().map(second).collect()
}

fn feed(pipeline: &mut Pipeline, readings: impl IntoIterator<Item = (i64, f64)>) -> Vec<Wire> {
    let series = pipeline.introduce(0, "t", &[]).unwrap();
    let mut said = Vec::new();
    for (second, value) in readings {
        pipeline.on_reading(
            series,
            TakenAt::Event(START + second * 1_000),
            value,
            at(START + second * 1_000),
        );
        said.extend(drained(pipeline));
    }
    said
}

#[test]
fn a_detector_on_windows_judges_each_once_at_its_end() {
    let streams = "[streams.all]\nwindow = { type = \"tumbling\", size = \"10s\" }\nlateness = \"0s\"\n\
                   aggregates = [\"mean\", \"p95\"]\n[[streams.all.detectors]]\ntype = \"threshold\"\nabove = 35.0\non = \"mean\"\n";
    let mut pipeline = pipeline(streams, 10);
    // One reading of 60 is no mean above 35; a window of 40 is. A late reading makes a revision and no alert.
    let readings =
        [(0, 60.0), (1, 0.0), (10, 40.0), (12, 40.0), (21, 60.0), (5, 90.0), (23, 20.0), (31, 1.0)];
    let said = feed(&mut pipeline, readings);
    let alerts = of_kind(&said, "alert");
    let told: Vec<_> = alerts.iter().map(|m| (m.text("state"), m.number("time"), m.text("reason"))).collect();
    let end = |second: i64| Some((START + second * 1_000) as f64);
    assert_eq!(told, [("raised", end(20), "mean 40 is above 35")]);
    assert_eq!((alerts[0].text("on"), alerts[0].number("value")), ("mean", Some(40.0)));
    assert_eq!(alerts[0].text("id"), format!("all/t/threshold@{}", START + 20_000));
    pipeline.on_tick(at(START + 3_600_000));
    let revised = drained(&mut pipeline);
    let of_first = |m: &&Wire| m.number("start") == end(0) && m.number("rev") == Some(1.0);
    assert!(revised.iter().chain(&said).any(|m| of_first(&m)), "the late reading is told of");
    assert_eq!(of_kind(&revised, "alert").len(), 1, "cleared by the window of 1");
}

#[test]
fn what_a_detector_cannot_look_at_is_a_mistake() {
    let shown = |stream: &str, detector: &str| {
        let text = format!("{SOURCE}[streams.a]\n{stream}\n[[streams.a.detectors]]\n{detector}\n");
        let (config, document) = config::parse(Path::new("t.toml"), &text, |_| None);
        assert!(config.is_none(), "{text}");
        document.render_all()
    };
    let of_p95 = shown("aggregates = [\"mean\"]", "type = \"zscore\"\non = \"p95\"");
    assert!(of_p95.contains("t.toml:9:6") && of_p95.contains("add \"p95\" to"), "{of_p95}");
    assert!(shown("", "type = \"zscore\"\non = \"maen\"").contains("did you mean `mean`?"));
    let none = shown("window = { type = \"none\" }", "type = \"zscore\"\non = \"mean\"");
    assert!(none.contains("the stream has no windows"), "{none}");
    for detector in ["type = \"range\"\nmax = 1.0\non = \"mean\"", "type = \"missing\"\non = \"mean\""] {
        assert!(shown("", detector).contains("looks at readings"));
    }
    let wrong = shown("", "type = \"auto\"\nevidence = { before = 5000, afterr = 3 }");
    assert!(wrong.contains("`before`") && wrong.contains("`after`"), "{wrong}");
}

const SPIKE: &str = "[streams.all]\n[[streams.all.detectors]]\ntype = \"threshold\"\nabove = 35.0\n\
                     evidence = { before = 4, after = 3 }\n";

#[test]
fn an_alert_carries_the_readings_before_it_and_those_after_follow() {
    let value = |second: i64| if (10..12).contains(&second) { 40.0 } else { 20.0 };
    let said = feed(&mut pipeline(SPIKE, 10), (0..20).map(|second| (second, value(second))));
    let kinds: Vec<_> = said.iter().map(|m| (m.text("kind"), m.text("state"), seconds(m))).collect();
    assert_eq!(
        kinds,
        [
            ("alert", "raised", vec![7, 8, 9, 10]),
            ("alert", "cleared", vec![11, 12]),
            ("evidence", "", vec![11, 12, 13]),
        ]
    );
    let alert = said[0].text("id");
    assert_eq!((said[2].text("alert"), said[2].text("id")), (alert, &*format!("{alert}/evidence")));
    // Raised again before all had come: what has come is told, once.
    let flapping = |second: i64| if [10, 12].contains(&second) { 40.0 } else { 20.0 };
    let said = feed(&mut pipeline(SPIKE, 10), (0..20).map(|second| (second, flapping(second))));
    let told: Vec<_> = of_kind(&said, "evidence").into_iter().map(seconds).collect();
    assert_eq!(told, [vec![11, 12], vec![13, 14, 15]]);
    let none = SPIKE.replace("{ before = 4, after = 3 }", "{ before = 0, after = 0 }");
    let said = feed(&mut pipeline(&none, 10), (0..20).map(|second| (second, value(second))));
    assert!(said.len() == 2 && said.iter().all(|m| m.get("evidence").is_none()));
}

#[test]
fn a_restart_between_an_alert_and_its_evidence_loses_nothing() {
    let value = |second: i64| if second >= 10 { 40.0 } else { 20.0 };
    for cut in [9, 11, 12, 13] {
        let mut first = pipeline(SPIKE, 10);
        let mut said = feed(&mut first, (0..cut).map(|second| (second, value(second))));
        let mut state = Vec::new();
        first.save(at(START), &mut state);
        let mut second = pipeline(SPIKE, 10);
        second.restore(&mut headwater_kernel::state::StateReader::new(&state)).unwrap();
        said.extend(feed(&mut second, (cut..20).map(|second| (second, value(second)))));
        let told: Vec<_> = said.iter().map(|m| (m.text("kind"), seconds(m))).collect();
        assert_eq!(told, [("alert", vec![7, 8, 9, 10]), ("evidence", vec![11, 12, 13])], "cut at {cut}");
    }
}

#[test]
fn flapping_is_limited_and_counted_over_a_restart() {
    let streams =
        "[streams.all]\n[[streams.all.detectors]]\ntype = \"threshold\"\nabove = 35.0\nper_hour = 2\n";
    let mut first = pipeline(streams, 10);
    let flap = |second: i64| (second, if second % 2 == 0 { 40.0 } else { 20.0 });
    let said = feed(&mut first, (0..20).map(flap));
    let raised = of_kind(&said, "alert").iter().filter(|m| m.text("state") == "raised").count();
    assert_eq!((raised, first.suppressed()), (2, 8));
    let mut state = Vec::new();
    first.save(at(START), &mut state);
    let mut second = pipeline(streams, 10);
    second.restore(&mut headwater_kernel::state::StateReader::new(&state)).unwrap();
    feed(&mut second, (20..24).map(flap));
    assert_eq!(second.suppressed(), 10);
}

/// A broker hands over what a device sent while the agent was away, a hundred readings at a time.
#[test]
fn a_backlog_that_comes_in_bursts_is_no_silence() {
    let streams = "[streams.all]\n[[streams.all.detectors]]\ntype = \"missing\"\nafter = \"5s\"\n";
    let mut pipeline = pipeline(streams, 10);
    let series = pipeline.introduce(0, "t", &[]).unwrap();
    let moment = |second: i64| at(START + second * 1_000);
    let (mut now, mut time) = (600, 0);
    loop {
        for _ in 0..100.min(now - time) {
            time += 1;
            pipeline.on_reading(series, TakenAt::Event(START + time * 1_000), 1.0, moment(now));
        }
        if time == now {
            break;
        }
        for _ in 0..8 {
            now += 1;
            pipeline.on_tick(moment(now));
        }
    }
    assert_eq!(of_kind(&drained(&mut pipeline), "alert").len(), 0, "it went on all the time");
    (1..=5).for_each(|second| pipeline.on_tick(moment(now + second)));
    // What was on its way is of a time before the silence was noticed.
    pipeline.on_reading(series, TakenAt::Event(START + (time + 1) * 1_000), 1.0, moment(now + 9));
    let told = drained(&mut pipeline);
    let alerts = of_kind(&told, "alert");
    let told: Vec<_> = alerts.iter().map(|m| (m.text("state"), m.number("time"))).collect();
    let noticed = Some((START + (now + 5) * 1_000) as f64);
    assert_eq!(told, [("raised", noticed), ("cleared", noticed)]);
}

//! The clock is set while readings come: what waits or lasts goes on as if it had not been.

use super::*;

const HOUR: i64 = 3_600_000;

/// After so many seconds, on a clock that has been set by `step` ms.
fn after(second: i64, step: i64) -> Now {
    Now { time: Time(START + second * 1_000 + step), ..at(START + second * 1_000) }
}

/// The second of every alert that is raised or cleared, on a clock that is set by `step` ms after six and a half seconds.
/// Readings come once a second, stamped on arrival, where there is a value.
fn alerts(detector: &str, step: i64, value: impl Fn(i64) -> Option<f64>) -> Vec<(i64, String)> {
    let mut pipeline = pipeline(&format!("[streams.a]\n[[streams.a.detectors]]\n{detector}\n"), 10);
    let series = pipeline.introduce(0, "t", &[]).unwrap();
    let mut said = Vec::new();
    for second in 0..60 {
        if second == 7 {
            let before = Now { alive: AgentTime(START + 6_500), ..at(START + 6_500) };
            pipeline.on_clock_step(before, step, None);
        }
        let now = after(second, if second < 7 { 0 } else { step });
        pipeline.on_tick(now);
        if let Some(value) = value(second) {
            pipeline.on_reading(series, TakenAt::Arrival, value, now);
        }
        let alerts = drained(&mut pipeline).into_iter().filter(|message| message.text("kind") == "alert");
        said.extend(alerts.map(|alert| (second, alert.text("state").to_owned())));
    }
    said
}

#[test]
fn detectors_judge_as_if_the_clock_had_not_been_set() {
    let high =
        |from: i64, to: i64| move |second: i64| Some(if (from..to).contains(&second) { 9.0 } else { 1.0 });
    let threshold = "type = \"threshold\"\nabove = 5.0\n";
    let expect = |seconds: [(i64, &str); 2]| seconds.map(|(second, state)| (second, state.to_owned()));
    for step in [0, -HOUR, HOUR, 500 * 24 * HOUR, -90 * 24 * HOUR] {
        let lasting = alerts(&format!("{threshold}for = \"10s\""), step, high(3, 20));
        assert_eq!(lasting, expect([(13, "raised"), (20, "cleared")]), "a condition that lasts, {step}");
        let clearing = alerts(&format!("{threshold}clear_for = \"10s\""), step, high(3, 5));
        assert_eq!(clearing, expect([(3, "raised"), (15, "cleared")]), "one that is over, {step}");
        let resting = alerts(&format!("{threshold}cooldown = \"20s\""), step, |second| {
            Some(if (2..4).contains(&second) || second > 10 { 9.0 } else { 1.0 })
        });
        let told = ["raised", "cleared", "raised"].map(str::to_owned);
        assert_eq!(resting, [2, 4, 24].into_iter().zip(told).collect::<Vec<_>>(), "its rest, {step}");
        let silent = |second: i64| (!(5..40).contains(&second)).then_some(1.0);
        let missing = alerts("type = \"missing\"\nafter = \"10s\"", step, silent);
        assert_eq!(missing, expect([(14, "raised"), (40, "cleared")]), "silence, {step}");
        let steep = |second: i64| Some(if second < 7 { 0.0 } else { 50.0 });
        let rate = alerts("type = \"rate\"\nrise = 10.0\nper = \"1s\"", step, steep);
        assert_eq!(rate, expect([(7, "raised"), (8, "cleared")]), "how fast it rises, {step}");
        let learned = alerts("type = \"missing\"", step, |second| (second < 20).then_some(1.0));
        assert_eq!(learned, [(24, "raised".to_owned())], "the usual wait, {step}");
    }
}

/// A window of a series with times of its own ends when the agent's clock says so: when that is set, it is asked anew.
#[test]
fn what_waits_for_a_time_of_the_clock_is_looked_at_anew() {
    let streams =
        "[streams.a]\nwindow = { type = \"tumbling\", size = \"1h\" }\nidle = \"1m\"\nlateness = \"0s\"\n";
    let end = (START / HOUR + 1) * HOUR;
    for (step, due) in [(0, end), (end - START, START + 60_000), (-HOUR, end)] {
        let mut pipeline = pipeline(streams, 10);
        let series = pipeline.introduce(0, "t", &[]).unwrap();
        pipeline.on_reading(series, TakenAt::Event(START), 1.0, at(START));
        pipeline.on_clock_step(at(START), step, None);
        assert_eq!(pipeline.poll_timeout(), Some(AgentTime(due)), "set by {step}");
        let now = |alive: i64| Now { time: Time(alive + step), ..at(alive) };
        pipeline.on_tick(now(due - 1));
        assert!(drained(&mut pipeline).is_empty());
        pipeline.on_tick(now(due));
        assert_eq!(drained(&mut pipeline).len(), 1);
    }
}

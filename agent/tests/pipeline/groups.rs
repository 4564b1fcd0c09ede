//! Series that are watched together.

use super::*;

const STREAMS: &str = "[streams.pumps]\nwindow = { type = \"none\" }\n[[streams.pumps.detectors]]\ntype = \"half-space\"\n\
    over = [\"*/pressure\", \"*/flow\"]\nevidence = { before = 2, after = 3 }\nseverity = \"critical\"\n";

/// Flow follows pressure; from 1,500 on for thirty readings it does not, at pump 1. Each value alone is usual.
fn feed(pipeline: &mut Pipeline, steps: std::ops::Range<i64>) -> Vec<Wire> {
    feed_by(pipeline, steps, None)
}

/// The same; `off_ms`: the readings have no time of their own, and the clock of the agent is off by so much.
fn feed_by(pipeline: &mut Pipeline, steps: std::ops::Range<i64>, off_ms: Option<i64>) -> Vec<Wire> {
    let label = |key: &str, value: &str| (key.to_owned(), value.to_owned());
    let mut said = Vec::new();
    for step in steps {
        for pump in ["hall/1", "hall/2"] {
            let labels = [label("pump", pump), label("site", "north")];
            let of_kind = |kind: &str| [labels[0].clone(), labels[1].clone(), label("kind", kind)];
            let pressure = pipeline.introduce(0, &format!("{pump}/pressure"), &of_kind("p")).unwrap();
            let flow = pipeline.introduce(0, &format!("{pump}/flow"), &of_kind("f")).unwrap();
            let level = ((step * 7_919) % 1_000) as f64 / 100.0;
            let is_odd = pump == "hall/1" && (1_500..1_530).contains(&step);
            let time = START + step * 1_000 + off_ms.unwrap_or(0);
            let stamp = if off_ms.is_some() { TakenAt::Arrival } else { TakenAt::Event(time) };
            let (level, through) = if is_odd { (9.0, 1.5) } else { (level, 2.0 * level) };
            pipeline.on_reading(pressure, stamp, level, at(time));
            pipeline.on_reading(flow, stamp, through, at(time));
        }
        said.extend(drained(pipeline).into_iter().filter(|message| message.text("kind") != "reading"));
    }
    said
}

#[test]
fn what_is_usual_alone_and_odd_together_is_told_of_the_group() {
    let said = feed(&mut pipeline(STREAMS, 10), 0..1_600);
    let told: Vec<_> = said.iter().map(|m| (m.text("kind"), m.text("state"), m.text("series"))).collect();
    let of = |kind, state| (kind, state, "hall/1");
    assert_eq!(told, [of("alert", "raised"), of("evidence", ""), of("alert", "cleared")]);
    let alert = serde_json::to_value(&said[0]).unwrap();
    let time = alert["time"].as_i64().unwrap();
    assert!((START + 1_500_000..START + 1_530_000).contains(&time), "{time}");
    assert_eq!(alert["id"], format!("pumps/hall/1/half-space@{time}"));
    assert_eq!(
        alert["labels"],
        serde_json::json!({"pump": "hall/1", "site": "north"}),
        "those that both have"
    );
    let values = alert["values"].as_object().unwrap();
    assert_eq!(values.keys().collect::<Vec<_>>(), ["hall/1/flow", "hall/1/pressure"]);
    assert!(values.values().any(|value| *value == alert["value"]));
    let evidence = alert["evidence"].as_object().unwrap();
    assert!(
        evidence.values().all(|of| of[1][0] == time && of.as_array().unwrap().len() == 2),
        "{evidence:?}"
    );
    let reason = alert["reason"].as_str().unwrap();
    assert!(
        reason.starts_with("hall/1/") && reason.ends_with("part of a rare combination of values"),
        "{reason}"
    );
    let after = serde_json::to_value(&said[1]).unwrap();
    assert_eq!(after["alert"], alert["id"]);
    assert_eq!(after["evidence"]["hall/1/flow"].as_array().unwrap().len(), 3);
}

/// `auto` judges each series by itself: the pair above is no news to it, a flow of 60 is.
#[test]
fn auto_tells_of_the_group_what_is_odd_in_one_of_its_series() {
    let auto = STREAMS.replace("half-space", "auto");
    assert_eq!(feed(&mut pipeline(&auto, 10), 0..1_600), []);
    let mut pipeline = pipeline(&auto, 10);
    feed(&mut pipeline, 0..1_500);
    let (time, label) = (START + 1_500_000, |pump: &str| vec![("pump".to_owned(), pump.to_owned())]);
    let pressure = pipeline.introduce(0, "hall/1/pressure", &label("hall/1")).unwrap();
    let flow = pipeline.introduce(0, "hall/1/flow", &label("hall/1")).unwrap();
    pipeline.on_reading(pressure, TakenAt::Event(time), 5.0, at(time));
    pipeline.on_reading(flow, TakenAt::Event(time), 60.0, at(time));
    let said = drained(&mut pipeline);
    let alert = said.iter().find(|message| message.text("kind") == "alert").expect("an alert");
    assert_eq!((alert.text("series"), alert.text("state")), ("hall/1", "raised"));
    assert_eq!(alert.text("reason"), "hall/1/flow: 60 is 49 above what is usual");
    let after = feed(&mut pipeline, 1_600..1_700);
    let cleared = after.iter().find(|message| message.text("state") == "cleared").expect("its end");
    assert!(cleared.text("reason").ends_with(" is usual again"), "{}", cleared.text("reason"));
}

#[test]
fn a_restart_goes_on_with_what_the_group_has_learned() {
    for kind in ["half-space", "auto"] {
        goes_on(&STREAMS.replace("half-space", kind));
    }
}

fn goes_on(streams: &str) {
    let whole = feed(&mut pipeline(streams, 10), 0..1_600);
    for cut in [700, 1_500, 1_509] {
        let mut first = pipeline(streams, 10);
        let mut said = feed(&mut first, 0..cut);
        let mut state = Vec::new();
        first.save(at(START), &mut state);
        let mut second = pipeline(streams, 10);
        second.restore(&mut StateReader::new(&state)).unwrap();
        second.resume(at(START + cut * 1_000), false);
        said.extend(feed(&mut second, cut..1_600));
        assert_eq!(said, whole, "cut at {cut}");
        let mut changed = pipeline(&streams.replace("*/flow", "*/speed"), 10);
        changed.restore(&mut StateReader::new(&state)).unwrap();
    }
}

#[test]
fn what_is_stamped_on_arrival_moves_with_the_agents_clock() {
    let told = |said: &[Wire]| -> Vec<_> {
        let of = |m: &Wire, key| m.text(key).to_owned();
        said.iter().map(|m| ["id", "alert", "state", "reason"].map(|key| of(m, key))).collect()
    };
    let expected = told(&feed_by(&mut pipeline(STREAMS, 10), 0..1_600, Some(0)));
    assert_eq!(expected.len(), 3, "raised, what followed, cleared: {expected:?}");
    // Set while the alert is raised and what follows it is awaited.
    for ms in [-3_600_000, 3_600_000] {
        let mut pipeline = pipeline(STREAMS, 10);
        let first = (0..1_600).find_map(|step| {
            let said = feed_by(&mut pipeline, step..step + 1, Some(0));
            (!said.is_empty()).then_some((step + 1, said))
        });
        let (step, mut said) = first.unwrap();
        pipeline.on_clock_step(at(START + step * 1_000), ms, None);
        said.extend(feed_by(&mut pipeline, step..1_600, Some(ms)));
        assert_eq!(told(&said), expected, "moved by {ms} ms");
    }
}

#[test]
fn groups_that_cannot_be_are_mistakes() {
    let shown = |detector: &str| {
        let text = format!("{SOURCE}[streams.a]\n[[streams.a.detectors]]\n{detector}\n");
        let (config, document) = config::parse(Path::new("t.toml"), &text, |_| None);
        assert!(config.is_none(), "{text}");
        document.render_all()
    };
    let cases = [
        ("type = \"zscore\"\nover = [\"*/a\", \"*/b\"]", "one series at a time"),
        ("type = \"auto\"\nover = [\"*/a\"]", "2 to 8 series"),
        ("type = \"auto\"\nover = [\"*/a\", \"b\"]", "another number of `*`"),
        ("type = \"auto\"\nover = [\"*/a\", \"*/a\"]", "twice"),
        ("type = \"half-space\"\nover = [\"*/a\", \"*/b\"]\non = \"mean\"", "`over` looks at readings"),
        ("type = \"half-space\"\nover = [\"*/a\", \"*/b\"]\nabove = -1.0", "above"),
    ];
    for (detector, word) in cases {
        let shown = shown(detector);
        assert!(shown.contains(word), "{detector}: {shown}");
    }
}

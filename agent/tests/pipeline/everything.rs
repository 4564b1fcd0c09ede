//! A restart at any points of any stream leaves no trace: every window type, every detector, filters, thinning, pairs
//! and groups at once.

use super::*;
use headwater_kernel::detect::KINDS;
use proptest::prelude::*;
use std::fmt::Write as _;

/// Every detector there is, on the readings of one stream.
fn detectors(stream: &str) -> String {
    let mut text = String::new();
    for kind in KINDS {
        let needs = match kind.name {
            "threshold" | "jump" => "above = 30.0\n",
            "rate" => "rise = 5.0\n",
            "stuck" => "after = \"10s\"\n",
            "range" => "max = 70.0\n",
            _ => "",
        };
        let _ =
            writeln!(text, "[[streams.{stream}.detectors]]\ntype = \"{}\"\n{needs}per_hour = 0", kind.name);
        if kind.name != "range" && kind.name != "missing" {
            text += "evidence = { before = 2, after = 2 }\n";
        }
    }
    text
}

fn streams() -> String {
    let windows = [
        ("tumbling", "{ type = \"tumbling\", size = \"10s\" }\ndownsample = { type = \"lttb\", points = 4 }"),
        ("sliding", "{ type = \"sliding\", size = \"20s\", every = \"5s\" }"),
        ("session", "{ type = \"session\", gap = \"3s\" }"),
        ("count", "{ type = \"count\", size = 7 }"),
        ("none", "{ type = \"none\" }"),
        (
            "band",
            "{ type = \"none\" }\nfilter = { type = \"deadband\", absolute = 5.0, heartbeat = \"20s\" }",
        ),
        ("door", "{ type = \"none\" }\nfilter = { type = \"swinging-door\", error = 4.0 }"),
        (
            "scaled",
            "{ type = \"tumbling\", size = \"5s\" }\nnormalise = \"minmax\"\nnormalise_over = \"30s\"",
        ),
    ];
    let names: Vec<String> = headwater_pipeline::plan::AGGREGATES
        .iter()
        .map(|(name, _)| format!("\"{name}\""))
        .chain(["\"p90\"".to_owned()])
        .collect();
    let mut text = String::new();
    for (name, window) in windows {
        let _ = writeln!(text, "[streams.{name}]\nwindow = {window}\nidle = \"8s\"\nlateness = \"1s\"");
        if !window.contains("none") {
            let _ = writeln!(text, "aggregates = [{}]", names.join(", "));
        }
        if name == "sliding" {
            text += "pairs = [{ a = \"*/a\", b = \"*/b\", tolerance = \"2s\" }]\n";
        }
    }
    text + &detectors("none")
        + "[[streams.none.detectors]]\ntype = \"auto\"\nover = [\"*/a\", \"*/b\"]\nname = \"both\"\n"
}

/// Which series, after so long (ms), so much earlier or later than now (ms), and the value.
type Step = (bool, i64, i64, f64);

fn steps() -> impl Strategy<Value = Vec<Step>> {
    let apart = prop_oneof![8 => -1_500..500_i64, 1 => -40_000..20_000_i64];
    let value = prop_oneof![8 => 15.0..25.0_f64, 1 => -50.0..90.0_f64, 2 => Just(20.0)];
    prop::collection::vec((any::<bool>(), 0..3_000_i64, apart, value), 1..150)
}

/// What is said of the steps, with restarts before some of them.
fn said(
    text: &str,
    steps: &[Step],
    cuts: &[usize],
) -> (Vec<Wire>, headwater_pipeline::account::ReadingLedger) {
    let mut pipeline = pipeline(text, 10);
    let mut now = START;
    let mut said = Vec::new();
    for (number, (is_a, after, apart, value)) in steps.iter().enumerate() {
        if cuts.contains(&number) {
            let mut state = Vec::new();
            pipeline.save(at(now), &mut state);
            pipeline = super::pipeline(text, 10);
            assert_eq!(pipeline.restore(&mut StateReader::new(&state)), Ok(0));
            let mut again = Vec::new();
            pipeline.save(at(now), &mut again);
            assert!(again == state, "the same state, as bytes");
            pipeline.resume(at(now), false);
        }
        let end = now + after;
        while let Some(due) = pipeline.poll_timeout().filter(|due| due.0 <= end) {
            now = now.max(due.0);
            pipeline.on_tick(at(now));
        }
        now = end;
        let series = ["x/b", "x/a"].map(|name| pipeline.introduce(0, name, &[]).unwrap());
        pipeline.on_reading(series[usize::from(*is_a)], TakenAt::Event(now + apart), *value, at(now));
        said.extend(drained(&mut pipeline));
    }
    for _ in 0..100 {
        let Some(due) = pipeline.poll_timeout() else { break };
        now = now.max(due.0);
        pipeline.on_tick(at(now));
        said.extend(drained(&mut pipeline));
    }
    (said, pipeline.ledger())
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 24, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn restarts_anywhere_leave_no_trace(
        steps in steps(), cuts in prop::collection::vec(any::<prop::sample::Index>(), 1..4),
    ) {
        let text = streams();
        let cuts: Vec<usize> = cuts.iter().map(|cut| cut.index(steps.len())).collect();
        prop_assert_eq!(said(&text, &steps, &cuts), said(&text, &steps, &[]));
    }
}

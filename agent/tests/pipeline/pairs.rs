//! Two series together: which readings are pairs, what is told of them, and that the account knows nothing of it.

use super::*;
use proptest::prelude::*;
use std::collections::BTreeMap;

fn labelled(zone: &str, kind: &str) -> Vec<(String, String)> {
    vec![("zone".to_owned(), zone.to_owned()), ("kind".to_owned(), kind.to_owned())]
}

fn of_pairs(messages: Vec<Wire>) -> Vec<Wire> {
    messages.into_iter().filter(|message| message.get("a").is_some()).collect()
}

#[test]
fn the_same_star_makes_a_pair_and_late_readings_its_revision() {
    let streams =
        "[streams.c]\npairs = [{ a = \"*/temp\", b = \"*/hum\", tolerance = \"2s\" }]\nlateness = \"0s\"\n";
    let mut pipeline = pipeline(streams, 10);
    let temp = pipeline.introduce(0, "bed1/temp", &labelled("bed1", "temp")).unwrap();
    let other = pipeline.introduce(0, "bed2/hum", &labelled("bed2", "hum")).unwrap();
    let hum = pipeline.introduce(0, "bed1/hum", &labelled("bed1", "hum")).unwrap();
    for (series, second, value) in [
        (temp, 0, 1.0),
        (hum, 0, 3.0), // with 1
        (temp, 10, 2.0),
        (other, 10, 99.0), // of another bed
        (hum, 12, 5.0),    // with 2
        (hum, 15, 50.0),   // alone
        (temp, 20, 3.0),   // too far from 15
        (temp, 60, 0.0),
        (hum, 60, 0.0), // the next minute
    ] {
        pipeline.on_reading(
            series,
            TakenAt::Event(START + second * 1_000),
            value,
            at(START + second * 1_000),
        );
    }
    let told = of_pairs(drained(&mut pipeline));
    assert_eq!(told.len(), 1);
    assert_eq!(
        serde_json::to_string(&told[0]).unwrap(),
        "{\"v\":1,\"kind\":\"summary\",\"id\":\"c/bed1/temp~bed1/hum@1700000040000+60000\",\"rev\":0,\"agent\":\"a1\",\
         \"stream\":\"c\",\"series\":\"bed1/temp~bed1/hum\",\"a\":\"bed1/temp\",\"b\":\"bed1/hum\",\
         \"labels\":{\"zone\":\"bed1\"},\"start\":1700000040000,\"end\":1700000100000,\"count\":2,\
         \"covariance\":0.5,\"correlation\":1.0}"
    );
    // Late by event time: a revision of the minute before.
    pipeline.on_reading(hum, TakenAt::Event(START + 21_000), 4.0, at(START + 61_000));
    pipeline.on_tick(at(START + 62_000));
    let again = of_pairs(drained(&mut pipeline));
    assert_eq!((again.len(), again[0].text("id")), (1, told[0].text("id")));
    assert_eq!((again[0].number("rev"), again[0].number("count")), (Some(1.0), Some(3.0)));
    let totals = pipeline.totals();
    assert!(totals.balances() && totals.received == 10);
}

#[test]
fn pairs_that_do_not_vary_have_no_correlation_and_each_series_may_be_in_many() {
    let streams = "[streams.c]\nwindow = { type = \"count\", size = 3 }\n\
                   pairs = [{ a = \"t\", b = \"h\" }, { a = \"h\", b = \"t\" }, { a = \"t\", b = \"p\" }]\n";
    let mut pipeline = pipeline(streams, 10);
    let series = ["t", "h", "p"].map(|name| pipeline.introduce(0, name, &[]).unwrap());
    for second in 0..3 {
        for (series, value) in series.into_iter().zip([second as f64, -second as f64, 7.0]) {
            pipeline.on_reading(series, TakenAt::Arrival, value, at(START + second * 1_000));
        }
    }
    let told = of_pairs(drained(&mut pipeline));
    let mut said: Vec<_> =
        told.iter().map(|m| (m.text("id"), m.number("correlation"), m.number("covariance"))).collect();
    said.sort_by_key(|(id, ..)| *id);
    let variance = 2.0 / 3.0;
    assert_eq!(
        said,
        [
            ("c/h~t@1700000040000+2001#0", Some(-1.0), Some(-variance)),
            ("c/t~h@1700000040000+2001#0", Some(-1.0), Some(-variance)),
            ("c/t~p@1700000040000+2001#0", None, Some(0.0)),
        ]
    );
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(24))]

    /// Each series in an order of its own, some readings only in one, restarts between: what is told last of each window
    /// is what a look at everything says.
    #[test]
    fn disorder_gaps_and_restarts_leave_no_trace(
        steps in prop::collection::vec((1..9_000_i64, -50..50_i32, -50..50_i32, 0..6_u8), 1..100), order in any::<u64>(),
        sliding: bool, retain: bool,
    ) {
        let window = if sliding { "{ type = \"sliding\", size = \"30s\", every = \"10s\" }" } else { "{ type = \"tumbling\", size = \"30s\" }" };
        let (lateness, retain) = if retain { ("0s", "7d") } else { ("1h", "0s") };
        let streams = format!(
            "[streams.c]\nwindow = {window}\nlateness = \"{lateness}\"\nretain = \"{retain}\"\npairs = [{{ a = \"a\", b = \"b\", tolerance = \"0s\" }}]\n"
        );
        let (mut pipeline, mut time) = (pipeline(&streams, 10), START);
        let (mut arrivals, mut naive) = (Vec::new(), BTreeMap::<i64, Vec<(f64, f64)>>::new());
        let sizes: &[i64] = if sliding { &[0, 10_000, 20_000] } else { &[0] };
        for (step, x, y, present) in &steps {
            time += step;
            let (x, y) = (f64::from(*x), f64::from(*y));
            if *present != 1 {
                arrivals.push(("a", time, x));
            }
            if *present != 2 {
                arrivals.push(("b", time, y));
            }
            if *present > 2 || *present == 0 {
                let pane = if sliding { 10_000 } else { 30_000 };
                let first = time.div_euclid(pane) * pane;
                sizes.iter().for_each(|back| naive.entry(first - back).or_default().push((x, y)));
            }
        }
        // Shuffled in blocks, so that disorder is deep but never as deep as what may wait.
        let mut random = order | 1;
        for block in arrivals.chunks_mut(40) {
            for at in (1..block.len()).rev() {
                random = random.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
                block.swap(at, (random >> 33) as usize % (at + 1));
            }
        }
        let mut told = BTreeMap::new();
        // Both are known from the first reading on.
        prop_assert!(["a", "b"].iter().all(|name| pipeline.introduce(0, name, &[]).is_some()));
        for (number, (name, time, value)) in arrivals.iter().enumerate() {
            let series = pipeline.introduce(0, name, &[]).unwrap();
            pipeline.on_reading(series, TakenAt::Event(*time), *value, Now { synced: false, ..at(START) });
            note(&mut pipeline, &mut told);
            if number % 30 == 29 {
                pipeline = restarted(&pipeline, &streams);
            }
        }
        pipeline.on_tick(at(START + 86_400_000));
        note(&mut pipeline, &mut told);
        prop_assert_eq!(pipeline.totals().late + pipeline.totals().in_windows, 0);
        for (start, pairs) in naive {
            let n = pairs.len() as f64;
            let mean = |side: fn(&(f64, f64)) -> f64| pairs.iter().map(side).sum::<f64>() / n;
            let (x, y) = (mean(|pair| pair.0), mean(|pair| pair.1));
            let covariance = pairs.iter().map(|pair| (pair.0 - x) * (pair.1 - y)).sum::<f64>() / n;
            let (count, said) = told.remove(&start).unwrap_or_else(|| panic!("nothing is told of {start}"));
            prop_assert_eq!(count, n);
            prop_assert!((said - covariance).abs() <= 1e-9 * 2_500.0);
        }
        prop_assert!(told.is_empty(), "{told:?}");
    }
}

/// Count and covariance of what was told last of each window.
fn note(pipeline: &mut Pipeline, told: &mut BTreeMap<i64, (f64, f64)>) {
    for message in of_pairs(drained(pipeline)) {
        let number = |name: &str| message.number(name).unwrap();
        told.insert(number("start") as i64, (number("count"), number("covariance")));
    }
}

fn restarted(pipeline: &Pipeline, streams: &str) -> Pipeline {
    let mut state = Vec::new();
    pipeline.save(at(START), &mut state);
    let mut next = super::pipeline(streams, 10);
    assert_eq!(next.restore(&mut headwater_kernel::state::StateReader::new(&state)), Ok(0));
    for end in (0..state.len()).step_by(97) {
        check_cut(streams, &state[..end]);
    }
    next.resume(at(START), false);
    next
}

/// The second series is not known yet when the first one's reading comes.
#[test]
fn the_first_readings_find_each_other() {
    let streams = "[streams.c]\naggregates = [\"count\"]\npairs = [{ a = \"*/temp\", b = \"*/hum\" }]\n";
    for names in [["bed1/temp", "bed1/hum"], ["bed1/hum", "bed1/temp"]] {
        let mut pipeline = pipeline(streams, 10);
        for second in 0..40 {
            for name in names {
                let series = pipeline.introduce(0, name, &[]).unwrap();
                pipeline.on_reading(series, TakenAt::Event(START + second * 1_000), 1.0, at(START));
            }
        }
        pipeline.on_tick(at(START + 3_600_000));
        let told = of_pairs(drained(&mut pipeline));
        assert_eq!(told.iter().filter_map(|summary| summary.number("count")).sum::<f64>(), 40.0);
    }
}

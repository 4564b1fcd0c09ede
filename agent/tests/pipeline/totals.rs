//! Totals add up: the sum over all windows is that over the readings, whatever the order, the restarts and the thinning.

use super::*;
use headwater_forwarder::{Compactor as _, Message};
use headwater_wire::rollup::Thinner;
use headwater_wire::{Messages, read_event};
use proptest::prelude::*;
use std::collections::BTreeMap;

const TOTALS: &str = "aggregates = [\"count\", \"delta\", \"increase\", \"rate\", \"integral\", \"time_weighted_mean\", \
                      \"time_on\", \"time_off\"]\ncounters = { wrap = 64, dip = 1 }\nretain = \"7d\"\n";

/// How many readings of a window may come in any order.
const IN_ORDER: usize = 16;

/// Times (ms) and values of one series, in order of arrival.
type Readings = Vec<(i64, f64)>;

fn arrivals() -> impl Strategy<Value = Readings> {
    let step = prop_oneof![8 => 700..4_000_i64, 2 => -4_000..0_i64, 1 => -60_000..-5_000_i64, 1 => 20_000..200_000_i64];
    prop::collection::vec((step, 0..64_u32), 1..90).prop_map(|steps| {
        let walk = steps.iter().scan(START, |time, (step, value)| {
            *time += step;
            // Every third is 0, as of a switch that is off.
            Some((*time, if value % 3 == 0 { 0.0 } else { f64::from(*value) }))
        });
        walk.collect()
    })
}

/// The messages of one series with restarts, and the readings in windows, sorted.
fn summaries(streams: &str, arrivals: &Readings, restart_every: usize) -> (Vec<Message>, Readings) {
    let mut pipeline = pipeline(streams, 10);
    pipeline.set_mergeable(true);
    let (mut taken, mut messages, mut now) = (Vec::new(), Vec::new(), START);
    let mut take = |pipeline: &mut Pipeline| {
        messages.extend(pipeline.drain().map(|(made, event)| Messages::default().message(&event, made.0)));
    };
    for (number, (time, value)) in arrivals.iter().enumerate() {
        // A clock that is not set: no time is in the future.
        now += 1_500;
        let series = pipeline.introduce(0, "t", &[]).unwrap();
        let late = pipeline.totals().late;
        pipeline.on_reading(series, TakenAt::Event(*time), *value, Now { synced: false, ..at(now) });
        pipeline.on_tick(Now { synced: false, ..at(now) });
        if pipeline.totals().late == late {
            taken.push((*time, *value));
        }
        take(&mut pipeline);
        if number % restart_every == restart_every - 1 {
            let mut state = Vec::new();
            pipeline.save(at(now), &mut state);
            take(&mut pipeline);
            pipeline = super::pipeline(streams, 10);
            pipeline.set_mergeable(true);
            assert_eq!(pipeline.restore(&mut StateReader::new(&state)), Ok(0));
            pipeline.resume(at(now), false);
        }
    }
    pipeline.on_tick(at(now + 86_400_000));
    take(&mut pipeline);
    taken.sort_by_key(|(time, _)| *time);
    (messages, taken)
}

/// Growth, increase, area (unit seconds), time on and time off (ms), whole time (ms).
type Sums = [f64; 6];

/// Over the readings, from one to the next.
fn whole(readings: &Readings) -> Sums {
    let mut sums = Sums::default();
    for pair in readings.windows(2) {
        let ((from, a), (to, b)) = (pair[0], pair[1]);
        let ms = (to - from) as f64;
        let wrapped = 64.0 - a + b;
        let rise = match b - a {
            step if step >= -1.0 => step,
            _ if (0.0..=32.0).contains(&wrapped) => wrapped,
            _ => b,
        };
        let (on, off) = if a == 0.0 { (0.0, ms) } else { (ms, 0.0) };
        let step = [b - a, rise, (a + b) / 2.0 * ms / 1e3, on, off, ms];
        sums.iter_mut().zip(step).for_each(|(sum, step)| *sum += step);
    }
    sums
}

/// Over the last revision of each window. A rate and a mean count for the time that they are of.
fn summed(messages: &[Message]) -> Sums {
    let mut last = BTreeMap::new();
    for message in messages {
        let mut bytes = Vec::new();
        Encoding::Cbor.encode(&read_event(&message.body).unwrap(), &Unplaced, &mut bytes).unwrap();
        let wire = read(&bytes).unwrap();
        if wire.text("kind") == "summary" {
            let known = last.entry(wire.text("id").to_owned()).or_insert_with(|| wire.clone());
            if wire.number("rev") >= known.number("rev") {
                *known = wire;
            }
        }
    }
    let mut sums = Sums::default();
    for summary in last.values() {
        let of = |name: &str| summary.number(name).unwrap_or(0.0);
        let ms = of("time_on") + of("time_off");
        let step = [of("delta"), of("increase"), of("integral"), of("time_on"), of("time_off"), ms];
        sums.iter_mut().zip(step).for_each(|(sum, step)| *sum += step);
        assert!((of("rate") * ms / 1e3 - of("increase")).abs() <= 1e-6 || ms == 0.0, "{summary:?}");
        assert!((of("time_weighted_mean") * ms / 1e3 - of("integral")).abs() <= 1e-6 || ms == 0.0);
    }
    sums
}

fn close(a: Sums, b: Sums) -> bool {
    a.iter().zip(b).all(|(a, b)| (a - b).abs() <= 1e-6)
}

fn is_in_order(readings: &Readings, window_ms: i64) -> bool {
    let mut windows = BTreeMap::<i64, usize>::new();
    readings.iter().for_each(|(time, _)| *windows.entry(time.div_euclid(window_ms)).or_default() += 1);
    windows.values().all(|count| *count <= IN_ORDER)
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(128))]

    #[test]
    fn windows_add_up_to_the_whole(arrivals in arrivals(), restart_every in 1..40_usize, lateness in 0..9_i64) {
        let streams = format!(
            "[streams.all]\nwindow = {{ type = \"tumbling\", size = \"8s\" }}\nlateness = \"{lateness}s\"\n{TOTALS}"
        );
        prop_assume!(is_in_order(&arrivals, 8_000));
        let (messages, taken) = summaries(&streams, &arrivals, restart_every);
        prop_assert_eq!(taken.len(), arrivals.len());
        let expected = whole(&taken);
        prop_assert!(close(summed(&messages), expected), "{:?} {expected:?}", summed(&messages));
    }

    #[test]
    fn what_is_thinned_adds_up_to_the_whole(
        mut arrivals in arrivals(), restart_every in 1..40_usize, cut in prop::option::of(0..90_usize),
    ) {
        let streams = format!("[streams.all]\nwindow = {{ type = \"tumbling\", size = \"8s\" }}\n{TOTALS}");
        prop_assume!(is_in_order(&arrivals, 8_000));
        if cut.is_some() {
            // A revision of what was thinned before would stand beside it.
            arrivals.sort_by_key(|(time, _)| *time);
        }
        let (messages, taken) = summaries(&streams, &arrivals, restart_every);
        let (config, _) = config::parse(Path::new("test.toml"), &format!("{SOURCE}{streams}"), |_| None);
        let thinned = config.unwrap().streams.iter().map(|stream| (stream.name.to_string(), stream.thinned())).collect::<Vec<_>>();
        let thinner = Thinner::new(thinned);
        let (one, two) = messages.split_at(cut.unwrap_or(0).min(messages.len()));
        let mut both = thinner.merge(one).unwrap_or(one.to_vec());
        both.extend(thinner.merge(two).unwrap_or(two.to_vec()));
        let expected = whole(&taken);
        prop_assert!(close(summed(&both), expected), "{:?} {expected:?}", summed(&both));
    }
}

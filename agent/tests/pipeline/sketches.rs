//! `sketch = true`: whoever reads the payloads can merge them, by what README.md says and nothing else.

use super::*;
use proptest::prelude::*;
use std::collections::BTreeMap;

const STREAM: &str =
    "[streams.s]\nwindow = { type = \"tumbling\", size = \"1h\" }\naggregates = [\"p50\"]\nsketch = true\n";

/// A sketch as README.md describes it.
#[derive(Clone, Debug, Default, PartialEq)]
struct Decoded {
    level: i64,
    zero: i64,
    /// Negative and positive magnitudes: index and count.
    sides: [BTreeMap<i64, i64>; 2],
}

impl Decoded {
    fn of(sketch: &Wire) -> Self {
        let integer =
            |wire: &Wire| if let Wire::Integer(number) = wire { *number } else { panic!("{wire:?}") };
        let side = |name: &str| {
            let Some(Wire::List(bins)) = sketch.get(name) else { panic!("{sketch:?}") };
            let bins = bins.iter().map(|bin| match bin {
                Wire::List(pair) if pair.len() == 2 => (integer(&pair[0]), integer(&pair[1])),
                _ => panic!("{bin:?}"),
            });
            bins.collect()
        };
        let level = sketch.number("level").unwrap() as i64;
        let gamma = (101.0_f64 / 99.0).powf(2_f64.powi(level as i32));
        assert!((sketch.number("gamma").unwrap() - gamma).abs() < 1e-9 * gamma);
        Self {
            level,
            zero: sketch.number("zero").unwrap() as i64,
            sides: [side("negative"), side("positive")],
        }
    }

    /// Halves the index, upwards, as often as it takes.
    fn coarser(&self, level: i64) -> Self {
        let times = 1 << (level - self.level);
        let mut coarser = Self { level, zero: self.zero, ..Self::default() };
        for (to, from) in coarser.sides.iter_mut().zip(&self.sides) {
            from.iter()
                .for_each(|(index, count)| *to.entry(-(-index).div_euclid(times)).or_default() += count);
        }
        coarser
    }

    fn merged(&self, other: &Self) -> Self {
        let level = self.level.max(other.level);
        let (mut sum, other) = (self.coarser(level), other.coarser(level));
        sum.zero += other.zero;
        for (to, from) in sum.sides.iter_mut().zip(other.sides) {
            from.into_iter().for_each(|(index, count)| *to.entry(index).or_default() += count);
        }
        sum
    }
}

/// The sketch that one agent tells of these values, in JSON or in CBOR.
fn told(values: &[f64], as_json: bool) -> Decoded {
    let mut pipeline = pipeline(STREAM, 1);
    let series = pipeline.introduce(0, "t", &[]).unwrap();
    for value in values {
        pipeline.on_reading(series, TakenAt::Event(START), *value, at(START));
    }
    pipeline.on_tick(at(START + 86_400_000));
    let (_, event) = pipeline.drain().next().unwrap();
    let encode = if as_json { Encoding::Json } else { Encoding::Cbor };
    let payload = encoded(encode, &event, &Unplaced);
    Decoded::of(read(&payload).unwrap().get("sketch").unwrap())
}

/// The example of README.md.
#[test]
fn five_values_look_as_documented() {
    let sides = [BTreeMap::from([(55, 1)]), BTreeMap::from([(0, 1), (35, 2)])];
    assert_eq!(told(&[-3.0, 0.0, 1.0, 2.0, 2.01], true), Decoded { level: 0, zero: 1, sides });
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(24))]

    #[test]
    fn two_payloads_merge_into_the_sketch_of_all_readings(
        all in prop_oneof![
            prop::collection::vec(-40.0..85.0_f64, 2..300),
            // So many magnitudes that the bins run out.
            prop::collection::vec((-1_500..1_500_i32, any::<bool>()).prop_map(|(e, s)| 1.021_f64.powi(e) * if s { -1.0 } else { 1.0 }), 2..9_000),
        ],
        cut in 1..9_000_usize, as_json: bool,
    ) {
        let (a, b) = all.split_at(cut.min(all.len() - 1));
        let (a, b, whole) = (told(a, as_json), told(b, !as_json), told(&all, true));
        let merged = a.merged(&b);
        // The agent may have had to go further.
        prop_assert!(merged.level <= whole.level);
        prop_assert_eq!(merged.coarser(whole.level), whole);
    }
}

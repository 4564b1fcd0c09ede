//! Kafka, as an output and as a source: the real binary and a real broker. `tests/kafka/check` runs them as long as you like.

mod output;
mod refusals;
mod source;
mod weeks;

use headwater_tests::KafkaRecord;
use serde_json::Value;
use std::collections::{BTreeMap, BTreeSet};

/// Event time of the first reading, the distance of two, and the length of windows (ms).
const START: i64 = 1_436_400_000_000;
const STEP_MS: i64 = 100;
const SIZE_MS: i64 = 1_000;

/// How often the agent and the broker are killed: a few times, or as `HEADWATER_KAFKA_KILLS` says.
fn kills() -> u32 {
    let kills = std::env::var("HEADWATER_KAFKA_KILLS").ok();
    kills.map_or(2, |kills| kills.parse().expect("HEADWATER_KAFKA_KILLS is a number"))
}

/// A stream with short windows, and a report now and then.
const STREAM: &str = "[streams.main]\nwindow = { type = \"tumbling\", size = \"1s\" }\nlateness = \"0s\"\nidle = \"1h\"\n\
                      aggregates = [\"count\", \"sum\"]\n";

fn map_of(record: &KafkaRecord) -> Value {
    serde_json::from_str(&record.value).unwrap_or_else(|error| panic!("{error}: {}", record.value))
}

/// The whole windows that so many steps fill.
fn windows(steps: i64) -> usize {
    usize::try_from((steps - 1) * STEP_MS / SIZE_MS).expect("steps")
}

/// How many different windows of a series there are.
fn told(records: &[KafkaRecord], series: &str) -> usize {
    let own = records.iter().filter(|record| record.key == series);
    own.map(|record| map_of(record)["start"].as_i64()).collect::<BTreeSet<_>>().len()
}

/// Checks the summaries of consecutive numbers: every window holds all its readings, repeats are equal, a series is in one
/// partition and in order.
#[track_caller]
fn check_summaries(records: &[KafkaRecord]) {
    let mut known: BTreeMap<(&str, String), &str> = BTreeMap::new();
    let mut last: BTreeMap<&str, (i32, i64)> = BTreeMap::new();
    for record in records {
        let map = map_of(record);
        let (id, rev) = (map["id"].as_str().expect("an id"), map["rev"].as_i64().expect("a revision"));
        assert_eq!(record.headers, format!("kind=summary;id={id};rev={rev}"));
        assert_eq!((map["series"].as_str(), rev), (Some(&*record.key), 0), "{}", record.value);
        let start = map["start"].as_i64().expect("a start");
        let first = known.entry((&record.key, id.to_owned())).or_insert(&record.value);
        assert_eq!(*first, record.value, "one id and revision with two contents");
        let (partition, before) = last.entry(&record.key).or_insert((record.partition, i64::MIN));
        assert_eq!(*partition, record.partition, "{} is in two partitions", record.key);
        // A repeat goes back to where the answer was lost, and then on from there.
        if start > *before {
            let follows = *before == i64::MIN || start == *before + SIZE_MS;
            assert!(follows, "{}: {start} came before what lies between it and {before}", record.key);
            *before = start;
        }
        let (first, each) = ((start - START) / STEP_MS, SIZE_MS / STEP_MS);
        let sum = each * first + each * (each - 1) / 2;
        let got = (map["count"].as_i64(), map["sum"].as_f64());
        assert_eq!(got, (Some(each), Some(sum as f64)), "{}", record.value);
    }
}

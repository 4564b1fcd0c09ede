//! Sessions over the lives of an agent.

use super::*;
use std::collections::BTreeMap;

/// The gap of stream `g` (ms).
const GAP: i64 = 3_000;

/// What was told, by id and revision, and the life of the agent in which it was told last.
type Told = BTreeMap<(String, i64), (u32, Wire)>;

/// The sessions of stream `g` that are not retracted are those of the readings in order. A crash may make other sessions of
/// the same readings.
pub(super) fn check(told: &Told, readings: &[(i64, f64)], has_crashed: bool) {
    if has_crashed {
        return;
    }
    let is_session = |message: &Wire| (message.text("stream"), message.text("kind")) == ("g", "summary");
    let told = told.iter().map(|((id, _), (_, told))| (id.as_str(), told));
    let last: BTreeMap<&str, &Wire> = told.filter(|(_, told)| is_session(told)).collect();
    let standing = last.into_values().filter(|told| told.get("retracted").is_none());
    let number = |told: &Wire, name: &str| told.number(name).unwrap() as i64;
    let mut standing: Vec<_> =
        standing.map(|told| ["start", "end", "count"].map(|name| number(told, name))).collect();
    standing.sort_unstable();
    let mut times: Vec<i64> = readings.iter().map(|(time, _)| *time).collect();
    times.sort_unstable();
    let sessions = times.chunk_by(|a, b| b - a < GAP);
    let expected: Vec<_> = sessions
        .map(|session| [session[0], session[session.len() - 1] + GAP, session.len() as i64])
        .collect();
    assert_eq!(standing, expected);
}

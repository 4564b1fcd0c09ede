//! The last windows of each series in each stream, for charts: a few numbers of each, in bounded memory.

use headwater_pipeline::event::{Event, Reading, Summary};
use serde_json::{Value, json};
use std::cell::RefCell;
use std::collections::{HashMap, VecDeque};
use std::sync::Arc;

/// The most windows that are kept of a series in a stream.
const WINDOWS_MAX: usize = 240;

/// The fewest.
const WINDOWS_MIN: usize = 4;

/// Windows that are kept in all, while each series has more than the fewest.
const ALL_MAX: usize = 40_000;

/// Series in streams that are kept at all; later ones have no past.
const RINGS_MAX: usize = 20_000;

/// The memory of all of it when full (bytes).
pub(crate) const WINDOWS_BYTES: u64 =
    (RINGS_MAX * (WINDOWS_MIN * 2 * size_of::<Window>() + size_of::<Ring>() + 64)) as u64;

/// The number that stands for a window: the first of these that it has.
const SHOWN: [&str; 12] = [
    "mean",
    "time_weighted_mean",
    "p50",
    "last",
    "first",
    "rate",
    "increase",
    "delta",
    "sum",
    "integral",
    "time_on",
    "count",
];

/// The numbers of a window that a chart shows; those that it does not have are NaN.
#[derive(Clone, Copy, Debug)]
struct Window {
    start_ms: i64,
    end_ms: i64,
    low: f64,
    value: f64,
    high: f64,
    count: f64,
}

/// The windows of a series in a stream, oldest first.
#[derive(Debug)]
struct Ring {
    /// The name of the number that stands for a window.
    shows: &'static str,
    windows: VecDeque<Window>,
}

/// The stream and the series.
type Place = (Arc<str>, Arc<str>);

/// The last windows of all series.
#[derive(Debug, Default)]
pub(super) struct RecentWindows(RefCell<HashMap<Place, Ring>>);

impl RecentWindows {
    /// Notes a window or a reading that was forwarded.
    pub(super) fn note(&self, event: &Event) {
        let (about, shows, window) = match event {
            Event::Summary(summary) => {
                let (shows, window) = of_summary(summary);
                (&summary.about, shows, window)
            }
            Event::Reading(reading) => (&reading.about, "value", of_reading(reading)),
            _ => return,
        };
        let mut rings = self.0.borrow_mut();
        let place = (about.stream.clone(), about.series.clone());
        let count = rings.len();
        let most = most_of_each(count);
        if let Some(ring) = rings.get_mut(&place) {
            ring.note(shows, window, most);
        } else if count < RINGS_MAX {
            let mut ring = Ring { shows, windows: VecDeque::new() };
            ring.note(shows, window, most);
            rings.insert(place, ring);
            if rings.len().is_power_of_two() {
                let most = most_of_each(rings.len());
                rings.values_mut().for_each(|ring| ring.shrink(most));
            }
        }
    }

    /// The windows of a series, by stream: `[start, end, low, value, high, count]` each. Empty: there are none.
    pub(super) fn of(&self, series: &str) -> Vec<Value> {
        let rings = self.0.borrow();
        let mut found: Vec<_> = rings.iter().filter(|((_, name), _)| **name == *series).collect();
        found.sort_by(|((one, _), _), ((other, _), _)| one.cmp(other));
        let stream = |((stream, _), ring): (&Place, &Ring)| {
            let windows: Vec<Value> = ring.windows.iter().map(Window::as_json).collect();
            json!({ "stream": &**stream, "shows": ring.shows, "windows": windows })
        };
        found.into_iter().map(stream).collect()
    }
}

/// How many windows each of so many series may have.
fn most_of_each(rings: usize) -> usize {
    (ALL_MAX / rings.max(1)).clamp(WINDOWS_MIN, WINDOWS_MAX)
}

impl Ring {
    /// Adds a window, or corrects the one of the same time.
    fn note(&mut self, shows: &'static str, window: Window, most: usize) {
        self.shows = shows;
        let same = |known: &&mut Window| known.start_ms == window.start_ms && known.end_ms == window.end_ms;
        // Two readings of one time are two points.
        let is_window = window.end_ms > window.start_ms;
        match self.windows.iter_mut().rev().find(same).filter(|_| is_window) {
            Some(known) => *known = window,
            None => self.insert(window),
        }
        while self.windows.len() > most {
            self.windows.pop_front();
        }
    }

    /// In the order of their times; most come last.
    fn insert(&mut self, window: Window) {
        let at = self.windows.partition_point(|known| known.start_ms <= window.start_ms);
        self.windows.insert(at, window);
    }

    fn shrink(&mut self, most: usize) {
        let over = self.windows.len().saturating_sub(most);
        self.windows.drain(..over);
        self.windows.shrink_to(most);
    }
}

impl Window {
    fn as_json(&self) -> Value {
        json!([self.start_ms, self.end_ms, self.low, self.value, self.high, self.count])
    }
}

fn of_summary(summary: &Summary) -> (&'static str, Window) {
    let number = |name: &str| summary.number_of(name).unwrap_or(f64::NAN);
    let shows = SHOWN.into_iter().find(|name| summary.number_of(name).is_some()).unwrap_or("count");
    let window = Window {
        start_ms: summary.start.ms,
        end_ms: summary.end_ms,
        low: number("min"),
        value: number(shows),
        high: number("max"),
        count: number("count"),
    };
    (shows, window)
}

fn of_reading(reading: &Reading) -> Window {
    let (ms, value) = (reading.time.ms, reading.value);
    Window { start_ms: ms, end_ms: ms, low: f64::NAN, value, high: f64::NAN, count: 1.0 }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::web::testing::{reading, summary};

    #[test]
    fn windows_come_in_order_and_a_correction_takes_the_place_of_what_it_corrects() {
        let recent = RecentWindows::default();
        for (start, mean) in [(0, 1.0), (20, 3.0), (10, 2.0), (20, 4.0)] {
            recent.note(&summary("s", "a/temp", (start, start + 10), &[("mean", mean), ("max", 9.0)]));
        }
        recent.note(&reading("raw", "a/temp", 5, 7.5));
        recent.note(&reading("raw", "a/temp", 5, 8.5));
        recent.note(&summary("s", "other", (0, 10), &[("count", 2.0)]));
        assert_eq!(
            serde_json::Value::Array(recent.of("a/temp")),
            json!([
                { "stream": "raw", "shows": "value",
                  "windows": [[5, 5, null, 7.5, null, 1.0], [5, 5, null, 8.5, null, 1.0]] },
                { "stream": "s", "shows": "mean",
                  "windows": [[0, 10, null, 1.0, 9.0, null], [10, 20, null, 2.0, 9.0, null], [20, 30, null, 4.0, 9.0, null]] },
            ])
        );
        assert_eq!((recent.of("other")[0]["shows"].as_str(), recent.of("none").len()), (Some("count"), 0));
    }

    #[test]
    fn memory_is_bounded_however_many_series_there_are() {
        let recent = RecentWindows::default();
        let fill = |name: &str| {
            for start in 0..300 {
                recent.note(&summary("s", name, (start, start + 1), &[("mean", 1.0)]));
            }
        };
        fill("first");
        assert_eq!(recent.of("first")[0]["windows"].as_array().unwrap().len(), WINDOWS_MAX);
        for series in 0..RINGS_MAX + 10 {
            recent.note(&summary("s", &format!("n{series}"), (0, 1), &[("mean", 1.0)]));
        }
        let rings = recent.0.borrow();
        assert_eq!(rings.len(), RINGS_MAX);
        let first = &rings[&("s".into(), "first".into())];
        assert!(first.windows.len() <= WINDOWS_MIN && first.windows.capacity() <= 2 * WINDOWS_MIN);
    }
}

//! Readings of series that somebody watches, as they come. While nobody does, a reading costs one look at a number.
//!
//! A queue holds at most [`READINGS_MAX`] readings between two looks. Of more it keeps, of each four, the smallest and the
//! largest, so that no peak is lost.

use std::cell::{Cell, RefCell};
use std::rc::Rc;

/// The most readings that wait in a queue.
const READINGS_MAX: usize = 512;

/// A time (ms since the Unix epoch) and a value.
type Point = (i64, f64);

/// All that is watched. A clone is a handle of the same.
#[derive(Clone, Default)]
pub(crate) struct WatchedSeries(Rc<Shared>);

#[derive(Default)]
struct Shared {
    /// How many handles are watched.
    count: Cell<usize>,
    watches: RefCell<Vec<(u64, Rc<Queue>)>>,
}

#[derive(Default)]
struct Queue(RefCell<Vec<Point>>);

/// One who watches a series, until it is dropped.
pub(crate) struct SeriesWatch {
    shared: Rc<Shared>,
    queue: Rc<Queue>,
}

impl WatchedSeries {
    /// Begins to watch a series, which has no handles yet.
    pub(crate) fn watch(&self) -> SeriesWatch {
        SeriesWatch { shared: self.0.clone(), queue: Rc::default() }
    }

    /// Shows a reading of a handle to those who watch it.
    #[inline]
    pub(crate) fn on_reading(&self, handle: u64, time_ms: i64, value: f64) {
        if self.0.count.get() > 0 {
            self.show(handle, (time_ms, value));
        }
    }

    #[cold]
    fn show(&self, handle: u64, point: Point) {
        let watches = self.0.watches.borrow();
        watches.iter().filter(|(watched, _)| *watched == handle).for_each(|(_, queue)| queue.push(point));
    }
}

impl Queue {
    fn push(&self, point: Point) {
        let mut points = self.0.borrow_mut();
        if points.len() >= READINGS_MAX {
            *points = thinned(&points);
        }
        points.push(point);
    }
}

impl SeriesWatch {
    /// Watches these handles, and no others any more.
    pub(crate) fn set_handles(&self, handles: impl IntoIterator<Item = u64>) {
        let mut watches = self.shared.watches.borrow_mut();
        watches.retain(|(_, queue)| !Rc::ptr_eq(queue, &self.queue));
        watches.extend(handles.into_iter().map(|handle| (handle, self.queue.clone())));
        self.shared.count.set(watches.len());
    }

    /// The readings since the last call, at most so many.
    pub(crate) fn take(&self, most: usize) -> Vec<Point> {
        let mut points = self.queue.0.take();
        while points.len() > most.max(4) {
            points = thinned(&points);
        }
        points
    }
}

impl Drop for SeriesWatch {
    fn drop(&mut self) {
        self.set_handles([]);
    }
}

/// Of each four, the smallest and the largest, in the order in which they came.
fn thinned(points: &[Point]) -> Vec<Point> {
    let is_end = |four: &[Point], at: usize| {
        let value = four.get(at).map_or(f64::NAN, |point| point.1);
        let before = four.iter().take(at);
        let is_low = before.clone().all(|point| point.1 > value) && four.iter().all(|point| point.1 >= value);
        is_low || (before.clone().all(|point| point.1 < value) && four.iter().all(|point| point.1 <= value))
    };
    let ends = |four: &'_ [Point]| {
        let kept = (0..four.len()).filter(|at| is_end(four, *at)).filter_map(|at| four.get(at).copied());
        kept.collect::<Vec<_>>()
    };
    points.chunks(4).flat_map(ends).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn who_watches_sees_what_comes_of_the_series() {
        let watched = WatchedSeries::default();
        watched.on_reading(1, 0, 0.0);
        let watch = watched.watch();
        watch.set_handles([1, 2]);
        let other = watched.watch();
        other.set_handles([2]);
        for (handle, value) in [(1, 1.0), (2, 2.0), (3, 3.0)] {
            watched.on_reading(handle, 5, value);
        }
        assert_eq!((watch.take(99), other.take(99)), (vec![(5, 1.0), (5, 2.0)], vec![(5, 2.0)]));
        watch.set_handles([3]);
        watched.on_reading(1, 6, 1.0);
        watched.on_reading(3, 6, 3.0);
        assert_eq!((watch.take(99), watched.0.count.get()), (vec![(6, 3.0)], 2));
        drop((watch, other));
        assert_eq!(watched.0.count.get(), 0);
    }

    #[test]
    fn a_queue_is_bounded_and_keeps_the_peaks() {
        let watched = WatchedSeries::default();
        let watch = watched.watch();
        watch.set_handles([0]);
        for time in 0..10_000 {
            let value = if time == 4_321 {
                99.0
            } else if time == 777 {
                -99.0
            } else {
                (time % 7) as f64
            };
            watched.on_reading(0, time, value);
        }
        assert!(watch.queue.0.borrow().len() <= READINGS_MAX);
        let taken = watch.take(64);
        assert!((16..=64).contains(&taken.len()), "{}", taken.len());
        assert!(taken.contains(&(4_321, 99.0)) && taken.contains(&(777, -99.0)));
        assert!(taken.is_sorted_by_key(|(time, _)| *time));
        assert_eq!(thinned(&[(1, 5.0), (2, 5.0), (3, 5.0), (4, 5.0), (5, 1.0)]), [(1, 5.0), (5, 1.0)]);
    }
}

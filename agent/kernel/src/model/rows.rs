//! Joins the windows of several series into rows of features, by the end of the window.
//!
//! A row is complete when every series has told its window with that end. The windows of a series come in order, so a
//! later one shows that an earlier one is missing: then the gap is filled from the windows around it, if it is short
//! enough, or the row is given up. A window with a feature that is not finite counts as missing. At most [`PENDING`]
//! rows wait; then the oldest is given up, because a series that is silent must not hold up memory.
//!
//! Features lie series by series. Memory: [`PENDING`] + 1 rows, in `S`.

use crate::detect::SERIES_MAX;
use crate::state::{Corrupt, State, StateReader, StateWriter};
use crate::time::SteadyTime;

/// Rows that wait for windows, at most.
pub const PENDING: usize = 8;

/// The version of the stored rows.
pub const WINDOW_ROWS_VERSION: u16 = 1;

/// What takes the place of a missing window.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Fill {
    /// Nothing: its row is given up.
    #[default]
    Nothing,
    /// The window before it.
    Hold,
    /// The straight line between the windows around it.
    Linear,
}

/// Rows of `members` series with `width` features each.
#[derive(Clone, Debug, PartialEq)]
pub struct WindowRows<S> {
    members: usize,
    width: usize,
    fill: Fill,
    /// The longest gap that is filled, from window to window (ms).
    within_ms: i64,
    /// The ends of the waiting rows, earliest first, and the series that have told theirs, as bits.
    waiting: heapless::Vec<(SteadyTime, u8), PENDING>,
    /// The last window of each series.
    last: [SteadyTime; SERIES_MAX],
    /// The features of the last windows, then those of the waiting rows.
    values: S,
}

impl<S: AsRef<[f64]> + AsMut<[f64]> + FromIterator<f64>> WindowRows<S> {
    /// Rows of up to [`SERIES_MAX`] series with `width` features each; gaps of `within_ms` at most are filled.
    #[must_use]
    pub fn new(members: usize, width: usize, fill: Fill, within_ms: i64) -> Self {
        let members = members.min(SERIES_MAX);
        Self {
            members,
            width,
            fill,
            within_ms,
            waiting: heapless::Vec::new(),
            last: [SteadyTime::MIN; SERIES_MAX],
            values: core::iter::repeat_n(0.0, (PENDING + 1) * members * width).collect(),
        }
    }

    /// The features of a row.
    #[must_use]
    pub const fn features(&self) -> usize {
        self.members * self.width
    }

    /// Takes the window of the series numbered `member`, which ends at `end`. Then take what is complete with
    /// [`WindowRows::pop`].
    pub fn on_window(&mut self, member: usize, end: SteadyTime, features: &[f64]) {
        let is_usable = features.len() == self.width && features.iter().all(|feature| feature.is_finite());
        let before = self.last.get(member).copied().filter(|_| member < self.members && is_usable);
        let Some(before) = before.filter(|before| end > *before) else { return };
        let mut row = 0;
        while let Some((earlier, told)) = self.waiting.get(row).copied().filter(|(earlier, _)| *earlier < end)
        {
            if told & bit(member) != 0 || self.fill_in(member, (before, end), (row, earlier), features) {
                row += 1;
            } else {
                self.remove(row);
            }
        }
        if let Some(place) = self.place(end) {
            self.put(place, member, features);
        }
        if let Some(last) = self.last.get_mut(member) {
            *last = end;
        }
        self.put_last(member, features);
    }

    /// Takes the first row, if it is complete: its end, and its features into `to`.
    pub fn pop(&mut self, to: &mut [f64]) -> Option<SteadyTime> {
        let all = u8::MAX.checked_shr(8 - self.members as u32).unwrap_or(0);
        let (end, _) = self.waiting.first().copied().filter(|(_, told)| *told == all)?;
        to.copy_from_slice(self.row(0)?.get(..to.len())?);
        self.remove(0);
        Some(end)
    }

    /// Fills a gap of a series in a row; `false`: it stays a gap.
    fn fill_in(
        &mut self,
        member: usize,
        (before, after): (SteadyTime, SteadyTime),
        (row, at): (usize, SteadyTime),
        features: &[f64],
    ) -> bool {
        let is_short = before > SteadyTime::MIN && after.since(before) <= self.within_ms;
        if self.fill == Fill::Nothing || !is_short || at <= before {
            return false;
        }
        let share = match self.fill {
            Fill::Linear => at.since(before) as f64 / after.since(before).max(1) as f64,
            Fill::Hold | Fill::Nothing => 0.0,
        };
        let (start, width) = (self.start(row) + member * self.width, self.width);
        let values = self.values.as_mut();
        for (feature, next) in features.iter().enumerate().take(width) {
            let last = values.get(member * width + feature).copied().unwrap_or(0.0);
            if let Some(place) = values.get_mut(start + feature) {
                *place = last + share * (next - last);
            }
        }
        if let Some((_, told)) = self.waiting.get_mut(row) {
            *told |= bit(member);
        }
        true
    }

    /// The waiting row that ends at `end`. A new one may push the oldest out; `None`: it would be the oldest itself.
    fn place(&mut self, end: SteadyTime) -> Option<usize> {
        let place = |waiting: &[(SteadyTime, u8)]| waiting.partition_point(|(earlier, _)| *earlier < end);
        let mut at = place(&self.waiting);
        if self.waiting.get(at).is_some_and(|(known, _)| *known == end) {
            return Some(at);
        }
        if self.waiting.is_full() {
            if at == 0 {
                return None;
            }
            self.remove(0);
            at = place(&self.waiting);
        }
        let (from, rows) = (self.start(at), self.waiting.len().saturating_sub(at));
        let (length, features) = (rows * self.features(), self.features());
        let values = self.values.as_mut();
        if from + features + length <= values.len() {
            values.copy_within(from..from + length, from + features);
        }
        self.waiting.insert(at, (end, 0)).ok().map(|()| at)
    }

    fn remove(&mut self, row: usize) {
        let (to, from, end) = (self.start(row), self.start(row + 1), self.start(self.waiting.len()));
        let values = self.values.as_mut();
        if from <= end && end <= values.len() {
            values.copy_within(from..end, to);
        }
        if row < self.waiting.len() {
            self.waiting.remove(row);
        }
    }

    fn put(&mut self, row: usize, member: usize, features: &[f64]) {
        let start = self.start(row) + member * self.width;
        if let Some(place) = self.values.as_mut().get_mut(start..start + self.width) {
            place.copy_from_slice(features);
        }
        if let Some((_, told)) = self.waiting.get_mut(row) {
            *told |= bit(member);
        }
    }

    fn put_last(&mut self, member: usize, features: &[f64]) {
        let start = member * self.width;
        if let Some(place) = self.values.as_mut().get_mut(start..start + self.width) {
            place.copy_from_slice(features);
        }
    }

    fn row(&self, row: usize) -> Option<&[f64]> {
        let start = self.start(row);
        self.values.as_ref().get(start..start + self.features())
    }

    /// Where a waiting row begins among the values.
    const fn start(&self, row: usize) -> usize {
        (row + 1) * self.features()
    }

    /// Writes what waits.
    pub fn save(&self, to: &mut dyn StateWriter) {
        (self.members as u32, self.width as u32).save(to);
        self.last.iter().take(self.members).for_each(|last| last.save(to));
        (self.waiting.len() as u32).save(to);
        self.waiting.iter().for_each(|waiting| waiting.save(to));
        self.values.as_ref().iter().take(self.start(self.waiting.len())).for_each(|value| value.save(to));
    }

    /// Restores what [`WindowRows::save`] wrote for as many series and features.
    ///
    /// # Errors
    /// [`Corrupt`]: not written by it; what waits is then not to be used.
    pub fn restore(&mut self, from: &mut StateReader<'_>) -> Result<(), Corrupt> {
        let (members, width): (u32, u32) = State::load(from)?;
        if (members as usize, width as usize) != (self.members, self.width) {
            return Err(Corrupt);
        }
        for last in self.last.iter_mut().take(self.members) {
            *last = State::load(from)?;
        }
        self.waiting.clear();
        for _ in 0..u32::load(from)? {
            let waiting: (SteadyTime, u8) = State::load(from)?;
            let is_later = self.waiting.last().is_none_or(|last| last.0 < waiting.0);
            self.waiting.push(waiting).ok().filter(|()| is_later).ok_or(Corrupt)?;
        }
        let count = self.start(self.waiting.len());
        for place in self.values.as_mut().iter_mut().take(count) {
            let value: f64 = State::load(from)?;
            *place = if value.is_finite() { value } else { return Err(Corrupt) };
        }
        Ok(())
    }
}

/// The bit of a series.
const fn bit(member: usize) -> u8 {
    1 << (member % SERIES_MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    extern crate std;
    use std::vec::Vec;

    type Told = Vec<(i64, Vec<f64>)>;

    fn built(members: usize, fill: Fill) -> WindowRows<Vec<f64>> {
        WindowRows::new(members, 1, fill, 40)
    }

    /// Windows as series, end and value.
    fn told(rows: &mut WindowRows<Vec<f64>>, windows: &[(usize, i64, f64)]) -> Told {
        let mut told = Told::new();
        for (member, end, value) in windows {
            rows.on_window(*member, SteadyTime(*end), &[*value]);
            let mut row = std::vec![0.0; rows.features()];
            while let Some(end) = rows.pop(&mut row) {
                told.push((end.0, row.clone()));
            }
        }
        told
    }

    #[test]
    fn windows_with_one_end_are_one_row_whoever_comes_first() {
        let windows = [(0, 10, 1.0), (0, 20, 2.0), (1, 10, 5.0), (2, 10, 9.0), (2, 20, 8.0), (1, 20, 6.0)];
        let wanted = [(10, [1.0, 5.0, 9.0].to_vec()), (20, [2.0, 6.0, 8.0].to_vec())];
        assert_eq!(told(&mut built(3, Fill::Nothing), &windows), wanted);
        let alone = [(0, 10, 1.0), (0, 10, 2.0), (0, 5, 3.0), (0, 20, 4.0), (1, 20, 4.0)];
        assert_eq!(told(&mut built(1, Fill::Nothing), &alone), [(10, [1.0].to_vec()), (20, [4.0].to_vec())]);
    }

    #[test]
    fn a_gap_is_filled_if_it_is_short_and_given_up_otherwise() {
        let gap = [(0, 10, 0.0), (1, 10, 1.0), (0, 20, 0.0), (0, 30, 0.0), (1, 40, 4.0), (0, 40, 0.0)];
        let values = |fill| -> Vec<f64> {
            told(&mut built(2, fill), &gap).into_iter().map(|(_, row)| row[1]).collect()
        };
        assert_eq!(values(Fill::Nothing), [1.0, 4.0]);
        assert_eq!(values(Fill::Hold), [1.0, 1.0, 1.0, 4.0]);
        assert_eq!(values(Fill::Linear), [1.0, 2.0, 3.0, 4.0]);
        // Across an outage nothing is made up, and nothing before the first window either.
        let outage = [(0, 10, 0.0), (1, 10, 1.0), (0, 20, 0.0), (1, 60, 4.0), (0, 60, 0.0)];
        assert_eq!(told(&mut built(2, Fill::Hold), &outage).len(), 2);
        assert_eq!(told(&mut built(2, Fill::Hold), &[(0, 10, 0.0), (1, 20, 1.0), (0, 20, 0.0)]).len(), 1);
        // What is no number is missing.
        let nan = [(0, 10, 0.0), (1, 10, 1.0), (0, 20, 0.0), (1, 20, f64::NAN), (0, 30, 0.0), (1, 30, 3.0)];
        assert_eq!(told(&mut built(2, Fill::Linear), &nan)[1], (20, [0.0, 2.0].to_vec()));
        assert_eq!(told(&mut built(2, Fill::Nothing), &nan).len(), 2);
    }

    #[test]
    fn a_silent_series_holds_up_no_more_than_the_waiting_rows() {
        let mut rows = built(2, Fill::Hold);
        let windows: Vec<(usize, i64, f64)> = (1..=20).map(|end| (0, end, end as f64)).collect();
        assert!(told(&mut rows, &windows).is_empty());
        let late: Vec<(usize, i64, f64)> = (1..=20).map(|end| (1, end, 0.0)).collect();
        let ends: Vec<i64> = told(&mut rows, &late).into_iter().map(|(end, _)| end).collect();
        assert_eq!(ends, (13..=20).collect::<Vec<i64>>(), "the last {PENDING} waited");
    }

    #[test]
    fn a_restart_at_any_point_changes_nothing() {
        let windows = [(0, 10, 1.0), (0, 20, 2.0), (1, 10, 5.0), (0, 30, 3.0), (1, 40, 9.0), (0, 40, 4.0)];
        let whole = told(&mut built(2, Fill::Linear), &windows);
        assert_eq!(whole.len(), 4);
        for cut in 0..windows.len() {
            let (before, after) = windows.split_at(cut);
            let mut rows = built(2, Fill::Linear);
            let mut all = told(&mut rows, before);
            let mut state = Vec::new();
            rows.save(&mut |bytes: &[u8]| state.extend_from_slice(bytes));
            let mut restored = built(2, Fill::Linear);
            restored.restore(&mut StateReader::new(&state)).unwrap();
            all.extend(told(&mut restored, after));
            assert_eq!(all, whole, "{cut}");
            for length in 0..state.len() {
                assert!(built(2, Fill::Linear).restore(&mut StateReader::new(&state[..length])).is_err());
            }
            assert!(built(3, Fill::Linear).restore(&mut StateReader::new(&state)).is_err());
        }
    }
}

//! Sets of sequence numbers as few intervals.

use std::ops::Range;

/// A set of numbers, kept as disjoint half-open intervals in order. Cost: O(log n) to ask, O(n) to open or close a gap,
/// where n is the number of intervals: the gaps that outages leave, and never a handful of them.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Ranges(Vec<Range<u64>>);

impl Ranges {
    /// Adds one number; whether it is new.
    pub(crate) fn insert(&mut self, number: u64) -> bool {
        if let Some(last) = self.0.last_mut().filter(|last| last.end == number) {
            last.end += 1;
            return true;
        }
        if self.contains(number) {
            return false;
        }
        self.insert_range(number..number + 1);
        true
    }

    /// Adds an interval.
    pub(crate) fn insert_range(&mut self, range: Range<u64>) {
        if range.is_empty() {
            return;
        }
        // Every interval that overlaps or touches the new one melts into it.
        let from = self.0.partition_point(|known| known.end < range.start);
        let to = self.0.partition_point(|known| known.start <= range.end);
        let touched = self.0.get(from..to).unwrap_or_default();
        let start = touched.first().map_or(range.start, |first| first.start.min(range.start));
        let end = touched.last().map_or(range.end, |last| last.end.max(range.end));
        self.0.splice(from..to, std::iter::once(start..end));
    }

    /// Takes an interval out.
    pub(crate) fn remove_range(&mut self, range: Range<u64>) {
        let from = self.0.partition_point(|known| known.end <= range.start);
        let to = self.0.partition_point(|known| known.start < range.end);
        let touched = self.0.get(from..to).unwrap_or_default();
        let (Some(first), Some(last)) = (touched.first(), touched.last()) else { return };
        let rests = [first.start..range.start.max(first.start), range.end.min(last.end)..last.end];
        self.0.splice(from..to, rests.into_iter().filter(|rest| !rest.is_empty()));
    }

    /// The smallest number.
    pub(crate) fn start(&self) -> Option<u64> {
        self.0.first().map(|first| first.start)
    }

    /// The first number of the set that is not below `from`.
    pub(crate) fn next_in(&self, from: u64) -> Option<u64> {
        let at = self.0.partition_point(|known| known.end <= from);
        self.0.get(at).map(|known| known.start.max(from))
    }

    pub(crate) fn contains(&self, number: u64) -> bool {
        self.around(number).is_some()
    }

    /// The first number not below `from` that is not in the set.
    pub(crate) fn next_gap(&self, from: u64) -> u64 {
        self.around(from).map_or(from, |known| known.end)
    }

    /// One past the largest number.
    pub(crate) fn end(&self) -> u64 {
        self.0.last().map_or(0, |last| last.end)
    }

    /// How many numbers of `range` are in the set.
    pub(crate) fn count_in(&self, range: &Range<u64>) -> u64 {
        self.within(range).map(|known| known.end - known.start).sum()
    }

    /// The set's share of `range`, in order.
    pub(crate) fn within(&self, range: &Range<u64>) -> impl Iterator<Item = Range<u64>> {
        let from = self.0.partition_point(|known| known.end <= range.start);
        let (start, end) = (range.start, range.end);
        let overlaps = self.0.iter().skip(from).take_while(move |known| known.start < end);
        overlaps.map(move |known| known.start.max(start)..known.end.min(end))
    }

    /// What of `range` is not in the set, in order.
    pub(crate) fn gaps_in(&self, range: &Range<u64>) -> impl Iterator<Item = Range<u64>> {
        let mut from = range.start;
        let last = std::iter::once(range.end..range.end);
        self.within(range).chain(last).filter_map(move |known| {
            let gap = from..known.start;
            from = known.end;
            (!gap.is_empty()).then_some(gap)
        })
    }

    /// What is in both sets.
    pub(crate) fn intersection(&self, other: &Self) -> Self {
        let (mut ours, mut theirs) = (self.0.iter().peekable(), other.0.iter().peekable());
        let mut both = Self::default();
        while let (Some(a), Some(b)) = (ours.peek(), theirs.peek()) {
            both.insert_range(a.start.max(b.start)..a.end.min(b.end));
            if a.end < b.end {
                ours.next()
            } else {
                theirs.next()
            };
        }
        both
    }

    pub(crate) fn iter(&self) -> impl Iterator<Item = &Range<u64>> {
        self.0.iter()
    }

    fn around(&self, number: u64) -> Option<&Range<u64>> {
        let at = self.0.partition_point(|known| known.end <= number);
        self.0.get(at).filter(|known| known.start <= number)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::BTreeSet;

    /// Against a set that is too simple to be wrong.
    #[test]
    fn a_plain_set_agrees() {
        let mut rng = fastrand::Rng::with_seed(5);
        for _ in 0..300 {
            let (mut ranges, mut set) = (Ranges::default(), BTreeSet::new());
            let (mut other, mut other_set) = (Ranges::default(), BTreeSet::new());
            for _ in 0..40 {
                let start = rng.u64(0..60);
                if rng.bool() {
                    assert_eq!(ranges.insert(start), set.insert(start));
                } else {
                    let end = start + rng.u64(0..8);
                    ranges.insert_range(start..end);
                    set.extend(start..end);
                }
                let start = rng.u64(0..60);
                other.insert_range(start..start + 3);
                other_set.extend(start..start + 3);
                let out = rng.u64(0..60);
                if rng.u8(..3) == 0 {
                    ranges.remove_range(out..out + 4);
                    set.retain(|n| !(out..out + 4).contains(n));
                }
            }
            assert!(ranges.0.windows(2).all(|pair| pair[0].end < pair[1].start), "{ranges:?}");
            let both: Vec<u64> = ranges.intersection(&other).iter().flat_map(Clone::clone).collect();
            assert_eq!(both, set.intersection(&other_set).copied().collect::<Vec<_>>());
            for n in 0..70 {
                assert_eq!(ranges.contains(n), set.contains(&n));
                assert_eq!(ranges.next_in(n), set.range(n..).next().copied());
                assert_eq!(ranges.next_gap(n), (n..).find(|n| !set.contains(n)).unwrap());
                let span = n..n + 9;
                assert_eq!(ranges.count_in(&span), set.range(span.clone()).count() as u64);
                let gaps: Vec<u64> = ranges.gaps_in(&span).flatten().collect();
                assert_eq!(gaps, span.filter(|n| !set.contains(n)).collect::<Vec<_>>());
            }
            assert_eq!(ranges.start(), set.first().copied());
            assert_eq!(ranges.end(), set.last().map_or(0, |last| last + 1));
        }
    }
}

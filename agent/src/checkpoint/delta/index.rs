//! Finds bytes of an old section that stand elsewhere in the new one.

use super::slices::{common, head, tail};
use std::cmp::Reverse;
use std::ops::Range;

/// Equal bytes in another place that are worth a jump.
const MOVED_MIN: usize = 10;

/// How far equal bytes in another place are looked for.
const MOVED_WITHIN: usize = 32;

/// A match of so many bytes is as good as any.
const MOVED_ENOUGH: usize = 48;

/// The bytes that are looked up.
const KEY: usize = 8;

/// Old bytes are looked up at every so many places.
const STRIDE: usize = 4;

/// Old places of one key that are looked at.
const CANDIDATES_MAX: usize = 16;

/// Heads of the index, as a power of two.
const HEAD_BITS: u32 = 12;

/// Places that the index holds.
const RING: usize = 8 << 10;

/// Where keys stand in the window of the old body. Only what is in the section at hand counts; the rest is what is left of others.
pub(super) struct Index {
    /// By the key's hash, the last place and 1.
    heads: Vec<u32>,
    /// By the place, the one before it with that hash and 1.
    before: Vec<u32>,
    /// The end of what has been taken in.
    to: usize,
}

impl Index {
    pub(super) fn new() -> Self {
        Self { heads: vec![0; 1 << HEAD_BITS], before: vec![0; RING], to: 0 }
    }

    /// Forgets all places.
    pub(super) fn clear(&mut self) {
        self.heads.fill(0);
        self.to = 0;
    }

    /// Takes in what is near in a section.
    pub(super) fn fill(&mut self, old: &[u8], range: &Range<usize>, at: usize) {
        const NEAR: usize = RING * STRIDE / 2;
        let start = range.start.max(at.saturating_sub(NEAR));
        if self.to < start || self.to > range.end {
            self.to = start.next_multiple_of(STRIDE);
        }
        let end = range.end.min(at + NEAR);
        while self.to + KEY <= end {
            if let Some(key) = key(tail(old, self.to))
                && let Some(head) = self.heads.get_mut(slot(key))
                && let Some(before) = self.before.get_mut(self.to / STRIDE % RING)
            {
                *before = std::mem::replace(head, self.to as u32 + 1);
            }
            self.to += STRIDE;
        }
    }

    /// How many bytes come before those that stand elsewhere in the section, and where; `None`: that is far, or nowhere.
    pub(super) fn moved(
        &self,
        old: &[u8],
        range: &Range<usize>,
        at: usize,
        new: &[u8],
    ) -> Option<(usize, usize)> {
        for skipped in 0..MOVED_WITHIN.min(new.len()) {
            if let Some(place) = self.find(old, range, at + skipped, tail(new, skipped)) {
                // They may begin before the place that was looked up.
                let is_same = |back: &usize| old.get(place - back) == new.get(skipped - back);
                let back = (1..=skipped.min(place - range.start)).take_while(is_same).count();
                return Some((skipped - back, place - back));
            }
        }
        None
    }

    /// The place with most of the next bytes; of equal ones the nearest to `expected`.
    fn find(&self, old: &[u8], range: &Range<usize>, expected: usize, new: &[u8]) -> Option<usize> {
        let mut next = *self.heads.get(slot(key(new)?))?;
        let mut best = None;
        for _ in 0..CANDIDATES_MAX {
            let Some(place) = next.checked_sub(1).map(|place| place as usize) else { break };
            if range.contains(&place) {
                let same = common(tail(old, place), head(new, MOVED_ENOUGH));
                if same >= MOVED_MIN {
                    best = best.max(Some((same, Reverse(place.abs_diff(expected)), place)));
                }
            }
            let before = *self.before.get(place / STRIDE % RING)?;
            if before >= next || place < range.start {
                break;
            }
            next = before;
        }
        best.map(|(.., place)| place)
    }
}

/// The first bytes as a number; `None`: most of them are 0, as in many places.
fn key(bytes: &[u8]) -> Option<u64> {
    let key = bytes.first_chunk::<KEY>()?;
    (key.iter().filter(|byte| **byte == 0).count() <= KEY / 2).then(|| u64::from_le_bytes(*key))
}

fn slot(key: u64) -> usize {
    const FACTOR: u64 = 0x9e37_79b9_7f4a_7c15; // 2^64 / golden ratio: Fibonacci hashing
    (key.wrapping_mul(FACTOR) >> (u64::BITS - HEAD_BITS)) as usize
}

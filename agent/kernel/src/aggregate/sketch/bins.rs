//! Sorted bins in a fixed number of bytes: more of them while their counts are small.
//!
//! Keys of 2 bytes from the front, counts of 1, 2 or 4 bytes, all of one width, from the back.

/// Sorted keys and their counts, in six bytes for each of `BINS`.
#[derive(Clone, Copy, Debug)]
pub(super) struct Bins<const BINS: usize> {
    bytes: [[u8; 6]; BINS],
    len: u16,
    width: u8,
}

impl<const BINS: usize> Bins<BINS> {
    pub(super) const fn new() -> Self {
        // So that even at the widest, zero and the coarsest bin of either sign fit.
        const { assert!(BINS >= 4 && BINS <= u16::MAX as usize / 4) };
        Self { bytes: [[0; 6]; BINS], len: 0, width: 1 }
    }

    pub(super) fn len(&self) -> usize {
        usize::from(self.len)
    }

    /// Where a key is, or where it belongs.
    pub(super) fn find(&self, key: i16) -> Result<usize, usize> {
        let (keys, _) = self.bytes.as_flattened().as_chunks();
        let used = keys.get(..self.len()).unwrap_or_default();
        used.binary_search_by_key(&key, |bytes| i16::from_le_bytes(*bytes))
    }

    #[inline]
    pub(super) fn key(&self, at: usize) -> i16 {
        let (keys, _) = self.bytes.as_flattened().as_chunks();
        keys.get(at).map_or(0, |bytes| i16::from_le_bytes(*bytes))
    }

    #[inline]
    pub(super) fn count(&self, at: usize) -> u32 {
        let bytes = self.bytes.as_flattened();
        match self.width {
            1 => u32::from(u8::from_le_bytes(number(bytes, at))),
            2 => u32::from(u16::from_le_bytes(number(bytes, at))),
            _ => u32::from_le_bytes(number(bytes, at)),
        }
    }

    /// Adds to a count. `false`: the counts must be wider for it, and there is no room.
    #[inline]
    pub(super) fn raise(&mut self, at: usize, more: u32) -> bool {
        let count = self.count(at).saturating_add(more);
        if count > self.largest() && !self.widen(count) {
            return false;
        }
        self.set(at, count);
        true
    }

    /// Puts a new bin before the one at `at`. `false`: there is no room.
    pub(super) fn insert(&mut self, at: usize, key: i16, count: u32) -> bool {
        if count > self.largest() && !self.widen(count) || self.len() >= Self::room(self.width) {
            return false;
        }
        let (len, width) = (self.len(), usize::from(self.width));
        let bytes = self.bytes.as_flattened_mut();
        let (counts, after) = (bytes.len() - len * width, bytes.len() - at * width);
        bytes.copy_within(2 * at..2 * len, 2 * at + 2);
        bytes.copy_within(counts..after, counts - width);
        if let Some(place) = bytes.get_mut(2 * at..).and_then(|rest| rest.first_chunk_mut()) {
            *place = key.to_le_bytes();
        }
        self.len += 1;
        self.set(at, count);
        true
    }

    #[inline]
    fn set(&mut self, at: usize, count: u32) {
        let bytes = self.bytes.as_flattened_mut();
        match self.width {
            1 => put(bytes, at, (count as u8).to_le_bytes()),
            2 => put(bytes, at, (count as u16).to_le_bytes()),
            _ => put(bytes, at, count.to_le_bytes()),
        }
    }

    fn room(width: u8) -> usize {
        6 * BINS / (2 + usize::from(width))
    }

    /// The largest count that the width holds.
    #[inline]
    fn largest(&self) -> u32 {
        u32::MAX >> (32 - 8 * u32::from(self.width))
    }

    /// Makes the counts wide enough for `count`, where the bins have room for that.
    #[inline(never)]
    fn widen(&mut self, count: u32) -> bool {
        let width = if count <= u32::from(u16::MAX) { 2 } else { 4 };
        if self.len() > Self::room(width) {
            return false;
        }
        let old = *self;
        self.width = width;
        (0..old.len()).for_each(|at| self.set(at, old.count(at)));
        true
    }
}

/// Writes the number at `at` from the back.
#[inline]
fn put<const WIDTH: usize>(bytes: &mut [u8], at: usize, number: [u8; WIDTH]) {
    if let Some(place) = bytes.as_rchunks_mut().1.iter_mut().rev().nth(at) {
        *place = number;
    }
}

/// The number at `at` from the back.
#[inline]
fn number<const WIDTH: usize>(bytes: &[u8], at: usize) -> [u8; WIDTH] {
    bytes.as_rchunks().1.iter().rev().nth(at).copied().unwrap_or([0; WIDTH])
}

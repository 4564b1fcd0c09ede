//! Sorted values, or sorted bins, in a fixed number of bytes: the smaller the counts, the more bins fit.
//!
//! Values of 8 bytes, or of 2 where all of them are short decimals close to one another (`packed.rs`). Of bins: keys of 2 bytes from the front, relative to a base; counts of 1, 2 or 4 bytes, all of the
//! same width, from the back.

use super::values::save_values;
use crate::state::{Corrupt, State, StateReader, StateWriter};

/// Storage for the bins of a sketch; all bytes are 0 at first.
pub trait Room: Clone {
    /// Whether values may be packed. If so, the room grows to 512 bytes at least.
    const PACKS: bool = false;

    /// The initial room.
    fn new() -> Self;

    /// The bytes.
    fn bytes(&self) -> &[u8];

    /// The bytes, to write.
    fn bytes_mut(&mut self) -> &mut [u8];

    /// Grows the room at the end. `false`: it is full. The final size must be the same for all rooms of a type, from
    /// 24 to 65,535 bytes.
    fn grow(&mut self) -> bool {
        false
    }
}

/// Room for `BINS` bins (4 or more) of the widest counts.
#[derive(Clone, Copy, Debug)]
pub struct Fixed<const BINS: usize>([[u8; 6]; BINS]);

impl<const BINS: usize> Room for Fixed<BINS> {
    fn new() -> Self {
        // Zero and the coarsest bin of either sign fit even with the widest counts.
        const { assert!(BINS >= 4 && BINS <= u16::MAX as usize / 6) };
        Self([[0; 6]; BINS])
    }

    #[inline]
    fn bytes(&self) -> &[u8] {
        self.0.as_flattened()
    }

    #[inline]
    fn bytes_mut(&mut self) -> &mut [u8] {
        self.0.as_flattened_mut()
    }
}

/// The most values that are kept as they are.
pub(super) const VALUES_MAX: usize = 64;

/// The width that stands for values.
pub(super) const VALUE_BYTES: u8 = 8;

/// Sorted values, or sorted keys and their counts.
#[derive(Clone, Copy, Debug)]
pub(super) struct Bins<R> {
    pub(super) room: R,
    /// What is added to a key as it is kept.
    pub(super) base: i32,
    pub(super) len: u16,
    /// That of a count (bytes); [`VALUE_BYTES`], or more: there are values.
    pub(super) width: u8,
}

/// Values that are no longer kept.
pub(super) type Values = heapless::Vec<f64, VALUES_MAX>;

impl<R: Room> Bins<R> {
    pub(super) fn new() -> Self {
        Self { room: R::new(), base: 0, len: 0, width: VALUE_BYTES }
    }

    /// Whether there are values, as at first, and no bins.
    #[inline]
    pub(super) fn are_values(&self) -> bool {
        if R::PACKS { self.width >= VALUE_BYTES } else { self.width == VALUE_BYTES }
    }

    /// The values, in ascending order.
    pub(super) fn values(&self) -> impl Iterator<Item = f64> + Clone {
        let len = if self.are_values() { self.len() } else { 0 };
        (0..len).map(|at| if self.is_packed() { self.unpacked(at) } else { self.value(at) })
    }

    fn value(&self, at: usize) -> f64 {
        let (all, _) = self.room.bytes().as_chunks();
        all.get(at).map_or(0.0, |bytes| f64::from_le_bytes(*bytes))
    }

    /// Keeps a value. `false`: there are as many as are kept.
    pub(super) fn insert_value(&mut self, value: f64) -> bool {
        if self.len() == VALUES_MAX {
            return false;
        }
        if R::PACKS && self.insert_packed(value) {
            return true;
        }
        if !self.has_bytes(8 * (self.len() + 1), usize::MAX) {
            return false;
        }
        self.unpack();
        let (all, _) = self.room.bytes_mut().as_chunks_mut::<8>();
        let used = all.get(..usize::from(self.len)).unwrap_or_default();
        let at = used.partition_point(|bytes| f64::from_le_bytes(*bytes).total_cmp(&value).is_le());
        all.copy_within(at..usize::from(self.len), at + 1);
        if let Some(place) = all.get_mut(at) {
            *place = value.to_le_bytes();
        }
        self.len += 1;
        true
    }

    /// Leaves no bins, with room for them. Returns the values that there were.
    pub(super) fn clear(&mut self) -> Values {
        let values = self.values().collect();
        (self.len, self.width) = (0, 1);
        values
    }

    #[inline]
    pub(super) fn len(&self) -> usize {
        usize::from(self.len)
    }

    pub(super) fn room_bytes(&self) -> usize {
        self.room.bytes().len()
    }

    /// The place of a key, or the place where it belongs.
    pub(super) fn find(&self, key: i32) -> Result<usize, usize> {
        let (keys, _) = self.room.bytes().as_chunks();
        let used = keys.get(..self.len()).unwrap_or_default();
        used.binary_search_by_key(&(key - self.base), |bytes| i16::from_le_bytes(*bytes).into())
    }

    #[inline]
    pub(super) fn key(&self, at: usize) -> i32 {
        let (keys, _) = self.room.bytes().as_chunks();
        keys.get(at).map_or(0, |bytes| self.base + i32::from(i16::from_le_bytes(*bytes)))
    }

    /// Makes a key fit between the others. `false`: they are too far apart.
    pub(super) fn reach(&mut self, key: i32) -> bool {
        if i16::try_from(key - self.base).is_ok() {
            return true;
        }
        let last = self.len().checked_sub(1);
        let (low, high) = last.map_or((key, key), |last| (self.key(0).min(key), self.key(last).max(key)));
        if high - low > i32::from(u16::MAX) {
            return false;
        }
        let base = low - i32::from(i16::MIN);
        let moved = self.base - base;
        let (keys, _) = self.room.bytes_mut().as_chunks_mut();
        for bytes in keys.iter_mut().take(usize::from(self.len)) {
            *bytes = ((i32::from(i16::from_le_bytes(*bytes)) + moved) as i16).to_le_bytes();
        }
        self.base = base;
        true
    }

    #[inline]
    pub(super) fn count(&self, at: usize) -> u32 {
        self.count_of(self.width, at)
    }

    #[inline]
    fn count_of(&self, width: u8, at: usize) -> u32 {
        let bytes = self.room.bytes();
        match width {
            1 => u32::from(u8::from_le_bytes(number(bytes, at))),
            2 => u32::from(u16::from_le_bytes(number(bytes, at))),
            _ => u32::from_le_bytes(number(bytes, at)),
        }
    }

    /// Adds to a count. `false`: the counts must become wider, and there is no room in `most` bytes.
    #[inline]
    pub(super) fn raise(&mut self, at: usize, more: u32, most: usize) -> bool {
        let count = self.count(at).saturating_add(more);
        if count > self.largest() && !self.widen(count, most) {
            return false;
        }
        self.set(at, count);
        true
    }

    /// Inserts a new bin before the one at `at`. `false`: there is no room in `most` bytes, or its key is too far away.
    pub(super) fn insert(&mut self, at: usize, key: i32, count: u32, most: usize) -> bool {
        let is_wide = count <= self.largest() || self.widen(count, most);
        if !is_wide || !self.has_room(self.len() + 1, self.width, most) || !self.reach(key) {
            return false;
        }
        let key = (key - self.base) as i16;
        let (len, width) = (self.len(), usize::from(self.width));
        let bytes = self.room.bytes_mut();
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
        let bytes = self.room.bytes_mut();
        match self.width {
            1 => put(bytes, at, (count as u8).to_le_bytes()),
            2 => put(bytes, at, (count as u16).to_le_bytes()),
            _ => put(bytes, at, count.to_le_bytes()),
        }
    }

    /// Whether `len` bins fit into `most` bytes, once the room is fully grown.
    fn has_room(&mut self, len: usize, width: u8, most: usize) -> bool {
        self.has_bytes(len * (2 + usize::from(width)), most)
    }

    pub(super) fn has_bytes(&mut self, needed: usize, most: usize) -> bool {
        if needed > most {
            return false;
        }
        while self.room.bytes().len() < needed {
            let counts = if self.are_values() { 0 } else { self.len() * usize::from(self.width) };
            let before = self.room.bytes().len();
            if !self.room.grow() {
                return false;
            }
            let bytes = self.room.bytes_mut();
            bytes.copy_within(before - counts..before, bytes.len() - counts);
        }
        true
    }

    /// The largest count that the width holds.
    #[inline]
    fn largest(&self) -> u32 {
        u32::MAX >> (32 - 8 * u32::from(self.width))
    }

    /// Makes the counts wide enough for `count`, if there is room in `most` bytes.
    #[inline(never)]
    fn widen(&mut self, count: u32, most: usize) -> bool {
        let width = if count <= u32::from(u16::MAX) { 2 } else { 4 };
        if !self.has_room(self.len(), width, most) {
            return false;
        }
        let narrow = core::mem::replace(&mut self.width, width);
        // Backwards: the wider place of a count lies beyond all counts that are still to be moved.
        for at in (0..self.len()).rev() {
            let count = self.count_of(narrow, at);
            self.set(at, count);
        }
        true
    }
}

impl<R: Room> Bins<R> {
    /// Writes the width (8: values), the number of values or bins, and the values; or the first key, then how far each key
    /// is from it, with its count in that width.
    pub(super) fn save(&self, to: &mut (impl StateWriter + ?Sized)) {
        self.width.min(VALUE_BYTES).save(to);
        self.len.save(to);
        if self.is_packed() {
            return self.save_packed(to);
        }
        if self.are_values() {
            return save_values(self.values(), to);
        }
        let first = self.key(0);
        first.save(to);
        for at in 0..self.len() {
            ((self.key(at) - first) as u16).save(to);
            let count = self.count(at).to_le_bytes();
            to.put(count.get(..usize::from(self.width)).unwrap_or(&count));
        }
    }
}

/// Reads a count of that width.
pub(super) fn load_count(width: u8, from: &mut StateReader<'_>) -> Result<u32, Corrupt> {
    match width {
        1 => u8::load(from).map(u32::from),
        2 => u16::load(from).map(u32::from),
        4 => u32::load(from),
        _ => Err(Corrupt),
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

//! Sorted bins in a fixed number of bytes: the smaller their counts, the more bins fit.
//!
//! Keys of 2 bytes from the front; counts of 1, 2 or 4 bytes, all of the same width, from the back.

use crate::state::{Corrupt, State, StateReader, StateWriter};

/// Storage for the bins of a sketch; all bytes are 0 at first.
pub trait Room: Clone {
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

/// Sorted keys and their counts.
#[derive(Clone, Copy, Debug)]
pub(super) struct Bins<R> {
    room: R,
    len: u16,
    width: u8,
}

impl<R: Room> Bins<R> {
    pub(super) fn new() -> Self {
        Self { room: R::new(), len: 0, width: 1 }
    }

    #[inline]
    pub(super) fn len(&self) -> usize {
        usize::from(self.len)
    }

    pub(super) fn room_bytes(&self) -> usize {
        self.room.bytes().len()
    }

    /// The place of a key, or the place where it belongs.
    pub(super) fn find(&self, key: i16) -> Result<usize, usize> {
        let (keys, _) = self.room.bytes().as_chunks();
        let used = keys.get(..self.len()).unwrap_or_default();
        used.binary_search_by_key(&key, |bytes| i16::from_le_bytes(*bytes))
    }

    #[inline]
    pub(super) fn key(&self, at: usize) -> i16 {
        let (keys, _) = self.room.bytes().as_chunks();
        keys.get(at).map_or(0, |bytes| i16::from_le_bytes(*bytes))
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

    /// Adds to a count. `false`: the counts must become wider, and there is no room.
    #[inline]
    pub(super) fn raise(&mut self, at: usize, more: u32) -> bool {
        let count = self.count(at).saturating_add(more);
        if count > self.largest() && !self.widen(count) {
            return false;
        }
        self.set(at, count);
        true
    }

    /// Inserts a new bin before the one at `at`. `false`: there is no room.
    pub(super) fn insert(&mut self, at: usize, key: i16, count: u32) -> bool {
        if count > self.largest() && !self.widen(count) || !self.has_room(self.len() + 1, self.width) {
            return false;
        }
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

    /// Whether `len` bins fit once the room is fully grown.
    fn has_room(&mut self, len: usize, width: u8) -> bool {
        let needed = len * (2 + usize::from(width));
        while self.room.bytes().len() < needed {
            let (before, counts) = (self.room.bytes().len(), self.len() * usize::from(self.width));
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

    /// Makes the counts wide enough for `count`, if there is room.
    #[inline(never)]
    fn widen(&mut self, count: u32) -> bool {
        let width = if count <= u32::from(u16::MAX) { 2 } else { 4 };
        if !self.has_room(self.len(), width) {
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
    /// Writes the width and the number of bins, then each key with its count in that width.
    pub(super) fn save(&self, to: &mut (impl StateWriter + ?Sized)) {
        self.width.save(to);
        self.len.save(to);
        for at in 0..self.len() {
            self.key(at).save(to);
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

//! Values that are kept as they are in 2 bytes each: short decimals, as sensors send them, within 65,536 steps of their last
//! digit. A key (`bins.rs`) is the value times 10^digits.
//!
//! Whether values are packed depends on the values only, not on their order: all have at most [`DIGITS_MAX`] digits behind the
//! point, and the largest and the smallest one are close enough at the digits of the one that has most.

use super::bins::{Bins, Room, VALUE_BYTES};
use super::values::{integer, power, save_integers};
use crate::state::StateWriter;

/// The width that stands for values that are packed; the number of digits is added.
pub(super) const PACKED: u8 = 64;

const DIGITS_MAX: u8 = 4;

/// Keys lie within this, so that no difference of them overflows.
const KEY_MAX: i64 = 1 << 29;

impl<R: Room> Bins<R> {
    #[inline]
    pub(super) fn is_packed(&self) -> bool {
        R::PACKS && self.width >= PACKED
    }

    /// The value at a place, packed.
    #[inline]
    pub(super) fn unpacked(&self, at: usize) -> f64 {
        f64::from(self.key(at)) / power(self.width.wrapping_sub(PACKED)).unwrap_or(1.0)
    }

    /// Keeps a value among others that are packed. `false`: it cannot be.
    pub(super) fn insert_packed(&mut self, value: f64) -> bool {
        if self.len == 0 {
            self.width = PACKED;
        }
        let Some(key) = self.pack(value) else { return false };
        if !self.reach(key) || !self.has_bytes(2 * (self.len() + 1), usize::MAX) {
            return false;
        }
        let (Ok(at) | Err(at)) = self.find(key);
        let (len, kept) = (self.len(), (key - self.base) as i16);
        let bytes = self.room.bytes_mut();
        bytes.copy_within(2 * at..2 * len, 2 * at + 2);
        if let Some(place) = bytes.get_mut(2 * at..).and_then(|rest| rest.first_chunk_mut()) {
            *place = kept.to_le_bytes();
        }
        self.len += 1;
        true
    }

    /// The key of a value, after the others have got as many digits as it has.
    fn pack(&mut self, value: f64) -> Option<i32> {
        let has = self.width.checked_sub(PACKED)?;
        let key = |digits| Some((digits, within(integer(value, digits)?)?));
        let (digits, key) = (has..=DIGITS_MAX).find_map(key)?;
        if digits > has && self.len > 0 {
            self.rescale(digits, 10_i64.pow(u32::from(digits - has)))?;
        }
        self.width = PACKED + digits;
        Some(key)
    }

    /// Gives all values more digits: their keys become so many times as large. `None`: they are too far apart for that.
    fn rescale(&mut self, digits: u8, times: i64) -> Option<()> {
        let scaled = |bins: &Self, at| within(i64::from(bins.key(at)) * times);
        let (low, high) = (scaled(self, 0)?, scaled(self, self.len() - 1)?);
        if high - low > i32::from(u16::MAX) {
            return None;
        }
        let base = low - i32::from(i16::MIN);
        for at in 0..self.len() {
            let kept = (scaled(self, at)? - base) as i16;
            if let Some(place) =
                self.room.bytes_mut().get_mut(2 * at..).and_then(|rest| rest.first_chunk_mut())
            {
                *place = kept.to_le_bytes();
            }
        }
        (self.base, self.width) = (base, PACKED + digits);
        Some(())
    }

    /// Writes the values as `values.rs` has them, without a look at each value's digits.
    pub(super) fn save_packed(&self, to: &mut (impl StateWriter + ?Sized)) {
        let keys = (0..self.len()).map(|at| i64::from(self.key(at)));
        save_integers(self.width.wrapping_sub(PACKED), keys, to);
    }

    /// Gives each value 8 bytes, for which there is room.
    pub(super) fn unpack(&mut self) {
        if !self.is_packed() {
            return;
        }
        // Backwards: the wider place of a value lies beyond all that are still to be moved.
        for at in (0..self.len()).rev() {
            let value = self.unpacked(at).to_le_bytes();
            if let Some(place) =
                self.room.bytes_mut().get_mut(8 * at..).and_then(|rest| rest.first_chunk_mut())
            {
                *place = value;
            }
        }
        self.width = VALUE_BYTES;
    }
}

fn within(key: i64) -> Option<i32> {
    if key.abs() <= KEY_MAX { i32::try_from(key).ok() } else { None }
}

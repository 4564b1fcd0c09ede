//! Writes and reads the values that stored state is made of: numbers, lengths, texts, counts.

use crate::account::{ReadingCounts, ReadingLedger, SourceCounts};
use crate::sections::length32;
use headwater_kernel::state::{Corrupt, State, StateReader, StateWriter};

/// Appends the bytes that the kernel writes.
pub(super) fn put(to: &mut Vec<u8>) -> impl FnMut(&[u8]) + '_ {
    |bytes| to.extend_from_slice(bytes)
}

/// Appends the bytes that the kernel writes to a vector.
pub(super) struct Bytes<'v>(pub(super) &'v mut Vec<u8>);

impl StateWriter for Bytes<'_> {
    #[inline]
    fn put(&mut self, bytes: &[u8]) {
        self.0.extend_from_slice(bytes);
    }
}

/// Appends the bytes that `write` appends, with a length prefix.
pub(super) fn save_measured(to: &mut Vec<u8>, write: impl FnOnce(&mut Vec<u8>)) {
    let start = to.len();
    save_length(to, 0);
    let from = to.len();
    write(to);
    let length = length32(to.len() - from).to_le_bytes();
    if let Some(place) = to.get_mut(start..from) {
        place.copy_from_slice(&length);
    }
}

/// Appends a length.
pub fn save_length(to: &mut Vec<u8>, length: usize) {
    length32(length).save(&mut put(to));
}

/// Appends bytes with a length prefix.
pub fn save_bytes(to: &mut Vec<u8>, bytes: &[u8]) {
    save_length(to, bytes.len());
    to.extend_from_slice(bytes);
}

/// Appends a text with a length prefix.
pub fn save_text(to: &mut Vec<u8>, text: &str) {
    save_bytes(to, text.as_bytes());
}

/// Reads a length.
pub fn load_length(from: &mut StateReader<'_>) -> Result<usize, Corrupt> {
    Ok(u32::load(from)? as usize)
}

/// Reads bytes with a length prefix.
pub fn load_bytes<'a>(from: &mut StateReader<'a>) -> Result<&'a [u8], Corrupt> {
    let length = load_length(from)?;
    let (bytes, rest) = from.rest().split_at_checked(length).ok_or(Corrupt)?;
    *from = StateReader::new(rest);
    Ok(bytes)
}

/// Reads a text with a length prefix.
pub fn load_text<'a>(from: &mut StateReader<'a>) -> Result<&'a str, Corrupt> {
    std::str::from_utf8(load_bytes(from)?).map_err(|_| Corrupt)
}

/// A larger count is damage; smaller ones add up without overflow.
const COUNT_MAX: u64 = 1 << 48;

/// Appends counts with their names.
pub fn save_named(to: &mut Vec<u8>, counts: &[(&str, i64)]) {
    save_length(to, counts.len());
    for (name, count) in counts {
        save_text(to, name);
        count.save(&mut put(to));
    }
}

/// Reads what [`save_named`] wrote.
///
/// # Errors
/// [`Corrupt`]: cut off, or not written by it.
pub fn load_named<'a>(from: &mut StateReader<'a>) -> Result<Vec<(&'a str, i64)>, Corrupt> {
    let count = |from: &mut StateReader<'_>| {
        let count = i64::load(from)?;
        if count.unsigned_abs() < COUNT_MAX { Ok(count) } else { Err(Corrupt) }
    };
    (0..load_length(from)?).map(|_| Ok((load_text(from)?, count(from)?))).collect()
}

/// Appends the account with its parts.
pub fn save_ledger(to: &mut Vec<u8>, ledger: &ReadingLedger) {
    save_named(to, &ledger.total.named());
    save_length(to, ledger.sources.len());
    for (name, intake) in &ledger.sources {
        save_text(to, name);
        save_named(to, &intake.named());
    }
    save_length(to, ledger.streams.len());
    for (name, counts) in &ledger.streams {
        save_text(to, name);
        save_named(to, &counts.named());
    }
}

/// Reads the account with its parts.
///
/// # Errors
/// [`Corrupt`]: cut off, or not an account.
pub fn load_ledger(from: &mut StateReader<'_>) -> Result<ReadingLedger, Corrupt> {
    let mut ledger = ReadingLedger { total: load_counts(from)?, ..ReadingLedger::default() };
    for _ in 0..load_length(from)? {
        ledger.sources.push((load_text(from)?.to_owned(), SourceCounts::from_named(load_named(from)?)));
    }
    for _ in 0..load_length(from)? {
        ledger.streams.push((load_text(from)?.to_owned(), load_counts(from)?));
    }
    if ledger.balances() { Ok(ledger) } else { Err(Corrupt) }
}

/// Reads an account.
///
/// # Errors
/// [`Corrupt`]: cut off, or not an account.
pub(super) fn load_counts(from: &mut StateReader<'_>) -> Result<ReadingCounts, Corrupt> {
    let counts = ReadingCounts::from_named(load_named(from)?);
    if counts.balances() { Ok(counts) } else { Err(Corrupt) }
}

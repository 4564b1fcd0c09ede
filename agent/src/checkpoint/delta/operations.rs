//! A delta's operations: what is copied of the old body, and how many bytes are new in between.
//!
//! ```text
//! delta      length of the operations (bytes) u32 LE  operation*  all literals
//! operation  token u8  more literals varint  more copied varint  jump varint
//! token      1 bit: a jump follows   3 bits: literals (7: more)   4 bits: copied bytes (15: more)
//! ```
//! Literals stand in the place of as many old bytes. Then the place in the old body moves by the jump (zigzag, absent: 0),
//! and bytes are copied from there on. Literals are taken from the new body only when the delta is written.

use super::slices::{head, tail};
use crate::frames::Damaged;
use crate::varint::{self, unzigzag, zigzag};
use headwater_pipeline::sections::length32;

/// The largest numbers of a token, which say that there are more.
const LITERALS_MORE: usize = 7;
const COPIED_MORE: usize = 15;

/// What is copied and what is not, without the literals; the last operation may grow.
#[derive(Debug, Default)]
pub(in super::super) struct Operations {
    pub(super) bytes: Vec<u8>,
    /// The literals of all operations.
    pub(super) literals: usize,
    last: Operation,
}

/// Literals, then bytes that are copied.
#[derive(Clone, Copy, Debug, Default)]
struct Operation {
    literals: usize,
    jump: i64,
    copied: usize,
}

impl Operations {
    pub(super) fn put(&mut self, literals: usize) {
        if self.last.copied > 0 {
            self.close();
        }
        self.last.literals += literals;
        self.literals += literals;
    }

    pub(super) fn copy(&mut self, jump: i64, length: usize) {
        if self.last.copied > 0 && jump != 0 {
            self.close();
        }
        if self.last.copied == 0 {
            self.last.jump = jump;
        }
        self.last.copied += length;
    }

    /// Appends the last operation.
    pub(super) fn close(&mut self) {
        let Operation { literals, jump, copied } = std::mem::take(&mut self.last);
        let (own, copy) = (literals.min(LITERALS_MORE), copied.min(COPIED_MORE));
        if own + copy == 0 {
            return;
        }
        let bytes = &mut self.bytes;
        bytes.push(u8::from(jump != 0) << 7 | (own as u8) << 4 | copy as u8);
        if own == LITERALS_MORE {
            varint::put(bytes, (literals - own) as u64);
        }
        if copy == COPIED_MORE {
            varint::put(bytes, (copied - copy) as u64);
        }
        if jump != 0 {
            varint::put(bytes, zigzag(jump));
        }
    }

    /// The bytes of the delta, its own length aside.
    pub(in super::super) fn length(&self) -> usize {
        self.bytes.len() + self.literals
    }

    /// Shows the delta that makes `new`, which comes in pieces, in pieces.
    pub(in super::super) fn each_piece(
        &self,
        new: impl Iterator<Item = Vec<u8>>,
        mut show: impl FnMut(&[u8]),
    ) {
        show(&length32(self.bytes.len()).to_le_bytes());
        show(&self.bytes);
        let (mut rest, mut new) = (self.bytes.as_slice(), Passage { pieces: new, piece: Vec::new(), at: 0 });
        while let Ok(Some(operation)) = Operation::take(&mut rest) {
            new.pass(operation.literals, &mut show);
            new.pass(operation.copied, |_| ());
        }
    }
}

/// The way through a body from its beginning to its end.
struct Passage<P> {
    pieces: P,
    piece: Vec<u8>,
    /// The place in the piece.
    at: usize,
}

impl<P: Iterator<Item = Vec<u8>>> Passage<P> {
    /// Shows the next bytes, as far as there are any.
    fn pass(&mut self, length: usize, mut show: impl FnMut(&[u8])) {
        let mut left = length;
        while left > 0 {
            let own = head(tail(&self.piece, self.at), left);
            if own.is_empty() {
                let Some(piece) = self.pieces.next() else { return };
                (self.piece, self.at) = (piece, 0);
                continue;
            }
            show(own);
            self.at += own.len();
            left -= own.len();
        }
    }
}

impl Operation {
    /// Takes the first operation off the bytes.
    fn take(from: &mut &[u8]) -> Result<Option<Self>, Damaged> {
        let Some((token, rest)) = from.split_first() else { return Ok(None) };
        *from = rest;
        let literals = extended(from, usize::from(token >> 4 & 7), LITERALS_MORE)?;
        let copied = extended(from, usize::from(token & 15), COPIED_MORE)?;
        let jump = if token >> 7 == 1 { unzigzag(varint::take(from)?) } else { 0 };
        Ok(Some(Self { literals, jump, copied }))
    }
}

/// The body of `length` bytes that a delta makes of `old`.
///
/// # Errors
/// [`Damaged`]: it makes none, or another body was meant.
pub(in super::super) fn apply(old: &[u8], delta: &[u8], length: usize) -> Result<Vec<u8>, Damaged> {
    let (operations_length, rest) = delta.split_first_chunk().ok_or(Damaged)?;
    let operations_length = u32::from_le_bytes(*operations_length) as usize;
    let (mut operations, mut literals) = rest.split_at_checked(operations_length).ok_or(Damaged)?;
    let mut new = Vec::with_capacity(length.min(old.len() + delta.len()));
    let mut at = 0_usize;
    while let Some(operation) = Operation::take(&mut operations)? {
        let (own, rest) = literals.split_at_checked(operation.literals).ok_or(Damaged)?;
        literals = rest;
        let jump = isize::try_from(operation.jump).map_err(|_| Damaged)?;
        let from = at.checked_add(own.len()).and_then(|at| at.checked_add_signed(jump)).ok_or(Damaged)?;
        at = from.checked_add(operation.copied).ok_or(Damaged)?;
        let copy = if operation.copied == 0 { Some(Default::default()) } else { old.get(from..at) };
        let copy = copy.ok_or(Damaged)?;
        if new.len() + own.len() + copy.len() > length {
            return Err(Damaged);
        }
        new.extend_from_slice(own);
        new.extend_from_slice(copy);
    }
    if new.len() == length && literals.is_empty() { Ok(new) } else { Err(Damaged) }
}

/// A number of a token, with what more there is of it.
fn extended(from: &mut &[u8], number: usize, more: usize) -> Result<usize, Damaged> {
    if number < more {
        return Ok(number);
    }
    let beyond = usize::try_from(varint::take(from)?).map_err(|_| Damaged)?;
    number.checked_add(beyond).ok_or(Damaged)
}

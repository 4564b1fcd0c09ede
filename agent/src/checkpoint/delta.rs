//! The difference of a body to the one before it: what is copied from there, and the bytes in between.
//!
//! Two checkpoints are mostly the same sections in the same order, and most bytes of a section are those of the section
//! that it follows. Numbers change where they are, and here and there some bytes come or go: a bin of a sketch, a window.
//! So each section is compared with the one that begins most like it among those of the old body in its place. Where the
//! two differ, the encoder looks whether they are the same again a few bytes on; if not, it looks the next bytes up in the
//! old section. (The idea of VCDIFF, RFC 3284, with one short operation for the usual case.)
//!
//! Cost: linear.

mod index;
mod operations;
mod slices;

pub(super) use operations::{Operations, apply};

use headwater_pipeline::sections::HEADER_BYTES;
use index::Index;
use slices::{common, head, tail};
use std::cmp::Reverse;
use std::ops::Range;

/// The sections before and behind the one in its place that a section is held against.
const BESIDE: usize = 4;

/// The part of a section that says which one it is (bytes).
const NAME: usize = 64;

/// Equal bytes in the same place that are worth an operation.
const IN_PLACE_MIN: usize = 3;

/// How far equal bytes in the same place are looked for.
const IN_PLACE_WITHIN: usize = 20;

/// So many more literals than half of what is copied, and the place may be a wrong one.
const ASTRAY: usize = 32;

/// The literals between two searches in vain.
const PAUSE_MIN: usize = 16;
const PAUSE_MAX: usize = 1_024;

/// A delta in the making. Of the old body a window is in memory: the sections beside the one in whose place the next one is.
struct Comparison<P> {
    operations: Operations,
    /// Past this it is not worth it (bytes).
    bytes_max: usize,
    /// What is to come of the old body, in pieces of whole sections.
    pieces: P,
    window: Vec<u8>,
    /// Where the window begins in the old body.
    from: usize,
    /// Where each old section begins, and the last one ends, as far as the window has come.
    starts: Vec<usize>,
    /// The old section in whose place the next one is.
    section: usize,
    /// The old byte in whose place the next one is.
    at: usize,
    /// Grows with literals and shrinks with what is copied; see [`ASTRAY`].
    astray: usize,
    index: Index,
    /// The literals before the next search, and the ones after that if it fails.
    pause: usize,
    next_pause: usize,
}

/// The difference of a body to the old one, if it has at most `bytes_max`. Both come in pieces of whole sections.
pub(super) fn difference(
    old: impl Iterator<Item = Vec<u8>>,
    new: impl Iterator<Item = Vec<u8>>,
    bytes_max: usize,
) -> Option<Operations> {
    let mut delta = Comparison::new(old, bytes_max);
    for piece in new {
        let mut rest = piece.as_slice();
        while !rest.is_empty() && delta.is_worth_it() {
            let (section, next) = rest.split_at(length_of_first(rest));
            delta.push(section);
            rest = next;
        }
    }
    delta.operations.close();
    delta.is_worth_it().then_some(delta.operations)
}

/// The bytes of the first section, or all there are if it is cut off.
pub(super) fn length_of_first(sections: &[u8]) -> usize {
    let length =
        sections.get(HEADER_BYTES - 4..).and_then(<[u8]>::first_chunk).copied().map(u32::from_le_bytes);
    let length = length.map_or(usize::MAX, |length| HEADER_BYTES.saturating_add(length as usize));
    length.min(sections.len())
}

/// The bytes that two sections begin with, their lengths aside.
fn likeness(one: &[u8], other: &[u8]) -> usize {
    let kind = |section: &[u8]| section.first_chunk::<4>().copied();
    let name = |section| -> &[u8] { head(tail(section, HEADER_BYTES), NAME) };
    if kind(one) == kind(other) { 1 + common(name(one), name(other)) } else { 0 }
}

impl<P: Iterator<Item = Vec<u8>>> Comparison<P> {
    fn new(pieces: P, bytes_max: usize) -> Self {
        Self {
            operations: Operations::default(),
            bytes_max,
            pieces,
            window: Vec::new(),
            from: 0,
            starts: vec![0],
            section: 0,
            at: 0,
            astray: 0,
            index: Index::new(),
            pause: 0,
            next_pause: PAUSE_MIN,
        }
    }

    fn is_worth_it(&self) -> bool {
        self.operations.length() <= self.bytes_max
    }

    /// The bytes of an old section.
    fn section(&self, number: usize) -> Range<usize> {
        let start = |number| self.starts.get(number).or(self.starts.last()).copied().unwrap_or_default();
        start(number)..start(number + 1)
    }

    /// Moves the window to the sections beside the next one.
    fn look_ahead(&mut self) {
        while self.starts.len() <= self.section + BESIDE + 1 {
            let Some(piece) = self.pieces.next() else { return };
            let gone = self.section(self.section.saturating_sub(BESIDE)).start.saturating_sub(self.from);
            self.window.drain(..gone.min(self.window.len()));
            self.from += gone;
            // It knows places in the window.
            self.index.clear();
            self.window.extend_from_slice(&piece);
            let (mut rest, end) = (piece.as_slice(), self.from + self.window.len());
            while !rest.is_empty() {
                rest = tail(rest, length_of_first(rest));
                self.starts.push(end - rest.len());
            }
        }
    }

    /// Takes the next section in.
    fn push(&mut self, section: &[u8]) {
        self.look_ahead();
        let old = std::mem::take(&mut self.window);
        let beside = self.section.saturating_sub(BESIDE)..=self.section + BESIDE;
        let in_window = |number| {
            let Range { start, end } = self.section(number);
            start.saturating_sub(self.from)..end.saturating_sub(self.from)
        };
        let like = |number: &usize| {
            let likeness = likeness(old.get(in_window(*number)).unwrap_or_default(), section);
            (likeness, Reverse(number.abs_diff(self.section)))
        };
        let model = beside.max_by_key(like).unwrap_or(self.section);
        let range = in_window(model);
        self.section = model + 1;
        (self.astray, self.pause, self.next_pause) = (0, 0, PAUSE_MIN);
        self.compare(head(&old, range.end), range, section);
        self.window = old;
    }

    /// Compares new bytes with a range of old ones, at whose end `old` ends: the window, as far as it is needed.
    fn compare(&mut self, old: &[u8], range: Range<usize>, new: &[u8]) {
        let (mut at, mut rest) = (range.start, new);
        while !rest.is_empty() {
            let same = common(tail(old, at), rest);
            self.copy(at, same);
            (at, rest) = (at + same, tail(rest, same));
            if rest.is_empty() {
                break;
            }
            let in_place = in_place(tail(old, at), rest);
            let is_lost = in_place.is_none() || self.astray >= ASTRAY;
            let moved = if is_lost { self.search(old, &range, at, rest) } else { None };
            let literals = moved.map(|(literals, _)| literals).or(in_place).unwrap_or(IN_PLACE_WITHIN);
            let literals = literals.min(rest.len());
            self.astray += literals;
            self.pause = self.pause.saturating_sub(literals);
            self.operations.put(literals);
            self.at += literals;
            (at, rest) = (moved.map_or(at + literals, |(_, to)| to), tail(rest, literals));
        }
    }

    /// How many bytes come before those that stand elsewhere in the section, and where, if they are found. Where nothing is
    /// found there may be much that is new: the next search waits for twice as many bytes.
    fn search(&mut self, old: &[u8], range: &Range<usize>, at: usize, new: &[u8]) -> Option<(usize, usize)> {
        if self.pause > 0 {
            return None;
        }
        self.index.fill(old, range, at);
        let moved = self.index.moved(old, range, at, new);
        self.astray = 0;
        self.next_pause = if moved.is_some() { PAUSE_MIN } else { (2 * self.next_pause).min(PAUSE_MAX) };
        self.pause = if moved.is_some() { 0 } else { self.next_pause };
        moved
    }

    /// Copies bytes of the window.
    fn copy(&mut self, at: usize, length: usize) {
        if length > 0 {
            let from = self.from + at;
            self.operations.copy(from as i64 - self.at as i64, length);
            self.at = from + length;
            self.astray = self.astray.saturating_sub(length / 2);
        }
    }
}

/// Where the next equal bytes in the same place begin, if that is not far.
fn in_place(old: &[u8], new: &[u8]) -> Option<usize> {
    (1..IN_PLACE_WITHIN).find(|after| {
        let (old, new) = (tail(old, *after), tail(new, *after));
        new.is_empty() || new.len() >= IN_PLACE_MIN && old.get(..IN_PLACE_MIN) == new.get(..IN_PLACE_MIN)
    })
}

#[cfg(test)]
mod tests;

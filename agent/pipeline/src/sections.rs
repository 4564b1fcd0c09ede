//! Sections: all stored state is divided into parts that a later or earlier program can skip.
//!
//! ```text
//! tag u16  version u16  length u32  bytes        numbers are little-endian; sections may contain sections
//! ```
//!
//! The tag names the contents and never changes its meaning; the version is that of the bytes. A reader takes the
//! tags and versions that it knows, and skips the others.

pub mod body;
pub mod unread;

use headwater_kernel::state::StateReader;
use std::fmt;

/// Tag, version and length (bytes).
pub const HEADER_BYTES: usize = 8;

/// A length as it is stored. Limits keep all stored data far below 4 GiB.
#[must_use]
pub fn length32(length: usize) -> u32 {
    debug_assert!(u32::try_from(length).is_ok(), "a length of {length} cannot be stored");
    u32::try_from(length).unwrap_or(u32::MAX)
}

/// Takes the sections of a body, one after another.
pub trait SectionWriter {
    /// Takes a section whose bytes `write` appends to what it is given.
    fn put_section(&mut self, tag: u16, version: u16, write: impl FnOnce(&mut Vec<u8>));
}

impl SectionWriter for Vec<u8> {
    fn put_section(&mut self, tag: u16, version: u16, write: impl FnOnce(&mut Vec<u8>)) {
        put_section(self, tag, version, write);
    }
}

/// Appends a section whose bytes `write` appends.
pub fn put_section(to: &mut Vec<u8>, tag: u16, version: u16, write: impl FnOnce(&mut Vec<u8>)) {
    to.extend_from_slice(&tag.to_le_bytes());
    to.extend_from_slice(&version.to_le_bytes());
    let length_at = to.len();
    to.extend_from_slice(&[0; 4]);
    let start = to.len();
    write(to);
    let length = length32(to.len() - start).to_le_bytes();
    if let Some(place) = to.get_mut(length_at..start) {
        place.copy_from_slice(&length);
    }
}

/// A section: its tag, the version of its bytes, and the bytes.
pub type Section<'a> = (u16, u16, StateReader<'a>);

/// The sections in `bytes`, in order. The first one that is cut off is an error and ends the iteration.
#[must_use]
pub fn sections(bytes: &[u8]) -> Sections<'_> {
    Sections { rest: bytes, offset: 0 }
}

/// See [`sections`].
#[derive(Clone, Debug)]
pub struct Sections<'a> {
    rest: &'a [u8],
    offset: usize,
}

/// A section whose length exceeds the remaining bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct CutOff {
    /// Its tag; `None`: the header is cut off too.
    pub tag: Option<u16>,
    /// The offset of the section in the bytes read.
    pub offset: usize,
}

impl fmt::Display for CutOff {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.tag {
            Some(tag) => write!(f, "section {tag} at byte {} is cut off", self.offset),
            None => write!(f, "the section at byte {} is cut off", self.offset),
        }
    }
}

impl std::error::Error for CutOff {}

impl<'a> Iterator for Sections<'a> {
    type Item = Result<Section<'a>, CutOff>;

    fn next(&mut self) -> Option<Self::Item> {
        if self.rest.is_empty() {
            return None;
        }
        let bytes = std::mem::take(&mut self.rest);
        let mut header = StateReader::new(bytes);
        let numbers = (header.take().ok(), header.take().ok(), header.take().ok());
        let (Some(tag), Some(version), Some(length)) = numbers else {
            return Some(Err(CutOff { tag: numbers.0.map(u16::from_le_bytes), offset: self.offset }));
        };
        let tag = u16::from_le_bytes(tag);
        let length = u32::from_le_bytes(length) as usize;
        let Some((own, rest)) = header.rest().split_at_checked(length) else {
            return Some(Err(CutOff { tag: Some(tag), offset: self.offset }));
        };
        self.rest = rest;
        self.offset += HEADER_BYTES + length;
        Some(Ok((tag, u16::from_le_bytes(version), StateReader::new(own))))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn put_all(all: &[(u16, u16, Vec<u8>)]) -> Vec<u8> {
        let mut bytes = Vec::new();
        for (tag, version, own) in all {
            put_section(&mut bytes, *tag, *version, |to| to.extend_from_slice(own));
        }
        bytes
    }

    fn whole(bytes: &[u8]) -> Result<Vec<(u16, u16, Vec<u8>)>, CutOff> {
        sections(bytes)
            .map(|section| section.map(|(tag, version, own)| (tag, version, own.rest().to_vec())))
            .collect()
    }

    #[test]
    fn sections_stand_in_sections_and_a_cut_is_named() {
        let mut bytes = Vec::new();
        put_section(&mut bytes, 1, 1, |to| to.extend_from_slice(b"one"));
        put_section(&mut bytes, 2, 7, |to| put_section(to, 9, 1, |to| to.push(5)));
        let outer = whole(&bytes).unwrap();
        assert_eq!(outer.len(), 2);
        assert_eq!((outer[1].0, outer[1].1), (2, 7));
        assert_eq!(whole(&outer[1].2).unwrap(), [(9, 1, vec![5])]);
        let cut = whole(&bytes[..bytes.len() - 1]).unwrap_err();
        assert_eq!(cut, CutOff { tag: Some(2), offset: 11 });
        assert_eq!(cut.to_string(), "section 2 at byte 11 is cut off");
        assert_eq!(whole(&bytes[..12]).unwrap_err(), CutOff { tag: None, offset: 11 });
    }

    proptest! {
        #[test]
        fn what_is_put_comes_back_and_a_cut_costs_only_what_is_behind_it(
            all in prop::collection::vec((any::<u16>(), any::<u16>(), prop::collection::vec(any::<u8>(), 0..40)), 0..6),
            cut in any::<prop::sample::Index>(),
        ) {
            let bytes = put_all(&all);
            prop_assert_eq!(whole(&bytes).unwrap(), all.clone());
            let cut = cut.index(bytes.len() + 1);
            let read: Vec<_> = sections(&bytes[..cut]).collect();
            let sound = read.iter().filter(|section| section.is_ok()).count();
            let ends = all.iter().scan(0, |end, (.., own)| { *end += HEADER_BYTES + own.len(); Some(*end) });
            let ends: Vec<usize> = ends.collect();
            prop_assert_eq!(sound, ends.iter().filter(|end| **end <= cut).count());
            let is_whole = cut == 0 || ends.contains(&cut);
            prop_assert_eq!(read.len() - sound, usize::from(!is_whole));
        }

        #[test]
        fn any_bytes_are_read_without_a_panic(bytes in prop::collection::vec(any::<u8>(), 0..200)) {
            let read: usize = sections(&bytes)
                .map(|section| section.map_or(0, |(.., own)| HEADER_BYTES + own.rest().len()))
                .sum();
            prop_assert!(read <= bytes.len());
        }

        #[test]
        fn a_flipped_bit_never_panics_and_leaves_what_stands_before_it(
            all in prop::collection::vec((any::<u16>(), any::<u16>(), prop::collection::vec(any::<u8>(), 0..20)), 1..5),
            at in any::<prop::sample::Index>(), bit in 0..8_u8,
        ) {
            let mut bytes = put_all(&all);
            let at = at.index(bytes.len());
            bytes[at] ^= 1 << bit;
            let mut end = 0;
            let before = all.iter().take_while(|(.., own)| { end += HEADER_BYTES + own.len(); end <= at }).count();
            for (read, put) in sections(&bytes).zip(&all).take(before) {
                let (tag, version, own) = read.unwrap();
                prop_assert_eq!((tag, version, own.rest()), (put.0, put.1, put.2.as_slice()));
            }
        }
    }
}

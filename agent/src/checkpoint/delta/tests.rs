//! Deltas of bodies that change in all ways, and of hostile bytes.

use super::*;
use crate::checkpoint::body::Body;
use headwater_pipeline::sections::{length32, put_section};
use proptest::prelude::*;

/// What the store does: the delta as it is written, and the body that comes of it.
fn difference(old: &[u8], new: &[u8]) -> Option<Vec<u8>> {
    let mut delta = Vec::new();
    let in_pieces = |bytes, piece_bytes| {
        Body::in_pieces(bytes, piece_bytes).pieces().map(Result::unwrap).collect::<Vec<_>>()
    };
    let (old_pieces, new_pieces) = (in_pieces(old, 700), in_pieces(new, 900));
    super::difference(old_pieces.into_iter(), new_pieces.iter().cloned(), usize::MAX)?
        .each_piece(new_pieces.into_iter(), |piece| delta.extend_from_slice(piece));
    assert!(apply(old, &delta, new.len()).as_deref() == Ok(new), "the delta makes it");
    Some(delta)
}

/// A series: name, and windows of 200 bytes, some of them of small numbers.
fn section(name: u32, windows: &[u8]) -> Vec<u8> {
    let mut bytes = Vec::new();
    put_section(&mut bytes, 21, 1, |to| {
        to.extend_from_slice(format!("plant/line{name}/temperature").as_bytes());
        for seed in windows {
            let mut random = fastrand::Rng::with_seed(u64::from(name) << 8 | u64::from(*seed));
            to.extend_from_slice(&(1_700_000_000_000 + i64::from(*seed) * 60_000).to_le_bytes());
            to.extend_from_slice(&[60, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1]);
            to.extend((0..180).map(|_| random.u8(..)));
        }
    });
    bytes
}

fn body(names: impl Iterator<Item = u32>, windows: &[u8]) -> Vec<u8> {
    names.flat_map(|name| section(name, windows)).collect()
}

#[test]
fn what_changes_where_it_is_costs_little_more_than_itself() {
    let old = body(0..100, &[1, 2, 3, 4]);
    let mut new = old.clone();
    for name in 0..100 {
        let at = old.len() / 100 * name + 300;
        new[at..at + 7].iter_mut().for_each(|byte| *byte ^= 0x55);
    }
    let delta = difference(&old, &new).unwrap();
    assert!(delta.len() <= 4 + 100 * (7 + 5), "{}", delta.len());
    assert!(difference(&old, &old).unwrap().len() < 16, "nothing changed");
}

/// Windows close: the oldest of each series goes, and one comes. The others are found again.
#[test]
fn what_moves_is_copied() {
    let (old, new) = (body(0..100, &[1, 2, 3, 4]), body(0..100, &[2, 3, 4, 5]));
    let delta = difference(&old, &new).unwrap();
    assert!(delta.len() < 100 * 260, "{}", delta.len());
}

/// Series come and go: the others are held against what they were.
#[test]
fn sections_find_their_own() {
    let names =
        |come: Range<u32>, gone: Range<u32>| (0..300).filter(move |n| !come.contains(n) && !gone.contains(n));
    let old = body(names(0..0, 100..103), &[1, 2, 3, 4]);
    for gone in [50..51, 150..153, 0..1, 299..300] {
        let new = body(names(0..0, gone.clone()), &[1, 2, 3, 4]);
        let delta = difference(&old, &new).unwrap();
        // Those that were not there are new.
        assert!(delta.len() < 4 * 900, "{gone:?}: {}", delta.len());
    }
}

#[test]
fn one_that_is_not_worth_it_is_given_up() {
    let (old, new) = (body(0..50, &[1, 2]), body(50..150, &[3, 4, 5]));
    assert!(super::difference(std::iter::once(old), std::iter::once(new), 1_000).is_none());
}

/// Changes in the middle of sections and between them.
#[derive(Clone, Debug)]
enum Edit {
    Flip(prop::sample::Index, u8),
    Insert(prop::sample::Index, Vec<u8>),
    Remove(prop::sample::Index, usize),
    Swap(prop::sample::Index, prop::sample::Index),
}

fn edits() -> impl Strategy<Value = Vec<Edit>> {
    use prop::sample::Index;
    let edit = prop_oneof![
        5 => (any::<Index>(), any::<u8>()).prop_map(|(at, byte)| Edit::Flip(at, byte)),
        2 => (any::<Index>(), prop::collection::vec(any::<u8>(), 0..300)).prop_map(|(at, own)| Edit::Insert(at, own)),
        2 => (any::<Index>(), 0..600_usize).prop_map(|(at, length)| Edit::Remove(at, length)),
        1 => (any::<Index>(), any::<Index>()).prop_map(|(one, other)| Edit::Swap(one, other)),
    ];
    prop::collection::vec(edit, 0..20)
}

fn edited(mut body: Vec<u8>, edits: &[Edit]) -> Vec<u8> {
    for edit in edits {
        let place = |at: &prop::sample::Index| at.index(body.len() + 1);
        match edit {
            Edit::Flip(at, byte) => {
                let at = place(at);
                body.get_mut(at).into_iter().for_each(|place| *place ^= byte);
            }
            Edit::Insert(at, own) => drop(body.splice(place(at)..place(at), own.iter().copied())),
            Edit::Remove(at, length) => {
                let at = place(at);
                drop(body.drain(at..body.len().min(at + length)));
            }
            Edit::Swap(one, other) if !body.is_empty() => {
                let (one, other) = (one.index(body.len()), other.index(body.len()));
                body.swap(one, other);
            }
            Edit::Swap(..) => {}
        }
    }
    body
}

proptest! {
    #[test]
    fn a_delta_makes_what_it_was_made_of(
        names in 0..20_u32, windows in prop::collection::vec(any::<u8>(), 0..6), edits in edits(),
    ) {
        let old = body(0..names, &windows);
        let new = edited(old.clone(), &edits);
        let delta = difference(&old, &new).unwrap();
        prop_assert!(delta.len() <= new.len() + new.len() / 4 + 32);
        difference(&new, &old).unwrap();
    }

    #[test]
    fn bodies_that_have_nothing_in_common_are_made_too(old: Vec<u8>, new: Vec<u8>) {
        let delta = difference(&old, &new).unwrap();
        prop_assert!(delta.len() <= new.len() + new.len() / 4 + 32);
    }

    /// Any bytes make a body of the length that is asked for, or none.
    #[test]
    fn hostile_bytes_make_nothing_large(
        old: Vec<u8>, operations in prop::collection::vec(any::<u8>(), 0..60), literals: Vec<u8>, length in 0..2_000_usize,
    ) {
        let delta = [&length32(operations.len()).to_le_bytes(), operations.as_slice(), &literals].concat();
        for delta in [&delta, &literals] {
            if let Ok(new) = apply(&old, delta, length) {
                prop_assert_eq!(new.len(), length);
            }
        }
    }
}

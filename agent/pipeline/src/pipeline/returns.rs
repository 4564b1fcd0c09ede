//! Series that were forgotten, and how far each was told of.
//!
//! A series that comes back goes on behind that: what lies before counts as late, so that no `(id, rev)` has two contents.
//! Of each name its hash is kept, of as many as there may be series. Past that the earliest hold for every series that
//! comes later.

use super::bytes::{load_length, put, save_length};
use headwater_kernel::state::{Corrupt, State, StateReader};
use headwater_kernel::time::Time;
use std::collections::HashMap;

/// How far the series were told of that are gone.
#[derive(Debug)]
pub(super) struct Returns {
    names_max: usize,
    told_to: HashMap<u64, Time>,
    /// Of those whose names are gone too.
    others: Time,
}

/// Memory for each name (bytes).
pub(super) const BYTES: usize = 2 * size_of::<(u64, Time)>();

impl Returns {
    /// No series was forgotten so far.
    pub(super) fn new(names_max: usize) -> Self {
        Self { names_max, told_to: HashMap::new(), others: Time::MIN }
    }

    /// The most names that are kept.
    pub(super) fn names_max(&self) -> usize {
        self.names_max
    }

    /// A series is forgotten, and was told of before this time.
    pub(super) fn note(&mut self, name: &str, told_to: Time) {
        let known = self.told_to.entry(hash(name)).or_insert(Time::MIN);
        *known = told_to.max(*known);
        while self.told_to.len() > self.names_max {
            let Some((earliest, time)) = self
                .told_to
                .iter()
                .map(|(hash, time)| (*hash, *time))
                .min_by_key(|(hash, time)| (*time, *hash))
            else {
                return;
            };
            self.told_to.remove(&earliest);
            self.others = self.others.max(time);
        }
    }

    /// The time before which a series that comes now may have been told of.
    pub(super) fn told_to(&self, name: &str) -> Time {
        self.told_to.get(&hash(name)).copied().unwrap_or(Time::MIN).max(self.others)
    }

    /// Appends the state.
    pub(super) fn save(&self, to: &mut Vec<u8>) {
        self.others.save(&mut put(to));
        let mut names: Vec<(u64, Time)> = self.told_to.iter().map(|(hash, time)| (*hash, *time)).collect();
        names.sort_unstable();
        save_length(to, names.len());
        names.iter().for_each(|name| name.save(&mut put(to)));
    }

    /// Reads what [`Returns::save`] wrote.
    pub(super) fn load(names_max: usize, from: &mut StateReader<'_>) -> Result<Self, Corrupt> {
        let others = State::load(from)?;
        let names = (0..load_length(from)?).map(|_| State::load(from));
        Ok(Self { names_max, told_to: names.collect::<Result<_, Corrupt>>()?, others })
    }
}

/// The hash of a name (64-bit FNV-1a), the same in every version.
fn hash(name: &str) -> u64 {
    const OFFSET: u64 = 0xcbf2_9ce4_8422_2325;
    const PRIME: u64 = 0x0100_0000_01b3;
    name.bytes().fold(OFFSET, |hash, byte| (hash ^ u64::from(byte)).wrapping_mul(PRIME))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_knows_as_many_names_as_it_may_and_the_rest_together() {
        assert_eq!((hash(""), hash("a")), (0xcbf2_9ce4_8422_2325, 0xaf63_dc4c_8601_ec8c));
        let mut returns = Returns::new(2);
        for (name, time) in [("a", 5), ("b", 3), ("a", 4), ("c", 9)] {
            returns.note(name, Time(time));
        }
        let of = |returns: &Returns| ["a", "b", "c", "new"].map(|name| returns.told_to(name).0);
        assert_eq!(of(&returns), [5, 3, 9, 3]);
        let mut bytes = Vec::new();
        returns.save(&mut bytes);
        let loaded = Returns::load(2, &mut StateReader::new(&bytes)).unwrap();
        assert_eq!(of(&loaded), [5, 3, 9, 3]);
        assert!(Returns::load(2, &mut StateReader::new(&bytes[..bytes.len() - 1])).is_err());
    }
}

//! The packet ids that are in use in one direction of a connection.

/// The number of packet ids, 0 among them, which none may have.
const IDS: usize = 1 << 16;

const IDS_PER_WORD: usize = u64::BITS as usize;

/// A set of packet ids that gives new ones in turn.
///
/// Memory: 8 KiB. Cost: one step for each id, and one for each id in use that is passed over.
#[derive(Debug)]
pub(crate) struct PacketIds {
    used: Box<[u64]>,
    count: u16,
    last: u16,
}

impl PacketIds {
    pub(crate) fn new() -> Self {
        Self { used: vec![0; IDS / IDS_PER_WORD].into(), count: 0, last: 0 }
    }

    /// The number of ids in use.
    pub(crate) fn count(&self) -> u16 {
        self.count
    }

    /// The next id that is not in use, in turn; `None`: all are. It is not in use until it is inserted.
    pub(crate) fn next_free(&mut self) -> Option<u16> {
        for _ in 1..IDS {
            self.last = self.last.checked_add(1).unwrap_or(1);
            if !self.contains(self.last) {
                return Some(self.last);
            }
        }
        None
    }

    /// Marks an id as in use. Returns whether it was not.
    pub(crate) fn insert(&mut self, pkid: u16) -> bool {
        let is_new = pkid != 0 && !self.contains(pkid);
        if is_new {
            self.flip(pkid);
            self.count += 1;
        }
        is_new
    }

    /// Marks an id as free. Returns whether it was in use.
    pub(crate) fn remove(&mut self, pkid: u16) -> bool {
        let was_used = self.contains(pkid);
        if was_used {
            self.flip(pkid);
            self.count -= 1;
        }
        was_used
    }

    fn contains(&self, pkid: u16) -> bool {
        let (word, bit) = place(pkid);
        self.used.get(word).is_some_and(|word| word & bit != 0)
    }

    fn flip(&mut self, pkid: u16) {
        let (word, bit) = place(pkid);
        if let Some(word) = self.used.get_mut(word) {
            *word ^= bit;
        }
    }
}

fn place(pkid: u16) -> (usize, u64) {
    let pkid = usize::from(pkid);
    (pkid / IDS_PER_WORD, 1 << (pkid % IDS_PER_WORD))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ids_come_in_turn_without_zero_and_without_those_in_use() {
        let mut ids = PacketIds::new();
        for expected in 1..=u16::MAX {
            assert_eq!(ids.next_free(), Some(expected));
            assert!(ids.insert(expected) && !ids.insert(expected));
        }
        assert_eq!((ids.next_free(), ids.count()), (None, u16::MAX));
        assert!(ids.remove(7) && !ids.remove(7) && ids.remove(65_535));
        assert_eq!(ids.next_free(), Some(7), "it is not in use until it is inserted");
        assert_eq!(ids.next_free(), Some(65_535));
        assert_eq!((ids.next_free(), ids.count()), (Some(7), u16::MAX - 2));
        assert!(!ids.insert(0) && !ids.remove(0), "no packet has the id 0");
    }
}

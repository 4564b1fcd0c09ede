//! The clocks of boots: the offset of each boot from its time since boot to the true time, once it is known.
//!
//! Messages of a boot whose time is unknown carry its id. When the time becomes known, their times move by the
//! difference of two offsets: the true one, and the one they were stamped with. If a boot ended without knowing its
//! time, the next boot that did gives an estimate: the earlier boot ended, at the latest, when that one began. A boot
//! that lost its power may have run until just before its next checkpoint, and counts as if it had: its messages are
//! never placed after those of the next boot.
//!
//! The offset of a boot stays as it was when the time became known, however often the clock is set later: the same
//! message always gets the same times.
//!
//! Limits: the last [`BOOTS_MAX`] boots; messages of older ones are sent as unsynchronised.

use headwater_kernel::state::{Corrupt, State, StateReader};
use headwater_pipeline::event::BootId;
use headwater_wire::{Placement, Placer};
use std::sync::{Mutex, MutexGuard, PoisonError};

/// The most boots that are remembered.
const BOOTS_MAX: usize = 64;

/// The longest boot id that is accepted (bytes).
const ID_BYTES_MAX: usize = 64;

/// One boot of the machine.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Boot {
    id: BootId,
    /// The offset of the timeline while the true one was unknown (ms).
    base_ms: i64,
    /// How long the boot has run, as far as known (ms).
    up_ms: i64,
    /// The true offset when it became known (ms), and whether it is an estimate.
    offset: Option<(i64, bool)>,
    /// The offset of the timeline since then (ms).
    own_ms: Option<i64>,
    /// Whether messages were sent before it was known.
    announced: bool,
}

/// The correction of a boot's messages.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Correction {
    /// The boot.
    pub(crate) boot: BootId,
    /// The offset to add to every time of its messages (ms).
    pub(crate) offset_ms: i64,
    /// Whether the boot had ended before its time was known.
    pub(crate) estimated: bool,
}

impl Boot {
    fn correction(&self) -> Option<Correction> {
        let (offset_ms, estimated) = self.offset?;
        let offset_ms = offset_ms.saturating_sub(self.base_ms);
        Some(Correction { boot: self.id.clone(), offset_ms, estimated })
    }
}

/// All boots, the current one last. A lock guards them, because encoders on other threads use them.
#[derive(Debug, Default)]
pub(crate) struct Boots(Mutex<Vec<Boot>>);

impl Boots {
    fn boots(&self) -> MutexGuard<'_, Vec<Boot>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The offset that the boot's timeline used at first, and the true one, if an earlier run knew them (ms).
    pub(crate) fn known(&self, id: &BootId) -> (Option<i64>, Option<i64>) {
        let boots = self.boots();
        let boot = boots.iter().find(|boot| boot.id == *id);
        (boot.map(|boot| boot.base_ms), boot.and_then(|boot| boot.own_ms))
    }

    /// Starts the current boot, on a timeline with this offset (ms).
    pub(crate) fn begin(&self, id: &BootId, base_ms: i64) {
        let mut boots = self.boots();
        let known = boots.iter().position(|boot| boot.id == *id).map(|at| boots.remove(at));
        let fresh =
            || Boot { id: id.clone(), base_ms, up_ms: 0, offset: None, own_ms: None, announced: false };
        boots.push(known.unwrap_or_else(fresh));
        let excess = boots.len().saturating_sub(BOOTS_MAX);
        boots.drain(..excess);
    }

    /// Notes how long the current boot has run (ms).
    pub(crate) fn seen(&self, up_ms: i64) {
        if let Some(boot) = self.boots().last_mut() {
            boot.up_ms = boot.up_ms.max(up_ms);
        }
    }

    /// Sets the offset of the current boot (ms), and estimates those of earlier boots that never knew theirs. Returns
    /// the corrections, the oldest first.
    pub(crate) fn set(&self, offset_ms: i64) -> Vec<Correction> {
        let mut boots = self.boots();
        let mut corrections = Vec::new();
        let (mut next_ms, mut estimated) = (offset_ms, false);
        for boot in boots.iter_mut().rev() {
            if !estimated {
                boot.own_ms = Some(offset_ms);
            }
            let true_ms = match boot.offset {
                Some((known_ms, _)) => known_ms,
                None if estimated => next_ms.saturating_sub(boot.up_ms),
                None => next_ms,
            };
            if boot.offset.is_none() {
                boot.offset = Some((true_ms, estimated));
                if boot.announced {
                    let offset_ms = true_ms.saturating_sub(boot.base_ms);
                    corrections.push(Correction { boot: boot.id.clone(), offset_ms, estimated });
                }
            }
            (next_ms, estimated) = (true_ms, true);
        }
        corrections.reverse();
        corrections
    }

    /// The difference between the timelines of an earlier boot and the current one, while neither offset is known
    /// (ms): the end of one is the beginning of the next.
    pub(crate) fn bridge_ms(&self, id: &BootId) -> Option<i64> {
        let boots = self.boots();
        let at = boots.iter().position(|boot| boot.id == *id)?;
        let (current, earlier) = boots.split_last()?;
        let earlier = earlier.get(at..)?;
        let base_ms = earlier.first().map_or(current.base_ms, |boot| boot.base_ms);
        let up_ms = earlier.iter().fold(0_i64, |sum, boot| sum.saturating_add(boot.up_ms));
        Some(current.base_ms.saturating_sub(base_ms).saturating_sub(up_ms))
    }

    /// Notes that messages are sent now, although their times are unknown.
    pub(crate) fn announce(&self) {
        self.boots().iter_mut().filter(|boot| boot.offset.is_none()).for_each(|boot| boot.announced = true);
    }

    /// The correction of a boot's messages, if it is known.
    pub(crate) fn correction(&self, id: &BootId) -> Option<Correction> {
        self.boots().iter().find(|boot| boot.id == *id).and_then(Boot::correction)
    }

    /// Appends all boots; the current one may run on for `ahead_ms` before it is saved again.
    pub(crate) fn save(&self, ahead_ms: i64, to: &mut Vec<u8>) {
        let boots = self.boots();
        let current = boots.len().saturating_sub(1);
        let mut put = |bytes: &[u8]| to.extend_from_slice(bytes);
        u32::try_from(boots.len()).unwrap_or(u32::MAX).save(&mut put);
        for (at, boot) in boots.iter().enumerate() {
            u32::try_from(boot.id.len()).unwrap_or(u32::MAX).save(&mut put);
            put(boot.id.as_bytes());
            boot.base_ms.save(&mut put);
            let ahead_ms = if at == current { ahead_ms } else { 0 };
            boot.up_ms.saturating_add(ahead_ms).save(&mut put);
            boot.offset.save(&mut put);
            boot.own_ms.save(&mut put);
            boot.announced.save(&mut put);
        }
    }

    /// Reads what [`Boots::save`] wrote.
    ///
    /// # Errors
    /// [`Corrupt`]: not written by it.
    pub(crate) fn load(&self, from: &mut StateReader<'_>) -> Result<(), Corrupt> {
        let count = u32::load(from)? as usize;
        if count > BOOTS_MAX {
            return Err(Corrupt);
        }
        let mut boots = Vec::with_capacity(count);
        for _ in 0..count {
            let length = u32::load(from)? as usize;
            let (id, rest) = from.rest().split_at_checked(length).ok_or(Corrupt)?;
            *from = StateReader::new(rest);
            let id = std::str::from_utf8(id).map_err(|_| Corrupt)?;
            let id = Some(id).filter(|id| id.len() <= ID_BYTES_MAX).ok_or(Corrupt)?.into();
            boots.push(Boot {
                id,
                base_ms: State::load(from)?,
                up_ms: State::load(from)?,
                offset: State::load(from)?,
                own_ms: State::load(from)?,
                announced: State::load(from)?,
            });
        }
        *self.boots() = boots;
        Ok(())
    }
}

impl Placer for Boots {
    /// The same message always has the same times and the same id: a boot of which some messages were sent before
    /// keeps its own.
    fn place(&self, boot: &BootId) -> Option<Placement> {
        let boots = self.boots();
        let boot = boots.iter().find(|known| known.id == *boot && !known.announced)?;
        let Correction { offset_ms, estimated, .. } = boot.correction()?;
        Some(Placement { offset_ms, estimated })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn correction(boot: &str, offset_ms: i64, estimated: bool) -> Correction {
        Correction { boot: boot.into(), offset_ms, estimated }
    }

    /// Three boots that never knew the time, one of them on a clock that began in 1970, and one that learns it.
    #[test]
    fn boots_are_placed_one_before_the_other() {
        let boots = Boots::default();
        for (id, base_ms, up_ms) in [("a", 0, 5_000), ("b", 7, 60_000), ("c", -3, 1_000)] {
            boots.begin(&id.into(), base_ms);
            boots.seen(up_ms);
        }
        boots.announce();
        boots.begin(&"d".into(), 100);
        assert_eq!(boots.correction(&"d".into()), None);
        let bridges = ["a", "b", "c", "d", "e"].map(|id| boots.bridge_ms(&id.into()));
        assert_eq!(bridges, [Some(100 - 66_000), Some(93 - 61_000), Some(103 - 1_000), Some(0), None]);
        let mut bytes = Vec::new();
        boots.save(0, &mut bytes);
        let boots = Boots::default();
        boots.load(&mut StateReader::new(&bytes)).unwrap();
        let expected = [
            correction("a", 1_000_000 - 1_000 - 60_000 - 5_000, true),
            correction("b", 1_000_000 - 1_000 - 60_000 - 7, true),
            correction("c", 1_000_000 - 1_000 + 3, true),
        ];
        assert_eq!(boots.set(1_000_000), expected);
        assert_eq!(boots.correction(&"d".into()), Some(correction("d", 1_000_000 - 100, false)));
        assert_eq!(boots.correction(&"b".into()), Some(expected[1].clone()));
        // The clock is set once more: that changes nothing of what was made before it was known.
        assert_eq!(boots.set(2_000_000), []);
        assert_eq!(boots.correction(&"b".into()), Some(expected[1].clone()));
        assert_eq!(boots.correction(&"d".into()), Some(correction("d", 1_000_000 - 100, false)));
        assert_eq!(boots.known(&"d".into()), (Some(100), Some(2_000_000)));
        let placement = |offset_ms, estimated| Some(Placement { offset_ms, estimated });
        assert_eq!(boots.place(&"d".into()), placement(1_000_000 - 100, false));
        // Of these, messages went out before.
        assert_eq!((boots.place(&"a".into()), boots.place(&"b".into())), (None, None));
        assert_eq!(boots.correction(&"unknown".into()), None);
    }

    /// A boot whose power is cut has run on after its last checkpoint, and is not placed into the next one for that.
    #[test]
    fn what_may_have_come_after_a_checkpoint_is_before_the_next_boot() {
        let boots = Boots::default();
        boots.begin(&"a".into(), 0);
        boots.seen(60_000);
        let mut bytes = Vec::new();
        boots.save(10_000, &mut bytes);
        boots.load(&mut StateReader::new(&bytes)).unwrap();
        boots.begin(&"b".into(), 0);
        assert_eq!(boots.set(1_000_000), []);
        assert_eq!(boots.correction(&"a".into()), Some(correction("a", 1_000_000 - 70_000, true)));
    }

    #[test]
    fn their_number_is_bounded_and_rubbish_is_refused() {
        let boots = Boots::default();
        (0..200).for_each(|n| boots.begin(&n.to_string().as_str().into(), n));
        assert_eq!(boots.boots().len(), BOOTS_MAX);
        assert_eq!(boots.known(&"100".into()).0, None);
        let mut bytes = Vec::new();
        boots.save(0, &mut bytes);
        for cut in 0..bytes.len() {
            assert_eq!(Boots::default().load(&mut StateReader::new(&bytes[..cut])), Err(Corrupt), "{cut}");
        }
    }
}

//! The windows of one series as bytes. How an accumulator is stored is the caller's.
//!
//! ```text
//! shape u8  watermark i64 i64  closed_to i64  forgotten_to i64  revise_at i64  counted u64
//! lag i64  prior u8, and where that is 1: i64 value
//! retained u16  fixed u16  flipped u16  slots u16  then each slot:
//! start i64  end i64  readings u64  unreported u64  rev u32  dirty u8  pane
//! for sessions: named i64
//! ```

use super::lag::UNKNOWN_MS;
use super::{NOWHERE, Pane, Slot, Slots, Spec, Windows};
use crate::state::{Corrupt, State, StateReader, StateWriter, load_count};
use crate::time::AgentTime;
use crate::watermark::Watermark;
use crate::window::Shape;

/// The version of the bytes that [`Windows::save`] writes for windows of a shape. Raise it whenever they change.
#[must_use]
pub const fn windows_version(shape: &Shape) -> u16 {
    match shape {
        Shape::Tumbling(_) | Shape::Sliding(_) | Shape::Count(_) => 2,
        Shape::Session(_) => 3,
    }
}

/// Whether [`Windows::load`] reads a version. Version 1 has neither lag nor prior, and version 2 no names of sessions.
#[must_use]
pub const fn reads_windows(version: u16) -> bool {
    matches!(version, 1..=3)
}

impl<P: Pane, S: Slots<Slot<P>>> Windows<P, S> {
    /// Whether any window is open or retained.
    #[must_use]
    pub fn is_open(&self) -> bool {
        self.slots.len() > 0
    }

    /// Writes the whole state; `save_pane` writes an accumulator.
    pub fn save<T: StateWriter + ?Sized>(
        &self,
        spec: &Spec,
        to: &mut T,
        mut save_pane: impl FnMut(&P, &mut T),
    ) {
        spec.shape.tag().save(to);
        (self.watermark.event, self.watermark.arrival).save(to);
        (self.closed_to, self.forgotten_to).save(to);
        self.revise_at.save(to);
        self.counted.save(to);
        self.lag_ms.save(to);
        self.prior.save(to);
        let slots = self.slots.len().min(usize::from(NOWHERE));
        [self.retained, self.fixed, self.flipped, slots as u16].iter().for_each(|number| number.save(to));
        (0..slots).filter_map(|at| self.slots.get(at)).for_each(|slot| {
            slot.save(to);
            save_pane(&slot.pane, to);
            if matches!(spec.shape, Shape::Session(_)) {
                slot.named_ms.save(to);
            }
        });
    }

    /// Reads what [`Windows::save`] wrote in a version that is read, under a spec of the same shape. Its sizes may differ only if windows cut
    /// the old way may close beside those cut the new way. `load_pane` reads an accumulator. Silence counts from
    /// `since` at the earliest, because readings may have been missed until then.
    ///
    /// # Errors
    /// [`Corrupt`]: not written by it, or for another shape, or more windows than this storage holds.
    pub fn load(
        spec: &Spec,
        version: u16,
        since: AgentTime,
        from: &mut StateReader<'_>,
        mut load_pane: impl FnMut(&mut StateReader<'_>) -> Result<P, Corrupt>,
    ) -> Result<Self, Corrupt> {
        if u8::load(from)? != spec.shape.tag() {
            return Err(Corrupt);
        }
        let (event, arrival) = State::load(from)?;
        let was_away = since > arrival;
        let mut windows = Self {
            watermark: Watermark { event, arrival: since.max(arrival) },
            closed_to: State::load(from)?,
            forgotten_to: State::load(from)?,
            revise_at: State::load(from)?,
            counted: load_count(from)?,
            lag_ms: if version > 1 { i64::load(from)?.clamp(0, UNKNOWN_MS) } else { UNKNOWN_MS },
            prior: if version > 1 { State::load(from)? } else { None },
            retained: State::load(from)?,
            fixed: State::load(from)?,
            flipped: State::load(from)?,
            ..Self::new()
        };
        if was_away {
            windows.lag_ms = UNKNOWN_MS;
        }
        let slots = usize::from(u16::load(from)?);
        let sliding = matches!(spec.shape, Shape::Sliding(_));
        let known = Self::base(spec) + usize::from(windows.retained) + usize::from(windows.fixed);
        let whole = known <= slots || slots == 0 && windows.retained == 0 && windows.fixed == 0;
        if !whole || windows.flipped > windows.fixed || windows.fixed > 0 && !sliding {
            return Err(Corrupt);
        }
        for at in 0..slots {
            let mut slot = Slot::load(from, &mut load_pane)?;
            slot.named_ms = match (&spec.shape, slot.rev) {
                (Shape::Session(_), _) if version > 2 => i64::load(from)?,
                (_, 0) => 0,
                _ => slot.window.length_ms(),
            };
            windows.insert_in_room(at, slot).map_err(|_| Corrupt)?;
        }
        Ok(windows)
    }
}

impl<P> Slot<P> {
    /// Writes everything except the accumulator.
    fn save(&self, to: &mut (impl StateWriter + ?Sized)) {
        self.window.save(to);
        (self.readings, self.unreported).save(to);
        self.rev.save(to);
        self.dirty.save(to);
    }

    fn load(
        from: &mut StateReader<'_>,
        load_pane: &mut impl FnMut(&mut StateReader<'_>) -> Result<P, Corrupt>,
    ) -> Result<Self, Corrupt> {
        Ok(Self {
            window: State::load(from)?,
            readings: load_count(from)?,
            unreported: load_count(from)?,
            rev: State::load(from)
                .and_then(|rev: u32| if rev < u32::MAX / 2 { Ok(rev) } else { Err(Corrupt) })?,
            dirty: State::load(from)?,
            named_ms: 0,
            pane: load_pane(from)?,
        })
    }
}

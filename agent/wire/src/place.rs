//! Places times as they are sent: the clock that an event was stamped with may be known by then.

use headwater_pipeline::event::{BootId, ClockMark};
use std::fmt;

/// How many characters of a boot's id go into an id.
const MARK_CHARS: usize = 8;

/// Knows the offsets of boots.
pub trait Placer: Send + Sync {
    /// The offset of a boot's times. `None`: it is not known, or events of the boot were sent before it was known, so
    /// that the others keep their times too.
    fn place(&self, boot: &BootId) -> Option<Placement>;
}

/// The offset of a boot's times.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Placement {
    /// The offset to add to every time (ms).
    pub offset_ms: i64,
    /// Whether the boot had ended before its offset was known; the offset then is an estimate, the largest possible
    /// one.
    pub estimated: bool,
}

/// Knows no boot.
#[derive(Clone, Copy, Debug, Default)]
pub struct Unplaced;

impl Placer for Unplaced {
    fn place(&self, _: &BootId) -> Option<Placement> {
        None
    }
}

/// A clock as it is sent.
#[derive(Clone, Copy)]
pub(super) struct Placed<'a> {
    offset_ms: i64,
    /// The mark in ids that tells equal times apart.
    pub(super) mark: Mark<'a>,
    /// The word for its trustworthiness in a message, and its boot.
    pub(super) said: Option<(&'static str, &'a BootId)>,
}

impl<'a> Placed<'a> {
    pub(super) fn new(clock: &'a ClockMark, placer: &dyn Placer) -> Self {
        let plain = Self { offset_ms: 0, mark: Mark::None, said: None };
        let ClockMark::Boot(boot) = clock else {
            let mark = if let ClockMark::Turn(turn) = clock { Mark::Turn(*turn) } else { Mark::None };
            return Self { mark, ..plain };
        };
        match placer.place(boot) {
            None => Self { mark: Mark::Boot(boot), said: Some(("unsynced", boot)), ..plain },
            Some(Placement { offset_ms, estimated }) => {
                Self { offset_ms, said: estimated.then_some(("estimated", boot)), ..plain }
            }
        }
    }

    /// A time of this clock as it is sent.
    pub(super) fn at(&self, ms: i64) -> i64 {
        ms.saturating_add(self.offset_ms)
    }
}

/// The end of an id whose time may occur twice, because clocks were wrong: every boot may begin with the same time,
/// or the clock may have been set back.
#[derive(Clone, Copy)]
pub(super) enum Mark<'a> {
    None,
    Turn(u32),
    Boot(&'a str),
}

impl fmt::Display for Mark<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Mark::None => Ok(()),
            Mark::Turn(turn) => write!(f, "~{turn}"),
            Mark::Boot(boot) => {
                f.write_str("~")?;
                boot.chars().take(MARK_CHARS).try_for_each(|c| fmt::Write::write_char(f, c))
            }
        }
    }
}

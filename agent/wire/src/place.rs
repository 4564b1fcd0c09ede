//! Times as they go out: the clock that an event was stamped with may be known by then.

use headwater_pipeline::event::{BootId, ClockMark};
use std::fmt;

/// So much of a boot's id tells boots apart.
const MARK_CHARS: usize = 8;

/// Says how far the clocks of earlier boots were off.
pub trait Placer: Send + Sync {
    /// How far the times of a boot's events are off; `None`: that is not known, or some of them went out before it was, so
    /// that the others keep theirs too.
    fn place(&self, boot: &BootId) -> Option<Placement>;
}

/// How far the times of a boot's events are off.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Placement {
    /// To be added to every time (ms).
    pub offset_ms: i64,
    /// Whether the boot ended before that was known: then it is the latest that it can have been.
    pub estimated: bool,
}

/// Knows nothing of any boot.
#[derive(Clone, Copy, Debug, Default)]
pub struct Unplaced;

impl Placer for Unplaced {
    fn place(&self, _: &BootId) -> Option<Placement> {
        None
    }
}

/// A clock as it goes out.
#[derive(Clone, Copy)]
pub(super) struct Placed<'a> {
    offset_ms: i64,
    /// What an id carries that there may be two of.
    pub(super) mark: Mark<'a>,
    /// What a message says of it, and of which boot.
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

    /// A time of this clock as it goes out.
    pub(super) fn at(&self, ms: i64) -> i64 {
        ms.saturating_add(self.offset_ms)
    }
}

/// The end of an id that there may be two of, because clocks were wrong: they begin with the same time at every boot, or
/// were set back.
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

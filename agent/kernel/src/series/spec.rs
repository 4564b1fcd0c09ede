//! When the windows of a series open and close.

use crate::window::Shape;

/// The rules for all series of a stream.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Spec {
    /// How the series is cut.
    pub shape: Shape,
    /// A window stays open this long past its end, in milliseconds of the series' own event time.
    pub lateness_ms: i64,
    /// Without a reading for this long, in milliseconds of the agent's time, a series is silent.
    pub idle_ms: i64,
    /// A closed window still takes late readings, as a revision, until the series is this much further, in
    /// milliseconds of its event time. 0: none.
    pub retain_ms: i64,
    /// Late readings gather this long, in milliseconds of the agent's time, before the revision is given.
    pub gather_ms: i64,
    /// The last revision that a window may be told under; those after it wait, until there is a higher limit or the
    /// window is given up, which tells one more. A bound on what a crash can make the caller forget.
    pub rev_max: u32,
    /// Readings are stamped with the agent's own time: windows close by the clock, nothing is waited for.
    pub by_arrival: bool,
}

impl Spec {
    /// The most windows (of sliding ones, panes and the running aggregate) that can be open at once when
    /// polling follows every reading. Sessions that disorder cuts short at `max` may want more.
    #[must_use]
    pub fn slots_needed(&self) -> usize {
        let lateness_ms = if self.by_arrival { 0 } else { self.lateness_ms.max(0) };
        let slots = match self.shape {
            Shape::Tumbling(tumbling) => lateness_ms / tumbling.size_ms() + 3,
            Shape::Sliding(sliding) => (sliding.size_ms() + lateness_ms) / sliding.every_ms() + 3,
            Shape::Session(session) => lateness_ms / session.gap_ms() + 3,
            Shape::Count(_) => 1,
        };
        usize::try_from(slots).unwrap_or(usize::MAX)
    }

    /// The most windows that retention keeps on top, where there is room; sessions: if one follows another.
    #[must_use]
    pub fn slots_retained(&self) -> usize {
        let step_ms = match self.shape {
            Shape::Tumbling(tumbling) => tumbling.size_ms(),
            Shape::Sliding(sliding) => sliding.every_ms(),
            Shape::Session(session) => session.gap_ms(),
            Shape::Count(_) => return 0,
        };
        let retain_ms = self.retain_ms.max(0);
        usize::try_from(retain_ms / step_ms + i64::from(retain_ms % step_ms > 0)).unwrap_or(usize::MAX)
    }
}

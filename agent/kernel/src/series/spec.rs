//! The rules by which the windows of a series open and close.

use crate::window::Shape;

/// The rules for all series of a stream.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Spec {
    /// How the series is cut into windows.
    pub shape: Shape,
    /// How long a window stays open past its end, in milliseconds of the series' event time.
    pub lateness_ms: i64,
    /// How long a series must lack readings to be silent, in milliseconds of the agent's time.
    pub idle_ms: i64,
    /// How long a closed window takes late readings for a revision, in milliseconds of the series' event time. 0: not
    /// at all.
    pub retain_ms: i64,
    /// How long late readings gather before the revision is emitted, in milliseconds of the agent's time.
    pub gather_ms: i64,
    /// The highest revision that a window may emit. Later ones wait for a higher limit; a window that is dropped may
    /// emit one more. This bounds how many revisions a crash can make the caller forget.
    pub rev_max: u32,
    /// Whether the agent's clock closes a window too, once it has passed the end by the lateness and by what the series
    /// usually lags.
    pub by_clock: bool,
    /// Whether readings are stamped with the agent's clock: windows then close by the clock, and wait for nothing.
    pub by_arrival: bool,
}

impl Spec {
    /// The most windows (for sliding windows: panes and the running aggregate) that can be open at once if the caller
    /// polls after every reading. Sessions that disorder cuts short at `max` may need more.
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

    /// The most windows that retention adds where there is room; for sessions: if they follow one another.
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

//! The kernel's times, in milliseconds: always an argument, never read from a clock.
//!
//! | type | meaning | when the agent's clock is set |
//! |---|---|---|
//! | [`Time`] | a moment in UTC: event times and the wall clock | steps |
//! | [`AgentTime`] | for waiting times of the agent | continues |
//! | [`SteadyTime`] | for durations in a series | continues |
//!
//! So waiting times and durations need not handle clock steps: they hold a type of time that does not step, and the
//! compiler keeps the types apart. Arithmetic saturates: a device may send any `i64`, and the worst that may happen is
//! a refused reading.

macro_rules! times {
    ($($(#[$doc:meta])* $name:ident)*) => {$(
        $(#[$doc])*
        #[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub struct $name(pub i64);

        impl $name {
            /// Before every other time.
            pub const MIN: Self = Self(i64::MIN);
            /// After every other time.
            pub const MAX: Self = Self(i64::MAX);

            /// This moment plus `ms` milliseconds, at most `MAX` and at least `MIN`.
            #[must_use]
            #[inline]
            pub const fn plus(self, ms: i64) -> Self {
                Self(self.0.saturating_add(ms))
            }

            /// This moment minus `ms` milliseconds, at most `MAX` and at least `MIN`.
            #[must_use]
            #[inline]
            pub const fn minus(self, ms: i64) -> Self {
                Self(self.0.saturating_sub(ms))
            }

            /// Milliseconds from `earlier` to this moment; negative when `earlier` is later.
            #[must_use]
            #[inline]
            pub const fn since(self, earlier: Self) -> i64 {
                self.0.saturating_sub(earlier.0)
            }
        }
    )*};
}

times! {
    /// A moment in milliseconds since the Unix epoch; negative before 1970.
    Time
    /// How long the agent has run on its state, over restarts, in milliseconds. It never steps or goes back, and it
    /// stands still while the agent is away: that absence is not the silence of any series.
    AgentTime
    /// A series' time for durations, in milliseconds: its event time without the corrections of the agent's clock.
    /// Only readings that are stamped on arrival contain these corrections; otherwise it equals the event time.
    SteadyTime
}

/// The agent's times at one moment.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Now {
    /// The agent's estimate of the wall clock.
    pub time: Time,
    /// The agent's own time. Its distance from `time` changes only when the clock is corrected.
    pub alive: AgentTime,
    /// Whether the wall clock is known to be right. Only then can a reading's own time be wrong.
    pub synced: bool,
}

impl Now {
    /// After every other time.
    pub(crate) const END: Self = Self::uncorrected(Time::MAX);

    /// On a clock that is right and that nobody sets, as in virtual time.
    #[must_use]
    pub const fn uncorrected(time: Time) -> Self {
        Self { time, alive: AgentTime(time.0), synced: true }
    }

    /// The agent's time when the wall clock says `time`, unless it is corrected before.
    #[must_use]
    #[inline]
    pub const fn alive_at(&self, time: Time) -> AgentTime {
        self.alive.plus(time.since(self.time))
    }
}

/// The time of a reading, in both forms.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Moment {
    /// For calendars and for people.
    pub time: Time,
    /// For durations.
    pub steady: SteadyTime,
}

impl Moment {
    /// A moment of a series that is stamped with a clock; the clock has been corrected by `corrected_ms` in all.
    #[must_use]
    #[inline]
    pub const fn of(time: Time, corrected_ms: i64) -> Self {
        Self { time, steady: SteadyTime(time.0).minus(corrected_ms) }
    }

    /// The moment of a steady time.
    #[must_use]
    pub const fn of_steady(steady: SteadyTime, corrected_ms: i64) -> Self {
        Self { time: Time(steady.0).plus(corrected_ms), steady }
    }

    /// The time of another moment of the same series, on the clock of this one.
    #[must_use]
    pub const fn time_of(&self, steady: SteadyTime) -> Time {
        self.time.plus(steady.since(self.steady))
    }
}

impl From<Time> for Moment {
    /// A moment of a series with event times of its own, which nothing corrects.
    fn from(time: Time) -> Self {
        Self { time, steady: SteadyTime(time.0) }
    }
}

#[cfg(test)]
mod tests {
    use super::{AgentTime, Moment, Now, SteadyTime, Time};

    #[test]
    fn arithmetic_stops_at_the_ends() {
        assert_eq!(Time::MAX.plus(1), Time::MAX);
        assert_eq!(Time::MIN.minus(1), Time::MIN);
        assert_eq!(Time::MAX.since(Time::MIN), i64::MAX);
        assert_eq!(Time(5).since(Time(8)), -3);
        let now = Now { time: Time(1_000), alive: AgentTime(10), synced: false };
        assert_eq!((now.alive_at(Time(1_005)), now.alive_at(Time(900))), (AgentTime(15), AgentTime(-90)));
        let moment = Moment::of(Time(1_000), 100);
        assert_eq!((moment.steady, moment.time_of(SteadyTime(5))), (SteadyTime(900), Time(105)));
        assert_eq!(Moment::of_steady(SteadyTime(900), 100), moment);
    }
}

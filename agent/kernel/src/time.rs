//! Time as the kernel sees it: milliseconds since the Unix epoch, always an argument.
//!
//! Arithmetic saturates: a device may send any `i64`, and the worst that may happen is a refused reading.

/// A moment in milliseconds since the Unix epoch; negative before 1970.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Time(pub i64);

impl Time {
    /// Before everything.
    pub const MIN: Self = Self(i64::MIN);
    /// After everything.
    pub const MAX: Self = Self(i64::MAX);

    /// This moment plus `ms` milliseconds, at most [`Time::MAX`] and at least [`Time::MIN`].
    #[must_use]
    #[inline]
    pub const fn plus(self, ms: i64) -> Self {
        Self(self.0.saturating_add(ms))
    }

    /// This moment minus `ms` milliseconds, at most [`Time::MAX`] and at least [`Time::MIN`].
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

#[cfg(test)]
mod tests {
    use super::Time;

    #[test]
    fn arithmetic_stops_at_the_ends() {
        assert_eq!(Time::MAX.plus(1), Time::MAX);
        assert_eq!(Time::MIN.minus(1), Time::MIN);
        assert_eq!(Time::MAX.since(Time::MIN), i64::MAX);
        assert_eq!(Time(5).since(Time(8)), -3);
    }
}

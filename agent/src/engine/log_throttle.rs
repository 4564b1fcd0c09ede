//! Log lines that may come as often as readings do: a few of them.

use headwater_kernel::time::AgentTime;

/// Lets a few lines through, then one in [`LINE_EVERY_MS`], and counts the others.
pub(crate) struct LogThrottle {
    burst: i64,
    tokens: i64,
    /// When the last token came.
    filled: Option<AgentTime>,
    held: u64,
}

impl Default for LogThrottle {
    fn default() -> Self {
        Self::of_burst(1)
    }
}

/// A malformed payload costs at most one log line a minute, however many come.
const LINE_EVERY_MS: i64 = 60_000;

impl LogThrottle {
    /// A throttle that lets `burst` lines through at once.
    pub(crate) fn of_burst(burst: i64) -> Self {
        Self { burst, tokens: burst, filled: None, held: 0 }
    }

    /// A throttle for lines of a connection that comes and goes: a broker may make it do so as often as it likes.
    pub(crate) fn of_connection() -> Self {
        Self::of_burst(10)
    }

    /// How many lines were held back since the last one; `None`: hold this one back too.
    pub(crate) fn pass(&mut self, now: AgentTime) -> Option<u64> {
        let filled = *self.filled.get_or_insert(now);
        let due = now.since(filled) / LINE_EVERY_MS;
        if due > 0 {
            (self.tokens, self.filled) = ((self.tokens + due).min(self.burst), Some(now));
        }
        if self.tokens == 0 {
            self.held += 1;
            return None;
        }
        self.tokens -= 1;
        Some(std::mem::take(&mut self.held))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_lets_one_line_a_minute_through() {
        let mut throttle = LogThrottle::default();
        assert_eq!(throttle.pass(AgentTime(1_000)), Some(0));
        assert_eq!(throttle.pass(AgentTime(2_000)), None);
        assert_eq!(throttle.pass(AgentTime(60_999)), None);
        assert_eq!(throttle.pass(AgentTime(61_000)), Some(2));
        let mut connection = LogThrottle::of_connection();
        let passed = (0..600).filter(|second| connection.pass(AgentTime(second * 1_000)).is_some()).count();
        assert_eq!(passed, 10 + 9);
    }
}

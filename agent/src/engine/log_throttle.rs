//! Log lines that may come as often as readings do: a few of them.

use headwater_kernel::time::AgentTime;

/// Lets one line through in [`LINE_EVERY_MS`] and counts the others.
#[derive(Default)]
pub(super) struct LogThrottle {
    last: Option<AgentTime>,
    held: u64,
}

/// A malformed payload costs at most one log line a minute, however many come.
const LINE_EVERY_MS: i64 = 60_000;

impl LogThrottle {
    /// How many lines were held back since the last one; `None`: hold this one back too.
    pub(super) fn pass(&mut self, now: AgentTime) -> Option<u64> {
        match self.last {
            Some(last) if now.since(last) < LINE_EVERY_MS => {
                self.held += 1;
                None
            }
            _ => {
                self.last = Some(now);
                Some(std::mem::take(&mut self.held))
            }
        }
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
    }
}

//! Connections that are lost again and again: a broker that closes them, or another client with the same id.

/// So many losses of a connection that was up
const LOSSES: usize = 3;

/// within this time are trouble (ms).
const WITHIN_MS: i64 = 5 * 60_000;

/// The last losses of one connection, by the clock that never steps (ms since boot).
#[derive(Debug, Default)]
pub(super) struct ConnectionLosses {
    at: [Option<i64>; LOSSES],
    next: usize,
}

impl ConnectionLosses {
    pub(super) fn on_lost(&mut self, up_ms: i64) {
        if let Some(place) = self.at.get_mut(self.next) {
            *place = Some(up_ms);
        }
        self.next = (self.next + 1) % LOSSES;
    }

    /// Whether the connection is lost again and again.
    pub(super) fn are_many(&self, up_ms: i64) -> bool {
        self.at.iter().all(|at| at.is_some_and(|at| up_ms - at < WITHIN_MS))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn three_losses_in_five_minutes_are_many() {
        let mut losses = ConnectionLosses::default();
        for minute in [0, 1, 5, 6] {
            assert!(!losses.are_many(minute * 60_000));
            losses.on_lost(minute * 60_000);
        }
        assert!(!losses.are_many(6 * 60_000), "the first ones are long ago");
        losses.on_lost(7 * 60_000);
        assert!(losses.are_many(7 * 60_000) && losses.are_many(9 * 60_000) && !losses.are_many(10 * 60_000));
    }
}

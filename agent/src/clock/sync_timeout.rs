//! Limits how long messages from before the time is known are held.

/// Counts the time in which the messages could have been sent, up to `clock.wait`. A longer outage restarts the
/// count, because the time comes with the network.
#[derive(Clone, Debug)]
pub(crate) struct SyncTimeout {
    /// `clock.wait` (ms); `None`: for ever.
    wait_ms: Option<i64>,
    connected_ms: i64,
    outage_ms: i64,
    looked_ms: Option<i64>,
}

impl SyncTimeout {
    pub(crate) fn new(wait_ms: Option<i64>) -> Self {
        Self { wait_ms, connected_ms: 0, outage_ms: 0, looked_ms: None }
    }

    /// Whether the wait is over (`up_ms`: ms since boot). `connected`: some output is connected.
    pub(crate) fn is_over(&mut self, up_ms: i64, connected: bool) -> bool {
        let Some(wait_ms) = self.wait_ms else { return false };
        let passed_ms = self.looked_ms.map_or(0, |before| up_ms - before);
        self.looked_ms = Some(up_ms);
        if connected {
            (self.connected_ms, self.outage_ms) = (self.connected_ms + passed_ms, 0);
        } else {
            self.outage_ms += passed_ms;
            if self.outage_ms > wait_ms {
                self.connected_ms = 0;
            }
        }
        self.connected_ms >= wait_ms && connected
    }
}

#[cfg(test)]
mod tests {
    use super::SyncTimeout;

    #[test]
    fn it_lasts_while_connected_and_begins_again_after_an_outage() {
        let mut timeout = SyncTimeout::new(Some(10_000));
        assert!(!timeout.is_over(5_000, false) && !timeout.is_over(9_000, false));
        assert!(!timeout.is_over(14_000, true) && !timeout.is_over(18_999, true));
        assert!(timeout.is_over(19_000, true));
        assert!(!timeout.is_over(25_000, false) && timeout.is_over(26_000, true), "a short outage");
        assert!(!timeout.is_over(37_001, false) && !timeout.is_over(38_000, true), "a long one");
        assert!(timeout.is_over(47_001, true));
        let mut forever = SyncTimeout::new(None);
        assert!(!forever.is_over(0, true) && !forever.is_over(i64::MAX, true));
        assert!(SyncTimeout::new(Some(0)).is_over(0, true));
    }
}

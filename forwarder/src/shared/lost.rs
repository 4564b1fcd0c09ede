//! Messages that are given up, and what the disk says of those that it has: counted, and told to the agent.

use super::Shared;
use crate::Lane;
use crate::events::ForwarderEvent;
use crate::segment_log::LogEvent;
use crate::spool::{LossCause, LostMessages};
use std::rc::Rc;

impl Shared {
    /// Notes whether the disk takes what it is given: only then may messages wait for it beyond the bound of memory.
    pub(crate) fn on_disk(&self, takes: bool) {
        let lost = self.spool.borrow_mut().on_disk(takes);
        self.on_lost(lost);
    }

    pub(super) fn on_lost(&self, lost: Vec<LostMessages>) {
        if !lost.is_empty() {
            self.on_settled();
        }
        lost.into_iter().for_each(|lost| self.tell_lost(lost));
    }

    /// Counts the events of the segment log, and tells the agent.
    pub(crate) fn on_log_events(&self, log_events: Vec<LogEvent>) {
        if !log_events.is_empty() {
            self.on_settled();
        }
        log_events.into_iter().for_each(|log_event| self.on_log_event(log_event));
    }

    fn on_log_event(&self, log_event: LogEvent) {
        match log_event {
            LogEvent::Evicted { runs, made_ms, why } => {
                let cause = Rc::new(LossCause::Evicted { made_ms, why });
                let lost = self.spool.borrow_mut().evicted(&runs, &cause);
                for lane in Lane::ALL.into_iter().filter(|lane| *lost.of(*lane) > 0) {
                    self.tell_lost(LostMessages { lane, count: *lost.of(lane), cause: cause.clone() });
                }
            }
            LogEvent::Compacted { runs } => {
                let so_far = || self.spool.borrow().account().thinned;
                let before = so_far();
                self.spool.borrow_mut().compacted(&runs);
                let count = so_far() - before;
                if count > 0 {
                    self.tell(ForwarderEvent::Compacted { count });
                }
            }
            LogEvent::Damaged { runs, count_max, what } => {
                let cause = Rc::new(LossCause::Damaged(what.clone()));
                let lost = self.spool.borrow_mut().damaged(&runs, count_max, &cause);
                self.tell(ForwarderEvent::Damaged { count: lost.sum(), what });
                self.disk_writer.notify_one();
            }
        }
    }

    pub(super) fn tell_lost(&self, lost: LostMessages) {
        let LostMessages { lane, count, cause } = lost;
        self.tell(match &*cause {
            LossCause::Evicted { made_ms, why } => {
                ForwarderEvent::Evicted { lane, count, from_ms: made_ms.start, to_ms: made_ms.end, why: *why }
            }
            LossCause::Damaged(what) => ForwarderEvent::Damaged { count, what: what.clone() },
        });
    }
}

//! What reports have told, and what they still have to: the account up to the last one, starts, outages.

use super::counts_of;
use super::earlier::{Earlier, LastReport, RunBefore};
use super::outages::Outages;
use headwater_forwarder::Account;
use headwater_kernel::time::{Moment, SteadyTime, Time};
use headwater_pipeline::event::{Report, ReportCause};
use headwater_pipeline::pipeline::Pipeline;
use headwater_text::clean;
use std::cell::{Cell, RefCell};

/// The longest detail of a report (bytes): it may name a topic and a reason.
const DETAIL_BYTES_MAX: usize = 4 << 10;

/// Reports may run ahead of the clock by less than this (ms); what is more is a clock that was set back.
const AHEAD_MS: i64 = 1_000;

/// Makes reports.
pub(super) struct Reporter {
    /// The messages' account of all earlier runs; nothing waits in it.
    earlier: Account,
    last: RefCell<LastReport>,
    /// The number of starts that no report has mentioned yet, as far as is durably known.
    untold_starts: Cell<u32>,
    /// The run before this one.
    before: RunBefore,
    outages: RefCell<Outages>,
}

impl Reporter {
    /// A reporter that goes on from an earlier run; `outputs`: those of the config.
    pub(super) fn new(
        earlier: &mut Earlier,
        pipeline: &Pipeline,
        now: SteadyTime,
        outputs: &[String],
        before: RunBefore,
    ) -> Self {
        let start = || LastReport {
            at: now,
            readings: pipeline.ledger(),
            messages: earlier.messages,
            suppressed: pipeline.suppressed(),
        };
        let last = earlier.last_report.take().unwrap_or_else(start);
        let mut outages = std::mem::take(&mut earlier.outages);
        outages.keep_only(outputs);
        Self {
            earlier: earlier.messages,
            last: last.into(),
            untold_starts: Cell::new(earlier.untold_starts.saturating_add(1)),
            outages: outages.into(),
            before,
        }
    }

    /// Forgets the outages of outputs that the config does not have any more.
    pub(super) fn keep_outputs(&self, outputs: &[String]) {
        self.outages.borrow_mut().keep_only(outputs);
    }

    /// The messages' account of all runs, given that of this one.
    pub(super) fn messages(&self, current: &Account) -> Account {
        let earlier = &self.earlier;
        Account {
            made: earlier.made + current.made,
            delivered: earlier.delivered + current.delivered,
            waiting: current.waiting,
            thinned: earlier.thinned + current.thinned,
            lost: earlier.lost + current.lost,
        }
    }

    /// The text of the report of the start, once.
    pub(super) fn take_start(&self) -> Option<String> {
        let missing = &self.before.missing;
        match self.untold_starts.replace(0) {
            0 => None,
            1 => Some(missing.clone()),
            starts => {
                let told = format!("{starts} starts since the last one that is known to be told");
                Some(if missing.is_empty() { told } else { format!("{told}; {missing}") })
            }
        }
    }

    /// A report of everything since the last one, and the time of its end. `messages`: the account of all runs.
    pub(super) fn report(
        &self,
        (cause, detail): (ReportCause, &str),
        pipeline: &Pipeline,
        messages: Account,
        moment: Moment,
    ) -> (Report, Time) {
        let mut last = self.last.borrow_mut();
        let (mut end, from) = (moment.time, moment.time_of(last.at));
        // Its end is a part of its id: no two may end in the same millisecond, also when many losses come at once.
        if (0..AHEAD_MS).contains(&from.since(end)) {
            end = from.plus(1);
        }
        let (readings, suppressed) = (pipeline.ledger(), pipeline.suppressed());
        let report = Report {
            agent: pipeline.agent().clone(),
            from_ms: from.min(end).0,
            to: pipeline.own_time(end),
            cause,
            detail: clean(detail, DETAIL_BYTES_MAX).into_owned(),
            stop: self.before.stop.filter(|_| cause == ReportCause::Restart),
            readings: readings.since(&last.readings),
            messages: counts_of(&messages).since(&counts_of(&last.messages)),
            readings_total: readings.total,
            messages_total: counts_of(&messages),
            suppressed: suppressed - last.suppressed,
            suppressed_total: suppressed,
        };
        let at = moment.steady.plus(end.since(moment.time));
        *last = LastReport { at, readings, messages, suppressed };
        (report, end)
    }

    /// An output is down, perhaps not for the first time since it answered last; whether that is news.
    pub(super) fn on_output_down(&self, name: &str, now: SteadyTime) -> bool {
        self.outages.borrow_mut().begin(name, now)
    }

    /// Notes that an output answers. Returns the length of its outage, if there was one (s).
    pub(super) fn on_output_answers(&self, name: &str, now: SteadyTime) -> Option<i64> {
        let since = self.outages.borrow_mut().end(name)?;
        Some(now.since(since).max(0) / 1_000)
    }

    /// The progress that makes a checkpoint worth writing: the time of the last report, and the outputs that are down.
    pub(super) fn progress(&self) -> (SteadyTime, Outages) {
        (self.last.borrow().at, self.outages.borrow().clone())
    }

    pub(super) fn save_last(&self, to: &mut Vec<u8>) {
        self.last.borrow().save(to);
    }

    pub(super) fn save_starts(&self, to: &mut Vec<u8>) {
        to.extend_from_slice(&self.untold_starts.get().to_le_bytes());
    }

    pub(super) fn save_outages(&self, to: &mut Vec<u8>) {
        self.outages.borrow().save(to);
    }
}

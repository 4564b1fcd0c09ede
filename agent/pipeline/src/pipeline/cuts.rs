//! Marks summaries that may lack readings (`partial`), because the end of an earlier run took some.
//!
//! A window that begins before the *cut* may lack readings. The cut lies at the restart: a reading that was lost came
//! before it. Where readings have times of their own, the cut lies `future` behind the restart, because a lost reading
//! may have been so far ahead of the clock. Every channel has a cut of its own: a power cut takes nothing of a source
//! that delivers again what was lost, and a change of the config costs only what it changes. What is delivered again may
//! take longer than a window waits: a window from before the cut that the clock ends is marked, too. A cut is stored in
//! every later checkpoint, because a window of that time may be told again long after.

use super::Pipeline;
use super::bytes::{load_length, put, save_length};
use crate::config::StreamConfig;
use crate::sections::SectionWriter;
use crate::sections::body::{self, StoredBody};
use crate::sections::unread::Unread;
use headwater_kernel::series::Spec;
use headwater_kernel::state::{Corrupt, State, StateReader};
use headwater_kernel::time::{Now, Time};
use headwater_kernel::window::{Shape, Window};

/// Where windows cease to lack readings, for times of either kind; [`Time::MAX`]: not known yet.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Cut {
    by_event: Time,
    by_arrival: Time,
}

/// Whether a channel has lost readings, and may lose them again.
#[derive(Clone, Copy, Debug)]
pub(super) struct Completeness {
    /// Whether any of its readings came from a source that does not deliver again what a crash takes.
    is_lossy: bool,
    cut: Cut,
}

/// The cuts of channels that come later: they were not in the checkpoint.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct LaterCuts {
    /// Of those with readings that are not delivered again.
    lossy: Cut,
    /// Of all.
    all: Cut,
    /// Whether any cut, of a channel too, waits for the clock to be known.
    is_open: bool,
}

/// What a checkpoint says of its channels.
pub(super) enum StoredCuts {
    /// Nothing: it is of a version that knew of no cuts.
    None,
    /// Of each, in their order.
    Of(Vec<Completeness>),
    /// It cannot be read: any window may lack readings.
    Unreadable,
}

impl Default for Cut {
    fn default() -> Self {
        Self::NONE
    }
}

impl Cut {
    const NONE: Self = Self { by_event: Time::MIN, by_arrival: Time::MIN };
    const OPEN: Self = Self { by_event: Time::MAX, by_arrival: Time::MAX };

    fn max(self, other: Self) -> Self {
        Self {
            by_event: self.by_event.max(other.by_event),
            by_arrival: self.by_arrival.max(other.by_arrival),
        }
    }

    fn is_open(self) -> bool {
        self.by_event == Time::MAX
    }

    /// Sets what is open, as far as the clock is known.
    fn close(&mut self, now: Now, future_ms: i64) {
        if self.by_arrival == Time::MAX {
            self.by_arrival = now.time;
        }
        if self.is_open() && now.synced {
            self.by_event = now.time.plus(future_ms);
        }
    }

    /// The clock is set by `ms`, and its earlier times with it.
    fn correct(&mut self, ms: i64) {
        if ![Time::MIN, Time::MAX].contains(&self.by_arrival) {
            self.by_arrival = self.by_arrival.plus(ms);
        }
    }

    fn save(self, to: &mut Vec<u8>) {
        (self.by_event, self.by_arrival).save(&mut put(to));
    }

    fn load(from: &mut StateReader<'_>) -> Result<Self, Corrupt> {
        Ok(Self { by_event: State::load(from)?, by_arrival: State::load(from)? })
    }
}

impl Completeness {
    /// A channel that no checkpoint knows.
    pub(super) fn new(later: LaterCuts) -> Self {
        Self { is_lossy: false, cut: later.all }
    }

    /// A reading comes of a source that does not deliver again what a crash takes.
    #[inline]
    pub(super) fn on_lossy_reading(&mut self, later: LaterCuts) {
        if !self.is_lossy {
            self.is_lossy = true;
            self.cut = self.cut.max(later.lossy);
        }
    }

    /// Whether any of its readings came from such a source.
    pub(super) fn is_lossy(self) -> bool {
        self.is_lossy
    }

    /// Its windows are lost.
    pub(super) fn lose_windows(&mut self) {
        self.cut = Cut::OPEN;
    }

    /// Whether a window that begins at `start` may lack readings.
    pub(super) fn is_partial(self, start: Time, by_arrival: bool) -> bool {
        start < if by_arrival { self.cut.by_arrival } else { self.cut.by_event }
    }

    /// What holds of a pair of channels.
    pub(super) fn of_pair(self, other: Self) -> Self {
        Self { is_lossy: self.is_lossy || other.is_lossy, cut: self.cut.max(other.cut) }
    }

    /// Appends flags, and the cut if there is one.
    fn save(self, to: &mut Vec<u8>) {
        let has_cut = self.cut != Cut::NONE;
        to.push(u8::from(self.is_lossy) | u8::from(has_cut) << 1);
        if has_cut {
            self.cut.save(to);
        }
    }

    fn load(from: &mut StateReader<'_>) -> Result<Self, Corrupt> {
        let flags = u8::load(from)?;
        if flags > 3 {
            return Err(Corrupt);
        }
        let cut = if flags & 2 == 0 { Cut::NONE } else { Cut::load(from)? };
        Ok(Self { is_lossy: flags & 1 != 0, cut })
    }
}

impl LaterCuts {
    /// Whether any cut, of a channel too, waits for the clock to be known.
    #[inline]
    pub(super) fn is_open(&self) -> bool {
        self.is_open
    }

    /// Whether readings of a window may still come again: the last run may have had them, and the clock has ended the window,
    /// no later reading of a series that has reached `event`. Sources deliver again in order.
    pub(super) fn is_awaited(&self, window: &Window, spec: &Spec, event: Time) -> bool {
        let is_ended_by_clock =
            !spec.by_arrival && !matches!(spec.shape, Shape::Count(_)) && event < window.end;
        is_ended_by_clock && window.start < self.lossy.by_arrival
    }

    /// Windows are lost whose channels are not known.
    pub(super) fn lose_windows(&mut self) {
        self.all = Cut::OPEN;
    }
}

impl Pipeline {
    /// The end of the last run has taken what is not delivered again.
    pub(super) fn cut_lossy(&mut self) {
        self.emitter.later_cuts.lossy = Cut::OPEN;
        let lossy = self.channels.list.iter_mut().filter(|channel| channel.completeness.is_lossy);
        lossy.for_each(|channel| channel.completeness.cut = Cut::OPEN);
    }

    /// Something has taken readings of any source.
    pub(super) fn cut_all(&mut self) {
        self.cuts_mut().for_each(|cut| *cut = Cut::OPEN);
    }

    /// The number of windows that are open now and that the end of the last run may have taken readings of.
    pub fn open_windows_cut(&self) -> usize {
        let lossy = self.channels.list.iter().filter(|channel| channel.completeness.is_lossy);
        lossy.filter_map(|channel| Some(channel.open_windows(self.streams.config(channel.stream)?))).sum()
    }

    /// Sets the cuts that are open, as far as the clock is known by now.
    #[cold]
    pub(super) fn close_cuts(&mut self, now: Now) {
        let future_ms = self.future_ms();
        let mut is_open = false;
        for cut in self.cuts_mut() {
            cut.close(now, future_ms);
            is_open |= cut.is_open();
        }
        self.emitter.later_cuts.is_open = is_open;
    }

    /// The clock is set by `ms`.
    pub(super) fn correct_cuts(&mut self, ms: i64) {
        self.cuts_mut().for_each(|cut| cut.correct(ms));
    }

    fn cuts_mut(&mut self) -> impl Iterator<Item = &mut Cut> {
        let LaterCuts { lossy, all, .. } = &mut self.emitter.later_cuts;
        let own = self.channels.list.iter_mut().map(|channel| &mut channel.completeness.cut);
        own.chain([lossy, all])
    }

    /// Appends all cuts.
    pub(super) fn save_cuts(&self, to: &mut impl SectionWriter) {
        body::CUTS.put(to, |to| {
            self.emitter.later_cuts.lossy.save(to);
            self.emitter.later_cuts.all.save(to);
            save_length(to, self.channels.list.len());
            self.channels.list.iter().for_each(|channel| channel.completeness.save(to));
        });
    }

    /// Reads what [`Pipeline::save_cuts`] wrote, of each channel in their order; 0.1.0 wrote none.
    pub(super) fn load_cuts(&mut self, stored: StoredBody<'_>, unread: &mut Unread) -> StoredCuts {
        if stored.all(body::CUTS).next().is_none() {
            return StoredCuts::None;
        }
        let read = stored.one(body::CUTS, unread, |from| {
            let later = LaterCuts { lossy: Cut::load(from)?, all: Cut::load(from)?, is_open: false };
            let channels = (0..load_length(from)?).map(|_| Completeness::load(from));
            Ok((later, channels.collect::<Result<Vec<_>, _>>()?))
        });
        let (later, stored) = match read {
            Some((later, channels)) => (later, StoredCuts::Of(channels)),
            None => (LaterCuts { lossy: Cut::OPEN, all: Cut::OPEN, is_open: false }, StoredCuts::Unreadable),
        };
        self.emitter.later_cuts = later;
        stored
    }

    /// What holds of the channel that is the `number`th in a checkpoint.
    pub(super) fn restored_completeness(
        &self,
        (stored, number): (&StoredCuts, usize),
        stream: &StreamConfig,
        series: &str,
    ) -> Completeness {
        let known = if let StoredCuts::Of(channels) = stored { channels.get(number).copied() } else { None };
        let cut = if let StoredCuts::Unreadable = stored { Cut::OPEN } else { Cut::NONE };
        known.unwrap_or_else(|| {
            // Any source of the config may have fed it.
            let mut sources = self.sources.iter().enumerate();
            let is_lossy = sources.any(|(at, source)| !source.entry.is_durable && stream.selects(at, series));
            Completeness { is_lossy, cut }
        })
    }
}

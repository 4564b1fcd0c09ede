//! The pipeline as bytes, for the checkpoint, and back.
//!
//! Every stream carries a fingerprint of what it asks of its series (window, aggregates, detectors): after a change of
//! the config, what did not change goes on, and the readings in windows that no longer exist count as `refused`.
//!
//! ```text
//! kernel version u32  floor u32 i64 u8  ceiling u32  clock synced u8  future i64  suppressed i64
//! boot (text)  turn u32  until i64
//! ledger: total, sources u32, each: name, intake, streams u32, each: name, counts      retired: counts
//! fingerprints: one a stream    channels u32, each: index of the stream u32, series name, labels u32 (key, value)*,
//!   by_arrival u8, forwarded i64 u32, windows (bytes), judged option, window option,
//!   evidence u32 (time, value)*, watches u32, each: fingerprint, awaited option, last raising and state (bytes)
//! groups u32, each: stream name, fingerprint, group name, awaited option, last raising and state (bytes)
//! pairs u32, each: stream name, fingerprint, two series names, state (bytes)
//! ```
//! Texts and bytes have their length in front (u32). Numbers are little-endian.

use super::channel::Channel;
use super::revisions::Revisions;
use super::{Ceiling, Now, Pipeline, Pressure};
use crate::account::{Counts, Intake, Ledger};
use crate::config::WindowConfig;
use headwater_kernel::state::{Corrupt, STATE_VERSION, State, Stored};
use headwater_kernel::time::Time;

/// How many readings of windows were given up, because the config has changed.
pub(crate) type GivenUp = i64;

impl Pipeline {
    /// Appends the whole state as of `now`; the answer is for [`Pipeline::on_durable`]. What is told until then keeps
    /// to this ceiling and to that of the checkpoint before: either may be what a crash leaves.
    pub(crate) fn checkpoint(&mut self, now: Now, to: &mut Vec<u8>) -> Ceiling {
        let Ceiling(ceiling) = self.save(now, to);
        let lower = self.revisions.lower(ceiling);
        self.limit_revisions(lower);
        Ceiling(ceiling)
    }

    /// Appends the whole state as of `now`.
    pub(crate) fn save(&self, now: Now, to: &mut Vec<u8>) -> Ceiling {
        STATE_VERSION.save(&mut put(to));
        let next = self.channels.iter().map(Channel::next_rev).max().unwrap_or(0);
        let ceiling = Revisions::ceiling(next.max(self.pairs.next_rev()));
        self.revisions.save(ceiling, now, self.future_ms(), to);
        self.suppressed.save(&mut put(to));
        self.save_timestamps(to);
        save_ledger(to, &self.ledger());
        save_counts(to, &self.retired);
        // In the order of the ledger's streams.
        self.streams.iter().for_each(|stream| save_text(to, &stream.fingerprint()));
        save_length(to, self.channels.len());
        for channel in &self.channels {
            let Some(stream) = self.streams.get(channel.stream as usize) else { continue };
            let (name, labels) = self.directory.describe(channel.series);
            channel.stream.save(&mut put(to));
            save_text(to, name);
            save_length(to, labels.len());
            for (key, value) in labels {
                save_text(to, key);
                save_text(to, value);
            }
            channel.save(stream, to);
        }
        self.groups.save(&self.streams, to);
        self.pairs.save(&self.streams, &self.directory, to);
        Ceiling(ceiling)
    }

    /// A checkpoint of [`Pipeline::save`] is durable.
    pub(crate) fn on_durable(&mut self, Ceiling(ceiling): Ceiling) {
        self.revisions.raise(ceiling);
        self.limit_revisions(ceiling);
    }

    fn limit_revisions(&mut self, ceiling: u32) {
        for stream in &mut self.streams {
            if let WindowConfig::Cut(specs) = &mut stream.window {
                specs.limit_revisions(ceiling);
            }
        }
    }

    /// Whether a checkpoint should come soon: revisions may have to wait for it.
    pub(crate) fn wants_checkpoint(&self) -> bool {
        self.revisions.is_exhausted()
    }

    /// The agent was away until now, after a restart: no silence before it closes a window or counts against a series.
    /// After a crash, what may have been told of since the checkpoint is told of under higher revisions.
    pub(crate) fn resume(&mut self, now: Now, after_crash: bool) {
        let (reach, future_ms) = (self.reach(), self.future_ms());
        self.revisions.start(now, after_crash, reach, future_ms);
        self.pairs.resume(&self.streams, now.time);
        for (index, channel) in (0_u32..).zip(&mut self.channels) {
            channel.resume(now.time);
            let stream = self.streams.get(channel.stream as usize);
            if let Some(due) = stream.and_then(|stream| channel.arm(stream, now.time.plus(1))) {
                self.timers.push(due, index);
            }
        }
    }

    /// The state of the run before this one is lost, and with it what that run has told.
    pub(crate) fn forget_past(&mut self) {
        self.revisions.lose();
    }

    #[cold]
    pub(super) fn settle_revisions(&mut self, now: Now) {
        let (reach, future_ms) = (self.reach(), self.future_ms());
        self.revisions.settle(now, reach, future_ms);
    }

    /// No window of what is here ends later.
    fn reach(&self) -> Time {
        let reach =
            |channel: &Channel| self.streams.get(channel.stream as usize).map(|stream| channel.reach(stream));
        let channels = self.channels.iter().filter_map(reach).max();
        channels.unwrap_or(Time::MIN).max(self.pairs.reach(&self.streams))
    }

    /// No source takes readings from further ahead (ms).
    fn future_ms(&self) -> i64 {
        self.sources.iter().map(|source| source.future_ms).max().unwrap_or(0)
    }

    /// Goes on from what [`Pipeline::save`] wrote; the pipeline must be new. `look` is asked for every series whether
    /// memory has got short or is no longer.
    ///
    /// # Errors
    /// [`Corrupt`]: the bytes are not whole, or of another version. The pipeline is then to be thrown away.
    pub(crate) fn restore_within(
        &mut self,
        from: &mut Stored<'_>,
        look: impl Fn() -> Option<Pressure>,
    ) -> Result<GivenUp, Corrupt> {
        if u32::load(from)? != STATE_VERSION {
            return Err(Corrupt);
        }
        self.revisions = Revisions::load(from)?;
        self.suppressed = i64::load(from)?;
        self.load_timestamps(from)?;
        let ledger = load_ledger(from)?;
        self.retired = load_counts(from)?;
        let saved = ledger.streams.iter().map(|(name, _)| self.saved_stream(name, from));
        let saved = saved.collect::<Result<Vec<_>, _>>()?;
        self.restore_accounts(ledger);
        for _ in 0..load_length(from)? {
            if let Some(pressure) = look() {
                self.on_pressure(pressure);
            }
            if !self.restore_channel(&saved, from)? {
                self.revisions.forget();
            }
        }
        self.groups.restore(&self.streams, from)?;
        self.introduce_pairs(0);
        if !self.pairs.restore(&self.streams, &self.directory, from)? {
            self.revisions.forget();
        }
        self.share_retention();
        Ok(self.settle_restored())
    }

    /// [`Pipeline::restore_within`] as much memory as it takes.
    #[cfg(test)]
    pub(crate) fn restore(&mut self, from: &mut Stored<'_>) -> Result<GivenUp, Corrupt> {
        self.restore_within(from, || None)
    }

    /// What is no more in the config retires with its counts.
    fn restore_accounts(&mut self, ledger: Ledger) {
        if self.streams.iter().any(|stream| ledger.streams.iter().all(|(name, _)| *name != stream.name)) {
            // It may have been here before, and gone for a while.
            self.revisions.forget();
        }
        for (name, intake) in ledger.sources {
            let known = self.sources.iter().position(|source| source.name == name);
            match known.and_then(|index| self.intakes.get_mut(index)) {
                Some(place) => *place = intake,
                None => self.retired = self.retired.plus(&intake.beside_streams()),
            }
        }
        for (name, counts) in ledger.streams {
            let known = self.streams.iter().position(|stream| stream.name == name);
            match known.and_then(|index| self.stream_counts.get_mut(index)) {
                Some(place) => *place = counts,
                None => self.retired = self.retired.plus(&counts),
            }
        }
    }

    /// What has become of a stream whose fingerprint comes next.
    fn saved_stream(&self, name: &str, from: &mut Stored<'_>) -> Result<SavedStream, Corrupt> {
        let fingerprint = load_text(from)?;
        let known = (0_u32..).zip(&self.streams).find(|(_, stream)| stream.name == name);
        let is_same = known.is_some_and(|(_, stream)| stream.fingerprint() == fingerprint);
        Ok(SavedStream { index: known.map(|(index, _)| index), is_same })
    }

    /// Whether its windows go on.
    fn restore_channel(&mut self, saved: &[SavedStream], from: &mut Stored<'_>) -> Result<bool, Corrupt> {
        let saved = saved.get(load_length(from)?).ok_or(Corrupt)?;
        let series = load_text(from)?;
        let mut labels = Vec::new();
        for _ in 0..load_length(from)? {
            labels.push((load_text(from)?.to_owned(), load_text(from)?.to_owned()));
        }
        let known = saved.index.and_then(|index| Some((index, self.streams.get(index as usize)?)));
        let Some((index, config)) = known else {
            return Channel::skip(from).map(|()| false);
        };
        let Some(id) = self.directory.restore(series, &labels) else {
            return Channel::skip(from).map(|()| false);
        };
        let mut channel = Channel::new(index, id, config);
        let is_same = saved.is_same;
        channel.restore(config, is_same, from)?;
        if let Some(due) = channel.arm(config, Time::MIN) {
            self.timers.push(due, u32::try_from(self.channels.len()).map_err(|_| Corrupt)?);
        }
        self.channels.push(channel);
        self.join_groups(self.channels.len() - 1);
        Ok(is_same)
    }

    /// Makes `in_windows` what is really in windows; the rest is given up.
    fn settle_restored(&mut self) -> GivenUp {
        let mut given_up = std::mem::take(&mut self.retired.in_windows);
        self.retired.refused += given_up;
        for (index, (counts, stream)) in self.stream_counts.iter_mut().zip(&self.streams).enumerate() {
            let own = self.channels.iter().filter(|channel| channel.stream as usize == index);
            let present: i64 = own.map(|channel| channel.readings(stream)).sum();
            let missing = counts.in_windows - present;
            counts.in_windows = present;
            counts.refused += missing;
            given_up += missing;
        }
        given_up
    }
}

/// A stream as it was saved.
struct SavedStream {
    /// Where it is now, if it still is.
    index: Option<u32>,
    /// Whether its windows are cut the same way.
    is_same: bool,
}

/// Appends whatever the kernel puts.
pub(super) fn put(to: &mut Vec<u8>) -> impl FnMut(&[u8]) + '_ {
    |bytes| to.extend_from_slice(bytes)
}

/// Appends a length.
pub(crate) fn save_length(to: &mut Vec<u8>, length: usize) {
    u32::try_from(length).unwrap_or(u32::MAX).save(&mut put(to));
}

/// Appends bytes with their length in front.
pub(crate) fn save_bytes(to: &mut Vec<u8>, bytes: &[u8]) {
    save_length(to, bytes.len());
    to.extend_from_slice(bytes);
}

/// Appends a text with its length in front.
pub(crate) fn save_text(to: &mut Vec<u8>, text: &str) {
    save_bytes(to, text.as_bytes());
}

/// Reads a length.
pub(crate) fn load_length(from: &mut Stored<'_>) -> Result<usize, Corrupt> {
    Ok(u32::load(from)? as usize)
}

/// Reads bytes with their length in front.
pub(crate) fn load_bytes<'a>(from: &mut Stored<'a>) -> Result<&'a [u8], Corrupt> {
    let length = load_length(from)?;
    let (bytes, rest) = from.rest().split_at_checked(length).ok_or(Corrupt)?;
    *from = Stored::new(rest);
    Ok(bytes)
}

/// Reads a text with its length in front.
pub(crate) fn load_text<'a>(from: &mut Stored<'a>) -> Result<&'a str, Corrupt> {
    std::str::from_utf8(load_bytes(from)?).map_err(|_| Corrupt)
}

/// Appends the readings' account with its parts.
pub(crate) fn save_ledger(to: &mut Vec<u8>, ledger: &Ledger) {
    save_counts(to, &ledger.total);
    save_length(to, ledger.sources.len());
    for (name, intake) in &ledger.sources {
        save_text(to, name);
        intake.named().iter().for_each(|(_, count)| count.save(&mut put(to)));
    }
    save_length(to, ledger.streams.len());
    for (name, counts) in &ledger.streams {
        save_text(to, name);
        save_counts(to, counts);
    }
}

/// Reads the readings' account with its parts.
///
/// # Errors
/// [`Corrupt`]: cut off, or not an account.
pub(crate) fn load_ledger(from: &mut Stored<'_>) -> Result<Ledger, Corrupt> {
    let mut ledger = Ledger { total: load_counts(from)?, ..Ledger::default() };
    for _ in 0..load_length(from)? {
        ledger.sources.push((load_text(from)?.to_owned(), Intake::from_counts(|| State::load(from))?));
    }
    for _ in 0..load_length(from)? {
        ledger.streams.push((load_text(from)?.to_owned(), load_counts(from)?));
    }
    if ledger.balances() { Ok(ledger) } else { Err(Corrupt) }
}

/// Appends the readings' account.
pub(crate) fn save_counts(to: &mut Vec<u8>, counts: &Counts) {
    for (_, count) in counts.named() {
        count.save(&mut put(to));
    }
}

/// Reads the readings' account.
///
/// # Errors
/// [`Corrupt`]: cut off, or not an account.
pub(crate) fn load_counts(from: &mut Stored<'_>) -> Result<Counts, Corrupt> {
    let counts = Counts::from_counts(|| State::load(from))?;
    if counts.balances() { Ok(counts) } else { Err(Corrupt) }
}

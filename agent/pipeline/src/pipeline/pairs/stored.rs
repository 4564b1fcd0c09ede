//! Pairs as sections of a checkpoint's body; see `pipeline/state.rs`.

use super::super::bytes::{load_bytes, load_length, load_text, put, save_length, save_measured, save_text};
use super::super::ids::{PairId, SeriesId, StreamId};
use super::super::series::Directory;
use super::super::stream::Streams;
use super::{Pair, PairPane, Pairs, WAITING_MAX};
use crate::config::Specs;
use crate::sections::SectionWriter;
use crate::sections::body::{self, StoredBody};
use crate::sections::unread::{Unread, UnreadReason};
use headwater_kernel::aggregate::Comoments;
use headwater_kernel::series::{Spec, Windows, reads_windows, windows_version};
use headwater_kernel::state::{Corrupt, State, StateReader, Tagged};
use headwater_kernel::time::AgentTime;
use std::collections::HashMap;

impl Pairs {
    /// Appends the state of all pairs.
    pub(in crate::pipeline) fn save(
        &self,
        streams: &Streams,
        directory: &Directory,
        to: &mut impl SectionWriter,
    ) {
        for pair in self.pairs.iter() {
            let Some((specs, config)) = pair.rules(streams) else { continue };
            body::PAIR.put(to, |to| {
                save_text(to, streams.config(pair.stream).map_or("", |stream| &stream.name));
                save_text(to, &config.fingerprint(specs));
                pair.series.into_iter().for_each(|series| save_text(to, directory.describe(series).0));
                windows_version(&specs.of(false).shape).save(&mut put(to));
                Comoments::VERSION.save(&mut put(to));
                save_measured(to, |to| pair.save(specs.of(pair.by_arrival), to));
            });
        }
    }

    /// Restores what [`Pairs::save`] wrote, after all channels. Silence counts from `since` on. Pairs that no longer
    /// exist are skipped. Returns whether every stored pair was restored.
    pub(in crate::pipeline) fn restore(
        &mut self,
        streams: &Streams,
        directory: &Directory,
        since: AgentTime,
        stored: StoredBody<'_>,
        unread: &mut Unread,
    ) -> bool {
        let places = self.pairs.enumerate().map(|(at, pair)| ((pair.stream, pair.series), at));
        let places: HashMap<(StreamId, [SeriesId; 2]), PairId> = places.collect();
        let (mut saved, mut restored) = (0, 0);
        for section in stored.all(body::PAIR) {
            saved += 1;
            let find = |stream: &str, [a, b]: [Option<SeriesId>; 2]| {
                places.get(&(streams.find(stream)?.0, [a?, b?])).copied()
            };
            let read = body::PAIR.read(section, |from| {
                let (stream, print) = (load_text(from)?, load_text(from)?);
                let series = [directory.find(load_text(from)?), directory.find(load_text(from)?)];
                let versions = (u16::load(from)?, u16::load(from)?);
                Ok((find(stream, series), print, versions, load_bytes(from)?))
            });
            let goes_on = read.and_then(|(index, print, versions, state)| {
                let Some(index) = index else { return Ok(false) };
                self.restore_pair(index, streams, since, (print, versions, state))
            });
            match goes_on {
                Ok(goes_on) => restored += usize::from(goes_on),
                Err(why) => unread.part("a pair", "starts anew", why),
            }
        }
        restored == saved && restored == self.pairs.len()
    }

    /// Restores one pair. Returns whether it was restored.
    fn restore_pair(
        &mut self,
        index: PairId,
        streams: &Streams,
        since: AgentTime,
        (print, (windows, accumulator), state): (&str, (u16, u16), &[u8]),
    ) -> Result<bool, UnreadReason> {
        let Some(pair) = self.pairs.at_mut(index) else { return Ok(false) };
        let Some((specs, config)) = pair.rules(streams) else { return Ok(false) };
        let spec = specs.of(false);
        if config.fingerprint(specs) != print {
            return Ok(false);
        }
        let differs = |stored, read| Err(UnreadReason::Version { stored, read });
        if !reads_windows(windows) {
            return differs(windows, windows_version(&spec.shape));
        }
        if accumulator != Comoments::VERSION {
            return differs(accumulator, Comoments::VERSION);
        }
        pair.restore(specs, (windows, since), state).map_err(|Corrupt| UnreadReason::Damaged)?;
        Ok(true)
    }
}

impl Pair {
    fn save(&self, spec: &Spec, to: &mut Vec<u8>) {
        self.by_arrival.save(&mut put(to));
        for waiting in &self.waiting {
            save_length(to, waiting.len());
            waiting.iter().for_each(|reading| reading.save(&mut put(to)));
        }
        self.windows.save(spec, &mut put(to), |pane, to| pane.0.save(to));
    }

    fn restore(
        &mut self,
        specs: &Specs,
        (version, since): (u16, AgentTime),
        state: &[u8],
    ) -> Result<(), Corrupt> {
        let mut from = StateReader::new(state);
        let by_arrival = bool::load(&mut from)?;
        let mut waiting = [Vec::new(), Vec::new()];
        for waiting in &mut waiting {
            let length = load_length(&mut from)?;
            if length > WAITING_MAX {
                return Err(Corrupt);
            }
            *waiting = (0..length).map(|_| State::load(&mut from)).collect::<Result<_, _>>()?;
        }
        let load = |from: &mut StateReader<'_>| State::load(from).map(PairPane);
        let windows = Windows::load(specs.of(by_arrival), version, since, &mut from, load)?;
        if !from.rest().is_empty() {
            return Err(Corrupt);
        }
        (self.by_arrival, self.waiting, self.windows) = (by_arrival, waiting, windows);
        Ok(())
    }
}

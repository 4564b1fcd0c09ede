//! Pairs of series: matches their readings and summarises them in windows.
//!
//! A reading is matched with the nearest waiting reading of the other series within `tolerance`. Each reading is in
//! one match at most. A match falls into the window of its first series' reading. The windows of a pair are cut like
//! those of the stream, by an event time of their own: a pair advances as far as both of its series have. A pair
//! exists once both series are known; the last reading of the one that was known before waits for the first of the
//! other. Pairs do not enter the account: each series' own windows count its readings.

mod stored;

use super::channels::Channels;
use super::cuts::Completeness;
use super::emitter::Emitter;
use super::ids::{ChannelId, Id as _, IndexVec, PairId, SeriesId, StreamId, present};
use super::panes::Panes;
use super::series::Directory;
use super::stream::Streams;
use super::timers::Timers;
use crate::config::{PairConfig, Specs, StreamConfig, WindowConfig};
use crate::event::{Event, Summary};
use crate::plan::Value;
use crate::unit;
use headwater_kernel::aggregate::{Comoments, Stamped};
use headwater_kernel::series::{Closed, Pane, Slot, Spec, Windows};
use headwater_kernel::time::{AgentTime, Now, Time};
use headwater_kernel::window::Shape;
use std::sync::Arc;

/// The most readings of one series that wait for a match; beyond it the earliest stays unmatched.
const WAITING_MAX: usize = 256;

/// Memory of a pair without its windows (bytes): with few readings waiting, and with as many as can.
pub(super) const BYTES: [usize; 2] =
    [BYTES_OWN + 2 * 8 * size_of::<Stamped>(), BYTES_OWN + 2 * WAITING_MAX * size_of::<Stamped>()];

const BYTES_OWN: usize = size_of::<Pair>() + 2 * size_of::<Link>() + super::timers::ENTRY_BYTES;

/// Memory of one window of a pair (bytes).
pub(super) const PANE_BYTES: usize = size_of::<Slot<PairPane>>();

/// All pairs of all streams.
#[derive(Default)]
pub(super) struct Pairs {
    pairs: IndexVec<PairId, Pair>,
    /// The pairs of each channel.
    links: Vec<Vec<Link>>,
    timers: Timers<PairId>,
}

/// The emitter of pairs.
pub(super) struct PairEmitter<'a> {
    pub(super) streams: &'a Streams,
    pub(super) directory: &'a Directory,
    pub(super) channels: &'a Channels,
    pub(super) now: Now,
    pub(super) emitter: &'a mut Emitter,
}

impl PairEmitter<'_> {
    /// Whether the channels of two series of a stream have lost readings.
    fn completeness(&self, stream: StreamId, series: [SeriesId; 2]) -> Option<Completeness> {
        let of = |series| self.channels.list.at(self.channels.find(stream, series)?);
        let [a, b] = series.map(of);
        Some(a?.completeness.of_pair(b?.completeness))
    }
}

/// A channel's side of a pair.
#[derive(Clone, Copy, Debug)]
struct Link {
    pair: PairId,
    is_b: bool,
}

/// Two series of one stream.
struct Pair {
    stream: StreamId,
    /// The index of its config among the stream's pairs.
    config: u32,
    series: [SeriesId; 2],
    /// The unmatched readings of each series, sorted by time; those of the same time in order of arrival.
    waiting: [Vec<Stamped>; 2],
    windows: Windows<PairPane, Panes<PairPane>>,
    by_arrival: bool,
    /// The earliest timer that is set; [`AgentTime::MAX`]: none.
    armed: AgentTime,
}

/// The accumulator of one window of a pair.
#[derive(Clone, Debug, Default, PartialEq)]
struct PairPane(Comoments);

impl Pairs {
    /// Finds the partners of a new channel among the known ones.
    pub(super) fn introduce(
        &mut self,
        channel: ChannelId,
        at: (StreamId, SeriesId),
        stream: &StreamConfig,
        directory: &Directory,
        channels: &Channels,
    ) {
        if stream.pairs.is_empty() {
            return;
        }
        let (index, series) = at;
        let (name, _) = directory.describe(series);
        for (config, pair) in (0_u32..).zip(&stream.pairs) {
            for (own, other, is_b) in [(&pair.a, &pair.b, false), (&pair.b, &pair.a, true)] {
                let partner = own.star(name).and_then(|star| directory.find(&other.with(star)));
                let known = partner.and_then(|id| Some((id, channels.find(index, id)?)));
                if let Some((partner, other)) = known.filter(|(_, other)| *other != channel) {
                    let last = |channel| channels.list.at(channel)?.last_reading(stream);
                    let waiting = [channel, other].map(|channel| last(channel).into_iter().collect());
                    let (series, channels) = ([series, partner], [channel, other]);
                    let pair = Pair::new((index, config), turned(series, is_b), turned(waiting, is_b));
                    self.add(pair, turned(channels, is_b));
                }
            }
        }
    }

    fn add(&mut self, pair: Pair, channels: [ChannelId; 2]) {
        let same = |known: &Pair| known.stream == pair.stream && known.series == pair.series;
        let links = self.links.get(channels[0].index() as usize);
        if links.is_some_and(|links| links.iter().any(|link| self.pairs.at(link.pair).is_some_and(same))) {
            return;
        }
        let Some(pair) = self.pairs.push(pair) else { return };
        for (channel, is_b) in channels.into_iter().zip([false, true]) {
            let channel = channel.index() as usize;
            if self.links.len() <= channel {
                self.links.resize_with(channel + 1, Vec::new);
            }
            if let Some(links) = present(self.links.get_mut(channel), "the pairs of a channel") {
                links.push(Link { pair, is_b });
            }
        }
    }

    /// Ends the pairs of a channel whose series is forgotten. Returns the time before which readings of that series may
    /// fall into windows that were told of.
    pub(super) fn forget(&mut self, channel: ChannelId, out: &mut PairEmitter<'_>) -> Time {
        let links = self.links.get_mut(channel.index() as usize).map(std::mem::take).unwrap_or_default();
        let mut told_to = Time::MIN;
        for Link { pair: index, .. } in links {
            let Some(mut pair) = self.pairs.remove(index) else { continue };
            if let Some((specs, config)) = pair.rules(out.streams) {
                let spec = specs.of(pair.by_arrival);
                let until = pair.windows.told_to().max(out.now.time);
                let own = pair.windows.told_to().max(pair.windows.reach(spec).min(until));
                told_to = told_to.max(own.plus(config.tolerance_ms));
                pair.end(spec, until, out);
            }
            for series in pair.series {
                let other = out.channels.find(pair.stream, series);
                if let Some(links) = other.and_then(|other| self.links.get_mut(other.index() as usize)) {
                    links.retain(|link| link.pair != index);
                }
            }
        }
        told_to
    }

    /// The number of pairs.
    pub(super) fn len(&self) -> usize {
        self.pairs.len()
    }

    /// Takes a reading that is in a window of its own series.
    pub(super) fn on_reading(
        &mut self,
        channel: ChannelId,
        (time, value): Stamped,
        by_arrival: bool,
        out: &mut PairEmitter<'_>,
    ) {
        let Self { pairs, links, timers, .. } = self;
        for link in links.get(channel.index() as usize).into_iter().flatten() {
            let Some(pair) = pairs.at_mut(link.pair) else { continue };
            let Some((specs, config)) = pair.rules(out.streams) else { continue };
            pair.by_arrival = by_arrival;
            if let Some((time, values)) = pair.find(link.is_b, time, value, config.tolerance_ms) {
                let spec = specs.of(by_arrival);
                pair.windows.on_reading(spec, time, values, out.now, PairPane::default);
                pair.close(spec, out);
            }
            if let Some(due) = pair.arm(out.streams, out.now, AgentTime::MIN) {
                timers.push(due, link.pair);
            }
        }
    }

    /// Closes what is due without another reading.
    pub(super) fn on_tick(&mut self, out: &mut PairEmitter<'_>) {
        let now = out.now;
        while let Some((due, index)) = self.timers.pop_due(now.alive) {
            let Some(pair) = self.pairs.get_mut(index).filter(|pair| pair.armed == due) else {
                continue;
            };
            pair.armed = AgentTime::MAX;
            if let Some((specs, _)) = pair.rules(out.streams) {
                pair.close(specs.of(pair.by_arrival), out);
            }
            // Strictly later, so that a tick ends.
            if let Some(due) = pair.arm(out.streams, now, now.alive.plus(1)) {
                self.timers.push(due, index);
            }
        }
    }

    /// When [`Pairs::on_tick`] is due next.
    pub(super) fn next(&self) -> Option<AgentTime> {
        self.timers.next()
    }

    /// Ends all pairs that are stamped on arrival; see [`super::channel::Channel::end`].
    pub(super) fn end_stamped(&mut self, until: Time, out: &mut PairEmitter<'_>) {
        for pair in self.pairs.iter_mut().filter(|pair| pair.by_arrival) {
            if let Some((specs, _)) = pair.rules(out.streams) {
                pair.end(specs.of(true), until, out);
            }
        }
    }

    /// Sets the timers of all pairs, as of `now`.
    pub(super) fn rearm(&mut self, streams: &Streams, now: Now) {
        self.timers = Timers::default();
        for (index, pair) in self.pairs.enumerate_mut() {
            pair.armed = AgentTime::MAX;
            if let Some(due) = pair.arm(streams, now, now.alive) {
                self.timers.push(due, index);
            }
        }
    }

    /// The highest revision that any window emits next.
    pub(super) fn next_rev(&self) -> u32 {
        self.pairs.iter().map(|pair| pair.windows.next_rev()).max().unwrap_or(0)
    }

    /// The latest end of any window.
    pub(super) fn reach(&self, streams: &Streams) -> Time {
        let reach =
            |pair: &Pair| pair.rules(streams).map(|(specs, _)| pair.windows.reach(specs.of(pair.by_arrival)));
        self.pairs.iter().filter_map(reach).max().unwrap_or(Time::MIN)
    }
}

/// Both in the order of their pair.
fn turned<T>([own, other]: [T; 2], is_b: bool) -> [T; 2] {
    if is_b { [other, own] } else { [own, other] }
}

impl Pair {
    fn new((stream, config): (StreamId, u32), series: [SeriesId; 2], waiting: [Vec<Stamped>; 2]) -> Self {
        let windows = Windows::new();
        Self { stream, config, series, waiting, windows, by_arrival: false, armed: AgentTime::MAX }
    }

    fn rules<'s>(&self, streams: &'s Streams) -> Option<(&'s Specs, &'s PairConfig)> {
        let stream = streams.config(self.stream)?;
        let WindowConfig::Cut(specs) = &stream.window else {
            debug_assert!(false, "a stream with pairs has windows");
            return None;
        };
        Some((specs, present(stream.pairs.get(self.config as usize), "the config of a pair")?))
    }

    /// Matches a reading with a waiting counterpart; otherwise the reading waits.
    fn find(&mut self, is_b: bool, time: Time, value: f64, tolerance_ms: i64) -> Option<(Time, (f64, f64))> {
        let [a, b] = &mut self.waiting;
        let (own, others) = if is_b { (b, a) } else { (a, b) };
        let apart = |(other, _): &Stamped| time.since(*other).saturating_abs();
        let after = others.partition_point(|(other, _)| *other < time);
        let near = [after.checked_sub(1), Some(after)].into_iter().flatten();
        let near = near.filter_map(|at| Some((apart(others.get(at)?), at))).min();
        if let Some((_, at)) = near.filter(|(ms, _)| *ms <= tolerance_ms) {
            let (other_time, other) = others.remove(at);
            return Some(if is_b { (other_time, (other, value)) } else { (time, (value, other)) });
        }
        if own.len() == WAITING_MAX {
            own.remove(0);
        }
        own.insert(own.partition_point(|(other, _)| *other <= time), (time, value));
        None
    }

    /// Emits a summary of every window that is due.
    fn close(&mut self, spec: &Spec, out: &mut PairEmitter<'_>) {
        while let Some(closed) = self.windows.poll(spec, out.now) {
            self.emit_summary(&closed, spec, out);
        }
    }

    fn end(&mut self, spec: &Spec, until: Time, out: &mut PairEmitter<'_>) {
        while let Some(closed) = self.windows.end(spec, until) {
            self.emit_summary(&closed, spec, out);
        }
        self.waiting = [Vec::new(), Vec::new()];
    }

    fn emit_summary(&self, closed: &Closed<PairPane>, spec: &Spec, out: &mut PairEmitter<'_>) {
        let Some(stream) = out.streams.config(self.stream) else { return };
        let Closed { window, named, rev, readings, number, .. } = *closed;
        out.emitter.revisions.on_emitted(rev);
        let [(a, labels), (b, others)] = self.series.map(|series| out.directory.describe(series));
        let common = unit::named(labels).filter(|label| others.contains(label)).cloned().collect();
        let PairPane(pairs) = &closed.pane;
        let measured = [("covariance", pairs.covariance()), ("correlation", pairs.correlation())];
        let measured = measured.into_iter().filter_map(|(name, number)| Some((name, Value::Number(number?))));
        let count = std::iter::once(("count", Value::Count(pairs.count())));
        let summary = Summary {
            about: out.emitter.about(stream, format!("{a}~{b}").into(), common),
            pair: Some([a.clone(), b.clone()]),
            start: out.emitter.at(window.start, self.by_arrival),
            end_ms: window.end.0,
            named_end_ms: named.end.0,
            is_retracted: false,
            rev: rev.saturating_add(out.emitter.revisions.rev_base.of(window.start)),
            is_partial: out
                .completeness(self.stream, self.series)
                .is_some_and(|both| both.is_partial(window.start, self.by_arrival))
                || out.emitter.later_cuts.is_awaited(&window, spec, self.windows.watermark().event),
            number: matches!(spec.shape, Shape::Count(_)).then_some(number),
            numbers: count.chain(measured).map(|(name, value)| (Arc::from(name), value)).collect(),
            points: None,
            sketch: None,
            pane: None,
        };
        let summary = if readings == 0 { summary.retracted() } else { summary };
        out.emitter.events.push((out.now.time, Event::Summary(Box::new(summary))));
    }

    /// When the pair needs attention, at `earliest` or later; `None` if an earlier timer is set.
    fn arm(&mut self, streams: &Streams, now: Now, earliest: AgentTime) -> Option<AgentTime> {
        let (specs, _) = self.rules(streams)?;
        let due = self.windows.due(specs.of(self.by_arrival), now)?.max(earliest);
        if due >= self.armed {
            return None;
        }
        self.armed = due;
        Some(due)
    }
}

impl Pane for PairPane {
    type Value = (f64, f64);

    fn push(&mut self, _: Time, (a, b): (f64, f64)) {
        self.0.push(a, b);
    }

    fn merge(&mut self, later: &Self) {
        self.0.merge(&later.0);
    }
}

//! A sink before another one: it changes or watches some of what passes, and hands everything on.

use crate::{
    AckFigures, ConnectionState, PersistState, Receipt, Safety, SeriesRef, Sink, SourceLeft, SourcePosition,
    Stamp,
};
use headwater_http::Routes;
use std::fmt::Display;
use std::rc::Rc;

/// What a layer does otherwise than the sink behind it. Every [`Sink`] method is handed on in one place, so that none is forgotten.
pub(crate) trait SinkLayer {
    /// The sink behind it.
    fn behind(&self) -> &dyn Sink;

    /// The sink behind it.
    fn behind_mut(&mut self) -> &mut dyn Sink;

    /// Takes [`Sink::reading`].
    fn reading(&mut self, series: SeriesRef, stamp: Stamp, value: f64) {
        self.behind_mut().reading(series, stamp, value);
    }

    /// Takes [`Sink::invalid`].
    fn invalid(&mut self, origin: &str, why: &dyn Display) {
        self.behind_mut().invalid(origin, why);
    }

    /// Sees that something was understood that is no reading to be had: it was refused, empty, filtered or repeated.
    fn understood(&mut self) {}
}

impl<L: SinkLayer> Sink for L {
    fn message(&mut self) {
        self.behind_mut().message();
    }

    fn begin_reading(&mut self, message: u32) -> bool {
        self.behind_mut().begin_reading(message)
    }

    fn end_reading(&mut self, was_read: bool) {
        self.behind_mut().end_reading(was_read);
    }

    fn has_room(&self) -> bool {
        self.behind().has_room()
    }

    fn series(&mut self, name: &str, labels: &[(String, String)]) -> Option<SeriesRef> {
        self.behind_mut().series(name, labels)
    }

    fn generation(&self) -> u32 {
        self.behind().generation()
    }

    fn knows(&self, series: SeriesRef) -> bool {
        self.behind().knows(series)
    }

    fn renamed(&mut self, raw: &str, name: &str) {
        self.behind_mut().renamed(raw, name);
    }

    fn unit(&mut self, unit: &str) {
        self.behind_mut().unit(unit);
    }

    fn reading(&mut self, series: SeriesRef, stamp: Stamp, value: f64) {
        SinkLayer::reading(self, series, stamp, value);
    }

    fn remark(&mut self, source: &str, text: &str) {
        self.behind_mut().remark(source, text);
    }

    fn refused(&mut self, count: u32) {
        self.understood();
        self.behind_mut().refused(count);
    }

    fn invalid(&mut self, origin: &str, why: &dyn Display) {
        SinkLayer::invalid(self, origin, why);
    }

    fn empty(&mut self, count: u32) {
        self.understood();
        self.behind_mut().empty(count);
    }

    fn filtered(&mut self, count: u32) {
        self.understood();
        self.behind_mut().filtered(count);
    }

    fn repeated(&mut self, count: u32) {
        self.understood();
        self.behind_mut().repeated(count);
    }

    fn replaying(&mut self, is_replayed: bool) {
        self.behind_mut().replaying(is_replayed);
    }

    fn retained(&mut self, count: u32) {
        self.behind_mut().retained(count);
    }

    fn dropped(&mut self, count: u32) {
        self.behind_mut().dropped(count);
    }

    fn gone(&mut self, count: u32, why: &str) {
        self.behind_mut().gone(count, why);
    }

    fn connection(&mut self, state: ConnectionState<'_>) {
        self.behind_mut().connection(state);
    }

    fn trouble(&mut self, what: Option<&str>) {
        self.behind_mut().trouble(what);
    }

    fn acks(&mut self, figures: Rc<AckFigures>) {
        self.behind_mut().acks(figures);
    }

    fn routes(&mut self) -> Option<Routes> {
        self.behind_mut().routes()
    }

    fn safety(&mut self, state: Rc<dyn PersistState>) -> Option<(Safety, SourceLeft)> {
        self.behind_mut().safety(state)
    }

    fn hand_over(&mut self, receipt: Receipt) -> u64 {
        self.behind_mut().hand_over(receipt)
    }

    fn positions(&mut self) -> Vec<SourcePosition> {
        self.behind_mut().positions()
    }

    fn position(&mut self, key: &[u8], at: &[u8]) -> u64 {
        self.behind_mut().position(key, at)
    }

    fn state_dropped(&mut self, why: &str) {
        self.behind_mut().state_dropped(why);
    }
}

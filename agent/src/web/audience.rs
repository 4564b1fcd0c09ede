//! Those who follow the agent's events: one bounded queue for each, and the series that each wants to see.

use crate::watched::{SeriesWatch, WatchedSeries};
use headwater_http::{EventSender, ServerEvent};
use headwater_pipeline::event::Event;
use serde_json::json;
use std::cell::RefCell;
use std::sync::Arc;
use tokio::sync::Notify;

/// The most readings of a series that go to one client at a time.
const READINGS_MAX: usize = 64;

/// One who follows.
struct Follower {
    sender: EventSender,
    series: Vec<(String, SeriesWatch)>,
}

/// All who follow.
#[derive(Default)]
pub(super) struct Audience {
    followers: RefCell<Vec<Follower>>,
    came: Notify,
}

impl Audience {
    /// Takes in one more, who wants to see these series.
    pub(super) fn join(&self, sender: EventSender, series: Vec<String>, watched: &WatchedSeries) {
        let series = series.into_iter().map(|name| (name, watched.watch())).collect();
        self.followers.borrow_mut().push(Follower { sender, series });
        self.came.notify_one();
    }

    /// Waits until somebody follows.
    pub(super) async fn gathered(&self) {
        while self.is_empty() {
            self.came.notified().await;
        }
    }

    pub(super) fn is_empty(&self) -> bool {
        self.followers.borrow().is_empty()
    }

    /// Sends an event to all.
    pub(super) fn send(&self, event: &ServerEvent) {
        self.keep(|follower| follower.sender.send(event).is_ok());
    }

    /// Sends a message about a series, such as a summary, to those who want to see it; `json` is what was sent.
    pub(super) fn show(&self, event: &Event, json: &Arc<str>) {
        let Some(about) = event.about() else { return };
        let sent = ServerEvent::new(event.kind(), json);
        self.keep(|follower| !follower.wants(&about.series) || follower.sender.send(&sent).is_ok());
    }

    /// Whether anybody wants to see a series.
    pub(super) fn wants(&self, series: &str) -> bool {
        self.followers.borrow().iter().any(|follower| follower.wants(series))
    }

    /// Sends the readings that have come.
    pub(super) fn send_readings(&self) {
        self.keep(Follower::send_readings);
    }

    /// Looks again under which handles the watched series come; `handles` knows them.
    pub(super) fn find_handles(&self, handles: impl Fn(&str) -> Vec<u64>) {
        for follower in self.followers.borrow().iter() {
            follower.series.iter().for_each(|(name, watch)| watch.set_handles(handles(name)));
        }
    }

    /// Those of whom it is not true lose their place.
    fn keep(&self, is_here: impl Fn(&Follower) -> bool) {
        self.followers.borrow_mut().retain(is_here);
    }
}

impl Follower {
    fn wants(&self, series: &str) -> bool {
        self.series.iter().any(|(name, _)| name == series)
    }

    /// Whether there is room for them.
    fn send_readings(&self) -> bool {
        self.series.iter().all(|(name, watch)| {
            let readings = watch.take(READINGS_MAX);
            let event =
                || ServerEvent::new("readings", &json!({ "series": name, "readings": readings }).to_string());
            readings.is_empty() || self.sender.send(&event()).is_ok()
        })
    }
}

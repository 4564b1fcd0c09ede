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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::web::testing::summary;
    use headwater_http::events;

    /// Who reads too slowly loses the place and holds nobody up; who is gone is not kept.
    #[tokio::test]
    async fn who_does_not_take_what_comes_is_dropped() {
        let (audience, watched) = (Audience::default(), WatchedSeries::default());
        let (slow, _unread) = events(3);
        let (gone, stream) = events(9);
        let (good, _roomy) = events(99);
        for sender in [slow, gone, good] {
            audience.join(sender, vec!["a".to_owned()], &watched);
        }
        drop(stream);
        let count = || audience.followers.borrow().len();
        audience.send(&ServerEvent::new("status", "{}"));
        assert_eq!(count(), 2);
        for _ in 0..20 {
            audience.send(&ServerEvent::new("status", "{}"));
        }
        assert_eq!(count(), 1);
    }

    #[tokio::test]
    async fn summaries_and_readings_go_to_those_who_follow_the_series() {
        let (audience, watched) = (Audience::default(), WatchedSeries::default());
        let (one, _stream) = events(1);
        let (other, _other_stream) = events(1);
        audience.join(one, vec!["a".to_owned()], &watched);
        audience.join(other, vec!["b".to_owned(), "c".to_owned()], &watched);
        assert!(audience.wants("c") && !audience.wants("d"));
        let event = summary("s", "a", (0, 1), &[("mean", 1.0)]);
        // The first queue takes one, and not a second one; the other one gets none of them.
        audience.show(&event, &"{}".into());
        audience.show(&event, &"{}".into());
        assert!(!audience.wants("a") && audience.wants("b"));
        audience.find_handles(|name| if name == "c" { vec![7] } else { vec![] });
        watched.on_reading(7, 1, 2.0);
        audience.send_readings();
        watched.on_reading(7, 1, 2.0);
        audience.send_readings();
        assert!(audience.is_empty(), "its queue took one of the two");
    }
}

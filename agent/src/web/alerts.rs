//! The last alerts, as they were sent: what raised each, what cleared it, and the readings that followed it.

use headwater_pipeline::event::{AlertState, Event, Subject, Timestamp};
use std::cell::RefCell;
use std::collections::VecDeque;
use std::sync::Arc;

/// The most alerts that are kept.
const ALERTS_MAX: usize = 200;

/// The most that they take (bytes); one with the longest evidence takes some 30 KiB.
const BYTES_MAX: usize = 1 << 20;

/// The memory of all of it when full (bytes).
pub(crate) const ALERTS_BYTES: u64 = BYTES_MAX as u64 * 2;

/// One alert: the messages about it, as JSON.
struct Recent {
    about: Subject,
    detector: String,
    raised_at: Timestamp,
    raised: Option<Arc<str>>,
    cleared: Option<Arc<str>>,
    evidence: Option<Arc<str>>,
}

/// The last alerts, oldest first.
#[derive(Default)]
pub(super) struct RecentAlerts(RefCell<VecDeque<Recent>>);

impl RecentAlerts {
    /// Notes a message about an alert; `json` is what was sent.
    pub(super) fn note(&self, event: &Event, json: &Arc<str>) {
        let mut alerts = self.0.borrow_mut();
        let of = match event {
            Event::Alert(alert) => (&alert.about, &*alert.detector, &alert.raised),
            Event::Evidence(evidence) => (&evidence.about, &*evidence.detector, &evidence.raised),
            _ => return,
        };
        if let Some(recent) = find(&mut alerts, of) {
            let place = match event {
                Event::Alert(alert) if alert.state == AlertState::Raised => &mut recent.raised,
                Event::Alert(_) => &mut recent.cleared,
                _ => &mut recent.evidence,
            };
            *place = Some(json.clone());
        }
        let mut bytes: usize = alerts.iter().map(Recent::bytes).sum();
        while alerts.len() > ALERTS_MAX || bytes > BYTES_MAX {
            bytes -= alerts.pop_front().map_or(bytes, |oldest| oldest.bytes());
        }
    }

    /// A JSON list of the alerts, newest first; of one series only, or of all.
    pub(super) fn json(&self, series: Option<&str>) -> String {
        let alerts = self.0.borrow();
        let wanted =
            alerts.iter().rev().filter(|alert| series.is_none_or(|series| *alert.about.series == *series));
        let list: Vec<String> = wanted.map(Recent::json).collect();
        format!("[{}]", list.join(","))
    }
}

/// The alert that is meant; a new one, if it is not there yet.
fn find<'a>(
    alerts: &'a mut VecDeque<Recent>,
    (about, detector, raised): (&Subject, &str, &Timestamp),
) -> Option<&'a mut Recent> {
    let is_it =
        |known: &Recent| known.about == *about && known.detector == detector && known.raised_at == *raised;
    let at = alerts.iter().rposition(is_it).unwrap_or(alerts.len());
    if at == alerts.len() {
        alerts.push_back(Recent {
            about: about.clone(),
            detector: detector.to_owned(),
            raised_at: raised.clone(),
            raised: None,
            cleared: None,
            evidence: None,
        });
    }
    alerts.get_mut(at)
}

impl Recent {
    fn parts(&self) -> impl Iterator<Item = (&'static str, &Arc<str>)> {
        let parts = [("raised", &self.raised), ("cleared", &self.cleared), ("evidence", &self.evidence)];
        parts.into_iter().filter_map(|(name, json)| Some((name, json.as_ref()?)))
    }

    fn bytes(&self) -> usize {
        size_of::<Self>() + self.parts().map(|(_, json)| json.len()).sum::<usize>()
    }

    fn json(&self) -> String {
        let parts: Vec<String> = self.parts().map(|(name, json)| format!("\"{name}\":{json}")).collect();
        format!("{{{}}}", parts.join(","))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::web::testing::alert;
    use serde_json::{Value, json};

    fn note(alerts: &RecentAlerts, event: &Event, json: &str) {
        alerts.note(event, &json.into());
    }

    #[test]
    fn what_is_said_of_one_alert_stands_together() {
        let alerts = RecentAlerts::default();
        note(&alerts, &alert("a", AlertState::Raised, 1), "{\"n\":1}");
        note(&alerts, &alert("b", AlertState::Raised, 1), "{\"n\":2}");
        note(&alerts, &alert("a", AlertState::Cleared, 1), "{\"n\":3}");
        note(&alerts, &alert("a", AlertState::Raised, 9), "{\"n\":4}");
        let read = |series| serde_json::from_str::<Value>(&alerts.json(series)).unwrap();
        let [first, second, third] = [
            json!({"raised": {"n": 1}, "cleared": {"n": 3}}),
            json!({"raised": {"n": 2}}),
            json!({"raised": {"n": 4}}),
        ];
        assert_eq!(read(None), json!([third, second, first]));
        assert_eq!(read(Some("b")), json!([second]));
    }

    #[test]
    fn memory_is_bounded() {
        let alerts = RecentAlerts::default();
        for time in 0..500 {
            note(&alerts, &alert("a", AlertState::Raised, time), "{}");
        }
        assert_eq!(alerts.0.borrow().len(), ALERTS_MAX);
        for time in 0..60 {
            note(&alerts, &alert("b", AlertState::Raised, time), &format!("\"{}\"", "x".repeat(30 << 10)));
        }
        assert!(alerts.0.borrow().iter().map(Recent::bytes).sum::<usize>() <= BYTES_MAX);
    }
}

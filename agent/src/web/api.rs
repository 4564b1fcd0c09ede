//! What the paths of `/api/v1` answer.

use super::Web;
use headwater_http::{Request, Response, StatusCode, events};
use headwater_pipeline::event::Labels;
use headwater_pipeline::pipeline::SeriesView;
use headwater_pipeline::unit;
use headwater_text::escape_json;
use serde_json::{Map, Value, json};

/// How many series a list has, and at most.
const SERIES: usize = 200;
const SERIES_MAX: usize = 1_000;

/// The most series that one client follows.
const FOLLOWED_MAX: usize = 8;

/// Events that wait for one client; a page that sleeps for so long comes again.
const WAITING_MAX: usize = 256;

impl Web {
    pub(super) fn status(&self) -> Response {
        json_of(&serde_json::to_string(&self.engine.status()).unwrap_or_default())
    }

    /// The series whose names have the words of `q` in them.
    pub(super) fn list(&self, request: &Request) -> Response {
        let words = request.query("q").unwrap_or_default();
        let Some(limit) = number(request, "limit", SERIES, SERIES_MAX) else {
            return refused("`limit` is a number from 1 to 1000");
        };
        let (found, total) = self.engine.find_series(&words, limit);
        let series: Vec<Value> = found.iter().map(described).collect();
        json_of(&json!({ "total": total, "series": series }).to_string())
    }

    /// One series with its last windows and alerts.
    pub(super) fn one(&self, request: &Request) -> Response {
        let name = &request.rest;
        let windows = self.windows.of(name);
        let known = self.engine.series_named(name);
        if known.is_none() && windows.is_empty() {
            return problem(
                StatusCode::NOT_FOUND,
                "there is no series of this name; /api/v1/series lists them",
            );
        }
        // A pair or a group has windows, and is no series of a source.
        let mut map =
            known.as_ref().map_or_else(|| json!({ "series": name, "labels": {}, "streams": [] }), described);
        if let Some(map) = map.as_object_mut() {
            map.insert("windows".to_owned(), windows.into());
        }
        let map = map.to_string();
        let rest = map.strip_prefix('{').unwrap_or_default();
        json_of(&format!("{{\"alerts\":{},{rest}", self.alerts.json(Some(name))))
    }

    /// The last alerts, newest first.
    pub(super) fn alerts(&self, request: &Request) -> Response {
        let alerts = self.alerts.json(request.query("series").as_deref());
        json_of(&format!("{{\"alerts\":{alerts}}}"))
    }

    /// Server-sent events.
    pub(super) fn follow(&self, request: &Request) -> Response {
        let series = request.queries("series");
        if series.len() > FOLLOWED_MAX {
            return refused("`series` can be given 8 times at most");
        }
        let (sender, stream) = events(WAITING_MAX);
        self.audience.join(sender, series, &self.engine.watched);
        self.find_handles();
        Response::events(stream)
    }
}

/// Of a series: name, labels, unit, streams.
fn described(view: &SeriesView) -> Value {
    let streams: Vec<&str> = view.streams.iter().map(|stream| &**stream).collect();
    let mut map = json!({ "series": &*view.name, "labels": labels(&view.labels), "streams": streams });
    if let (Some(unit), Some(map)) = (unit::of(&view.labels), map.as_object_mut()) {
        map.insert("unit".to_owned(), unit.into());
    }
    map
}

fn labels(labels: &Labels) -> Map<String, Value> {
    unit::named(labels).map(|(name, value)| (name.clone(), value.as_str().into())).collect()
}

/// A number of the query; `None`: it is none that is allowed.
fn number(request: &Request, name: &str, default: usize, most: usize) -> Option<usize> {
    match request.query(name) {
        None => Some(default),
        Some(text) => text.parse().ok().filter(|number| (1..=most).contains(number)),
    }
}

fn refused(why: &str) -> Response {
    problem(StatusCode::BAD_REQUEST, why)
}

fn problem(status: StatusCode, why: &str) -> Response {
    json_of(&json!({ "error": why }).to_string()).status(status)
}

/// A JSON text; names in it may be of anybody.
pub(super) fn json_of(text: &str) -> Response {
    Response::json(escape_json(text).into_owned())
}

//! What the agent's listener tells people and programs: the page, `/metrics`, `/health` and `/api/v1`. All of them are views
//! of the status, of the last windows and alerts, and of what is being made. Nothing can be changed over them.
//!
//! Windows and alerts are noted as they are made, in bounded memory (`windows.rs`, `alerts.rs`): some 0.1 µs for each.
//! Nothing else is done while nobody looks. Those who follow get a status every second for all of them together.

mod alerts;
mod api;
mod audience;
mod health;
mod metrics;
#[cfg(test)]
pub(crate) mod testing;
mod windows;

use crate::engine::Engine;
use crate::tap::Onlooker;
use alerts::{ALERTS_BYTES, RecentAlerts};
use audience::Audience;
use headwater_http::{PathTaken, Registered, Request, Response, Route, ServerEvent, StatusCode, header};
use headwater_pipeline::event::Event;
use headwater_text::escape_json;
use headwater_wire::to_json;
use health::{Health, Readiness};
use metrics::metrics;
use std::rc::Rc;
use std::sync::Arc;
use std::time::Duration;
use windows::{RecentWindows, WINDOWS_BYTES};

/// How often those who follow get the readings that have come, and every which time the status.
const READINGS_EVERY: Duration = Duration::from_millis(500);
const STATUS_EVERY: u32 = 2;

/// The memory of all that is kept for those who look (bytes).
pub(crate) const WEB_BYTES: u64 = WINDOWS_BYTES + ALERTS_BYTES;

/// The description of the paths, for programs.
const OPENAPI: &str = include_str!("web/openapi.json");

/// What those who look are told.
pub(crate) struct Web {
    engine: Rc<Engine>,
    windows: RecentWindows,
    alerts: RecentAlerts,
    audience: Audience,
}

/// The paths of the listener that are answered here, until this is dropped.
pub(crate) struct WebRoutes {
    web: Rc<Web>,
    _routes: Vec<Registered>,
}

impl WebRoutes {
    /// Adds the paths to those of the engine, and notes from now on what it makes.
    ///
    /// # Errors
    /// Another part of the agent answers one of them.
    pub(crate) fn open(engine: &Rc<Engine>) -> Result<Self, PathTaken> {
        let web = Rc::new(Web {
            engine: engine.clone(),
            windows: RecentWindows::default(),
            alerts: RecentAlerts::default(),
            audience: Audience::default(),
        });
        engine.taps().show_to(&web);
        let add = |path: &str, answer: fn(&Web, &Request) -> Response| {
            let web = web.clone();
            engine.routes().add(Route::get(path), move |request: Request| {
                let response = answer(&web, &request);
                async move { response }
            })
        };
        let mut routes = vec![
            add("/metrics", Web::metrics)?,
            add("/health", |web, _| web.health())?,
            add("/api/v1/status", |web, _| web.status())?,
            add("/api/v1/series", Web::list)?,
            add("/api/v1/series/*", Web::one)?,
            add("/api/v1/alerts", Web::alerts)?,
            add("/api/v1/events", Web::follow)?,
            add("/api/v1/openapi.json", |_, _| Response::json(OPENAPI))?,
        ];
        for file in headwater_page::FILES {
            let answer = move |_| async move { page_file(file) };
            routes.push(engine.routes().add(Route::get(file.path), answer)?);
        }
        Ok(Self { web, _routes: routes })
    }

    /// Tells those who follow; never returns.
    pub(crate) fn tell(&self) -> impl Future<Output = ()> + use<> {
        let web = self.web.clone();
        async move { web.tell().await }
    }
}

/// A file of the page. What it may load, and who may show it, is said with each.
fn page_file(file: &'static headwater_page::PageFile) -> Response {
    let policy = header::HeaderValue::from_static(headwater_page::POLICY);
    let referrer = header::HeaderValue::from_static("no-referrer");
    Response::gzipped(file.content_type, file.gzip, file.tag)
        .with(header::CONTENT_SECURITY_POLICY, policy)
        .with(header::REFERRER_POLICY, referrer)
}

impl Web {
    fn metrics(&self, request: &Request) -> Response {
        let is_open = metrics::wants_open(request.header(header::ACCEPT).unwrap_or_default());
        let content_type = if is_open { metrics::OPEN } else { metrics::TEXT };
        Response::bytes(content_type, metrics(&self.engine.status(), is_open))
    }

    fn health(&self) -> Response {
        let health = Health::of(&self.engine.status(), self.engine.is_sending());
        let response = api::json_of(&serde_json::to_string(&health).unwrap_or_default());
        match health.status {
            Readiness::Starting => response.status(StatusCode::SERVICE_UNAVAILABLE),
            Readiness::Ready | Readiness::Degraded => response,
        }
    }

    /// Looks under which handles the series come that are followed.
    fn find_handles(&self) {
        self.audience.find_handles(|name| self.engine.handles_of(name));
    }

    /// Tells those who follow what has come, for as long as there are any.
    async fn tell(&self) {
        loop {
            self.audience.gathered().await;
            let mut round = 0_u32;
            while !self.audience.is_empty() {
                if round.is_multiple_of(STATUS_EVERY) {
                    // A series may have come that somebody waits for.
                    self.find_handles();
                    let status = serde_json::to_string(&self.engine.status()).unwrap_or_default();
                    self.audience.send(&ServerEvent::new("status", &escape_json(&status)));
                }
                self.audience.send_readings();
                round = round.wrapping_add(1);
                tokio::time::sleep(READINGS_EVERY).await;
            }
        }
    }
}

impl Onlooker for Web {
    fn on_event(&self, event: &Event) {
        match event {
            Event::Summary(_) | Event::Reading(_) => self.windows.note(event),
            Event::Alert(_) | Event::Evidence(_) | Event::Prediction(_) => {}
            Event::Report(_) | Event::Clock(_) | Event::Status(_) => return,
        }
        let is_alert = matches!(event, Event::Alert(_) | Event::Evidence(_));
        let is_wanted = || event.about().is_some_and(|about| self.audience.wants(&about.series));
        if !is_alert && !is_wanted() {
            return;
        }
        let Some(json) = to_json(event).ok().and_then(|json| String::from_utf8(json).ok()) else { return };
        let json: Arc<str> = escape_json(&json).into();
        if is_alert {
            self.alerts.note(event, &json);
            self.audience.send(&ServerEvent::new(event.kind(), &json));
        } else {
            self.audience.show(event, &json);
        }
    }
}

//! The source behind a real listener, and before a real server.

use super::*;
use crate::decode::tests::context;
use crate::testing::{Run, Told, run_local, source};
use crate::{Finding, Safety, SourceLeft};
use headwater_http::header::{ETAG, HeaderValue, IF_NONE_MATCH};
use headwater_http::{
    Bytes, HttpCall, HttpClient, Method, Request, Response, Routes, ServerSetup, StatusCode, serve,
};
use headwater_settings::Document;
use std::cell::RefCell;
use std::path::Path;
use std::rc::Rc;
use tokio::net::TcpListener;
use tokio::sync::watch;
use tokio::task::spawn_local;

/// A listener until it is dropped.
struct Listening {
    port: u16,
    routes: Routes,
    _stop: watch::Sender<bool>,
}

impl Listening {
    async fn start() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let (port, routes) = (listener.local_addr().unwrap().port(), Routes::default());
        let (stop, stopped) = watch::channel(false);
        let setup = ServerSetup { routes: routes.clone(), token: None, hosts: Vec::new() };
        spawn_local(serve(listener, setup, stopped));
        Self { port, routes, _stop: stop }
    }

    /// A client of a path, with more keys.
    fn client(&self, path: &str, keys: &str) -> HttpClient {
        let text = format!("url = \"http://127.0.0.1:{}{path}\"\n{keys}", self.port);
        let document = Document::parse(Path::new("/nowhere/test.toml"), &text, |_| None);
        HttpClient::new(ClientSettings::read(&mut document.root(), "").unwrap())
    }
}

/// A sink with a listener, whose readings are written when the test says so.
#[derive(Clone)]
struct Agent {
    told: Told,
    routes: Routes,
    safety: Safety,
}

impl Sink for Agent {
    fn series(&mut self, name: &str, labels: &[(String, String)]) -> Option<crate::SeriesRef> {
        self.told.series(name, labels)
    }

    fn reading(&mut self, series: crate::SeriesRef, stamp: crate::Stamp, value: f64) {
        self.told.reading(series, stamp, value);
    }

    fn refused(&mut self, count: u32) {
        self.told.refused(count);
    }

    fn invalid(&mut self, origin: &str, why: &dyn std::fmt::Display) {
        self.told.invalid(origin, why);
    }

    fn connection(&mut self, state: crate::ConnectionState<'_>) {
        self.told.connection(state);
    }

    fn routes(&mut self) -> Option<Routes> {
        Some(self.routes.clone())
    }

    fn safety(&mut self, _: Rc<dyn crate::PersistState>) -> Option<(Safety, SourceLeft)> {
        Some((self.safety.clone(), SourceLeft::default()))
    }

    fn hand_over(&mut self, _: crate::Receipt) -> u64 {
        self.safety.hand_over()
    }
}

async fn post(client: &mut HttpClient, body: &'static str) -> (u16, String) {
    let body = Bytes::from_static(body.as_bytes());
    let call = HttpCall { method: Method::POST, headers: Default::default(), body, answer_bytes_max: 1_000 };
    let answer = client.call(&call).await.unwrap();
    (answer.status.as_u16(), answer.words())
}

#[test]
fn a_payload_is_acknowledged_when_it_is_written() {
    run_local(async {
        let listening = Listening::start().await;
        let agent =
            Agent { told: Told::default(), routes: listening.routes.clone(), safety: Safety::default() };
        let (stop, stopped) = watch::channel(false);
        let table = "type = \"http\"\npath = \"/in\"\ntoken = \"0123456789abcdef\"\nformat = \"influx\"";
        let running = spawn_local(source(table).run(Box::new(agent.clone()), stopped));
        agent.told.until_link("up").await;
        let mut stranger = listening.client("/in", "");
        assert_eq!(post(&mut stranger, "m a=1").await.0, 401);
        let mut client = listening.client("/in", "token = \"0123456789abcdef\"");
        let answer = spawn_local(async move {
            let answer = post(&mut client, "m a=1\nm a=2\n").await;
            (client, answer)
        });
        agent.told.until_values(&[1.0, 2.0]).await;
        tokio::time::sleep(Duration::from_millis(50)).await;
        assert!(!answer.is_finished(), "it is not written yet");
        agent.safety.on_written(agent.safety.handed_over());
        let (mut client, (status, _)) = answer.await.unwrap();
        assert_eq!(status, 204);
        agent.safety.on_written(u64::MAX);
        let (status, words) = post(&mut client, "nonsense").await;
        assert!(status == 400 && !words.is_empty(), "{status} {words}");
        assert_eq!(agent.told.0.borrow().invalid.len(), 1);
        assert_eq!(post(&mut client, "m a=3,b=\n").await.0, 400);
        stop.send(true).unwrap();
        running.await.unwrap();
        assert_eq!(post(&mut client, "m a=4").await.0, 404, "the path is free again");
    });
}

#[test]
fn what_is_asked_for_is_read_once_as_long_as_it_stays() {
    run_local(async {
        let listening = Listening::start().await;
        let asked = Rc::new(RefCell::new(Vec::new()));
        let noted = asked.clone();
        let _route = listening.routes.add(Route::get("/sensors"), move |request: Request| {
            let known = request.header(IF_NONE_MATCH).map(str::to_owned);
            noted.borrow_mut().push(known.clone());
            let count = noted.borrow().len();
            async move {
                let tag = if count < 3 { "\"one\"" } else { "\"two\"" };
                let response = match (count, known.as_deref() == Some(tag)) {
                    (5.., _) => Response::text(StatusCode::SERVICE_UNAVAILABLE, "I rest"),
                    (_, true) => Response::empty(StatusCode::NOT_MODIFIED),
                    (_, false) => Response::json(format!("{{\"a\":{count}}}")),
                };
                response.with(ETAG, HeaderValue::from_static(tag))
            }
        });
        let told = Told::default();
        let table = format!(
            "type = \"http\"\nurl = \"http://127.0.0.1:{}/sensors\"\ninterval = \"1s\"",
            listening.port
        );
        assert_eq!(
            source(&table).probe().await,
            Some(Finding::Works(format!("127.0.0.1:{}: 7 bytes", listening.port)))
        );
        asked.borrow_mut().clear();
        let run = Run::start(&table, &told);
        told.until_link("up").await;
        told.until_values(&[1.0, 3.0]).await;
        told.until_link("503 Service Unavailable: I rest").await;
        run.stop().await;
        let one = Some("\"one\"".to_owned());
        assert_eq!(asked.borrow().get(..3).unwrap(), [None, one.clone(), one]);
    });
}

#[test]
fn a_server_that_is_not_there_is_asked_again() {
    run_local(async {
        let told = Told::default();
        let run = Run::start("type = \"http\"\nurl = \"http://127.0.0.1:1/\"\ninterval = \"1s\"", &told);
        told.until_link("nobody listens at 127.0.0.1:1").await;
        run.stop().await;
    });
}

#[test]
fn an_answer_that_is_too_long_is_said_to_be() {
    run_local(async {
        let listening = Listening::start().await;
        let long = format!("{{\"a\":1,\"b\":\"{}\"}}", "x".repeat(context().payload_bytes_max));
        let _route = listening.routes.add(Route::get("/long"), move |_: Request| {
            let long = long.clone();
            async move { Response::json(long) }
        });
        let told = Told::default();
        let table =
            format!("type = \"http\"\nurl = \"http://127.0.0.1:{}/long\"\ninterval = \"1s\"", listening.port);
        let why = format!(
            "longer than `payload` in [limits] allows ({} bytes); raise it there",
            context().payload_bytes_max
        );
        assert_eq!(
            source(&table).probe().await,
            Some(Finding::Fails(format!("127.0.0.1:{}: the answer is {why}", listening.port)))
        );
        let run = Run::start(&table, &told);
        told.until("refusal", |seen| !seen.invalid.is_empty()).await;
        assert_eq!(told.0.borrow().invalid[0], why);
        run.stop().await;
    });
}

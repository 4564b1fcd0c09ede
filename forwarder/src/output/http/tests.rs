//! The output against servers that answer badly, on loopback. What real databases answer is tried from the whole program.

mod answers;

use super::*;
use crate::output_set::OutputSet;
use crate::{ConnectionEvent, Delivery, EncodeError, Framing, Lane, MessageAddress, Tag};
use headwater_http::{Request, Response, Route, Routes, ServerSetup, StatusCode, header, serve};
use headwater_settings::Document;
use std::collections::VecDeque;
use std::future::Future;
use std::path::Path;
use tokio::net::TcpListener;
use tokio::sync::watch;
use tokio::task::{LocalSet, spawn_local};
use tokio::time::timeout;

/// Sends the bodies of messages as they are.
struct Plain {
    format: FormatTraits,
}

impl Encoder for Plain {
    fn agent(&self) -> &str {
        "agent"
    }

    fn takes(&self, _: &Message) -> bool {
        true
    }

    fn format(&self) -> FormatTraits {
        self.format
    }

    fn address<'m>(&'m self, _: &'m Message) -> Option<MessageAddress<'m>> {
        None
    }

    fn encode(&self, batch: &[&Message], _: Framing, to: &mut Vec<u8>) -> Result<(), EncodeError> {
        batch.iter().for_each(|message| to.extend_from_slice(&message.body));
        Ok(())
    }
}

/// What a server got, and how it answers.
struct Server {
    port: u16,
    got: Rc<RefCell<Vec<String>>>,
    _stop: watch::Sender<bool>,
}

impl Server {
    /// Answers each request by its text, which is inflated.
    async fn start(answer: impl Fn(&Request) -> Response + 'static) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let port = listener.local_addr().unwrap().port();
        let (routes, got) = (Routes::default(), Rc::new(RefCell::new(Vec::new())));
        let noted = got.clone();
        let route = routes.add(Route::post("/write", 1 << 20), move |request: Request| {
            let target = request.query.clone().unwrap_or_default();
            noted.borrow_mut().push(format!("{target} {}", String::from_utf8_lossy(&request.body)));
            let response = answer(&request);
            async { response }
        });
        let setup = ServerSetup { routes, token: None, hosts: Vec::new() };
        let (stop, stopped) = watch::channel(false);
        spawn_local(async move {
            let _route = route;
            serve(listener, setup, stopped).await;
        });
        Self { port, got, _stop: stop }
    }

    fn requests(&self) -> usize {
        self.got.borrow().len()
    }
}

/// An output that is connected again and again, as the driver does it.
struct Driven {
    output: Box<dyn Output>,
    encoder: Arc<dyn Encoder>,
    /// Messages without an answer.
    waiting: VecDeque<(u64, String)>,
    taken: Vec<u64>,
    refused: Vec<(u64, String)>,
    lost: Vec<Disconnected>,
}

impl Driven {
    fn new(keys: &str, port: u16, is_influx: bool) -> Self {
        let text = format!("url = \"http://127.0.0.1:{port}/write?db=x\"\nbatch = \"0s\"\n{keys}");
        let document = Document::parse(Path::new("/nowhere/test.toml"), &text, |_| None);
        let mut root = document.root();
        let context = OutputContext { agent: "agent".into(), output: "http".into() };
        let output = read(&mut root, &context).unwrap_or_else(|| panic!("{}", document.render_all()));
        let media_type = if is_influx { "text/plain" } else { "application/json" };
        let format = FormatTraits { media_type, is_list: !is_influx, precision: is_influx.then_some("ms") };
        let none = || (Vec::new(), Vec::new(), Vec::new());
        let (taken, refused, lost) = none();
        Self { output, encoder: Arc::new(Plain { format }), waiting: VecDeque::new(), taken, refused, lost }
    }

    fn push(&mut self, texts: &[&str]) {
        let next = (self.taken.len() + self.refused.len() + self.waiting.len()) as u64;
        self.waiting.extend((next..).zip(texts).map(|(seq, text)| (seq, (*text).to_owned())));
    }

    /// One connection, until it ends or nothing waits any more.
    async fn connect(&mut self) {
        let (mut sender, mut events) = self.output.open(&self.encoder, None).unwrap();
        let mut sent = false;
        loop {
            let (next, heard) = events.next(Vec::new()).await;
            events = next;
            for event in heard {
                match event {
                    ConnectionEvent::Acked(tag) => {
                        self.waiting.retain(|(seq, _)| *seq != tag.seq);
                        self.taken.push(tag.seq);
                    }
                    ConnectionEvent::Refused { tag, why } => {
                        self.waiting.retain(|(seq, _)| *seq != tag.seq);
                        self.refused.push((tag.seq, why));
                    }
                    ConnectionEvent::Lost(ended) => return self.lost.push(ended),
                    ConnectionEvent::Up => {}
                    other => panic!("{other:?}"),
                }
            }
            if !std::mem::replace(&mut sent, true) {
                assert!(sender.room() > 0, "it is up");
                for (seq, text) in &self.waiting {
                    let message = Message { lane: Lane::Data, made_ms: 0, body: text.clone().into() };
                    let tag = Tag { lane: Lane::Data, seq: *seq, owed: OutputSet::default() };
                    sender.send(Delivery { tag, backfill: false, message }).unwrap();
                }
            }
            sender.flush(false);
            if self.waiting.is_empty() && sender.is_idle() {
                return;
            }
        }
    }
}

fn local(test: impl Future<Output = ()>) {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let limited = async { timeout(Duration::from_secs(60), test).await.expect("it hangs") };
    LocalSet::new().block_on(&runtime, limited);
}

fn answer(status: u16, text: &str) -> Response {
    Response::text(StatusCode::from_u16(status).unwrap(), text)
}

#[test]
fn messages_go_together_as_the_format_joins_them() {
    local(async {
        let server = Server::start(|_| Response::empty(StatusCode::NO_CONTENT)).await;
        let mut json = Driven::new("", server.port, false);
        json.push(&["{\"a\":1}", "{\"b\":2}"]);
        json.connect().await;
        let mut influx = Driven::new("", server.port, true);
        influx.push(&["m a=1 1\n", "m a=2 2\n"]);
        influx.connect().await;
        let got = server.got.borrow().clone();
        // Each connection asks before it is up.
        let (json_asks, influx_asks) = ("db=x []", "db=x&precision=ms ");
        let (json_sends, influx_sends) =
            ("db=x [{\"a\":1},{\"b\":2}]", "db=x&precision=ms m a=1 1\nm a=2 2\n");
        assert_eq!(got, [json_asks, json_sends, influx_asks, influx_sends]);
        assert_eq!((json.taken, influx.taken), (vec![0, 1], vec![0, 1]));
    });
}

#[test]
fn a_bad_message_is_found_once_and_others_are_taken() {
    local(async {
        let server = Server::start(|request| {
            let text = String::from_utf8_lossy(&request.body);
            if text.contains("bad") {
                answer(400, "{\"error\":\"unable to parse\"}")
            } else {
                answer(200, "{}")
            }
        })
        .await;
        let mut output = Driven::new("gzip = false", server.port, true);
        output.push(&["a\n", "b\n", "bad\n", "c\n", "d\n", "bad too\n", "e\n", "f\n"]);
        output.connect().await;
        output.taken.sort_unstable();
        assert_eq!(output.taken, [0, 1, 3, 4, 6, 7]);
        let refused: Vec<u64> = output.refused.iter().map(|(seq, _)| *seq).collect();
        assert_eq!(refused, [2, 5]);
        assert!(output.refused[0].1.contains("unable to parse"), "{:?}", output.refused);
        // From now on it is known that the server takes messages: one that is named is to blame alone, too.
        output.push(&["bad again\n"]);
        output.connect().await;
        assert_eq!(output.refused.len(), 3);
    });
}

#[test]
fn a_server_that_takes_nothing_is_no_message_s_fault() {
    local(async {
        for (status, text, words) in [
            (400, "{\"error\":\"unable to parse '[{': missing fields\"}", "takes no message"),
            (400, "database is required", "database is required"),
            (401, "", "check `username`"),
            (404, "database not found", "does the database exist?"),
            (200, "<html>please log in</html>", "a page for people"),
            (200, "{\"error\":\"disk full\"}", "disk full"),
            (500, "", "500"),
        ] {
            let server = Server::start(move |_| answer(status, text)).await;
            let mut output = Driven::new("gzip = false", server.port, false);
            output.push(&["{}", "{}", "{}"]);
            output.connect().await;
            assert_eq!((output.taken.len(), output.refused.len(), output.waiting.len()), (0, 0, 3), "{text}");
            assert!(output.lost[0].reason.contains(words), "{words}: {:?}", output.lost);
            assert!(output.lost[0].wait >= Duration::from_millis(500));
            // The next connection asks before it is up.
            let requests = server.requests();
            output.connect().await;
            assert!(status == 400 || text.contains("disk") || server.requests() == requests + 1, "{status}");
        }
    });
}

#[test]
fn large_and_compressed_requests_are_made_smaller_and_plain_for_good() {
    local(async {
        let server = Server::start(|request| {
            let is_gzip = request.headers.contains_key(header::CONTENT_ENCODING);
            match request.body.len() {
                _ if is_gzip => answer(415, "gzip encoding is not supported"),
                0..=1_000 => answer(204, ""),
                _ => answer(413, "too large"),
            }
        })
        .await;
        let mut output = Driven::new("", server.port, true);
        let (line, long) = ("x".repeat(99) + "\n", "y".repeat(1_500) + "\n");
        output.push(&[line.as_str(); 40]);
        output.push(&[&long]);
        output.push(&[line.as_str(); 40]);
        output.connect().await;
        assert_eq!(output.taken.len(), 80);
        assert_eq!(output.refused.iter().map(|(seq, _)| *seq).collect::<Vec<_>>(), [40]);
        let before = server.requests();
        output.push(&[line.as_str(); 40]);
        output.connect().await;
        let later = server.requests() - before;
        assert!((4..=10).contains(&later), "no request is too large or compressed again: {later}");
    });
}

#[test]
fn gzip_stays_where_a_server_refuses_for_another_reason() {
    local(async {
        let old = "{\"error\":\"partial write: points beyond retention policy dropped=1\"}";
        for (refusal, is_unread) in
            [("database is required", false), (old, false), ("gzip: invalid header", true)]
        {
            let zipped = Rc::new(RefCell::new(Vec::new()));
            let noted = zipped.clone();
            let server = Server::start(move |request| {
                if request.body.is_empty() {
                    return answer(204, "");
                }
                noted.borrow_mut().push(request.headers.contains_key(header::CONTENT_ENCODING));
                if noted.borrow().len() > 1 { answer(204, "") } else { answer(400, refusal) }
            })
            .await;
            let mut output = Driven::new("", server.port, true);
            output.push(&["a\n"]);
            output.connect().await;
            output.connect().await;
            assert_eq!(output.taken, [0], "{refusal}");
            output.push(&["b\n"]);
            output.connect().await;
            let zipped = zipped.borrow();
            assert_eq!(zipped.last(), Some(&!is_unread), "{refusal}: {zipped:?}");
            let hint = output.lost.iter().any(|lost| lost.reason.contains("write gzip = false"));
            assert_eq!(hint, !is_unread, "{:?}", output.lost);
        }
    });
}

#[test]
fn a_server_is_asked_again_when_it_says_so() {
    local(async {
        let busy = Rc::new(std::cell::Cell::new(true));
        let is_busy = busy.clone();
        let server = Server::start(move |_| match is_busy.get() {
            true => answer(503, "busy").with(header::RETRY_AFTER, header::HeaderValue::from_static("90")),
            false => answer(204, ""),
        })
        .await;
        let mut output = Driven::new("", server.port, true);
        output.push(&["a\n"]);
        output.connect().await;
        assert!(output.lost[0].wait >= Duration::from_secs(90), "{:?}", output.lost);
        busy.set(false);
        output.connect().await;
        assert_eq!(output.taken, [0]);
    });
}

#[test]
fn a_kept_connection_that_is_closed_is_made_again() {
    local(async {
        let server = Server::start(|_| {
            answer(204, "").with(header::CONNECTION, header::HeaderValue::from_static("close"))
        })
        .await;
        let (mut sender, mut events) = {
            let mut output = Driven::new("", server.port, true);
            output.output.open(&output.encoder, None).unwrap()
        };
        (events, _) = events.next(Vec::new()).await;
        for seq in 0..5 {
            let message = Message { lane: Lane::Data, made_ms: 0, body: "a\n".into() };
            let tag = Tag { lane: Lane::Data, seq, owed: OutputSet::default() };
            sender.send(Delivery { tag, backfill: false, message }).unwrap();
            sender.flush(true);
            let mut heard = Vec::new();
            while heard.is_empty() {
                (events, heard) = events.next(heard).await;
            }
            assert_eq!(heard, [ConnectionEvent::Acked(tag)]);
        }
    });
}

#[test]
fn self_test_fails_where_a_database_would_take_nothing() {
    local(async {
        for (words, is_bad) in [("database is required", true), ("unable to parse: no points", false)] {
            let server = Server::start(move |_| answer(400, words)).await;
            let output = Driven::new("", server.port, true);
            let found = output.output.probe(&*output.encoder).await.unwrap();
            assert_eq!(matches!(found, ProbeResult::Bad(_)), is_bad, "{found:?}");
        }
    });
}

#[test]
fn the_config_is_checked() {
    for (keys, expected) in [
        ("url = \"db:8086\"", "not the address"),
        ("url = \"http://db/write?precision=s\"", "the url has a `precision`"),
        ("url = \"http://db/\"\npassword = \"x\"", "`password` without `username`"),
        ("url = \"http://db/\"\nusername = \"x\"", "`username` without `password`"),
        ("url = \"http://db/\"\ntoken = \"x\"\nheaders = { Authorization = \"y\" }", "says who we are"),
        ("url = \"http://db/write\"", "add db=DB to the url"),
        ("url = \"http://db/api/v2/write?orgID=x\"", "add bucket=BUCKET to the url"),
        ("url = \"http://db/\"\nheaders = { Host = \"x\" }", "cannot be called `Host`"),
        ("url = \"http://db/\"\nheaders = { X = \"a\\nb\" }", "cannot hold this"),
        ("url = \"http://db/\"\nca = \"ca.pem\"", "no use without TLS"),
        ("url = \"http://db/\"\nmethod = \"GET\"", "`method`"),
        ("", "`url` is missing"),
    ] {
        let document = Document::parse(Path::new("/nowhere/test.toml"), keys, |_| None);
        let mut root = document.root();
        let context = OutputContext { agent: "agent".into(), output: "http".into() };
        let _ = read(&mut root, &context);
        let shown = document.render_all();
        assert!(shown.contains(expected), "{keys}: {shown}");
    }
}

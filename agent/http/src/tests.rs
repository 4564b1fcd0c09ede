//! The listener, asked over real sockets by clients that are polite, and by others.

use super::*;
use crate::access::FAILURES_MAX;
use crate::connections::OF_PEER_MAX;
use headwater_settings::{Document, Secret};
use std::future::{Future, pending};
use std::net::SocketAddr;
use std::path::Path;
use std::time::Duration;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;
use tokio::task::{JoinHandle, LocalSet, spawn_local};
use tokio::time::{Instant, timeout};

const TOKEN: &str = "0123456789abcdef";

/// A listener at work.
struct Served {
    address: SocketAddr,
    routes: Routes,
    stop: watch::Sender<bool>,
    running: JoinHandle<()>,
    kept: Vec<Registered>,
}

impl Served {
    /// With `/echo` for all methods, and a token if asked for.
    async fn start(token: Option<&str>) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let routes = Routes::default();
        let token = token.map(|token| Secret::new(token.to_owned()));
        let setup = ServerSetup { routes: routes.clone(), token, hosts: Vec::new() };
        let (stop, stopped) = watch::channel(false);
        let running = spawn_local(serve(listener, setup, stopped));
        let mut served = Self { address, routes, stop, running, kept: Vec::new() };
        served.add(Route::get("/echo"), |request: Request| async move {
            let name = request.query("name").unwrap_or_default().into_owned();
            Response::text(StatusCode::OK, format!("{} {name}", request.path))
        });
        served.add(Route::post("/echo", 1_000), |request: Request| async move {
            Response::bytes("application/octet-stream", request.body)
        });
        served
    }

    fn add(&mut self, route: Route, handler: impl Handler + 'static) {
        self.kept.push(self.routes.add(route, handler).unwrap());
    }

    /// Sends bytes and reads until the other side closes.
    async fn say(&self, bytes: impl AsRef<[u8]>) -> String {
        let mut socket = TcpStream::connect(self.address).await.unwrap();
        socket.write_all(bytes.as_ref()).await.unwrap();
        read_all(&mut socket).await
    }

    /// Asks for a path once.
    async fn get(&self, path: &str, headers: &str) -> String {
        self.say(format!("GET {path} HTTP/1.1\r\nhost: localhost\r\nconnection: close\r\n{headers}\r\n"))
            .await
    }

    async fn post(&self, headers: &str, body: &[u8]) -> String {
        let head = format!(
            "POST /echo HTTP/1.1\r\nhost: localhost\r\nconnection: close\r\ncontent-length: {}\r\n{headers}\r\n",
            body.len()
        );
        self.say([head.as_bytes(), body].concat()).await
    }

    async fn stop(self) {
        self.stop.send_replace(true);
        self.running.await.unwrap();
    }
}

async fn read_all(socket: &mut TcpStream) -> String {
    let mut answer = Vec::new();
    let _ = socket.read_to_end(&mut answer).await;
    String::from_utf8_lossy(&answer).into_owned()
}

fn local(test: impl Future<Output = ()>) {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let limited = async { timeout(Duration::from_secs(60), test).await.expect("it hangs") };
    LocalSet::new().block_on(&runtime, limited);
}

/// The same in a time that jumps to the next timer as soon as nothing else is to be done.
fn jumping(test: impl Future<Output = ()>) {
    let runtime =
        tokio::runtime::Builder::new_current_thread().enable_all().start_paused(true).build().unwrap();
    LocalSet::new().block_on(&runtime, test);
}

fn begins(answer: &str, status: u16) {
    assert!(answer.starts_with(&format!("HTTP/1.1 {status} ")), "{status}: {answer}");
}

#[test]
fn requests_meet_their_route_and_others_are_told_why_not() {
    local(async {
        let mut served = Served::start(None).await;
        let rest = |request: Request| async move { Response::json(request.rest) };
        served.add(Route::get("/series/*"), rest);
        let answer = served.get("/echo?name=a%20b&name=c", "").await;
        begins(&answer, 200);
        assert!(answer.ends_with("\r\n\r\n/echo a b\n"), "{answer}");
        assert!(
            answer.contains("x-content-type-options: nosniff") && answer.contains("cache-control: no-store")
        );
        assert!(served.get("/series/bed1%2Ftemp/x", "").await.ends_with("\r\n\r\nbed1/temp/x"));
        begins(&served.get("/series/%ff", "").await, 404);
        for path in ["/", "/series", "/echo/", "/../echo", "/series/../echo?x", "//echo"] {
            let status = if path.starts_with("/series/") { 200 } else { 404 };
            begins(&served.get(path, "").await, status);
        }
        let head = served.say("HEAD /echo HTTP/1.1\r\nhost: localhost\r\nconnection: close\r\n\r\n").await;
        begins(&head, 200);
        assert!(head.contains("content-length: 7") && head.ends_with("\r\n\r\n"), "{head}");
        let put = served.say("PUT /echo HTTP/1.1\r\nhost: localhost\r\nconnection: close\r\n\r\n").await;
        begins(&put, 405);
        assert!(put.contains("allow: GET, POST, HEAD"), "{put}");
        begins(&served.get("/echo", "origin: http://evil.example\r\n").await, 403);
        begins(
            &served.say("GET /echo HTTP/1.1\r\nhost: evil.example\r\nconnection: close\r\n\r\n").await,
            421,
        );
        begins(&served.say("GET /echo HTTP/1.1\r\nconnection: close\r\n\r\n").await, 400);
        assert_eq!(served.routes.add(Route::get("/echo"), rest).err(), Some(PathTaken("/echo".into())));
        served.kept.clear();
        begins(&served.get("/echo", "").await, 404);
        served.stop().await;
    });
}

#[test]
fn bodies_come_whole_within_their_bounds() {
    local(async {
        let served = Served::start(None).await;
        assert!(served.post("", b"a\0b").await.ends_with("\r\n\r\na\0b"));
        let gzip = deflated(&[b'x'; 900]);
        assert!(served.post("content-encoding: gzip\r\n", &gzip).await.ends_with(&"x".repeat(900)));
        begins(&served.post("content-encoding: gzip\r\n", &deflated(&[b'x'; 1_001])).await, 413);
        begins(&served.post("content-encoding: gzip\r\n", gzip.split_last().unwrap().1).await, 400);
        begins(&served.post("content-encoding: br\r\n", b"x").await, 415);
        begins(&served.post("", &[b'x'; 1_001]).await, 413);
        let chunked = "POST /echo HTTP/1.1\r\nhost: localhost\r\nconnection: close\r\ntransfer-encoding: chunked\r\n\r\n";
        let chunk = |bytes: usize| format!("{bytes:x}\r\n{}\r\n", "y".repeat(bytes));
        assert!(served.say(format!("{chunked}{}0\r\n\r\n", chunk(10))).await.ends_with("\r\n\r\nyyyyyyyyyy"));
        begins(&served.say(format!("{chunked}{}", chunk(600).repeat(2))).await, 413);
        // What is not taken holds no share of what all bodies may take.
        for _ in 0..100 {
            begins(&served.post("content-encoding: gzip\r\n", &gzip).await, 200);
        }
        served.stop().await;
    });
}

#[test]
fn a_token_opens_in_every_form_and_guessing_ends() {
    local(async {
        let mut served = Served::start(Some(TOKEN)).await;
        let own = Secret::new("another token 16".to_owned());
        served.add(Route::get("/own").with_token(&own), |_| async { Response::empty(StatusCode::OK) });
        let basic = "authorization: Basic bWU6MDEyMzQ1Njc4OWFiY2RlZg==\r\n"; // me:TOKEN
        for granted in [
            basic,
            &format!("authorization: Bearer {TOKEN}\r\n"),
            &format!("authorization: token {TOKEN}\r\n"),
        ] {
            begins(&served.get("/echo", granted).await, 200);
        }
        let unknown = served.get("/echo", "").await;
        begins(&unknown, 401);
        assert!(unknown.contains("www-authenticate: Basic"), "{unknown}");
        begins(&served.get("/own", basic).await, 401);
        begins(&served.get("/own", "authorization: Bearer another token 16\r\n").await, 200);
        for wrong in ["Bearer", "Bearer ", "Basic !", "Basic bWU=", "Digest 0123456789abcdef"] {
            begins(&served.get("/echo", &format!("authorization: {wrong}\r\n")).await, 401);
        }
        for _ in 6..FAILURES_MAX {
            begins(&served.get("/echo", "authorization: Bearer 0123456789abcdeF\r\n").await, 401);
        }
        let unheard = served.get("/echo", basic).await;
        begins(&unheard, 429);
        assert!(unheard.contains("retry-after: "), "{unheard}");
        served.stop().await;
    });
}

#[test]
fn half_open_connections_keep_nobody_out() {
    local(async {
        let served = Served::start(None).await;
        let mut half_open = Vec::new();
        for _ in 0..100 {
            let mut socket = TcpStream::connect(served.address).await.unwrap();
            socket.write_all(b"GET /ec").await.unwrap();
            half_open.push(socket);
        }
        let begun = Instant::now();
        begins(&served.get("/echo", "").await, 200);
        assert!(begun.elapsed() < Duration::from_secs(5), "{:?}", begun.elapsed());
        // The oldest gave way, and of one peer there are never more than its share.
        let mut closed = 0;
        for socket in &mut half_open {
            let ended = timeout(Duration::from_millis(20), socket.read(&mut [0; 1])).await;
            closed += usize::from(ended.is_ok());
        }
        assert!(closed >= 100 - OF_PEER_MAX, "{closed}");
        served.stop().await;
    });
}

#[test]
fn what_does_not_come_in_time_ends() {
    jumping(async {
        let served = Served::start(None).await;
        let ends_after = async |bytes: &str| {
            let begun = Instant::now();
            let answer = served.say(bytes).await;
            (answer, begun.elapsed())
        };
        // Half a head; an idle connection behind an answer; half a body.
        let (answer, after) = ends_after("GET /echo HTTP/1.1\r\nhost: loc").await;
        assert!(answer.is_empty() || answer.starts_with("HTTP/1.1 408"), "{answer}");
        assert!((9..=12).contains(&after.as_secs()), "{after:?}");
        let (answer, after) = ends_after("GET /echo HTTP/1.1\r\nhost: localhost\r\n\r\n").await;
        begins(&answer, 200);
        assert!((9..=12).contains(&after.as_secs()), "{after:?}");
        let (answer, after) =
            ends_after("POST /echo HTTP/1.1\r\nhost: localhost\r\ncontent-length: 9\r\n\r\nabc").await;
        begins(&answer, 408);
        assert!((9..=12).contains(&after.as_secs()), "{after:?}");
        served.stop().await;
    });
}

#[test]
fn heads_are_bounded() {
    local(async {
        let served = Served::start(None).await;
        let long = "x".repeat(20_000);
        begins(&served.get("/echo", &format!("a: {long}\r\n")).await, 431);
        begins(&served.get("/echo", &"a: b\r\n".repeat(100)).await, 431);
        let answer = served.get(&format!("/{long}"), "").await;
        assert!(answer.starts_with("HTTP/1.1 414") || answer.starts_with("HTTP/1.1 431"), "{answer}");
        begins(&served.say("SSH-2.0-OpenSSH_9.2\r\n\r\n").await, 400);
        served.stop().await;
    });
}

#[test]
fn events_reach_clients_that_read_and_no_others_are_kept() {
    local(async {
        let mut served = Served::start(None).await;
        let (told, mut senders) = tokio::sync::mpsc::unbounded_channel();
        served.add(Route::get("/events"), move |_| {
            let (sender, stream) = events(8);
            told.send(sender).unwrap();
            async { Response::events(stream) }
        });
        let ask = b"GET /events HTTP/1.1\r\nhost: localhost\r\n\r\n";
        let mut reader = TcpStream::connect(served.address).await.unwrap();
        reader.write_all(ask).await.unwrap();
        let sender = senders.recv().await.unwrap();
        sender.send(&ServerEvent::new("reading", "{\"a\":1}\n{}")).unwrap();
        let mut got = String::new();
        while !got.contains("data: {}\n\n") {
            let mut chunk = [0; 1_000];
            let count = reader.read(&mut chunk).await.unwrap();
            assert_ne!(count, 0, "{got}");
            got.push_str(&String::from_utf8_lossy(&chunk[..count]));
        }
        assert!(got.contains("content-type: text/event-stream") && got.contains("retry: 2000\n\n"), "{got}");
        assert!(got.contains("event: reading\ndata: {\"a\":1}\ndata: {}\n\n"), "{got}");
        // One that does not read fills its socket, then its queue, and then nobody waits for it.
        let mut idle = TcpStream::connect(served.address).await.unwrap();
        idle.write_all(ask).await.unwrap();
        let slow = senders.recv().await.unwrap();
        let event = ServerEvent::new("reading", &"x".repeat(100_000));
        let mut sent = 0;
        while slow.send(&event).is_ok() {
            sent += 1;
            assert!(sent < 1_000, "it must end");
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
        sender.send(&event).unwrap();
        drop(reader);
        sender.closed().await;
        let begun = Instant::now();
        served.stop().await;
        assert!(begun.elapsed() < Duration::from_millis(900), "streams do not hold a stop up");
    });
}

#[test]
fn files_in_gzip_are_told_apart_by_their_tag() {
    local(async {
        let mut served = Served::start(None).await;
        let page: &'static [u8] = deflated(b"<p>hello</p>").leak();
        served.add(Route::get("/"), move |_| async move { Response::gzipped("text/html", page, "\"v1\"") });
        let zipped = served.get("/", "accept-encoding: br, gzip;q=0.5\r\n").await;
        assert!(zipped.contains("content-encoding: gzip") && !zipped.contains("hello"), "{zipped}");
        for plain in ["", "accept-encoding: identity\r\n", "accept-encoding: gzip;q=0\r\n"] {
            let plain = served.get("/", plain).await;
            assert!(!plain.contains("content-encoding") && plain.ends_with("<p>hello</p>"), "{plain}");
        }
        let known = served.get("/", "if-none-match: \"v0\", W/\"v1\"\r\n").await;
        begins(&known, 304);
        assert!(known.contains("etag: \"v1\"") && known.ends_with("\r\n\r\n"), "{known}");
        served.stop().await;
    });
}

#[test]
fn a_stop_lets_answers_end_but_not_for_ever() {
    local(async {
        let mut served = Served::start(None).await;
        let (begun, mut has_begun) = tokio::sync::mpsc::unbounded_channel();
        let told = begun.clone();
        served.add(Route::get("/soon"), move |_| {
            told.send(()).unwrap();
            async {
                tokio::time::sleep(Duration::from_millis(200)).await;
                Response::text(StatusCode::OK, "done")
            }
        });
        served.add(Route::get("/never"), move |_| {
            begun.send(()).unwrap();
            pending::<Response>()
        });
        let mut sockets = Vec::new();
        for path in ["/soon", "/never"] {
            let mut socket = TcpStream::connect(served.address).await.unwrap();
            let request = format!("GET {path} HTTP/1.1\r\nhost: localhost\r\n\r\n");
            socket.write_all(request.as_bytes()).await.unwrap();
            has_begun.recv().await.unwrap();
            sockets.push(socket);
        }
        let address = served.address;
        served.stop().await;
        assert!(read_all(&mut sockets[0]).await.ends_with("done\n"));
        assert_eq!(read_all(&mut sockets[1]).await, "");
        assert!(TcpStream::connect(address).await.is_err());
    });
}

#[test]
fn a_handler_that_panics_is_not_silent() {
    local(async {
        let mut served = Served::start(None).await;
        served.add(Route::get("/panic"), |_| async { panic!("on purpose") });
        assert_eq!(served.get("/panic", "").await, "");
        assert!(served.running.await.unwrap_err().is_panic());
    });
}

#[test]
fn the_config_has_no_open_door() {
    let read = |text: &str| {
        let document = Document::parse(Path::new("/nowhere/test.toml"), text, |_| None);
        let mut root = document.root();
        let settings = root.table("http").and_then(HttpSettings::read);
        let mistakes = document.mistakes();
        let shown = mistakes.iter().map(|m| format!("{}; {}", m.what, m.fix)).collect::<Vec<_>>().join("\n");
        (settings, shown)
    };
    let (settings, mistakes) = read("[http]");
    assert_eq!((settings.unwrap().listen, mistakes.as_str()), ("127.0.0.1:8600".parse().unwrap(), ""));
    let (settings, mistakes) =
        read("[http]\nlisten = \"[::]:80\"\ntoken = \"0123456789abcdef\"\nhosts = [\"pi.lan\"]");
    assert!(settings.is_some_and(|settings| settings.token.is_some()) && mistakes.is_empty(), "{mistakes}");
    for (text, expected) in [
        ("listen = \"0.0.0.0:8600\"", "there is no token"),
        ("listen = \"8600\"", "an address and a port"),
        ("token = \"short\"", "16 signs"),
        ("token = \"with a blank in it\"", "16 signs"),
        ("token_file = \"gone\"", "cannot read the secret"),
        ("hosts = [\"http://pi\"]", "is not a name"),
        ("port = 1", "unknown key `port`"),
    ] {
        let (_, mistakes) = read(&format!("[http]\n{text}"));
        assert!(mistakes.contains(expected), "{text}: {mistakes}");
    }
}

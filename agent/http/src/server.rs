//! The listener at work: connections, and what comes before and after a handler.
//!
//! Limits: connections as in `connections.rs`; a head of [`HEAD_BYTES_MAX`] and [`HEADERS_MAX`] headers that has come within
//! [`HEAD_WITHIN`], which is also how long a connection waits for its next request; bodies as in `body.rs`; a client that
//! takes nothing for [`WRITE_WITHIN`] is dropped. At a stop, answers have [`STOP_WITHIN`].

use crate::access::{AccessToken, Entrance, Failures};
use crate::body::{BODIES_BYTES_MAX, BodyBudget};
use crate::connections::{CONNECTIONS_MAX, Connections, Doing, Seated};
use crate::origin::{self, Foreign};
use crate::patient::Patient;
use crate::request::Request;
use crate::response::{Response, ResponseBody};
use crate::routes::{Access, Match, Routes};
use headwater_settings::Secret;
use headwater_text::{LINE_BYTES_MAX, clean};
use hyper::body::Incoming;
use hyper::header::{ALLOW, CONNECTION, HeaderValue, RETRY_AFTER, WWW_AUTHENTICATE};
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper::{Method, StatusCode};
use hyper_util::rt::{TokioIo, TokioTimer};
use std::cell::Cell;
use std::convert::Infallible;
use std::net::SocketAddr;
use std::pin::pin;
use std::rc::Rc;
use std::time::Duration;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::TcpListener;
use tokio::sync::watch;
use tokio::task::{JoinError, JoinSet};
use tokio::time::{sleep, timeout};

/// The most that a request's line and headers take (bytes), and how many headers.
const HEAD_BYTES_MAX: usize = 16 << 10;
const HEADERS_MAX: usize = 64;

/// The time in which a head must have come.
const HEAD_WITHIN: Duration = Duration::from_secs(10);

/// The time in which a client must take something.
const WRITE_WITHIN: Duration = Duration::from_secs(15);

/// The time that answers have at a stop.
const STOP_WITHIN: Duration = Duration::from_secs(1);

/// The time between two attempts to accept, where the system has no room for more.
const ACCEPT_AGAIN: Duration = Duration::from_millis(500);

/// The memory of a listener whose connections are all busy: of each a head and an answer in parts, and their bodies (bytes).
pub const LISTENER_BYTES: u64 = (CONNECTIONS_MAX * 2 * HEAD_BYTES_MAX + BODIES_BYTES_MAX) as u64;

/// What a listener needs to know.
#[derive(Debug, Default)]
pub struct ServerSetup {
    /// Who answers which path.
    pub routes: Routes,
    /// The token that routes ask for; `None`: they ask for none.
    pub token: Option<Secret>,
    /// Names under which a listener on loopback is asked, besides those of this machine.
    pub hosts: Vec<String>,
}

/// A listener with what its connections share.
struct Server {
    routes: Routes,
    token: Option<AccessToken>,
    hosts: Vec<String>,
    is_loopback: bool,
    failures: Failures,
    /// Wrong tokens, refused connections: they are told when their count doubles.
    wrong: Cell<u64>,
    bodies: BodyBudget,
}

/// Serves until `stop`, and then until the answers that are being made are sent, or a second is over. Must be called
/// on a `LocalSet`. A handler that panics makes this panic.
pub async fn serve(listener: TcpListener, setup: ServerSetup, stop: watch::Receiver<bool>) {
    let is_loopback = listener.local_addr().is_ok_and(|address| address.ip().is_loopback());
    let server = Rc::new(Server::new(setup, is_loopback));
    let (seats, mut tasks, mut refused) = (Rc::new(Connections::default()), JoinSet::new(), 0_u64);
    let mut stopped = stop.clone();
    loop {
        let accepted = tokio::select! {
            _ = stopped.wait_for(|stop| *stop) => break,
            Some(joined) = tasks.join_next() => {
                rethrow(joined);
                continue;
            }
            accepted = listener.accept() => accepted,
        };
        let (socket, peer) = match accepted {
            Ok(accepted) => accepted,
            Err(error) => {
                tracing::warn!("the HTTP listener cannot accept a connection: {error}");
                sleep(ACCEPT_AGAIN).await;
                continue;
            }
        };
        let Some(seated) = seats.admit(peer.ip()) else {
            refused += 1;
            if refused.is_power_of_two() {
                tracing::warn!(refused, "the HTTP listener has too many connections: {peer} is refused");
            }
            let _ = socket.try_write(
                b"HTTP/1.1 503 Service Unavailable\r\nretry-after: 5\r\nconnection: close\r\n\r\n",
            );
            continue;
        };
        // Without it, an answer in two writes waits for the other side's delayed acknowledgement.
        let _ = socket.set_nodelay(true);
        tasks.spawn_local(connection(server.clone(), (socket, peer), seated, stop.clone()));
    }
    drop(listener);
    let answers = async {
        while let Some(joined) = tasks.join_next().await {
            rethrow(joined);
        }
    };
    let _ = timeout(STOP_WITHIN, answers).await;
    tasks.shutdown().await;
}

/// Serves one connection of a peer on loopback, which is the only one, until it ends.
#[cfg(fuzzing)]
pub(crate) async fn serve_one(socket: impl AsyncRead + AsyncWrite + Unpin, setup: ServerSetup) {
    let peer = SocketAddr::from(([127, 0, 0, 1], 1));
    let Some(seated) = Rc::new(Connections::default()).admit(peer.ip()) else { return };
    let (_going_on, stop) = watch::channel(false);
    connection(Rc::new(Server::new(setup, true)), (socket, peer), seated, stop).await;
}

/// A panic of a connection's task is one of the listener's.
fn rethrow(joined: Result<(), JoinError>) {
    if let Err(panic) = joined.map_err(JoinError::try_into_panic)
        && let Ok(panic) = panic
    {
        std::panic::resume_unwind(panic);
    }
}

/// Serves one connection.
async fn connection<S: AsyncRead + AsyncWrite + Unpin>(
    server: Rc<Server>,
    (socket, peer): (S, SocketAddr),
    seated: Seated,
    mut stop: watch::Receiver<bool>,
) {
    let seat = &seated.seat;
    let answer = service_fn(|request| {
        let (server, seat) = (server.clone(), seat.clone());
        async move {
            seat.now(Doing::Answering);
            let response = server.answer(request, peer).await;
            let is_stream = matches!(response.body(), ResponseBody::Events(_));
            seat.now(if is_stream { Doing::Streaming } else { Doing::Waiting });
            Ok::<_, Infallible>(response)
        }
    });
    let io = TokioIo::new(Patient::new(socket, WRITE_WITHIN));
    let mut http = http1::Builder::new();
    http.timer(TokioTimer::new()).header_read_timeout(HEAD_WITHIN).max_headers(HEADERS_MAX);
    let mut served = pin!(http.max_buf_size(HEAD_BYTES_MAX).serve_connection(io, answer));
    let mut is_stopping = false;
    loop {
        tokio::select! {
            // Errors are the client's: it went, was slow, or did not speak HTTP, which hyper has told it.
            _ = served.as_mut() => return,
            () = seat.told() => return,
            _ = stop.wait_for(|stop| *stop), if !is_stopping => {
                if seat.doing() == Doing::Streaming {
                    return;
                }
                is_stopping = true;
                served.as_mut().graceful_shutdown();
            }
        }
    }
}

impl Server {
    fn new(setup: ServerSetup, is_loopback: bool) -> Self {
        let ServerSetup { routes, token, hosts } = setup;
        Self {
            routes,
            token: token.map(|token| AccessToken::new(&token)),
            hosts,
            is_loopback,
            failures: Failures::default(),
            wrong: Cell::new(0),
            bodies: BodyBudget::default(),
        }
    }

    /// Answers a request, whatever it is.
    async fn answer(
        &self,
        request: hyper::Request<Incoming>,
        peer: SocketAddr,
    ) -> hyper::Response<ResponseBody> {
        let (head, body) = request.into_parts();
        let response = match self.handle(&head, body, peer).await {
            Ok(response) | Err(response) => response,
        };
        response.finish(&head.headers)
    }

    /// Calls the handler of a request that may be handled; otherwise the error says why it may not.
    async fn handle(
        &self,
        head: &hyper::http::request::Parts,
        body: Incoming,
        peer: SocketAddr,
    ) -> Result<Response, Response> {
        let origin = (head.version, &head.uri, &head.headers);
        origin::judge(origin, self.is_loopback, &self.hosts).map_err(foreign)?;
        let (route, handler, rest) = match self.routes.find(&head.method, head.uri.path()) {
            Match::Handler { route, handler, rest } => (route, handler, rest),
            Match::OtherMethods(methods) => return Err(other_methods(&methods)),
            Match::Nobody => {
                return Err(Response::text(StatusCode::NOT_FOUND, "there is nothing at this path"));
            }
        };
        let token = match &route.access {
            Access::Listener => self.token.as_ref(),
            Access::Token(token) => Some(&**token),
        };
        if let Some(token) = token {
            self.turned_away(token, head, peer).map_or(Ok(()), Err)?;
        }
        let largest = self.routes.body_bytes_max();
        let collected = self.bodies.collect((&head.headers, body), route.body_bytes_max, largest);
        let collected = collected.await.map_err(|(status, why)| refusal(status, why))?;
        let request = Request {
            method: route.method.clone(),
            path: head.uri.path().to_owned(),
            rest,
            query: head.uri.query().map(str::to_owned),
            headers: head.headers.clone(),
            body: collected.bytes.clone(),
            peer,
        };
        Ok(handler.handle(request).await)
    }

    /// The answer to somebody who does not know the token.
    fn turned_away(
        &self,
        token: &AccessToken,
        head: &hyper::http::request::Parts,
        peer: SocketAddr,
    ) -> Option<Response> {
        let entrance = self.failures.judge(token, peer.ip(), &head.headers);
        if entrance == Entrance::Wrong {
            self.wrong.set(self.wrong.get() + 1);
            if self.wrong.get().is_power_of_two() {
                let (count, path) = (self.wrong.get(), clean(head.uri.path(), LINE_BYTES_MAX));
                tracing::warn!(%peer, count, %path, "a request with a wrong token");
            }
        }
        match entrance {
            Entrance::Granted => None,
            Entrance::Unknown | Entrance::Wrong => {
                let why = "send the token as `Authorization: Bearer TOKEN`, or as the password";
                let realm = HeaderValue::from_static("Basic realm=\"headwater\", charset=\"UTF-8\"");
                Some(Response::text(StatusCode::UNAUTHORIZED, why).with(WWW_AUTHENTICATE, realm))
            }
            Entrance::Unheard(wait) => {
                let why = "too many wrong tokens came from there";
                Some(
                    Response::text(StatusCode::TOO_MANY_REQUESTS, why)
                        .with(RETRY_AFTER, HeaderValue::from(wait.as_secs() + 1)),
                )
            }
        }
    }
}

fn foreign(why: Foreign) -> Response {
    match why {
        Foreign::NoHost => Response::text(StatusCode::BAD_REQUEST, "the request has no `Host`, or several"),
        Foreign::Host => Response::text(
            StatusCode::MISDIRECTED_REQUEST,
            "this name is not one of this machine: ask for 127.0.0.1 or localhost, or name it in [http] hosts",
        ),
        Foreign::Origin => Response::text(StatusCode::FORBIDDEN, "pages of other origins are not answered"),
    }
}

fn other_methods(methods: &[Method]) -> Response {
    let mut names: Vec<&str> = methods.iter().map(Method::as_str).collect();
    if methods.contains(&Method::GET) {
        names.push("HEAD");
    }
    let names = names.join(", ");
    let response = Response::text(StatusCode::METHOD_NOT_ALLOWED, format!("this path takes {names}"));
    match HeaderValue::try_from(names) {
        Ok(names) => response.with(ALLOW, names),
        Err(_) => response,
    }
}

/// The answer to a body that is not taken. What is left of it is not read, so the connection ends.
fn refusal(status: StatusCode, why: &str) -> Response {
    let response = Response::text(status, why).with(CONNECTION, HeaderValue::from_static("close"));
    match status {
        StatusCode::SERVICE_UNAVAILABLE => response.with(RETRY_AFTER, HeaderValue::from_static("1")),
        _ => response,
    }
}

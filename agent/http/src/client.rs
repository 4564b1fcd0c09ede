//! A client of one URL over one connection, which is kept and made again where it is needed.
//!
//! Everything ends in time and is bounded: the connection and TLS within [`CONNECT_WITHIN`], an answer within the configured
//! time-out, [`ANSWER_BYTES_MAX`] of its body. A longer body is cut off, and its connection closed. Redirects are not
//! followed: whoever asks says where to.

mod settings;
mod url;

pub use settings::ClientSettings;

use crate::response::ResponseBody;
use bytes::{Bytes, BytesMut};
use headwater_text::{LINE_BYTES_MAX, clean};
use headwater_tls::{TlsPeer, reach};
use hyper::body::{Body as _, Incoming};
use hyper::client::conn::http1;
use hyper::header::{CONTENT_LENGTH, HOST, HeaderMap, HeaderValue, LOCATION, RETRY_AFTER, USER_AGENT};
use hyper::{Method, StatusCode};
use hyper_util::rt::TokioIo;
use rustls::pki_types::ServerName;
use std::fmt;
use std::future::{Future, poll_fn};
use std::io::{self, ErrorKind};
use std::pin::{Pin, pin};
use std::task::Poll;
use std::time::Duration;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::time::timeout;
use tokio_rustls::TlsConnector;

/// The time limit for name resolution, TCP and TLS together.
const CONNECT_WITHIN: Duration = Duration::from_secs(15);

/// As much of an answer's body as is read (bytes).
pub const ANSWER_BYTES_MAX: usize = 64 << 10;

/// The longest `Retry-After` that is believed.
const RETRY_AFTER_MAX: Duration = Duration::from_secs(3_600);

/// What is asked of a server.
#[derive(Clone, Debug)]
pub struct HttpCall {
    /// The method.
    pub method: Method,
    /// Headers besides those of the settings.
    pub headers: HeaderMap,
    /// The body.
    pub body: Bytes,
    /// The most that the body of the answer may be (bytes).
    pub answer_bytes_max: usize,
}

/// A server's answer.
#[derive(Clone, Debug)]
pub struct HttpAnswer {
    /// The status.
    pub status: StatusCode,
    /// The headers.
    pub headers: HeaderMap,
    /// The body, or its beginning.
    pub body: Bytes,
    /// Whether the body was longer than it may be.
    pub is_cut: bool,
}

/// There is no answer; why, for people.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NoAnswer(pub String);

impl fmt::Display for NoAnswer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl HttpAnswer {
    /// The beginning of the body as a line for people.
    #[must_use]
    pub fn words(&self) -> String {
        const WORDS_BYTES: usize = 300;
        let text = String::from_utf8_lossy(self.body.get(..WORDS_BYTES).unwrap_or(&self.body));
        clean(text.trim(), LINE_BYTES_MAX).into_owned()
    }

    /// How long the server asks to wait (RFC 9110, 10.2.3, in seconds).
    #[must_use]
    pub fn retry_after(&self) -> Option<Duration> {
        let seconds = self.headers.get(RETRY_AFTER)?.to_str().ok()?.trim().parse().ok()?;
        Some(Duration::from_secs(seconds).min(RETRY_AFTER_MAX))
    }

    /// Where the server sends us instead.
    #[must_use]
    pub fn location(&self) -> Option<String> {
        let location = self.headers.get(LOCATION).filter(|_| self.status.is_redirection())?;
        Some(clean(&String::from_utf8_lossy(location.as_bytes()), LINE_BYTES_MAX).into_owned())
    }
}

/// A stream of bytes in both directions.
trait ByteStream: AsyncRead + AsyncWrite + Unpin {}

impl<T: AsyncRead + AsyncWrite + Unpin> ByteStream for T {}

type Pipe = TokioIo<Box<dyn ByteStream>>;

/// A kept connection.
struct Kept {
    requests: http1::SendRequest<ResponseBody>,
    /// `None`: it has ended.
    connection: Option<Pin<Box<http1::Connection<Pipe, ResponseBody>>>>,
    is_used: bool,
}

/// A client of one URL.
pub struct HttpClient {
    settings: ClientSettings,
    kept: Option<Kept>,
}

impl HttpClient {
    /// A client that is not connected.
    #[must_use]
    pub fn new(settings: ClientSettings) -> Self {
        Self { settings, kept: None }
    }

    /// Connects, if it is not connected.
    ///
    /// # Errors
    /// Why not, and the way out.
    pub async fn connect(&mut self) -> Result<(), NoAnswer> {
        if self.kept.as_ref().is_some_and(|kept| !kept.requests.is_closed()) {
            return Ok(());
        }
        let pipe = timeout(CONNECT_WITHIN, self.pipe())
            .await
            .unwrap_or_else(|_| Err(self.timed_out(CONNECT_WITHIN)))?;
        let mut http = http1::Builder::new();
        http.max_buf_size(ANSWER_BYTES_MAX);
        let (requests, connection) = http.handshake(pipe).await.map_err(|error| self.explain(&error))?;
        self.kept = Some(Kept { requests, connection: Some(Box::pin(connection)), is_used: false });
        Ok(())
    }

    /// Asks, and waits for the answer. A kept connection that turns out to be closed is made again, once.
    ///
    /// # Errors
    /// Why there is no answer.
    pub async fn call(&mut self, call: &HttpCall) -> Result<HttpAnswer, NoAnswer> {
        let was_used = self.kept.as_ref().is_some_and(|kept| kept.is_used);
        match self.call_once(call).await {
            Err((_, true)) if was_used => self.call_once(call).await.map_err(|(why, _)| why),
            other => other.map_err(|(why, _)| why),
        }
    }

    /// The error says, too, whether the server had closed the connection before it said a word.
    async fn call_once(&mut self, call: &HttpCall) -> Result<HttpAnswer, (NoAnswer, bool)> {
        self.connect().await.map_err(|why| (why, false))?;
        // Whatever happens before the whole answer is here, the connection is of no more use.
        let Some(mut kept) = self.kept.take() else { return Err((NoAnswer(self.closed()), true)) };
        let asked = timeout(self.settings.timeout, self.ask(&mut kept, call));
        let answer = match asked.await {
            Err(_) => return Err((self.timed_out(self.settings.timeout), false)),
            Ok(Err(error)) => {
                let is_closed = error.is_canceled() || error.is_closed() || error.is_incomplete_message();
                return Err((self.explain(&error), is_closed));
            }
            Ok(Ok(answer)) => answer,
        };
        if !answer.is_cut {
            self.kept = Some(Kept { is_used: true, ..kept });
        }
        Ok(answer)
    }

    async fn ask(&self, kept: &mut Kept, call: &HttpCall) -> Result<HttpAnswer, hyper::Error> {
        let mut request = hyper::Request::new(ResponseBody::Whole(call.body.clone()));
        *request.method_mut() = call.method.clone();
        *request.uri_mut() = self.settings.url.target.clone();
        let headers = request.headers_mut();
        headers.extend(self.settings.headers.clone());
        headers.extend(call.headers.clone());
        headers.insert(HOST, self.settings.url.host_header.clone());
        headers.entry(USER_AGENT).or_insert(HeaderValue::from_static("headwater"));
        if call.body.is_empty() && call.method != Method::GET {
            headers.insert(CONTENT_LENGTH, HeaderValue::from_static("0"));
        }
        let Kept { requests, connection, .. } = kept;
        let asking = async {
            requests.ready().await?;
            let (head, body) = requests.send_request(request).await?.into_parts();
            let (body, is_cut) = beginning(body, call.answer_bytes_max).await?;
            Ok(HttpAnswer { status: head.status, headers: head.headers, body, is_cut })
        };
        driven(connection, asking).await
    }

    async fn pipe(&self) -> Result<Pipe, NoAnswer> {
        let url = &self.settings.url;
        let failed = |error: io::Error| self.explain(&error);
        let socket = reach(&url.host, url.port, CONNECT_WITHIN).await.map_err(failed)?;
        let Some(tls) = &self.settings.tls else { return Ok(TokioIo::new(Box::new(socket))) };
        let name = ServerName::try_from(url.host.clone())
            .map_err(|_| NoAnswer(format!("`{}` is not a name that a certificate can have", url.host)))?;
        let secured = TlsConnector::from(tls.config()).connect(name, socket).await.map_err(failed)?;
        Ok(TokioIo::new(Box::new(secured)))
    }

    fn timed_out(&self, within: Duration) -> NoAnswer {
        let (server, seconds) = (self.settings.address(), within.as_secs());
        NoAnswer(format!("no answer from {server} within {seconds} s; does it hang, or a firewall drop it?"))
    }

    /// Puts an error into words. The causes of a failed connection lie inside each other.
    fn explain(&self, error: &(dyn std::error::Error + 'static)) -> NoAnswer {
        let server = self.settings.address();
        let mut causes = std::iter::successors(Some(error), |error| error.source());
        let io = causes.find_map(|error| error.downcast_ref::<io::Error>());
        let tls = io.and_then(|io| io.get_ref()).and_then(|inner| inner.downcast_ref::<rustls::Error>());
        if let Some(tls) = tls {
            let peer = TlsPeer {
                address: &server,
                host: &self.settings.url.host,
                ca: self.settings.tls.as_ref().and_then(|tls| tls.ca()),
                named_in: "the url",
                plain_port: "is it a plain port (http://)?",
            };
            return NoAnswer(peer.explain(tls));
        }
        NoAnswer(match io.map(io::Error::kind) {
            Some(ErrorKind::ConnectionRefused) => format!(
                "connection refused: nobody listens at {server}; is the server running, and is this its port?"
            ),
            Some(ErrorKind::HostUnreachable | ErrorKind::NetworkUnreachable) => {
                format!("no route to {server}; is the network up?")
            }
            Some(ErrorKind::TimedOut) => return self.timed_out(CONNECT_WITHIN),
            Some(ErrorKind::InvalidInput) => self.unknown_host(),
            _ if io.is_some_and(|io| io.to_string().contains("lookup")) => self.unknown_host(),
            Some(ErrorKind::ConnectionReset | ErrorKind::BrokenPipe | ErrorKind::UnexpectedEof) => {
                self.closed()
            }
            Some(_) => {
                format!("the connection to {server} failed: {}", clean(&error.to_string(), LINE_BYTES_MAX))
            }
            None => match error.downcast_ref::<hyper::Error>() {
                Some(hyper) if hyper.is_parse() => {
                    format!(
                        "{server} does not answer in HTTP; is it the right port, and is it one of TLS (https://)?"
                    )
                }
                Some(hyper) if hyper.is_incomplete_message() || hyper.is_closed() => self.closed(),
                _ => format!(
                    "the connection to {server} failed: {}",
                    clean(&error.to_string(), LINE_BYTES_MAX)
                ),
            },
        })
    }

    fn unknown_host(&self) -> String {
        format!(
            "the name `{}` is not known; is it spelled right, and is DNS reachable?",
            self.settings.url.host
        )
    }

    fn closed(&self) -> String {
        format!("{} closed the connection without an answer", self.settings.address())
    }
}

/// Runs `asking` and, beside it, the connection that it speaks through.
async fn driven<T>(
    connection: &mut Option<Pin<Box<http1::Connection<Pipe, ResponseBody>>>>,
    asking: impl Future<Output = T>,
) -> T {
    let mut asking = pin!(asking);
    poll_fn(|context| {
        if let Poll::Ready(done) = asking.as_mut().poll(context) {
            return Poll::Ready(done);
        }
        // What still waits for one that has ended learns it when the connection is dropped.
        if connection.as_mut().is_some_and(|connection| connection.as_mut().poll(context).is_ready()) {
            *connection = None;
        }
        // The connection may just have brought what is waited for.
        asking.as_mut().poll(context)
    })
    .await
}

/// The body, or as much of it as may be.
async fn beginning(mut body: Incoming, bytes_max: usize) -> Result<(Bytes, bool), hyper::Error> {
    let mut whole = BytesMut::new();
    while let Some(frame) = poll_fn(|context| Pin::new(&mut body).poll_frame(context)).await {
        let Ok(data) = frame?.into_data() else { continue };
        let room = bytes_max.saturating_sub(whole.len());
        whole.extend_from_slice(data.get(..room).unwrap_or(&data));
        if data.len() > room {
            return Ok((whole.freeze(), true));
        }
    }
    Ok((whole.freeze(), false))
}

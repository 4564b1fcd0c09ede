//! One connection to one broker: a request, its answer, then the next, each within a time limit.
//!
//! Limits: [`CONNECT_LIMIT`] for TCP, TLS, the versions and the password together; an answer of at most as many bytes as the
//! caller says, which are buffered as they come. After an error the connection is not used again.

use crate::api::{Api, RequestBody, Versions};
use crate::bytes::{ByteReader, put_bytes, put_string};
use crate::error::{ErrorCode, KafkaError};
use crate::scram::ScramExchange;
use crate::settings::{KafkaAddress, KafkaSettings, Mechanism, Sasl};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use bytes::{Buf, Bytes, BytesMut};
use headwater_text::clean;
use headwater_tls::{Tls, TlsPeer, reach};
use ring::rand::{SecureRandom, SystemRandom};
use rustls::pki_types::ServerName;
use std::io;
use std::time::Duration;
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::time::timeout;
use tokio_rustls::TlsConnector;

/// The time limit for TCP, TLS, the versions and the password together.
const CONNECT_LIMIT: Duration = Duration::from_secs(10);

/// The most bytes of an answer that carries no records.
pub(crate) const ANSWER_BYTES_MAX: usize = 8 << 20;

/// The bytes that one read may bring.
const READ_BYTES: usize = 64 << 10;

/// As much of a broker's own words as an error quotes (bytes).
pub(crate) const WORDS_MAX: usize = 256;

trait Stream: AsyncRead + AsyncWrite + Unpin {}

impl<T: AsyncRead + AsyncWrite + Unpin> Stream for T {}

/// How long to wait for an answer, and how large it may be.
#[derive(Clone, Copy, Debug)]
pub(crate) struct AnswerLimit {
    pub(crate) time: Duration,
    pub(crate) bytes: usize,
}

/// An answer, without its head.
pub(crate) struct BrokerAnswer {
    /// The version of the request.
    pub(crate) version: i16,
    pub(crate) body: Bytes,
}

pub(crate) struct BrokerConnection {
    stream: Box<dyn Stream>,
    address: KafkaAddress,
    client_id: String,
    versions: Versions,
    correlation: i32,
    out: Vec<u8>,
    input: BytesMut,
}

impl BrokerConnection {
    /// Connects, and shows who we are.
    ///
    /// # Errors
    /// Why that failed, in words.
    pub(crate) async fn open(settings: &KafkaSettings, address: &KafkaAddress) -> Result<Self, KafkaError> {
        let opened = async {
            let mut connection = Self {
                stream: connected(settings, address).await?,
                address: address.clone(),
                client_id: settings.client_id.clone(),
                versions: Versions::default(),
                correlation: 0,
                out: Vec::new(),
                input: BytesMut::new(),
            };
            connection.greet(settings).await?;
            Ok(connection)
        };
        let late = || {
            KafkaError::Lost(format!(
                "no answer from {address} in time; is it a broker, and does a firewall drop it?"
            ))
        };
        timeout(CONNECT_LIMIT, opened).await.unwrap_or_else(|_| Err(late()))
    }

    async fn greet(&mut self, settings: &KafkaSettings) -> Result<(), KafkaError> {
        let limit = AnswerLimit { time: CONNECT_LIMIT, bytes: ANSWER_BYTES_MAX };
        let answer = self.exchange(&Versions::REQUEST, 0, limit).await;
        let answer =
            answer.map_err(|error| if settings.tls.is_none() { self.doubt(error) } else { error })?;
        self.versions = Versions::read(&answer.body)?;
        match &settings.sasl {
            Some(sasl) => self.authenticate(sasl, limit).await,
            None => Ok(()),
        }
    }

    /// What an error means before anything was understood.
    fn doubt(&self, error: KafkaError) -> KafkaError {
        match error {
            KafkaError::Lost(text) if !text.contains("did not answer") => KafkaError::Lost(format!(
                "{text}; is {} a port with TLS (`tls = true`), or no broker?",
                self.address
            )),
            error => error,
        }
    }

    async fn authenticate(&mut self, sasl: &Sasl, limit: AnswerLimit) -> Result<(), KafkaError> {
        let Sasl { mechanism, username, password } = sasl;
        let answer = self.call(&Handshake(mechanism.name()), limit).await?;
        let mut reader = ByteReader::new(&answer.body);
        let code = ErrorCode(reader.i16()?);
        if !code.is_ok() {
            let known = reader.list(|reader| Ok(reader.string()?.to_owned()))?;
            let known = clean(&known.join(", "), WORDS_MAX).into_owned();
            return Err(KafkaError::Refused(format!(
                "{} does not take {}; it takes {known}: set `mechanism`",
                self.address,
                mechanism.name()
            )));
        }
        match mechanism {
            Mechanism::Plain => {
                let token = format!("\0{username}\0{}", password.reveal());
                self.step(username, token.as_bytes(), limit).await.map(drop)
            }
            Mechanism::Scram(hash) => {
                let mut nonce = [0; 18];
                let none = |_| KafkaError::Lost("the system gives no random numbers".into());
                SystemRandom::new().fill(&mut nonce).map_err(none)?;
                let exchange = ScramExchange::new(*hash, username, STANDARD.encode(nonce));
                let first = self.step(username, exchange.first().as_bytes(), limit).await?;
                let (last, proof) = exchange.last(&first, password.reveal())?;
                let answer = self.step(username, last.as_bytes(), limit).await?;
                if proof.holds(&answer) {
                    return Ok(());
                }
                Err(KafkaError::Refused(format!(
                    "{} does not know the password itself; is it our broker?",
                    self.address
                )))
            }
        }
    }

    /// Sends a token of the mechanism. Returns that of the broker.
    async fn step(&mut self, username: &str, token: &[u8], limit: AnswerLimit) -> Result<String, KafkaError> {
        let answer = self.call(&Authenticate(token), limit).await?;
        let mut reader = ByteReader::new(&answer.body);
        let (code, words) = (ErrorCode(reader.i16()?), reader.string()?);
        if !code.is_ok() {
            return Err(KafkaError::Refused(format!(
                "{} refuses user `{username}`: {}; check `username`, `password` and `mechanism`",
                self.address,
                clean(words, WORDS_MAX)
            )));
        }
        Ok(String::from_utf8_lossy(reader.bytes()?).into_owned())
    }

    /// Sends a request and waits for its answer.
    ///
    /// # Errors
    /// The connection is of no use any more.
    pub(crate) async fn call(
        &mut self,
        body: &dyn RequestBody,
        limit: AnswerLimit,
    ) -> Result<BrokerAnswer, KafkaError> {
        let version = self.versions.of(body.api())?;
        self.exchange(body, version, limit).await
    }

    async fn exchange(
        &mut self,
        body: &dyn RequestBody,
        version: i16,
        limit: AnswerLimit,
    ) -> Result<BrokerAnswer, KafkaError> {
        match timeout(limit.time, self.transfer(body, version, limit.bytes)).await {
            Ok(Ok(body)) => Ok(BrokerAnswer { version, body }),
            Ok(Err(error)) => Err(self.explain(&error)),
            Err(_) => {
                let (name, seconds) = (body.api().name, limit.time.as_secs());
                Err(KafkaError::Lost(format!("{} did not answer {name} within {seconds} s", self.address)))
            }
        }
    }

    async fn transfer(
        &mut self,
        body: &dyn RequestBody,
        version: i16,
        bytes_max: usize,
    ) -> io::Result<Bytes> {
        self.correlation = self.correlation.wrapping_add(1);
        let out = &mut self.out;
        out.clear();
        out.extend([0; 4]);
        out.extend(body.api().key.to_be_bytes());
        out.extend(version.to_be_bytes());
        out.extend(self.correlation.to_be_bytes());
        put_string(out, &self.client_id);
        body.put(version, out);
        let length = i32::try_from(out.len() - 4).unwrap_or(i32::MAX).to_be_bytes();
        if let Some(place) = out.first_chunk_mut() {
            *place = length;
        }
        self.stream.write_all(out).await?;
        self.stream.flush().await?;
        self.fill(8).await?;
        let strange = |what: &str| io::Error::new(io::ErrorKind::InvalidData, what);
        let length = usize::try_from(self.input.get_i32()).unwrap_or(usize::MAX);
        if length < 4 || length > bytes_max {
            return Err(strange("an answer of an impossible length"));
        }
        if self.input.get_i32() != self.correlation {
            return Err(strange("an answer to another request"));
        }
        self.fill(length - 4).await?;
        Ok(self.input.split_to(length - 4).freeze())
    }

    /// Reads until there are so many bytes. They are reserved as they come.
    async fn fill(&mut self, count: usize) -> io::Result<()> {
        while self.input.len() < count {
            self.input.reserve(READ_BYTES);
            if self.stream.read_buf(&mut self.input).await? == 0 {
                return Err(io::ErrorKind::UnexpectedEof.into());
            }
        }
        Ok(())
    }

    fn explain(&self, error: &io::Error) -> KafkaError {
        let address = &self.address;
        KafkaError::Lost(match error.kind() {
            io::ErrorKind::InvalidData => format!("{address} sent {error}"),
            io::ErrorKind::UnexpectedEof | io::ErrorKind::ConnectionReset | io::ErrorKind::BrokenPipe => {
                format!("{address} closed the connection")
            }
            _ => format!("the connection to {address} failed: {error}"),
        })
    }
}

struct Handshake<'a>(&'a str);

impl RequestBody for Handshake<'_> {
    fn api(&self) -> Api {
        Api::SASL_HANDSHAKE
    }

    fn put(&self, _version: i16, to: &mut Vec<u8>) {
        put_string(to, self.0);
    }
}

struct Authenticate<'a>(&'a [u8]);

impl RequestBody for Authenticate<'_> {
    fn api(&self) -> Api {
        Api::SASL_AUTHENTICATE
    }

    fn put(&self, _version: i16, to: &mut Vec<u8>) {
        put_bytes(to, self.0);
    }
}

async fn connected(settings: &KafkaSettings, address: &KafkaAddress) -> Result<Box<dyn Stream>, KafkaError> {
    let KafkaAddress { host, port } = address;
    let socket = reach(host, *port, CONNECT_LIMIT).await.map_err(|error| unreachable(address, &error))?;
    let Some(tls) = &settings.tls else { return Ok(Box::new(socket)) };
    let no_name = |_| KafkaError::Refused(format!("`{host}` is not a name that a certificate can have"));
    let name = ServerName::try_from(host.clone()).map_err(no_name)?;
    let stream = TlsConnector::from(tls.config()).connect(name, socket).await;
    stream
        .map(|stream| Box::new(stream) as Box<dyn Stream>)
        .map_err(|error| explain_tls(tls, address, &error))
}

fn explain_tls(tls: &Tls, address: &KafkaAddress, error: &io::Error) -> KafkaError {
    match error.get_ref().and_then(|inner| inner.downcast_ref::<rustls::Error>()) {
        Some(cause) => KafkaError::Refused(
            TlsPeer {
                address: &address.to_string(),
                host: &address.host,
                ca: tls.ca(),
                named_in: "`brokers` and in the broker's advertised.listeners",
                plain_port: "is it a plain port (leave out `tls`)?",
            }
            .explain(cause),
        ),
        None => KafkaError::Lost(format!(
            "{address} closed the connection in the TLS handshake; is it a port without TLS (leave out `tls`), or does it \
             ask for a certificate of ours (`cert`, `key`)?"
        )),
    }
}

fn unreachable(address: &KafkaAddress, error: &io::Error) -> KafkaError {
    use io::ErrorKind::{ConnectionRefused, HostUnreachable, InvalidInput, NetworkUnreachable, TimedOut};
    KafkaError::Lost(match error.kind() {
        ConnectionRefused => {
            format!(
                "connection refused: nobody listens at {address}; is the broker running, and is this its port?"
            )
        }
        HostUnreachable | NetworkUnreachable => format!("no route to {address}; is the network up?"),
        TimedOut => format!("no answer from {address} in time; does a firewall drop it?"),
        InvalidInput => {
            format!("the name `{}` is not known; is it spelled right, and is DNS reachable?", address.host)
        }
        _ if error.to_string().contains("lookup") => {
            format!("the name `{}` is not known; is it spelled right, and is DNS reachable?", address.host)
        }
        _ => format!("cannot connect to {address}: {error}"),
    })
}

//! The socket of a connection, plain or TLS, up to the broker's answer.
//!
//! Limits: those of [`reach`], within one time limit for all.

use crate::Settings;
use crate::error::Fault;
use crate::frame::{Frame, FrameLimits, Stage};
use crate::paced_socket::{PacedSocket, ReadPause};
use crate::websocket::upgraded;
use bytes::BytesMut;
use headwater_tls::reach;
use rustls::pki_types::ServerName;
use std::time::Duration;
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::time::timeout;
use tokio_rustls::TlsConnector;

/// The time limit for name resolution, TCP, TLS and the broker's answer together, and for a write.
pub(crate) const TIMEOUT: Duration = Duration::from_secs(15);

/// The bytes that one read may bring.
pub(crate) const READ_BYTES: usize = 32 << 10;

/// A stream of bytes in both directions.
pub(crate) trait ByteStream: AsyncRead + AsyncWrite + Unpin + Send {}

impl<T: AsyncRead + AsyncWrite + Unpin + Send> ByteStream for T {}

/// A connection that the broker has answered.
pub(crate) struct Answered {
    pub(crate) stream: Box<dyn ByteStream>,
    pub(crate) answer: Frame,
    /// What was read behind the answer.
    pub(crate) input: BytesMut,
    /// Lets what comes gather.
    pub(crate) pause: ReadPause,
}

/// Connects, sends `hello` and waits for the answer.
///
/// # Errors
/// No connection, or no answer in time.
pub(crate) async fn open(
    settings: Settings,
    limits: FrameLimits,
    hello: BytesMut,
) -> Result<Answered, Fault> {
    let answered = async {
        let pause = ReadPause::default();
        let mut stream = connected(&settings, pause.clone()).await?;
        stream.write_all(&hello).await?;
        stream.flush().await?;
        let mut input = BytesMut::with_capacity(READ_BYTES);
        loop {
            if let Some(answer) = limits.take(Stage::Connecting, &mut input)? {
                return Ok(Answered { stream, answer, input, pause });
            }
            input.reserve(READ_BYTES);
            if stream.read_buf(&mut input).await? == 0 {
                return Err(Fault::Closed);
            }
        }
    };
    timeout(TIMEOUT, answered).await.unwrap_or(Err(Fault::Timeout))
}

async fn connected(settings: &Settings, pause: ReadPause) -> Result<Box<dyn ByteStream>, Fault> {
    let socket = PacedSocket::new(reach(&settings.host, settings.port, TIMEOUT).await?, pause);
    let Some(tls) = &settings.tls else { return carried(settings, socket).await };
    let name = ServerName::try_from(settings.host.clone()).map_err(|_| Fault::NoCertificateName)?;
    carried(settings, TlsConnector::from(tls.config()).connect(name, socket).await?).await
}

/// What carries MQTT on a stream: the stream itself, or a websocket on it.
async fn carried(
    settings: &Settings,
    stream: impl ByteStream + 'static,
) -> Result<Box<dyn ByteStream>, Fault> {
    match &settings.websocket {
        None => Ok(Box::new(stream)),
        Some(path) => Ok(Box::new(upgraded(stream, &settings.address(), path).await?)),
    }
}

//! One connection to a bus: questions and answers, one at a time.
//!
//! An answer that comes after its time is taken for that to the next question by `tokio-modbus`: over TCP every later question
//! fails then, over a serial line its values are silently those of other registers. Whoever gets an [`AskError`] other than an
//! exception uses the connection no more.

use super::config::{BusAddress, HostPort};
use super::register::{RegisterPlace, RegisterTable};
use super::request::RegisterSpan;
use crate::serial_port::{PortInput, PortUse};
use std::io;
use std::time::Duration;
use tokio::net::TcpStream;
use tokio::time::timeout;
use tokio_modbus::client::{Client as _, Context, rtu, tcp as mbap};
use tokio_modbus::slave::{Slave, SlaveContext as _};
use tokio_modbus::{Error, ExceptionCode, ProtocolError, Request, Response};

/// Why a question has no answer.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum AskError {
    /// The unit has answered that it cannot, or its gateway that it does not reach it.
    Exception(ExceptionCode),
    /// Nothing came in time.
    Silent,
    /// What came is no answer to the question.
    Wrong(String),
    /// The connection is gone.
    Lost(String),
}

pub(super) struct Link {
    context: Context,
    /// Of a serial line: what comes unasked.
    input: Option<PortInput>,
}

impl Link {
    /// Connects, with nothing left of earlier connections.
    ///
    /// # Errors
    /// Why not, with the way out.
    pub(super) async fn open(address: &BusAddress, within: Duration) -> Result<Self, String> {
        let context = match address {
            BusAddress::Tcp(to) => mbap::attach(connect(to, within).await?),
            BusAddress::RtuOverTcp(to) => rtu::attach(connect(to, within).await?),
            BusAddress::Rtu(name, line) => {
                let (port, path) = name.open(*line, PortUse::ReadAndWrite)?;
                let input = port.input().map_err(|error| format!("{}: {error}", path.display()))?;
                return Ok(Self { context: rtu::attach(port), input: Some(input) });
            }
        };
        Ok(Self { context, input: None })
    }

    #[cfg(any(test, fuzzing))]
    pub(super) fn of(context: Context) -> Self {
        Self { context, input: None }
    }

    /// Asks, and answers the words, or the bits as 0 and 1.
    pub(super) async fn ask(&mut self, span: &RegisterSpan, within: Duration) -> Result<Vec<u16>, AskError> {
        // What comes too late for the last question of a serial line is no answer to this one.
        if let Some(Err(error)) = self.input.as_ref().map(PortInput::forget) {
            return Err(AskError::Lost(error.to_string()));
        }
        let RegisterPlace { unit, table, address } = span.place;
        self.context.set_slave(Slave(unit));
        let count = span.count;
        let question = match table {
            RegisterTable::Holding => Request::ReadHoldingRegisters(address, count),
            RegisterTable::Input => Request::ReadInputRegisters(address, count),
            RegisterTable::Coil => Request::ReadCoils(address, count),
            RegisterTable::Discrete => Request::ReadDiscreteInputs(address, count),
        };
        // Not by the library's own methods: a debug build of them panics where an answer is too short.
        match timeout(within, self.context.call(question)).await {
            Err(_) => Err(AskError::Silent),
            Ok(Ok(Ok(answer))) => words(answer, count),
            Ok(Ok(Err(exception))) => Err(AskError::Exception(exception)),
            Ok(Err(Error::Protocol(ProtocolError::HeaderMismatch { .. }))) => {
                Err(AskError::Wrong("the answer is one of another unit, or to another question".to_owned()))
            }
            Ok(Err(Error::Protocol(ProtocolError::FunctionCodeMismatch { .. }))) => {
                Err(AskError::Wrong("the answer is one to another kind of question".to_owned()))
            }
            Ok(Err(Error::Transport(error))) => Err(lost(&error)),
        }
    }
}

/// The values of an answer, all that were asked for.
fn words(answer: Response, count: u16) -> Result<Vec<u16>, AskError> {
    let count = usize::from(count);
    let words = match answer {
        Response::ReadHoldingRegisters(words) | Response::ReadInputRegisters(words) => words,
        Response::ReadCoils(bits) | Response::ReadDiscreteInputs(bits) => {
            // They come in whole bytes.
            let count = if bits.len() == count.next_multiple_of(8) { count } else { bits.len() };
            bits.into_iter().take(count).map(u16::from).collect()
        }
        _ => return Err(AskError::Wrong("the answer is one to another kind of question".to_owned())),
    };
    if words.len() != count {
        return Err(AskError::Wrong(format!("{} values came, and {count} were asked for", words.len())));
    }
    Ok(words)
}

/// What the codec says of bytes that are no answer, and the system of a connection that is gone.
fn lost(error: &io::Error) -> AskError {
    match error.kind() {
        kind if error.raw_os_error().is_none() && is_codec(kind) => {
            AskError::Wrong(format!("the answer is broken: {error}"))
        }
        // Where a stream has ended, the library has whatever error the system had last.
        io::ErrorKind::WouldBlock => closed(),
        _ if error.raw_os_error() == Some(0) => closed(),
        _ => AskError::Lost(error.to_string()),
    }
}

fn is_codec(kind: io::ErrorKind) -> bool {
    matches!(kind, io::ErrorKind::InvalidData | io::ErrorKind::InvalidInput | io::ErrorKind::UnexpectedEof)
}

fn closed() -> AskError {
    AskError::Lost("the other side has closed the connection".to_owned())
}

async fn connect(HostPort { host, port }: &HostPort, within: Duration) -> Result<TcpStream, String> {
    let connecting = timeout(within, TcpStream::connect((host.as_str(), *port)));
    let result = connecting.await.unwrap_or_else(|_| Err(io::Error::from(io::ErrorKind::TimedOut)));
    let stream = result.map_err(|error| format!("cannot connect to {host}:{port}: {error}"))?;
    // A question is one small packet: nothing gathers.
    let _ = stream.set_nodelay(true);
    // What a converter has sent of an earlier connection's answer.
    let mut scrap = [0; 512];
    while stream.try_read(&mut scrap).is_ok_and(|count| count > 0) {}
    Ok(stream)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::modbus::register::RegisterPlace;
    use proptest::prelude::*;
    use tokio::io::{AsyncWriteExt as _, duplex};

    /// Answers that are nearly right, and others.
    fn answers() -> impl Strategy<Value = Vec<u8>> {
        let head = prop::sample::select(vec![
            vec![],
            vec![0, 0, 0, 0, 0, 5, 1, 3, 2],
            vec![0, 0, 0, 0, 0, 200, 1, 1, 255],
            vec![0, 0, 0, 0, 0, 3, 1, 0x83],
            vec![1, 3, 4],
            vec![1, 0x2B, 14],
            vec![1, 0x18, 255],
        ]);
        (head, prop::collection::vec(any::<u8>(), 0..600)).prop_map(|(head, rest)| [head, rest].concat())
    }

    proptest! {
        #[test]
        fn no_answer_is_a_reason_to_panic(bytes in answers(), table in 0_usize..4, count in 1_u16..130) {
            let runtime = tokio::runtime::Builder::new_current_thread().enable_time().start_paused(true).build();
            runtime.unwrap().block_on(async {
                use RegisterTable::{Coil, Discrete, Holding, Input};
                let place = RegisterPlace { unit: 1, table: [Coil, Discrete, Holding, Input][table], address: 0 };
                let span = RegisterSpan { place, count, parts: Vec::new() };
                for is_serial in [false, true] {
                    let (here, mut there) = duplex(2_048);
                    let mut link = Link::of(if is_serial { rtu::attach(here) } else { mbap::attach(here) });
                    there.write_all(&bytes).await.unwrap();
                    for _ in 0..3 {
                        if let Ok(words) = link.ask(&span, Duration::from_secs(1)).await {
                            assert_eq!(words.len(), usize::from(count));
                        }
                    }
                }
            });
        }
    }
}

//! `type = "serial"`: payloads from a serial port, one a line.
//!
//! A device that is unplugged is looked for again, under every name that `device` matches. A line ends with a carriage
//! return, a line feed or both.
//!
//! Limits: lines of `[limits] payload`.

mod config;

pub(crate) use config::KIND;

use crate::line_input::LineStream;
use crate::serial_port::{LineSettings, PortName, PortUse, SerialPort};
use crate::source::stopped;
use crate::{ConnectionState, DecodeConfig, Running, Sink, Source, SourceContext, SourceProbe, Stop};
use std::future::Future;
use std::io;
use std::path::Path;
use std::pin::{Pin, pin};
use std::time::Duration;
use tokio::io::AsyncReadExt as _;
use tokio::task::yield_now;
use tokio::time::sleep;

/// The bytes that end a line: old instruments send carriage returns alone. Blank lines are skipped.
const ENDS: &[u8] = b"\r\n";

/// The time between two attempts to open the port.
const OPEN_AGAIN: Duration = Duration::from_secs(1);

/// The most that is read at once (bytes).
const CHUNK_BYTES: usize = 4 << 10;

struct Serial {
    device: PortName,
    line: LineSettings,
    decode: DecodeConfig,
    context: SourceContext,
}

impl Source for Serial {
    fn payloads(&self) -> Option<&DecodeConfig> {
        Some(&self.decode)
    }

    fn exclusive(&self) -> Option<String> {
        Some(self.device.exclusive())
    }

    fn probe(&self) -> SourceProbe<'_> {
        Box::pin(async { Some(self.device.probe(PortUse::Read)) })
    }

    fn run(self: Box<Self>, mut sink: Box<dyn Sink>, stop: Stop) -> Running {
        Box::pin(async move {
            let (mut stop, mut told) = (pin!(stopped(stop)), None);
            loop {
                let why = match self.device.open(self.line, PortUse::Read) {
                    Ok((mut port, path)) => {
                        sink.connection(ConnectionState::Up);
                        told = None;
                        match self.serve(&mut port, &path, sink.as_mut(), stop.as_mut()).await {
                            None => return,
                            Some(error) => {
                                format!("{}: {error}; it is opened again when it is back", path.display())
                            }
                        }
                    }
                    Err(why) => why,
                };
                if told.as_ref() != Some(&why) {
                    sink.connection(ConnectionState::Down { reason: &why });
                    told = Some(why);
                }
                tokio::select! {
                    () = &mut stop => return,
                    () = sleep(OPEN_AGAIN) => {}
                }
            }
        })
    }
}

impl Serial {
    /// Decodes until the port is gone, and answers why; `None`: it was told to stop.
    async fn serve(
        &self,
        port: &mut SerialPort,
        path: &Path,
        sink: &mut dyn Sink,
        mut stop: Pin<&mut impl Future<Output = ()>>,
    ) -> Option<io::Error> {
        let (name, origin) = (self.context.source.as_str(), path.display().to_string());
        let mut lines = LineStream::new((&self.decode, &self.context), name, &origin, ENDS);
        let mut chunk = [0; CHUNK_BYTES];
        loop {
            let read = tokio::select! {
                () = &mut stop => return None,
                read = port.read(&mut chunk) => read,
            };
            match read {
                // What comes of a line that was cut off is no value.
                Err(error) => return Some(error),
                Ok(count) => lines.feed(chunk.get(..count).unwrap_or_default(), sink),
            }
            yield_now().await;
        }
    }
}

#[cfg(test)]
mod tests;

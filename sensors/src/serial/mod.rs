//! `type = "serial"`: payloads from a serial port, one a line.
//!
//! A device that is unplugged is looked for again, under every name that `device` matches. A line ends with a carriage
//! return, a line feed or both.
//!
//! Limits: lines of `[limits] payload`.

mod config;
mod port;

pub(crate) use config::KIND;

use crate::access::explain;
use crate::line_input::LineStream;
use crate::source::stopped;
use crate::{
    ConnectionState, DecodeConfig, Finding, Running, Sink, Source, SourceContext, SourceProbe, Stop,
};
use glob::glob;
use port::{LineSettings, SerialPort};
use rustix::fs::{Access, access};
use std::future::Future;
use std::io;
use std::path::{Path, PathBuf};
use std::pin::{Pin, pin};
use std::time::Duration;
use tokio::task::yield_now;
use tokio::time::sleep;

/// The bytes that end a line: old instruments send carriage returns alone. Blank lines are skipped.
const ENDS: &[u8] = b"\r\n";

/// The time between two attempts to open the port.
const OPEN_AGAIN: Duration = Duration::from_secs(1);

/// The most that is read at once (bytes).
const CHUNK_BYTES: usize = 4 << 10;

/// The drop-in of the service that opens serial ports.
const DROP_IN: &str = "serial.conf";

struct Serial {
    /// A path, or a pattern of several.
    device: String,
    line: LineSettings,
    decode: DecodeConfig,
    context: SourceContext,
}

impl Source for Serial {
    fn payloads(&self) -> Option<&DecodeConfig> {
        Some(&self.decode)
    }

    fn exclusive(&self) -> Option<String> {
        Some(format!("the serial port {}", self.device))
    }

    /// The port is not opened, because that resets many a board behind it.
    fn probe(&self) -> SourceProbe<'_> {
        Box::pin(async {
            Some(match self.paths().first() {
                None => Finding::Note(self.nothing()),
                Some(path) => match access(path, Access::READ_OK) {
                    Ok(()) => Finding::Works(format!("{} may be read; it was not opened", path.display())),
                    Err(error) => Finding::Fails(explain(path, &error.into(), DROP_IN)),
                },
            })
        })
    }

    fn run(self: Box<Self>, mut sink: Box<dyn Sink>, stop: Stop) -> Running {
        Box::pin(async move {
            let (mut stop, mut told) = (pin!(stopped(stop)), None);
            loop {
                let why = match self.open() {
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
    /// The devices that are there.
    fn paths(&self) -> Vec<PathBuf> {
        glob(&self.device).into_iter().flatten().flatten().collect()
    }

    fn nothing(&self) -> String {
        format!("{} is not there; it is opened as soon as it is", self.device)
    }

    /// Opens the first device that can be opened.
    fn open(&self) -> Result<(SerialPort, PathBuf), String> {
        let mut why = None;
        for path in self.paths() {
            match SerialPort::open(&path, self.line) {
                Ok(port) => return Ok((port, path)),
                Err(error) => why = why.or(Some(explain(&path, &error, DROP_IN))),
            }
        }
        Err(why.unwrap_or_else(|| self.nothing()))
    }

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
                Ok(0) => return Some(io::Error::other("the device has hung up")),
                Ok(count) => lines.feed(chunk.get(..count).unwrap_or_default(), sink),
            }
            yield_now().await;
        }
    }
}

#[cfg(test)]
mod tests;

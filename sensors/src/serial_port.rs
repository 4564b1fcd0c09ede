//! Serial ports, raw (termios(3)), for every source that has one: their keys, their names, and their bytes.

#![cfg_attr(
    not(feature = "port-output"),
    expect(dead_code, reason = "no source of this build writes to a port")
)]

use crate::Finding;
use crate::access::explain;
use glob::{Pattern, glob};
use headwater_settings::{Or, Table};
use rustix::fs::{Access, Mode, OFlags, access, open};
use rustix::termios::{
    ControlModes, OptionalActions, QueueSelector, ioctl_tiocexcl, tcflush, tcgetattr, tcsetattr,
};
use std::io;
use std::os::fd::{AsFd as _, OwnedFd};
use std::path::{Path, PathBuf};
use std::pin::Pin;
use std::task::{Context, Poll, ready};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::unix::pipe::{Receiver, Sender};

/// The drop-in of the service that opens serial ports.
const DROP_IN: &str = "serial.conf";

/// The speeds that a port may have (baud).
const BAUD: std::ops::RangeInclusive<i64> = 50..=4_000_000;

/// The bit that is added to the data bits.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Parity {
    None,
    Even,
    Odd,
}

/// How bits are sent.
#[derive(Clone, Copy, Debug)]
pub(crate) struct LineSettings {
    /// Bits a second.
    baud: u32,
    parity: Parity,
    data_bits: u8,
    has_two_stop_bits: bool,
    /// Whether RTS and CTS say who may send.
    has_flow_control: bool,
}

impl LineSettings {
    /// Reads `baud`, `parity`, `data_bits`, `stop_bits` and `flow`.
    pub(crate) fn read(table: &mut Table<'_>) -> Option<Self> {
        let parities = [("none", Parity::None), ("even", Parity::Even), ("odd", Parity::Odd)];
        Some(Self {
            baud: u32::try_from(table.integer("baud", BAUD).value_or(9_600)).ok()?,
            parity: table.choice("parity", &parities).value_or(Parity::None),
            data_bits: u8::try_from(table.integer("data_bits", 5..=8).value_or(8)).ok()?,
            has_two_stop_bits: table.integer("stop_bits", 1..=2).value_or(1) == 2,
            has_flow_control: table.choice("flow", &[("none", false), ("hardware", true)]).value_or(false),
        })
    }

    fn control(self) -> ControlModes {
        let mut control = ControlModes::CREAD | ControlModes::CLOCAL;
        control |= match self.data_bits {
            5 => ControlModes::CS5,
            6 => ControlModes::CS6,
            7 => ControlModes::CS7,
            _ => ControlModes::CS8,
        };
        control |= match self.parity {
            Parity::None => ControlModes::empty(),
            Parity::Even => ControlModes::PARENB,
            Parity::Odd => ControlModes::PARENB | ControlModes::PARODD,
        };
        control.set(ControlModes::CSTOPB, self.has_two_stop_bits);
        control.set(ControlModes::CRTSCTS, self.has_flow_control);
        control
    }
}

/// What a port is opened for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum PortUse {
    /// Others speak.
    Read,
    /// Others answer.
    ReadAndWrite,
}

/// The path of a port, or a pattern of several.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct PortName(String);

impl PortName {
    /// `None`: this is neither a whole path nor a pattern of such.
    pub(crate) fn new(name: &str) -> Option<Self> {
        (name.starts_with('/') && Pattern::new(name).is_ok()).then(|| Self(name.to_owned()))
    }

    /// What only one source can have, for people.
    pub(crate) fn exclusive(&self) -> String {
        format!("the serial port {}", self.0)
    }

    /// The devices that are there.
    fn paths(&self) -> Vec<PathBuf> {
        glob(&self.0).into_iter().flatten().flatten().collect()
    }

    fn nothing(&self) -> String {
        format!("{} is not there; it is opened as soon as it is", self.0)
    }

    /// Opens the first device that can be opened.
    ///
    /// # Errors
    /// Why none can be, with the way out.
    pub(crate) fn open(&self, line: LineSettings, wanted: PortUse) -> Result<(SerialPort, PathBuf), String> {
        let mut why = None;
        for path in self.paths() {
            match SerialPort::open(&path, line, wanted) {
                Ok(port) => return Ok((port, path)),
                Err(error) => why = why.or(Some(explain(&path, &error, DROP_IN))),
            }
        }
        Err(why.unwrap_or_else(|| self.nothing()))
    }

    /// Whether a port is there and may be opened. It is not opened, because that resets many a board behind it.
    pub(crate) fn probe(&self, wanted: PortUse) -> Finding {
        let (needed, done) = match wanted {
            PortUse::Read => (Access::READ_OK, "read"),
            PortUse::ReadAndWrite => (Access::READ_OK | Access::WRITE_OK, "read and written"),
        };
        match self.paths().first() {
            None => Finding::Note(self.nothing()),
            Some(path) => match access(path, needed) {
                Ok(()) => Finding::Works(format!("{} may be {done}; it was not opened", path.display())),
                Err(error) => Finding::Fails(explain(path, &error.into(), DROP_IN)),
            },
        }
    }
}

/// An open port, read and written as two pipes are. A device that hangs up is an error of the next read.
#[derive(Debug)]
pub(crate) struct SerialPort {
    input: Receiver,
    output: Sender,
}

impl SerialPort {
    /// Opens a port for this program alone, and forgets what came before.
    ///
    /// # Errors
    /// What the system says; also of a device that is no serial port.
    fn open(path: &Path, line: LineSettings, wanted: PortUse) -> io::Result<Self> {
        let direction = if wanted == PortUse::Read { OFlags::RDONLY } else { OFlags::RDWR };
        // Without NOCTTY it would become the terminal that may end the agent; without NONBLOCK a modem is waited for.
        let flags = direction | OFlags::NOCTTY | OFlags::NONBLOCK | OFlags::CLOEXEC;
        let port = open(path, flags, Mode::empty())?;
        let mut settings = tcgetattr(&port)?;
        settings.make_raw();
        let changed = ControlModes::CSIZE
            | ControlModes::PARENB
            | ControlModes::PARODD
            | ControlModes::CSTOPB
            | ControlModes::CRTSCTS;
        settings.control_modes = (settings.control_modes - changed) | line.control();
        settings.set_speed(line.baud)?;
        tcsetattr(&port, OptionalActions::Now, &settings)?;
        ioctl_tiocexcl(&port)?;
        tcflush(&port, QueueSelector::IFlush)?;
        let output = Sender::from_owned_fd_unchecked(port.try_clone()?)?;
        Ok(Self { input: Receiver::from_owned_fd_unchecked(port)?, output })
    }

    /// A handle by which what has come unasked can be forgotten.
    ///
    /// # Errors
    /// The system has no file for it.
    pub(crate) fn input(&self) -> io::Result<PortInput> {
        Ok(PortInput(self.input.as_fd().try_clone_to_owned()?))
    }
}

/// What has come to a port and is not read.
#[derive(Debug)]
pub(crate) struct PortInput(OwnedFd);

impl PortInput {
    /// Forgets it.
    ///
    /// # Errors
    /// The device is gone.
    pub(crate) fn forget(&self) -> io::Result<()> {
        Ok(tcflush(&self.0, QueueSelector::IFlush)?)
    }
}

impl AsyncRead for SerialPort {
    fn poll_read(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        to: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let room = to.remaining();
        ready!(Pin::new(&mut self.input).poll_read(context, to))?;
        let is_over = room > 0 && to.remaining() == room;
        Poll::Ready(if is_over { Err(io::Error::other("the device has hung up")) } else { Ok(()) })
    }
}

impl AsyncWrite for SerialPort {
    fn poll_write(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.output).poll_write(context, bytes)
    }

    fn poll_flush(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.output).poll_flush(context)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.output).poll_shutdown(context)
    }
}

//! A serial port, raw (termios(3)).

use rustix::fs::{Mode, OFlags, open};
use rustix::termios::{
    ControlModes, OptionalActions, QueueSelector, ioctl_tiocexcl, tcflush, tcgetattr, tcsetattr,
};
use std::io;
use std::path::Path;
use tokio::io::AsyncReadExt as _;
use tokio::net::unix::pipe::Receiver;

/// The bit that is added to the data bits.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Parity {
    None,
    Even,
    Odd,
}

/// How bits are sent.
#[derive(Clone, Copy, Debug)]
pub(super) struct LineSettings {
    /// Bits a second.
    pub(super) baud: u32,
    pub(super) parity: Parity,
    pub(super) data_bits: u8,
    pub(super) has_two_stop_bits: bool,
    /// Whether RTS and CTS say who may send.
    pub(super) has_flow_control: bool,
}

impl LineSettings {
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

/// An open port. It is read as a pipe is.
pub(super) struct SerialPort(Receiver);

impl SerialPort {
    /// Opens a port for this program alone, and forgets what came before.
    ///
    /// # Errors
    /// What the system says; also of a device that is no serial port.
    pub(super) fn open(path: &Path, line: LineSettings) -> io::Result<Self> {
        // Without NOCTTY it would become the terminal that may end the agent; without NONBLOCK a modem is waited for.
        let flags = OFlags::RDONLY | OFlags::NOCTTY | OFlags::NONBLOCK | OFlags::CLOEXEC;
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
        Ok(Self(Receiver::from_owned_fd_unchecked(port)?))
    }

    /// Waits for bytes; 0: the device has hung up.
    ///
    /// # Errors
    /// The device is gone.
    pub(super) async fn read(&mut self, to: &mut [u8]) -> io::Result<usize> {
        self.0.read(to).await
    }
}

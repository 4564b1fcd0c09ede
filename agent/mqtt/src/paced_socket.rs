//! A TCP socket that is read after a pause, where what comes is to gather.
//!
//! A socket that the runtime watches wakes the program at each segment, whether anybody wants to read or not. So it is
//! watched only while there is no pause, and out of the runtime's sight during one.

use std::future::Future;
use std::io::{self, Read, Write};
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::task::{Context, Poll, ready};
use std::time::Duration;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::TcpStream;
use tokio::time::{Instant, Sleep, sleep_until};

/// The bytes of one read after a pause. They are cleared before, because the standard library asks for that.
const READ_BYTES: usize = 16 << 10;

/// The pause before the next read, as the owner of a socket sets it.
#[derive(Clone, Debug, Default)]
pub(crate) struct ReadPause(Arc<AtomicU64>);

impl ReadPause {
    /// Zero: none.
    pub(crate) fn set(&self, pause: Duration) {
        self.0.store(u64::try_from(pause.as_micros()).unwrap_or(u64::MAX), Ordering::Relaxed);
    }

    fn get(&self) -> Duration {
        Duration::from_micros(self.0.load(Ordering::Relaxed))
    }
}

/// A socket with its pauses.
pub(crate) struct PacedSocket {
    watch: Watch,
    pause: ReadPause,
    /// When it was read last.
    read_at: Option<Instant>,
    timer: Pin<Box<Sleep>>,
}

enum Watch {
    /// The runtime watches it.
    On(TcpStream),
    /// It is read when the timer ends.
    Off(std::net::TcpStream),
    /// Between the two, or neither could be.
    Lost,
}

impl PacedSocket {
    pub(crate) fn new(socket: TcpStream, pause: ReadPause) -> Self {
        let timer = Box::pin(sleep_until(Instant::now()));
        Self { watch: Watch::On(socket), pause, read_at: None, timer }
    }

    /// Lets the runtime watch it.
    fn watched(&mut self) -> io::Result<&mut TcpStream> {
        if let Watch::Off(_) = self.watch
            && let Watch::Off(socket) = std::mem::replace(&mut self.watch, Watch::Lost)
        {
            self.watch = Watch::On(TcpStream::from_std(socket)?);
        }
        match &mut self.watch {
            Watch::On(socket) => Ok(socket),
            Watch::Off(_) | Watch::Lost => Err(io::ErrorKind::NotConnected.into()),
        }
    }

    /// Begins the pause that is wanted, if there is one.
    fn begin_pause(&mut self) -> io::Result<()> {
        let pause = self.pause.get();
        let Some(read_at) = self.read_at.take().filter(|_| !pause.is_zero()) else { return Ok(()) };
        if let Watch::On(_) = self.watch
            && let Watch::On(socket) = std::mem::replace(&mut self.watch, Watch::Lost)
        {
            self.watch = Watch::Off(socket.into_std()?);
        }
        self.timer.as_mut().reset(read_at + pause);
        Ok(())
    }
}

impl AsyncRead for PacedSocket {
    fn poll_read(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        to: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        self.begin_pause()?;
        if let Watch::Off(_) = self.watch {
            ready!(self.timer.as_mut().poll(context));
            if let Watch::Off(socket) = &mut self.watch {
                let room = to.remaining().min(READ_BYTES);
                match socket.read(to.initialize_unfilled_to(room)) {
                    Ok(count) => {
                        to.advance(count);
                        // Where more is there, it is read at once.
                        self.read_at = (count < room).then(Instant::now);
                        return Poll::Ready(Ok(()));
                    }
                    Err(error) if error.kind() == io::ErrorKind::Interrupted => {
                        context.waker().wake_by_ref();
                        return Poll::Pending;
                    }
                    Err(error) if error.kind() != io::ErrorKind::WouldBlock => {
                        return Poll::Ready(Err(error));
                    }
                    Err(_) => {}
                }
            }
        }
        let (filled, room) = (to.filled().len(), to.remaining());
        ready!(Pin::new(self.watched()?).poll_read(context, to))?;
        self.read_at = (to.filled().len() - filled < room).then(Instant::now);
        Poll::Ready(Ok(()))
    }
}

impl AsyncWrite for PacedSocket {
    fn poll_write(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        if let Watch::Off(socket) = &mut self.watch {
            match socket.write(bytes) {
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => {}
                written => return Poll::Ready(written),
            }
        }
        Pin::new(self.watched()?).poll_write(context, bytes)
    }

    fn poll_flush(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(self.watched()?).poll_shutdown(context)
    }
}

//! A publisher that knows what the broker has acknowledged.

use crate::client::connect;
use crate::wire::{Connect, Packet, disconnect, publish, read, retained};
use std::io::{self, BufWriter, Write};
use std::net::TcpStream;
use std::sync::atomic::{AtomicU32, Ordering};

/// Most publishes under way at once at QoS 1.
const IN_FLIGHT_MAX: usize = 1_000;

/// A connected publisher.
pub struct Publisher {
    out: BufWriter<TcpStream>,
    input: TcpStream,
    next_id: u16,
    in_flight: usize,
}

impl Publisher {
    /// Connects to a broker on loopback.
    ///
    /// # Panics
    /// When the broker declines.
    #[must_use]
    pub fn new(port: u16) -> Self {
        static COUNT: AtomicU32 = AtomicU32::new(0);
        let id = format!("publisher-{}-{}", std::process::id(), COUNT.fetch_add(1, Ordering::Relaxed));
        let (stream, _) =
            connect(port, &Connect { id: &id, clean: true, login: None }).expect("a connection");
        let input = stream.try_clone().expect("a second handle");
        Self { out: BufWriter::with_capacity(1 << 16, stream), input, next_id: 0, in_flight: 0 }
    }

    /// Publishes at QoS 1; the acknowledgement is awaited by [`Publisher::flush`] at the latest.
    ///
    /// # Errors
    /// The stream's own.
    pub fn publish(&mut self, topic: &str, payload: impl AsRef<[u8]>) -> io::Result<()> {
        self.next_id = self.next_id.checked_add(1).unwrap_or(1);
        self.out.write_all(&publish(topic, payload.as_ref(), Some(self.next_id)))?;
        self.in_flight += 1;
        if self.in_flight >= IN_FLIGHT_MAX { self.settle(IN_FLIGHT_MAX / 2) } else { Ok(()) }
    }

    /// Publishes at QoS 0.
    ///
    /// # Errors
    /// The stream's own.
    pub fn publish_qos0(&mut self, topic: &str, payload: impl AsRef<[u8]>) -> io::Result<()> {
        self.out.write_all(&publish(topic, payload.as_ref(), None))
    }

    /// Publishes at QoS 0; the broker keeps the message for those who subscribe later.
    ///
    /// # Errors
    /// The stream's own.
    pub fn publish_retained(&mut self, topic: &str, payload: impl AsRef<[u8]>) -> io::Result<()> {
        self.out.write_all(&retained(topic, payload.as_ref()))
    }

    /// Returns when the broker has taken everything.
    ///
    /// # Errors
    /// The stream's own.
    pub fn flush(&mut self) -> io::Result<()> {
        const PING_REQUEST: [u8; 2] = [0xc0, 0];
        const PING_RESPONSE: Packet = Packet::Other(13);
        self.settle(0)?;
        self.out.write_all(&PING_REQUEST)?;
        self.out.flush()?;
        while read(&mut self.input)? != PING_RESPONSE {}
        Ok(())
    }

    fn settle(&mut self, in_flight: usize) -> io::Result<()> {
        self.out.flush()?;
        while self.in_flight > in_flight {
            if let Packet::PubAck(_) = read(&mut self.input)? {
                self.in_flight -= 1;
            }
        }
        Ok(())
    }
}

impl Drop for Publisher {
    fn drop(&mut self) {
        let _ = self.out.write_all(&disconnect());
        let _ = self.out.flush();
    }
}

//! A line to a broker that a test can cut.

use crate::ports::free_listener;
use std::io::{Read, Write};
use std::net::{Shutdown, TcpStream};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

/// A proxy in front of a broker on loopback. It passes bytes on while it is open.
pub struct Gate {
    /// The port to connect to, on 127.0.0.1.
    pub port: u16,
    shared: Arc<Shared>,
}

#[derive(Default)]
struct Shared {
    open: AtomicBool,
    ended: AtomicBool,
    streams: Mutex<Vec<TcpStream>>,
}

impl Gate {
    /// Makes a closed gate in front of a broker's port.
    ///
    /// # Panics
    /// When no port is free.
    #[must_use]
    pub fn to(broker: u16) -> Self {
        let listener = free_listener();
        let port = listener.local_addr().expect("an address").port();
        listener.set_nonblocking(true).expect("a listener");
        let shared = Arc::new(Shared::default());
        let own = shared.clone();
        std::thread::spawn(move || {
            while !own.ended.load(Ordering::Relaxed) {
                match listener.accept() {
                    // A closed gate drops the connection.
                    Ok((near, _)) => drop(own.pass(near, broker)),
                    Err(_) => std::thread::sleep(Duration::from_millis(5)),
                }
            }
        });
        Self { port, shared }
    }

    /// Lets connections through.
    pub fn open(&self) {
        self.shared.open.store(true, Ordering::Relaxed);
    }

    /// Cuts all connections, and refuses new ones.
    pub fn close(&self) {
        self.shared.open.store(false, Ordering::Relaxed);
        self.shared.cut();
    }
}

impl Drop for Gate {
    fn drop(&mut self) {
        self.shared.ended.store(true, Ordering::Relaxed);
        self.shared.cut();
    }
}

impl Shared {
    fn pass(&self, near: TcpStream, broker: u16) -> std::io::Result<()> {
        if !self.open.load(Ordering::Relaxed) {
            return Ok(());
        }
        let far = TcpStream::connect(("127.0.0.1", broker))?;
        for stream in [&near, &far] {
            stream.set_nonblocking(false)?;
            stream.set_nodelay(true)?;
            self.streams.lock().unwrap_or_else(PoisonError::into_inner).push(stream.try_clone()?);
        }
        for (from, to) in [(near.try_clone()?, far.try_clone()?), (far, near)] {
            std::thread::spawn(move || copy(from, to));
        }
        Ok(())
    }

    fn cut(&self) {
        for stream in self.streams.lock().unwrap_or_else(PoisonError::into_inner).drain(..) {
            let _ = stream.shutdown(Shutdown::Both);
        }
    }
}

fn copy(mut from: TcpStream, mut to: TcpStream) {
    let mut bytes = vec![0; 1 << 16];
    while let Ok(count @ 1..) = from.read(&mut bytes) {
        if to.write_all(&bytes[..count]).is_err() {
            break;
        }
    }
    let _ = to.shutdown(Shutdown::Both);
    let _ = from.shutdown(Shutdown::Both);
}

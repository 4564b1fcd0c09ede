//! A broker with one client, whose session it claims to have kept. It sends the client what the test says, also a second
//! time, as brokers do without an acknowledgement. It exists because mosquitto's own sessions cannot be put into a
//! repository.

use crate::{wait_for, wire};
use std::collections::BTreeSet;
use std::io::{self, Write};
use std::net::{TcpListener, TcpStream};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

/// The broker. Its connections end when it is dropped.
pub struct Session {
    /// The broker's port, on 127.0.0.1.
    pub port: u16,
    shared: Arc<Mutex<Shared>>,
}

#[derive(Default)]
struct Shared {
    stream: Option<TcpStream>,
    acknowledged: BTreeSet<u16>,
}

impl Session {
    /// Listens for the client.
    ///
    /// # Panics
    /// When it cannot listen.
    #[must_use]
    pub fn start() -> Self {
        let listener = TcpListener::bind(("127.0.0.1", 0)).expect("a port");
        let port = listener.local_addr().expect("an address").port();
        let shared = Arc::<Mutex<Shared>>::default();
        let own = shared.clone();
        std::thread::spawn(move || {
            for stream in listener.incoming().map_while(Result::ok) {
                let _ = serve(stream, &own);
            }
        });
        Self { port, shared }
    }

    /// Waits for the client and sends a message at QoS 1; `again`: as a duplicate.
    ///
    /// # Panics
    /// When the client is not there for long.
    #[track_caller]
    pub fn send(&self, topic: &str, payload: &str, id: u16, again: bool) {
        let mut bytes = wire::publish(topic, payload.as_bytes(), Some(id));
        bytes[0] |= u8::from(again) << 3;
        wait_for("the client to take a message", || {
            lock(&self.shared).stream.as_mut()?.write_all(&bytes).ok()
        });
    }

    /// Waits until the client has acknowledged all of these messages on this connection.
    #[track_caller]
    pub fn wait_acknowledged(&self, ids: impl IntoIterator<Item = u16>) {
        let ids: BTreeSet<u16> = ids.into_iter().collect();
        wait_for("the client's acknowledgements", || {
            ids.is_subset(&lock(&self.shared).acknowledged).then_some(())
        });
    }
}

impl Drop for Session {
    fn drop(&mut self) {
        if let Some(stream) = lock(&self.shared).stream.take() {
            let _ = stream.shutdown(std::net::Shutdown::Both);
        }
    }
}

/// Answers one client until it is gone.
fn serve(mut stream: TcpStream, shared: &Mutex<Shared>) -> io::Result<()> {
    const SESSION_PRESENT: u8 = 1;
    loop {
        let (head, body) = wire::read_frame(&mut stream)?;
        let id = body.first_chunk::<2>().copied().unwrap_or_default();
        match head >> 4 {
            1 => {
                stream.write_all(&wire::frame(0x20, &[SESSION_PRESENT, 0]))?;
                *lock(shared) = Shared { stream: Some(stream.try_clone()?), ..Shared::default() };
            }
            4 => _ = lock(shared).acknowledged.insert(u16::from_be_bytes(id)),
            // One filter at a time, or several: all at QoS 1.
            8 => stream.write_all(&wire::frame(0x90, &[&id[..], &vec![1; filters(&body)]].concat()))?,
            10 => stream.write_all(&wire::frame(0xb0, &id))?,
            12 => stream.write_all(&wire::frame(0xd0, &[]))?,
            _ => {}
        }
    }
}

/// The number of filters in a subscription.
fn filters(body: &[u8]) -> usize {
    let (mut rest, mut count) = (body.get(2..).unwrap_or_default(), 0);
    while let Some((length, text)) = rest.split_first_chunk::<2>() {
        rest = text.get(usize::from(u16::from_be_bytes(*length)) + 1..).unwrap_or_default();
        count += 1;
    }
    count
}

fn lock(shared: &Mutex<Shared>) -> MutexGuard<'_, Shared> {
    shared.lock().unwrap_or_else(PoisonError::into_inner)
}

//! A subscriber that loses nothing: a session that the broker keeps, and every byte read that was sent before a cut.
//!
//! It takes messages at QoS 0, of which the test's broker keeps queues too: a broker that is killed with somebody's
//! acknowledgements unread resets the connection, and what it had sent but not yet put on the wire is gone with it.

use crate::client::connect;
use crate::messages::{Message, Messages};
use crate::wire::{Connect, Packet, read, subscribe};
use crate::{PATIENCE, wait_for};
use std::io::{self, Write};
use std::net::{Shutdown, TcpStream};
use std::sync::atomic::{AtomicBool, AtomicU32, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

/// A subscription with all that has come in.
pub struct Subscriber {
    shared: Arc<Shared>,
    thread: Option<JoinHandle<()>>,
}

#[derive(Default)]
struct Shared {
    messages: Mutex<Messages>,
    stream: Mutex<Option<TcpStream>>,
    subscribed: AtomicUsize,
    stop: AtomicBool,
}

impl Subscriber {
    /// Subscribes to `headwater/#` on a broker on loopback.
    #[must_use]
    pub fn new(port: u16) -> Self {
        Self::to(port, "headwater/#")
    }

    /// Subscribes to a filter, and returns when the broker knows.
    ///
    /// # Panics
    /// When the broker does not answer.
    #[must_use]
    pub fn to(port: u16, filter: &str) -> Self {
        static COUNT: AtomicU32 = AtomicU32::new(0);
        let id = format!("subscriber-{}-{}", std::process::id(), COUNT.fetch_add(1, Ordering::Relaxed));
        let shared = Arc::new(Shared::default());
        let (own, filter) = (shared.clone(), filter.to_owned());
        let thread = std::thread::spawn(move || {
            while !own.stop.load(Ordering::Relaxed) {
                let _ = own.listen(port, &id, &filter);
                std::thread::sleep(Duration::from_millis(20));
            }
        });
        let subscriber = Self { shared, thread: Some(thread) };
        subscriber.wait_subscribed(1);
        subscriber
    }

    /// Waits until it has connected and subscribed `times` times in all.
    #[track_caller]
    pub fn wait_subscribed(&self, times: usize) {
        wait_for("the subscriber's subscription", || {
            (self.shared.subscribed.load(Ordering::Relaxed) >= times).then_some(())
        });
    }

    /// All that has come in so far.
    #[must_use]
    pub fn messages(&self) -> Messages {
        lock(&self.shared.messages).clone()
    }

    /// Waits until what has come in satisfies `enough`, and returns it.
    ///
    /// # Panics
    /// After [`PATIENCE`], with what came in.
    #[track_caller]
    pub fn wait_until(&self, what: &str, enough: impl FnMut(&Messages) -> bool) -> Messages {
        let (messages, satisfied) = self.wait_at_most(PATIENCE, enough);
        assert!(satisfied, "waited in vain for {what}; came in:\n{}", messages.digest());
        messages
    }

    /// Waits until what has come in satisfies `enough`, or for so long, and says which.
    pub fn wait_at_most(
        &self,
        spell: Duration,
        mut enough: impl FnMut(&Messages) -> bool,
    ) -> (Messages, bool) {
        let deadline = Instant::now() + spell;
        let mut seen = usize::MAX;
        loop {
            let messages = lock(&self.shared.messages);
            let satisfied = messages.len() != seen && enough(&messages);
            if satisfied || Instant::now() >= deadline {
                return (messages.clone(), satisfied);
            }
            seen = messages.len();
            drop(messages);
            std::thread::sleep(Duration::from_millis(10));
        }
    }

    /// Forgets what has come in so far.
    pub fn forget(&self) {
        *lock(&self.shared.messages) = Messages::default();
    }

    /// Takes all out that has come in so far.
    #[must_use]
    pub fn take_all(&self) -> Messages {
        std::mem::take(&mut *lock(&self.shared.messages))
    }

    /// Takes the newest message out, and forgets all before it.
    #[must_use]
    pub fn take_one(&self) -> Option<Message> {
        std::mem::take(&mut *lock(&self.shared.messages)).last().cloned()
    }

    /// What came in by the end of a quiet spell: for what must not come.
    pub fn after(&self, spell: Duration) -> Messages {
        std::thread::sleep(spell);
        self.messages()
    }
}

impl Drop for Subscriber {
    fn drop(&mut self) {
        self.shared.stop.store(true, Ordering::Relaxed);
        if let Some(stream) = lock(&self.shared.stream).take() {
            let _ = stream.shutdown(Shutdown::Both);
        }
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}

impl Shared {
    /// One connection, until the last byte of it.
    fn listen(&self, port: u16, id: &str, filter: &str) -> io::Result<()> {
        let (mut stream, _) = connect(port, &Connect { id, clean: false, login: None })?;
        *lock(&self.stream) = Some(stream.try_clone()?);
        stream.set_read_timeout(None)?;
        stream.write_all(&subscribe(filter, 0))?;
        while !self.stop.load(Ordering::Relaxed) {
            match read(&mut stream)? {
                Packet::SubAck => {
                    self.subscribed.fetch_add(1, Ordering::Relaxed);
                }
                Packet::Publish { topic, payload, retain, .. } => {
                    lock(&self.messages).push(Message::new(topic, payload, retain));
                }
                _ => {}
            }
        }
        Ok(())
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

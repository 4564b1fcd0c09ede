//! A subscriber that loses nothing. The broker keeps its session, and the subscriber reads every byte that was sent before
//! a cut.
//!
//! It receives at QoS 0, for which the test's broker keeps queues too. At QoS 1 a killed broker would leave acknowledgements
//! unread; that resets the connection, and bytes on their way are lost.

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

/// A subscription, and the messages that it has received.
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

    /// Subscribes to a filter. Returns when the broker has confirmed it.
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

    /// Waits until the subscriber has subscribed `times` times in all.
    #[track_caller]
    pub fn wait_subscribed(&self, times: usize) {
        wait_for("the subscriber's subscription", || {
            (self.shared.subscribed.load(Ordering::Relaxed) >= times).then_some(())
        });
    }

    /// The messages so far.
    #[must_use]
    pub fn messages(&self) -> Messages {
        lock(&self.shared.messages).clone()
    }

    /// Waits until the messages satisfy `enough`. Returns them.
    ///
    /// # Panics
    /// After [`PATIENCE`], with what came in.
    #[track_caller]
    pub fn wait_until(&self, what: &str, enough: impl FnMut(&Messages) -> bool) -> Messages {
        let (messages, satisfied) = self.wait_at_most(PATIENCE, enough);
        assert!(satisfied, "waited in vain for {what}; came in:\n{}", messages.digest());
        messages
    }

    /// Waits until the messages satisfy `enough`, or for so long. Returns them, and whether they do.
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

    /// Forgets the messages so far.
    pub fn forget(&self) {
        *lock(&self.shared.messages) = Messages::default();
    }

    /// Takes all messages out.
    #[must_use]
    pub fn take_all(&self) -> Messages {
        std::mem::take(&mut *lock(&self.shared.messages))
    }

    /// Takes the newest message out, and forgets the others.
    #[must_use]
    pub fn take_one(&self) -> Option<Message> {
        std::mem::take(&mut *lock(&self.shared.messages)).last().cloned()
    }

    /// The messages at the end of a quiet spell, to see what must not come.
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
    /// Reads one connection to its last byte.
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

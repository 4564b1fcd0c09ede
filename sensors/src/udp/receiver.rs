//! The thread that takes datagrams from the socket, and the bounded queue behind it.

use crate::payloads::Payloads;
use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::io::Errno;
use rustix::net::{RecvFlags, recv, sockopt};
use std::fs::read_to_string;
use std::io;
use std::net::UdpSocket;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::Duration;
use tokio::sync::mpsc::{Receiver, Sender, channel};
use tokio::time::Instant;

/// A batch is handed over once it has this size, or when no datagram is left (bytes).
const BATCH_BYTES: usize = 64 << 10;

/// A batch also takes this much for each datagram (bytes).
const DATAGRAM_BYTES: usize = 32;

/// The most batches in the queue, whatever their size.
const BATCHES_MAX: usize = 4_096;

/// How long the thread waits for a datagram before it looks whether it shall stop.
const LOOK_NS: i64 = 250_000_000;

/// The most datagrams that it takes before it looks at anything else, and the most when it shall stop.
const TURN: u32 = 1_024;
const LAST: u32 = 64 << 10;

/// The time between two looks at what the kernel has dropped.
const DROPS_EVERY: Duration = Duration::from_secs(1);

/// Where the kernel says that.
const TABLES: [&str; 2] = ["/proc/net/udp", "/proc/net/udp6"];

/// What the thread has received.
pub(super) struct Datagrams {
    pub(super) payloads: Payloads,
    /// How many were lost before these, because there was no room.
    pub(super) dropped: u32,
}

/// The receiving end of the queue.
pub(super) struct UdpReceiver {
    batches: Receiver<Datagrams>,
    shared: Arc<Shared>,
}

#[derive(Debug, Default)]
struct Shared {
    /// The size of what is in the queue (bytes).
    queued: AtomicUsize,
    shall_stop: AtomicBool,
}

impl UdpReceiver {
    /// Starts the thread, with a queue of so many bytes; the socket's buffer in the kernel is asked to be as large.
    pub(super) fn start(socket: UdpSocket, queue_bytes: usize) -> io::Result<Self> {
        // The kernel gives what `net.core.rmem_max` allows, and says no to nothing.
        sockopt::set_socket_recv_buffer_size(&socket, queue_bytes)?;
        let shared = Arc::new(Shared::default());
        let (to, batches) = channel(BATCHES_MAX);
        let inode = rustix::fs::fstat(&socket)?.st_ino;
        let mut thread = ReceivingThread {
            socket,
            inode,
            queue_bytes,
            to,
            shared: shared.clone(),
            batch: Payloads::default(),
            dropped: 0,
            dropped_by_kernel: 0,
        };
        std::thread::Builder::new().name("udp".to_owned()).spawn(move || thread.run())?;
        Ok(Self { batches, shared })
    }

    /// The next datagrams; `None`: the thread has stopped, and all of them were taken.
    pub(super) async fn next(&mut self) -> Option<Datagrams> {
        let next = self.batches.recv().await?;
        self.shared.queued.fetch_sub(size_of(&next.payloads), Ordering::Relaxed);
        Some(next)
    }

    /// Makes the thread take what is in the socket, and stop.
    pub(super) fn stop(&self) {
        self.shared.shall_stop.store(true, Ordering::Relaxed);
    }
}

impl Drop for UdpReceiver {
    fn drop(&mut self) {
        self.stop();
    }
}

/// What datagrams take in the queue (bytes).
fn size_of(payloads: &Payloads) -> usize {
    payloads.bytes_len() + payloads.len() * DATAGRAM_BYTES
}

struct ReceivingThread {
    socket: UdpSocket,
    /// The socket's number in the kernel's tables.
    inode: u64,
    queue_bytes: usize,
    to: Sender<Datagrams>,
    shared: Arc<Shared>,
    batch: Payloads,
    /// Datagrams that found no room, not told yet.
    dropped: u32,
    /// How many the kernel had dropped at the last look.
    dropped_by_kernel: u32,
}

impl ReceivingThread {
    fn run(&mut self) {
        let mut datagram = vec![0; 64 << 10];
        let (mut drops_looked, mut last) = (Instant::now(), LAST);
        loop {
            let Ok(is_empty) = self.receive(&mut datagram) else { return };
            let shall_stop = self.shared.shall_stop.load(Ordering::Relaxed);
            if shall_stop || drops_looked.elapsed() >= DROPS_EVERY {
                self.look_at_drops();
                drops_looked = Instant::now();
            }
            self.hand_over();
            if self.to.is_closed() || shall_stop && (is_empty || last == 0) {
                return;
            }
            if shall_stop {
                last = last.saturating_sub(TURN);
            } else if is_empty {
                self.wait();
            }
        }
    }

    /// Takes what is in the socket, for one turn; answers whether it is empty.
    fn receive(&mut self, datagram: &mut [u8]) -> Result<bool, Errno> {
        for _ in 0..TURN {
            match recv(&self.socket, &mut *datagram, RecvFlags::DONTWAIT) {
                Ok((count, _)) => self.on_datagram(datagram.get(..count).unwrap_or_default()),
                Err(Errno::AGAIN) => return Ok(true),
                // An answer from the network to something that this socket never sent.
                Err(Errno::CONNREFUSED | Errno::INTR) => {}
                Err(error) => return Err(error),
            }
        }
        Ok(false)
    }

    /// Waits for a datagram, or for a while.
    fn wait(&self) {
        let mut fds = [PollFd::new(&self.socket, PollFlags::IN)];
        // An error is one of the next call too.
        let _ = poll(&mut fds, Some(&Timespec { tv_sec: 0, tv_nsec: LOOK_NS }));
    }

    fn on_datagram(&mut self, datagram: &[u8]) {
        let queued = self.shared.queued.load(Ordering::Relaxed) + size_of(&self.batch);
        if queued + datagram.len() + DATAGRAM_BYTES > self.queue_bytes {
            self.dropped = self.dropped.saturating_add(1);
            return;
        }
        self.batch.push(Some(datagram));
        if self.batch.bytes_len() >= BATCH_BYTES {
            self.hand_over();
        }
    }

    /// Hands over what has come. If there is no room, it stays here until there is.
    fn hand_over(&mut self) {
        if self.batch.len() == 0 && self.dropped == 0 {
            return;
        }
        let Ok(place) = self.to.try_reserve() else { return };
        let payloads = self.batch.take();
        self.shared.queued.fetch_add(size_of(&payloads), Ordering::Relaxed);
        place.send(Datagrams { payloads, dropped: std::mem::take(&mut self.dropped) });
    }

    /// Asks the kernel how many datagrams found no room in the socket.
    fn look_at_drops(&mut self) {
        let Some(drops) = TABLES.iter().find_map(|table| drops_of(&read_to_string(table).ok()?, self.inode))
        else {
            return;
        };
        self.dropped = self.dropped.saturating_add(drops.wrapping_sub(self.dropped_by_kernel));
        self.dropped_by_kernel = drops;
    }
}

/// The drops of a socket in a table of the kernel (proc(5), `/proc/net/udp`): the last column, of the line with the inode.
fn drops_of(table: &str, inode: u64) -> Option<u32> {
    table.lines().find_map(|line| {
        let mut cells = line.split_whitespace();
        let is_own = cells.nth(9)?.parse() == Ok(inode);
        is_own.then(|| cells.last()?.parse().ok())?
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_kernel_says_how_many_found_no_room() {
        let table = "   sl  local_address rem_address   st tx_queue rx_queue tr tm->when retrnsmt   uid  timeout inode ref pointer drops\n\
             \x20 315: 0100007F:0143 00000000:0000 07 00000000:00000000 00:00000000 00000000     0        0 8120 2 00000000 0\n\
             \x20 901: 00000000:1F9E 00000000:0000 07 00000000:00034000 00:00000000 00000000  1000        0 77 2 00000000 4012\n";
        assert_eq!(
            (drops_of(table, 77), drops_of(table, 8_120), drops_of(table, 1)),
            (Some(4_012), Some(0), None)
        );
    }
}

//! Peers that connect and send lines: of TCP and of a Unix socket.
//!
//! Each peer has a task, a decoder and at most one line in memory. When a peer ends, its last line needs no end. At a stop,
//! what has come is decoded.
//!
//! Limits: `peers` of them at a time; of each one line of `[limits] payload`, and with `idle` a time without a byte.

use crate::line_input::LineStream;
use crate::line_splitter::LINE_FEED;
use crate::{ConnectionState, DecodeConfig, Sink, SourceContext, Stop};
use headwater_settings::{Or, Table};
use std::cell::RefCell;
use std::io;
use std::rc::Rc;
use std::time::Duration;
use tokio::io::{AsyncRead, AsyncReadExt as _};
use tokio::task::{JoinSet, yield_now};
use tokio::time::{sleep, timeout};

/// The default of `peers`.
const PEERS: i64 = 64;

/// The most that is read of a peer before another one has its turn (bytes).
const TURN_BYTES: usize = 16 << 10;

/// After `stop`, what a peer has sent is read as long as it comes without a pause of this length.
const LAST_WORDS: Duration = Duration::from_millis(50);

/// The time between two attempts to accept, where the system has no room for more.
const ACCEPT_AGAIN: Duration = Duration::from_millis(500);

/// What peers may do.
#[derive(Clone, Copy, Debug)]
pub(crate) struct PeerLimits {
    /// The most of them at a time.
    peers: usize,
    /// The longest time without a byte; `None`: there is no such limit.
    idle: Option<Duration>,
}

impl PeerLimits {
    /// Reads `peers` and `idle`.
    pub(crate) fn read(table: &mut Table<'_>) -> Self {
        let peers = table.integer("peers", 1..=10_000).value_or(PEERS);
        let idle = table.duration("idle", 1_000..=86_400_000).given();
        Self {
            peers: usize::try_from(peers).unwrap_or(1),
            idle: idle.map(|ms| Duration::from_millis(ms.unsigned_abs())),
        }
    }
}

/// Where peers connect.
pub(crate) trait Listener {
    /// Bytes of one peer.
    type Peer: AsyncRead + Unpin + 'static;

    /// The next peer, and its name for people.
    async fn accept(&self) -> io::Result<(Self::Peer, String)>;
}

/// Who serves the peers of a source.
pub(crate) struct PeerServer {
    decode: DecodeConfig,
    context: SourceContext,
    limits: PeerLimits,
    sink: Rc<RefCell<Box<dyn Sink>>>,
}

impl PeerServer {
    pub(crate) fn new(
        decode: &DecodeConfig,
        context: &SourceContext,
        limits: PeerLimits,
        sink: Box<dyn Sink>,
    ) -> Rc<Self> {
        let sink = Rc::new(RefCell::new(sink));
        Rc::new(Self { decode: decode.clone(), context: context.clone(), limits, sink })
    }

    /// Serves peers until `stop`, and then what they have sent.
    pub(crate) async fn serve(self: Rc<Self>, listener: impl Listener, stop: Stop) {
        self.sink.borrow_mut().connection(ConnectionState::Up);
        let (mut peers, mut stopped, mut refused) = (JoinSet::new(), stop.clone(), 0_u64);
        loop {
            let accepted = tokio::select! {
                _ = stopped.wait_for(|stop| *stop) => break,
                Some(_) = peers.join_next() => continue,
                accepted = listener.accept() => accepted,
            };
            let (peer, name) = match accepted {
                Ok(accepted) => accepted,
                Err(error) => {
                    tracing::warn!(source = self.context.source, "cannot accept a peer: {error}");
                    sleep(ACCEPT_AGAIN).await;
                    continue;
                }
            };
            if peers.len() >= self.limits.peers {
                refused += 1;
                if refused.is_power_of_two() {
                    let source = self.context.source.as_str();
                    tracing::warn!(source, refused, "{name} is refused: there are `peers` already");
                }
                continue;
            }
            let (server, stop) = (self.clone(), stop.clone());
            peers.spawn_local(async move { server.listen_to(peer, &name, stop).await });
        }
        drop(listener);
        while peers.join_next().await.is_some() {}
    }

    /// Decodes what a peer sends.
    async fn listen_to(&self, mut peer: impl AsyncRead + Unpin, name: &str, mut stop: Stop) {
        let source = self.context.source.as_str();
        let origin = format!("{source} from {name}");
        let mut lines = LineStream::new((&self.decode, &self.context), source, &origin, LINE_FEED);
        let (mut chunk, mut is_stopping) = (vec![0; TURN_BYTES], false);
        loop {
            let pause = if is_stopping { Some(LAST_WORDS) } else { self.limits.idle };
            let read = async {
                match pause {
                    Some(pause) => timeout(pause, peer.read(&mut chunk)).await.unwrap_or(Ok(0)),
                    None => peer.read(&mut chunk).await,
                }
            };
            let count = tokio::select! {
                _ = stop.wait_for(|stop| *stop), if !is_stopping => {
                    is_stopping = true;
                    continue;
                }
                count = read => count,
            };
            if !self.take(count.map(|count| chunk.get(..count).unwrap_or_default()), &mut lines) {
                return;
            }
            yield_now().await;
        }
    }
    /// Decodes what a peer has sent; answers whether more may come.
    fn take(&self, read: io::Result<&[u8]>, lines: &mut LineStream) -> bool {
        let mut sink = self.sink.borrow_mut();
        match read {
            Ok(bytes) if !bytes.is_empty() => lines.feed(bytes, sink.as_mut()),
            // One that was reset has sent all that it wanted, as far as anybody can know.
            Ok(_) | Err(_) => {
                lines.finish(sink.as_mut());
                return false;
            }
        }
        true
    }
}

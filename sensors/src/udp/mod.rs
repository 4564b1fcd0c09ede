//! `type = "udp"`: payloads from datagrams.
//!
//! A thread takes datagrams from the socket, so that a burst does not meet an agent that is busy, and puts them into a queue
//! (`receiver.rs`). What finds no room there counts as `dropped`, and so does what the kernel has dropped, by its own count.
//!
//! Limits: a datagram of 64 KiB, or `[limits] payload`; a queue of `queue` bytes.

mod receiver;

use crate::decode::Decoder;
use crate::line_input::LineStream;
use crate::line_splitter::LINE_FEED;
use crate::listen::{bind_again, taken};
use crate::source::stopped;
use crate::topic::TopicTemplate;
use crate::{
    ConnectionState, DecodeConfig, Finding, Running, Sink, Source, SourceContext, SourceKind, SourceProbe,
    Stop,
};
use headwater_settings::{Or, Pairs, Table};
use receiver::{Datagrams, UdpReceiver};
use std::future::Future;
use std::net::{SocketAddr, UdpSocket};
use std::pin::pin;

pub(crate) const KIND: SourceKind =
    SourceKind { name: "udp", read, find: None, discover: None, sample: include_str!("sample.toml") };

/// The default of `queue` (bytes).
const QUEUE_BYTES: u64 = 4 << 20;

/// What a datagram holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum DatagramFraming {
    /// One payload.
    Datagram,
    /// A payload in each line.
    Lines,
}

struct Udp {
    listen: SocketAddr,
    framing: DatagramFraming,
    queue_bytes: usize,
    decode: DecodeConfig,
    context: SourceContext,
}

fn read(table: &mut Table<'_>, context: &SourceContext, labels: &Pairs) -> Option<Box<dyn Source>> {
    let listen = table.listen("listen", "0.0.0.0:8094");
    let framings = [("datagram", DatagramFraming::Datagram), ("lines", DatagramFraming::Lines)];
    let framing = table.choice("framing", &framings).value_or(DatagramFraming::Datagram);
    let queue = table.size("queue", 64 << 10..=256 << 20).value_or(QUEUE_BYTES);
    let topic = TopicTemplate::literal(&context.source);
    let decode = DecodeConfig::read(table, labels, Some(vec![topic]));
    Some(Box::new(Udp {
        listen: listen?,
        framing,
        queue_bytes: usize::try_from(queue).ok()?,
        decode: decode?,
        context: context.clone(),
    }))
}

impl Source for Udp {
    fn may_be_remote(&self) -> bool {
        true
    }

    fn payloads(&self) -> Option<&DecodeConfig> {
        Some(&self.decode)
    }

    fn exclusive(&self) -> Option<String> {
        Some(format!("the UDP address {}", self.listen))
    }

    fn probe(&self) -> SourceProbe<'_> {
        Box::pin(async {
            Some(match UdpSocket::bind(self.listen) {
                Ok(_) => Finding::Works(format!("{} is free", self.listen)),
                Err(error) => taken(self.listen, &error),
            })
        })
    }

    fn run(self: Box<Self>, sink: Box<dyn Sink>, stop: Stop) -> Running {
        Box::pin(async move {
            let mut sink = sink;
            let mut stop = pin!(stopped(stop));
            let socket = tokio::select! {
                () = &mut stop => return,
                socket = bind_again(self.listen, sink.as_mut(), || UdpSocket::bind(self.listen)) => socket,
            };
            match UdpReceiver::start(socket, self.queue_bytes) {
                Err(error) => {
                    let reason = format!("no thread can be started to receive datagrams: {error}");
                    sink.connection(ConnectionState::Down { reason: &reason });
                    stop.await;
                }
                Ok(receiver) => self.serve(receiver, sink.as_mut(), stop).await,
            }
        })
    }
}

impl Udp {
    /// Decodes until it is stopped, and then what has come.
    async fn serve(
        &self,
        mut receiver: UdpReceiver,
        sink: &mut dyn Sink,
        mut stop: impl Future<Output = ()> + Unpin,
    ) {
        let mut payloads = DatagramDecoder::new(self);
        sink.connection(ConnectionState::Up);
        let mut is_stopping = false;
        loop {
            let next = tokio::select! {
                () = &mut stop, if !is_stopping => {
                    is_stopping = true;
                    receiver.stop();
                    continue;
                }
                next = receiver.next() => next,
            };
            let Some(Datagrams { payloads: datagrams, dropped }) = next else { break };
            if dropped > 0 {
                sink.dropped(dropped);
            }
            datagrams.iter().for_each(|(datagram, _)| payloads.on_datagram(datagram, sink));
            tokio::task::yield_now().await;
        }
        if !is_stopping {
            let reason = "the thread that receives datagrams has ended";
            sink.connection(ConnectionState::Down { reason });
            stop.await;
        }
    }
}

/// Decodes datagrams.
enum DatagramDecoder<'u> {
    Whole(Decoder, &'u str),
    Lines(LineStream),
}

impl<'u> DatagramDecoder<'u> {
    fn new(source: &'u Udp) -> Self {
        let Udp { decode, context, .. } = source;
        let name = context.source.as_str();
        match source.framing {
            DatagramFraming::Datagram => Self::Whole(Decoder::new(decode, context), name),
            DatagramFraming::Lines => Self::Lines(LineStream::new((decode, context), name, name, LINE_FEED)),
        }
    }

    fn on_datagram(&mut self, datagram: Option<&[u8]>, sink: &mut dyn Sink) {
        let datagram = datagram.unwrap_or_default();
        match self {
            Self::Whole(decoder, name) => decoder.on_payload(name, datagram, sink),
            Self::Lines(lines) => {
                lines.feed(datagram, sink);
                // A datagram ends its last line.
                lines.finish(sink);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use crate::Finding;
    use crate::testing::{Run, Told, free_port, run_local, source};
    use std::net::UdpSocket;

    fn table(port: u16, more: &str) -> String {
        format!("type = \"udp\"\nlisten = \"127.0.0.1:{port}\"\nformat = \"number\"\n{more}\n")
    }

    fn sender(port: u16) -> UdpSocket {
        let socket = UdpSocket::bind("127.0.0.1:0").unwrap();
        socket.connect(("127.0.0.1", port)).unwrap();
        socket
    }

    #[test]
    fn a_datagram_is_a_payload_or_holds_one_in_each_line() {
        run_local(async {
            for (more, expected) in [("", &[1.0, 4.0][..]), ("framing = \"lines\"", &[1.0, 2.0, 3.0, 4.0])] {
                let (told, port) = (Told::default(), free_port());
                let run = Run::start(&table(port, more), &told);
                told.until_link("up").await;
                let socket = sender(port);
                for datagram in ["1", "2\n3\n", "", "4"] {
                    socket.send(datagram.as_bytes()).unwrap();
                }
                told.until_values(expected).await;
                let Some(Finding::Note(what)) = source(&table(port, "")).probe().await else {
                    panic!("it is taken")
                };
                assert!(what.contains("is taken"), "{what}");
                run.stop().await;
            }
        });
    }

    /// What has come before a stop is used. Whatever is sent, it is used or counted: nothing goes in silence.
    #[test]
    fn a_burst_above_the_queue_is_counted() {
        const SENT: u32 = 30_000;
        run_local(async {
            let (told, port) = (Told::default(), free_port());
            let run = Run::start(&table(port, "queue = \"64KiB\""), &told);
            told.until_link("up").await;
            let socket = sender(port);
            // Nobody decodes meanwhile: this is one thread.
            for _ in 0..SENT {
                socket.send(b"1").unwrap();
            }
            told.until("all that was sent", |seen| {
                u32::try_from(seen.readings.len()).unwrap() + seen.dropped == SENT
            })
            .await;
            assert!(told.0.borrow().dropped > SENT / 2);
            for _ in 0..100 {
                socket.send(b"2").unwrap();
            }
            run.stop().await;
            assert_eq!(told.values().iter().filter(|value| **value == 2.0).count(), 100);
        });
    }
}

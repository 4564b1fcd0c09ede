//! `type = "tcp"`: payloads from peers that connect, one a line.
//!
//! A peer that is gone without a word is found by TCP's own probes (RFC 9293, 3.8.4) after two minutes, so that half-open
//! connections do not take the places of others for ever.
//!
//! Limits: those of `sensors/src/peers.rs`.

use crate::listen::{bind_again, taken};
use crate::peers::{Listener, PeerLimits, PeerServer};
use crate::source::stopped;
use crate::topic::TopicTemplate;
use crate::{DecodeConfig, Finding, Running, Sink, Source, SourceContext, SourceKind, SourceProbe, Stop};
use headwater_settings::{Pairs, Table};
use rustix::net::sockopt;
use std::io;
use std::net::SocketAddr;
use std::time::Duration;
use tokio::net::{TcpListener, TcpStream};

pub(crate) const KIND: SourceKind =
    SourceKind { name: "tcp", read, find: None, discover: None, sample: include_str!("sample.toml") };

/// The silence after which a peer is asked whether it is there, how often, and how many answers may be missing.
const PROBE_AFTER: Duration = Duration::from_secs(60);
const PROBE_EVERY: Duration = Duration::from_secs(15);
const PROBES: u32 = 4;

struct Tcp {
    listen: SocketAddr,
    limits: PeerLimits,
    decode: DecodeConfig,
    context: SourceContext,
}

fn read(table: &mut Table<'_>, context: &SourceContext, labels: &Pairs) -> Option<Box<dyn Source>> {
    let listen = table.listen("listen", "0.0.0.0:8094");
    let limits = PeerLimits::read(table);
    let topic = TopicTemplate::literal(&context.source);
    let decode = DecodeConfig::read(table, labels, Some(vec![topic]));
    Some(Box::new(Tcp { listen: listen?, limits, decode: decode?, context: context.clone() }))
}

impl Source for Tcp {
    fn may_be_remote(&self) -> bool {
        true
    }

    fn payloads(&self) -> Option<&DecodeConfig> {
        Some(&self.decode)
    }

    fn exclusive(&self) -> Option<String> {
        Some(format!("the TCP address {}", self.listen))
    }

    fn probe(&self) -> SourceProbe<'_> {
        Box::pin(async {
            Some(match std::net::TcpListener::bind(self.listen) {
                Ok(_) => Finding::Works(format!("{} is free", self.listen)),
                Err(error) => taken(self.listen, &error),
            })
        })
    }

    fn run(self: Box<Self>, mut sink: Box<dyn Sink>, stop: Stop) -> Running {
        Box::pin(async move {
            let bind = || {
                let listener = std::net::TcpListener::bind(self.listen)?;
                listener.set_nonblocking(true)?;
                TcpListener::from_std(listener)
            };
            let listener = tokio::select! {
                () = stopped(stop.clone()) => return,
                listener = bind_again(self.listen, sink.as_mut(), bind) => listener,
            };
            PeerServer::new(&self.decode, &self.context, self.limits, sink).serve(listener, stop).await;
        })
    }
}

impl Listener for TcpListener {
    type Peer = TcpStream;

    async fn accept(&self) -> io::Result<(TcpStream, String)> {
        let (peer, address) = TcpListener::accept(self).await?;
        sockopt::set_socket_keepalive(&peer, true)?;
        sockopt::set_tcp_keepidle(&peer, PROBE_AFTER)?;
        sockopt::set_tcp_keepintvl(&peer, PROBE_EVERY)?;
        sockopt::set_tcp_keepcnt(&peer, PROBES)?;
        Ok((peer, address.to_string()))
    }
}

#[cfg(test)]
mod tests {
    use crate::Finding;
    use crate::testing::{Run, Told, free_port, run_local, source};
    use std::io::Write as _;
    use std::net::TcpStream;

    fn table(port: u16, more: &str) -> String {
        format!("type = \"tcp\"\nlisten = \"127.0.0.1:{port}\"\nformat = \"number\"\n{more}\n")
    }

    async fn connected(port: u16, told: &Told) -> TcpStream {
        told.until_link("up").await;
        TcpStream::connect(("127.0.0.1", port)).unwrap()
    }

    #[test]
    fn lines_of_several_peers_are_put_together_each_by_itself() {
        run_local(async {
            let (told, port) = (Told::default(), free_port());
            let run = Run::start(&table(port, ""), &told);
            let mut one = connected(port, &told).await;
            let mut other = connected(port, &told).await;
            one.write_all(b"1\n2").unwrap();
            told.until_values(&[1.0]).await;
            other.write_all(b"7\n").unwrap();
            told.until_values(&[1.0, 7.0]).await;
            one.write_all(b"5\nx\n3").unwrap();
            told.until_values(&[1.0, 7.0, 25.0]).await;
            drop(one);
            told.until_values(&[1.0, 7.0, 25.0, 3.0]).await;
            let origin = told.0.borrow().origins[0].clone();
            assert!(origin.starts_with("source from 127.0.0.1:"), "{origin}");
            // What has come when it is stopped is used too.
            other.write_all(b"8\n9").unwrap();
            run.stop().await;
            assert_eq!(told.values().split_off(4), [8.0, 9.0]);
        });
    }

    #[test]
    fn a_peer_too_many_is_refused_and_a_silent_one_makes_room() {
        run_local(async {
            let (told, port) = (Told::default(), free_port());
            let run = Run::start(&table(port, "peers = 1\nidle = \"1s\""), &told);
            let mut silent = connected(port, &told).await;
            silent.write_all(b"1").unwrap();
            let refused = tokio::net::TcpStream::connect(("127.0.0.1", port)).await.unwrap();
            refused.readable().await.unwrap();
            assert_eq!(refused.try_read(&mut [0; 8]).unwrap(), 0, "it is closed");
            told.until_values(&[1.0]).await;
            let mut next = connected(port, &told).await;
            next.write_all(b"2\n").unwrap();
            told.until_values(&[1.0, 2.0]).await;
            run.stop().await;
        });
    }

    #[test]
    fn an_address_that_is_taken_is_listened_at_when_it_is_free() {
        run_local(async {
            let told = Told::default();
            let other = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
            let table = table(other.local_addr().unwrap().port(), "");
            let Some(Finding::Note(what)) = source(&table).probe().await else { panic!("it is taken") };
            assert!(what.contains("by the running agent"), "{what}");
            let run = Run::start(&table, &told);
            told.until_link("end the program that has it").await;
            drop(other);
            told.until_link("up").await;
            run.stop().await;
        });
    }
}

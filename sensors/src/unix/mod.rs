//! `type = "unix"`: payloads from peers that connect to a Unix socket, one a line.
//!
//! A socket that an earlier run has left is removed, if nobody answers at it.
//!
//! Limits: those of `sensors/src/peers.rs`.

use crate::access::explain;
use crate::listen::bind_again;
use crate::peers::{Listener, PeerLimits, PeerServer};
use crate::source::stopped;
use crate::topic::TopicTemplate;
use crate::{DecodeConfig, Finding, Running, Sink, Source, SourceContext, SourceKind, SourceProbe, Stop};
use headwater_settings::{Or, Pairs, Table};
use std::fs::{Permissions, remove_file, set_permissions};
use std::io::{self, ErrorKind};
use std::os::unix::fs::{FileTypeExt, PermissionsExt};
use std::path::{Path, PathBuf};
use tokio::net::{UnixListener, UnixStream};

pub(crate) const KIND: SourceKind =
    SourceKind { name: "unix", read, find: None, discover: None, sample: include_str!("sample.toml") };

struct UnixLines {
    listen: PathBuf,
    mode: u32,
    limits: PeerLimits,
    decode: DecodeConfig,
    context: SourceContext,
}

fn read(table: &mut Table<'_>, context: &SourceContext, labels: &Pairs) -> Option<Box<dyn Source>> {
    let listen = table.path_to("listen").given();
    if listen.is_none() {
        table.missing("listen", "add the path of the socket: `listen = \"/run/headwater/in.sock\"`");
    }
    let modes = [("owner", 0o600), ("group", 0o660), ("everybody", 0o666)];
    let mode = table.choice("access", &modes).value_or(0o660);
    let limits = PeerLimits::read(table);
    let topic = TopicTemplate::literal(&context.source);
    let decode = DecodeConfig::read(table, labels, Some(vec![topic]));
    Some(Box::new(UnixLines { listen: listen?, mode, limits, decode: decode?, context: context.clone() }))
}

impl Source for UnixLines {
    fn payloads(&self) -> Option<&DecodeConfig> {
        Some(&self.decode)
    }

    fn exclusive(&self) -> Option<String> {
        Some(format!("the socket {}", self.listen.display()))
    }

    fn probe(&self) -> SourceProbe<'_> {
        Box::pin(async {
            let (shown, folder) = (self.listen.display(), self.listen.parent().unwrap_or(Path::new("/")));
            Some(match std::fs::metadata(folder) {
                _ if std::os::unix::net::UnixStream::connect(&self.listen).is_ok() => {
                    Finding::Note(format!("{shown} is taken: by the running agent, or by another program"))
                }
                Ok(folder) if folder.is_dir() => Finding::Works(format!("{shown} is free")),
                Ok(_) => Finding::Fails(format!("{} is no folder", folder.display())),
                Err(error) => Finding::Fails(explain(folder, &error, "files.conf")),
            })
        })
    }

    fn run(self: Box<Self>, mut sink: Box<dyn Sink>, stop: Stop) -> Running {
        Box::pin(async move {
            let listener = tokio::select! {
                () = stopped(stop.clone()) => return,
                listener = bind_again(self.listen.display(), sink.as_mut(), || self.bind()) => listener,
            };
            PeerServer::new(&self.decode, &self.context, self.limits, sink).serve(listener, stop).await;
            // The next run would find nobody there.
            let _ = remove_file(&self.listen);
        })
    }
}

impl UnixLines {
    fn bind(&self) -> io::Result<UnixListener> {
        let path = &self.listen;
        let is_socket = std::fs::symlink_metadata(path).is_ok_and(|found| found.file_type().is_socket());
        let is_left = |error: io::Error| error.kind() == ErrorKind::ConnectionRefused;
        if is_socket && std::os::unix::net::UnixStream::connect(path).is_err_and(is_left) {
            remove_file(path)?;
        }
        let listener = UnixListener::bind(path)?;
        set_permissions(path, Permissions::from_mode(self.mode))?;
        Ok(listener)
    }
}

impl Listener for UnixListener {
    type Peer = UnixStream;

    async fn accept(&self) -> io::Result<(UnixStream, String)> {
        let (peer, _) = UnixListener::accept(self).await?;
        let process = peer.peer_cred()?.pid().map_or_else(|| "?".to_owned(), |pid| pid.to_string());
        Ok((peer, format!("process {process}")))
    }
}

#[cfg(test)]
mod tests {
    use crate::testing::{Folder, Run, Told, run_local};
    use std::io::Write as _;
    use std::os::unix::fs::PermissionsExt as _;
    use std::os::unix::net::UnixStream;

    #[test]
    fn a_socket_that_was_left_is_replaced_and_removed_at_the_end() {
        run_local(async {
            let (folder, told) = (Folder::new(), Told::default());
            let path = folder.join("in.sock");
            drop(std::os::unix::net::UnixListener::bind(&path).unwrap());
            let table = format!("type = \"unix\"\nlisten = \"{}\"\nformat = \"number\"\n", path.display());
            let run = Run::start(&table, &told);
            told.until_link("up").await;
            assert_eq!(std::fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o660);
            UnixStream::connect(&path).unwrap().write_all(b"1\n2").unwrap();
            told.until_values(&[1.0, 2.0]).await;
            let other = Told::default();
            let second = Run::start(&table, &other);
            other.until_link("in use").await;
            second.stop().await;
            run.stop().await;
            assert!(!path.exists());
        });
    }
}

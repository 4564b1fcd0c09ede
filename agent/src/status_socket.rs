//! The Unix socket on which a running agent tells its status: whoever connects gets it as one JSON map, and the connection
//! ends. Nothing is read from the other side.
//!
//! The socket is for the agent's own user and root: its mode is 0600. At most
//! [`CONNECTIONS_MAX`] connections are served at a time, each for [`ANSWER_WITHIN`] at most; others wait in the kernel.

use crate::status::AgentStatus;
use rustix::fs::{Mode, OFlags};
use std::fs::Permissions;
use std::io;
use std::os::fd::{AsRawFd as _, OwnedFd};
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::time::Duration;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{UnixListener, UnixStream};
use tokio::task::JoinSet;
use tokio::time::timeout;

/// The name of the socket in its folder.
pub(crate) const NAME: &str = "status.sock";

/// Connections that are served at a time.
const CONNECTIONS_MAX: usize = 8;

/// The time that one may take.
const ANSWER_WITHIN: Duration = Duration::from_secs(2);

/// The time after which the listener is asked again when it has failed, for instance because no file may be opened.
const AGAIN: Duration = Duration::from_millis(200);

/// The longest status that is read (bytes).
const STATUS_BYTES_MAX: u64 = 16 << 20;

/// A listening socket, which is removed when dropped.
pub(crate) struct StatusSocket {
    listener: UnixListener,
    path: PathBuf,
}

impl StatusSocket {
    /// Listens in a folder, which is made if there is none. A socket that nobody listens on any more gives way.
    ///
    /// # Errors
    /// Somebody else listens there, or what the system says.
    pub(crate) fn listen(folder: &Path) -> io::Result<Self> {
        std::fs::create_dir_all(folder)?;
        let (_place, reached) = reach(folder)?;
        match std::os::unix::net::UnixStream::connect(&reached) {
            Ok(_) => return Err(io::Error::other("another program listens there")),
            Err(error) if error.kind() == io::ErrorKind::ConnectionRefused => std::fs::remove_file(&reached)?,
            Err(_) => {}
        }
        let listener = UnixListener::bind(&reached)?;
        std::fs::set_permissions(&reached, Permissions::from_mode(0o600))?;
        Ok(Self { listener, path: folder.join(NAME) })
    }

    /// Answers whoever connects with what `status` says then; never returns.
    pub(crate) async fn serve(&self, status: impl Fn() -> AgentStatus) {
        let mut answers = JoinSet::new();
        loop {
            while answers.len() >= CONNECTIONS_MAX {
                answers.join_next().await;
            }
            match self.listener.accept().await {
                Ok((stream, _)) => {
                    let line = line_of(&status());
                    answers.spawn_local(
                        async move { drop(timeout(ANSWER_WITHIN, answer(stream, &line)).await) },
                    );
                }
                Err(error) => {
                    tracing::debug!("{}: {error}", self.path.display());
                    tokio::time::sleep(AGAIN).await;
                }
            }
            while answers.try_join_next().is_some() {}
        }
    }
}

impl Drop for StatusSocket {
    fn drop(&mut self) {
        let _ = std::fs::remove_file(&self.path);
    }
}

/// The status as one line of JSON.
pub(crate) fn line_of(status: &AgentStatus) -> Vec<u8> {
    let mut line = serde_json::to_vec(status).unwrap_or_default();
    line.push(b'\n');
    line
}

async fn answer(mut stream: UnixStream, line: &[u8]) -> io::Result<()> {
    stream.write_all(line).await?;
    stream.shutdown().await
}

/// Asks the agent whose socket lies in a folder. Returns its line.
///
/// # Errors
/// Nobody answers there in time.
pub(crate) async fn ask(folder: &Path) -> io::Result<String> {
    let asked = async {
        let (_place, reached) = reach(folder)?;
        let mut line = String::new();
        UnixStream::connect(&reached).await?.take(STATUS_BYTES_MAX).read_to_string(&mut line).await?;
        Ok(line)
    };
    let late = |_| io::Error::new(io::ErrorKind::TimedOut, "it does not answer in time");
    timeout(ANSWER_WITHIN * 2, asked).await.map_err(late)?
}

/// A path to the socket by way of its folder, which is held open meanwhile: the path of a socket has at most 107 bytes, and
/// that of a folder may have more.
fn reach(folder: &Path) -> io::Result<(OwnedFd, PathBuf)> {
    let place = rustix::fs::open(folder, OFlags::PATH | OFlags::DIRECTORY | OFlags::CLOEXEC, Mode::empty())?;
    let path = PathBuf::from(format!("/proc/self/fd/{}", place.as_raw_fd())).join(NAME);
    Ok((place, path))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::status;
    use tokio::task::LocalSet;

    /// A folder with a path that no socket's address can hold, gone with the test.
    struct Folder(PathBuf);

    impl Folder {
        fn new(name: &str) -> Self {
            let top = std::env::temp_dir().join(format!("headwater-status-{name}-{}", std::process::id()));
            Self(top.join("a".repeat(100)))
        }
    }

    impl Drop for Folder {
        fn drop(&mut self) {
            let _ = std::fs::remove_dir_all(self.0.parent().unwrap());
        }
    }

    #[tokio::test]
    async fn whoever_asks_is_told_however_long_the_path_is() {
        let folder = Folder::new("told");
        assert_eq!(ask(&folder.0).await.unwrap_err().kind(), io::ErrorKind::NotFound);
        // What a killed run has left gives way.
        std::fs::create_dir_all(&folder.0).unwrap();
        let (_place, reached) = reach(&folder.0).unwrap();
        drop(std::os::unix::net::UnixListener::bind(reached).unwrap());
        assert_eq!(ask(&folder.0).await.unwrap_err().kind(), io::ErrorKind::ConnectionRefused);
        let socket = StatusSocket::listen(&folder.0).unwrap();
        let mode = std::fs::metadata(folder.0.join(NAME)).unwrap().permissions().mode();
        assert_eq!(mode & 0o777, 0o600);
        assert!(StatusSocket::listen(&folder.0).is_err(), "one at a time");
        let asking = async {
            let line = ask(&folder.0).await.unwrap();
            assert!(line.starts_with("{\"agent\":\"edge-1\"") && line.ends_with("}\n"), "{line}");
        };
        LocalSet::new()
            .run_until(async {
                tokio::select! {
                    () = socket.serve(status::tests::status) => {}
                    () = asking => {}
                }
            })
            .await;
        drop(socket);
        assert!(!folder.0.join(NAME).exists());
    }

    /// Those who connect and read nothing get what fits into their sockets, and hold nobody up for long.
    #[tokio::test]
    async fn who_does_not_read_is_left() {
        let folder = Folder::new("slow");
        let socket = StatusSocket::listen(&folder.0).unwrap();
        let large = || {
            let mut status = status::tests::status();
            status.trouble = vec!["x".repeat(1 << 20)];
            status
        };
        let asking = async {
            let (_place, reached) = reach(&folder.0).unwrap();
            let mut idle = Vec::new();
            for _ in 0..3 * CONNECTIONS_MAX {
                idle.push(UnixStream::connect(&reached).await.unwrap());
            }
            // Three rounds of those who do not read, 2 s each, are before this one.
            let mut asked = ask(&folder.0).await;
            while asked.is_err() {
                asked = ask(&folder.0).await;
            }
            assert!(asked.unwrap().len() > 1 << 20);
        };
        tokio::time::pause();
        LocalSet::new()
            .run_until(async {
                tokio::select! {
                    () = socket.serve(large) => {}
                    () = asking => {}
                }
            })
            .await;
    }
}

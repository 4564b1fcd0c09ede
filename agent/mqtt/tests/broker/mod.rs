//! A mosquitto of a test's own, on a free port of loopback, killed when dropped.

#![allow(dead_code, unreachable_pub, reason = "each test uses its part")]

#[path = "../../../../tests/src/ports.rs"]
mod ports;

use std::io::Write;
use std::net::TcpStream;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

pub struct Broker {
    pub port: u16,
    pub folder: PathBuf,
    child: Child,
}

impl Broker {
    /// `lines` are added to a config that lets everybody in; `{port}` and `{folder}` are filled in.
    pub fn start(lines: &str) -> Self {
        let folder = folder();
        // Somebody else may take the port in between: then mosquitto ends, and the next one is tried.
        (0..5)
            .find_map(|_| {
                let port = ports::free_port();
                let child = launch(&folder, port, lines)?;
                Some(Self { port, folder: folder.clone(), child })
            })
            .expect("mosquitto starts (is it installed?)")
    }

    /// As a power cut does it.
    pub fn kill(&mut self) {
        self.child.kill().unwrap();
        self.child.wait().unwrap();
    }

    /// On the same port.
    pub fn start_again(&mut self, lines: &str) {
        let child = (0..5).find_map(|_| launch(&self.folder, self.port, lines));
        self.child = child.expect("mosquitto starts again");
    }

    pub fn url(&self) -> String {
        format!("mqtt://127.0.0.1:{}", self.port)
    }
}

impl Drop for Broker {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
        let _ = std::fs::remove_dir_all(&self.folder);
    }
}

/// A folder of its own that mosquitto may read, whatever user it becomes.
pub fn folder() -> PathBuf {
    static NEXT: AtomicU32 = AtomicU32::new(0);
    let name = format!("headwater-broker-{}-{}", std::process::id(), NEXT.fetch_add(1, Ordering::Relaxed));
    let folder = std::env::temp_dir().join(name);
    std::fs::create_dir_all(&folder).unwrap();
    folder
}

fn launch(folder: &Path, port: u16, lines: &str) -> Option<Child> {
    let config = folder.join("mosquitto.conf");
    let lines = lines.replace("{folder}", &folder.display().to_string());
    let anonymous = if lines.contains("allow_anonymous") { "" } else { "allow_anonymous true\n" };
    let mut file = std::fs::File::create(&config).unwrap();
    write!(file, "listener {port} 127.0.0.1\n{anonymous}persistence false\nmax_queued_messages 0\n{lines}")
        .unwrap();
    let program = if Path::new("/usr/sbin/mosquitto").exists() { "/usr/sbin/mosquitto" } else { "mosquitto" };
    let quiet = || Stdio::null();
    let mut child =
        Command::new(program).arg("-c").arg(&config).stdout(quiet()).stderr(quiet()).spawn().ok()?;
    for _ in 0..200 {
        if child.try_wait().unwrap().is_some() {
            return None;
        }
        if TcpStream::connect(("127.0.0.1", port)).is_ok() {
            return Some(child);
        }
        std::thread::sleep(Duration::from_millis(20));
    }
    let _ = child.kill();
    let _ = child.wait();
    None
}

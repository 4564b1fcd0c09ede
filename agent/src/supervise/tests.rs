//! Whole agents, in this process.

use super::*;
use crate::config;
use crate::tap::Tapped;
use headwater_forwarder::Sync;
use headwater_pipeline::event::{Event, ReportCause};
use tokio::time::Instant;

/// A directory of its own, gone with the test.
struct Folder(std::path::PathBuf);

impl Folder {
    fn new(name: &str) -> Self {
        Self(std::env::temp_dir().join(format!("headwater-supervise-{name}-{}", std::process::id())))
    }

    /// An agent that has nobody to talk to.
    fn config(&self) -> Config {
        const NOBODY: &str = "type = \"mqtt\"\nurl = \"mqtt://127.0.0.1:1\"";
        let text = format!(
            "[agent]\nid = \"edge\"\nstate_dir = \"{}\"\n[sources.s]\n{NOBODY}\ntopics = [\"t\"]\n\
             [streams.s]\nwindow = {{ type = \"none\" }}\n[outputs.o]\n{NOBODY}\n",
            self.0.display()
        );
        let (config, document) = config::parse(Path::new("test.toml"), &text, |_| None);
        config.unwrap_or_else(|| panic!("{}", document.render_all()))
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.0);
    }
}

/// An observer sees what is said on the way out too.
#[tokio::test]
async fn observers_see_what_an_agent_says() {
    let folder = Folder::new("tap");
    let taps = Taps::default();
    let tap = taps.tap();
    run_tapped(folder.config(), taps, tokio::time::sleep(Duration::from_millis(50))).await.unwrap();
    let mut causes = Vec::new();
    while let Some(Tapped::Event(event)) = tap.try_next() {
        if let Event::Report(report) = &*event {
            causes.push(report.cause);
        }
    }
    assert_eq!(causes, [ReportCause::Restart, ReportCause::Stop]);
}

/// No part of it ends before it is told to, also where a setting leaves it nothing to do.
#[tokio::test]
async fn an_agent_that_syncs_always_runs_until_it_is_stopped() {
    let folder = Folder::new("always");
    let mut config = folder.config();
    config.buffer.sync = Sync::Always;
    run(config, tokio::time::sleep(Duration::from_millis(50))).await.unwrap();
}

/// Whoever waits for the state directory can still be told to stop.
#[tokio::test(start_paused = true)]
async fn a_stop_is_heard_while_another_holds_the_state_directory() {
    let folder = Folder::new("held");
    std::fs::create_dir_all(&folder.0).unwrap();
    let _lock = DirLock::take(&folder.0).unwrap().unwrap();
    assert!(matches!(run(folder.config(), std::future::pending()).await, Err(Error::Held { .. })));
    let begun = Instant::now();
    run(folder.config(), tokio::time::sleep(Duration::from_secs(1))).await.unwrap();
    assert_eq!(begun.elapsed(), Duration::from_secs(1));
}

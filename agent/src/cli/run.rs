//! `headwater run`: the daemon.

use super::{Failure, load, runtime};
use crate::config::Config;
use crate::estimate::Estimate;
use crate::memory::MemoryCap;
use crate::{logging, notify, private_file, supervise};
use headwater_settings::format_size;
use std::cell::RefCell;
use std::path::Path;
use tokio::signal::unix::{Signal, SignalKind, signal};

pub(super) fn run(config_path: &Path) -> Result<(), Failure> {
    let config = load(config_path)?;
    logging::start(config.agent.log);
    private_file::keep_others_out();
    disable_huge_pages();
    let runtime = runtime()?;
    let result = runtime.block_on(run_until_stopped(config_path, config));
    // A disk that does not answer holds up its own thread only.
    runtime.shutdown_background();
    result
}

/// SIGTERM and SIGINT stop the agent. SIGHUP reads the config again: with a good one the agent goes on from the checkpoint and
/// the buffer, as after a restart. A bad one is reported and changes nothing.
async fn run_until_stopped(config_path: &Path, config: Config) -> Result<(), Failure> {
    let mut signals = Signals {
        terminate: signal(SignalKind::terminate())?,
        interrupt: signal(SignalKind::interrupt())?,
        hangup: signal(SignalKind::hangup())?,
    };
    let mut current = Some(config);
    while let Some(config) = current.take() {
        warn_of_memory(&config);
        let next = RefCell::new(None);
        let shutdown = async { *next.borrow_mut() = signals.next(config_path).await };
        supervise::run(config, shutdown).await.map_err(|error| Failure::Other(error.to_string()))?;
        current = next.into_inner();
    }
    Ok(())
}

/// Where the kernel gives everybody huge pages (Debian's does), each thread's stack and each corner of the heap takes
/// 2 MiB: 28 MB in place of 8. On a kernel that does not know the call the agent only takes more memory.
fn disable_huge_pages() {
    if let Err(error) = rustix::thread::disable_transparent_huge_pages(true) {
        tracing::debug!("huge pages stay as they are: {error}");
    }
}

/// Says so when the service may take less than the config usually will with as many series as it allows.
fn warn_of_memory(config: &Config) {
    let usual = Estimate::of(config).memory_usual;
    if let Some(cap) = MemoryCap::own().cap().filter(|cap| *cap < usual) {
        tracing::warn!(
            "with all its series this config takes about {}, and the service may take {}: lower [limits] series, or \
             raise MemoryMax (systemctl edit headwater)",
            format_size(usual >> 20 << 20),
            format_size(cap >> 20 << 20),
        );
    }
}

struct Signals {
    terminate: Signal,
    interrupt: Signal,
    hangup: Signal,
}

impl Signals {
    /// The config to go on with; `None`: stop.
    async fn next(&mut self, config_path: &Path) -> Option<Config> {
        loop {
            tokio::select! {
                _ = self.terminate.recv() => break,
                _ = self.interrupt.recv() => break,
                _ = self.hangup.recv() => match load(config_path) {
                    Ok(config) => {
                        tracing::info!("the config has been read again");
                        notify::reloading();
                        return Some(config);
                    }
                    Err(failure) => {
                        tracing::error!("the config stays as it was:");
                        failure.to_string().lines().for_each(|line| tracing::error!("{line}"));
                    }
                },
            }
        }
        notify::stopping();
        None
    }
}

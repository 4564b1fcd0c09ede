//! `headwater run`: the daemon.

use super::{Failure, checked, load_whole, runtime};
use crate::reload::ConfigKeeper;
use crate::supervise;
use crate::tap::Taps;
use crate::{logging, private_file};
use std::path::Path;

pub(super) fn run(config_path: &Path) -> Result<(), Failure> {
    let mut loaded = load_whole(config_path)?;
    let config = checked((loaded.config.take(), &loaded.document))?;
    logging::start(config.agent.log);
    private_file::keep_others_out();
    disable_huge_pages();
    let runtime = runtime()?;
    let result = runtime.block_on(async {
        let (mut keeper, config) = ConfigKeeper::start(config_path, config, loaded)?;
        let ended = supervise::run_operated(config, Taps::default(), &mut keeper).await;
        ended.map_err(|error| Failure::Other(error.to_string()))
    });
    // A disk that does not answer holds up its own thread only.
    runtime.shutdown_background();
    result
}

/// Where the kernel gives everybody huge pages (Debian's does), each thread's stack and each corner of the heap takes
/// 2 MiB: 28 MB in place of 8. On a kernel that does not know the call the agent only takes more memory.
fn disable_huge_pages() {
    if let Err(error) = rustix::thread::disable_transparent_huge_pages(true) {
        tracing::debug!("huge pages stay as they are: {error}");
    }
}

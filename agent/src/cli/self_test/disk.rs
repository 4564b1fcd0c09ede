//! The state directory: whose it is, how fast its disk takes what must be durable, and how much more of it.

use super::Finding;
use headwater_settings::format_size;
use std::fs::{self, File};
use std::io::{self, Write};
use std::os::unix::fs::{MetadataExt, PermissionsExt};
use std::path::Path;
use std::time::Duration;
use tokio::time::Instant;

/// The size of the blocks that are written and synced one by one (bytes), and their number.
const BLOCK: usize = 256 << 10;
const BLOCKS: u32 = 16;

/// The least free room with which the agent does not work from memory most of the time (bytes).
const FREE_MIN: u64 = 16 << 20;

/// What to do where the directory cannot be.
const WAY_OUT: &str = "set [agent] state_dir to one that this user may write in";

/// Whether the directory and what is in it belong to one user, and to nobody else.
pub(super) fn state(dir: &Path) -> Finding {
    let shown = dir.display();
    let metadata = match fs::metadata(dir) {
        Ok(metadata) if metadata.is_dir() => metadata,
        Ok(_) => {
            return Finding::Bad(format!("{shown} is no directory; move it away, or {WAY_OUT}"));
        }
        Err(error) if error.kind() == io::ErrorKind::NotFound => {
            return to_be_made(dir);
        }
        Err(error) => return Finding::Bad(format!("{shown}: {error}; {WAY_OUT}")),
    };
    let owner = metadata.uid();
    let entries = fs::read_dir(dir).into_iter().flatten().flatten();
    let foreign =
        entries.filter(|entry| entry.metadata().is_ok_and(|metadata| metadata.uid() != owner)).count();
    if foreign > 0 {
        return Finding::Bad(format!(
            "{foreign} files in {shown} belong to somebody else than the directory, as after a run as root; \
             chown -R {owner} {shown}"
        ));
    }
    if metadata.permissions().mode() & 0o077 != 0 {
        return Finding::Note(format!("{shown} is open to other users; chmod 700 {shown}"));
    }
    Finding::Good(format!("{shown} belongs to user {owner} alone"))
}

/// Whether `run` can make the directory.
fn to_be_made(dir: &Path) -> Finding {
    let (shown, probe) = (dir.display(), existing(dir).join(format!(".headwater-{}", std::process::id())));
    match fs::create_dir(&probe).and_then(|()| fs::remove_dir(&probe)) {
        Ok(()) => Finding::Note(format!("{shown} is not there yet; it is made when the agent starts")),
        Err(error) => {
            let place = existing(dir).display();
            Finding::Bad(format!("{shown} is not there, and cannot be made in {place}: {error}; {WAY_OUT}"))
        }
    }
}

/// The directory, or the nearest one above it that exists.
fn existing(dir: &Path) -> &Path {
    dir.ancestors().find(|above| above.exists()).unwrap_or(dir)
}

/// How fast synced writes are, and how much room is left beside what the buffer may take (`wanted`, bytes).
pub(super) fn measure(dir: &Path, wanted: u64) -> Finding {
    let dir = existing(dir);
    let shown = dir.display();
    let free = match fs2::available_space(dir) {
        Ok(free) => free,
        Err(error) => return Finding::Bad(format!("{shown}: {error}")),
    };
    let left = format!("{} free", format_size(free >> 20 << 20));
    if free < FREE_MIN {
        return Finding::Bad(format!("{shown}: {left}; make room: what does not fit waits in memory only"));
    }
    let probe = dir.join("self-test.tmp");
    let written = write(&probe);
    let _ = fs::remove_file(&probe);
    match written {
        Err(error) if error.kind() == io::ErrorKind::PermissionDenied => Finding::Bad(format!(
            "cannot write in {shown}: {error}; run this as the service does: sudo -u headwater headwater self-test"
        )),
        Err(error) => {
            Finding::Bad(format!("cannot write in {shown}: {error}; what must wait stays in memory only"))
        }
        Ok((whole, slowest)) => {
            let bytes = BLOCK as f64 * f64::from(BLOCKS);
            let speed = bytes / 1e6 / whole.as_secs_f64().max(1e-6);
            let text = format!("{speed:.1} MB/s with sync, slowest sync {} ms, {left}", slowest.as_millis());
            if free < wanted {
                let wanted = format_size(wanted);
                return Finding::Note(format!(
                    "{text}; [buffer] max_size asks for {wanted}: lower it, or make room"
                ));
            }
            Finding::Good(text)
        }
    }
}

/// The time for all blocks, and for the slowest one.
fn write(probe: &Path) -> io::Result<(Duration, Duration)> {
    let mut file = File::create(probe)?;
    // Not zeros: some file systems and cards do not write those.
    let block: Vec<u8> = (0..BLOCK).map(|at| (at.wrapping_mul(2_654_435_761) >> 13) as u8).collect();
    let (start, mut slowest) = (Instant::now(), Duration::ZERO);
    for _ in 0..BLOCKS {
        let before = Instant::now();
        file.write_all(&block)?;
        file.sync_data()?;
        slowest = slowest.max(before.elapsed());
    }
    Ok((start.elapsed(), slowest))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_directory_is_measured_and_left_as_it_was() {
        let dir = std::env::temp_dir().join(format!("headwater-self-test-{}", std::process::id()));
        for missing in [dir.clone(), dir.join("a/b")] {
            assert!(matches!(state(&missing), Finding::Note(text) if text.contains("not there yet")));
            assert!(matches!(measure(&missing, 0), Finding::Good(_)));
        }
        for (impossible, why) in [("/proc/headwater/state", "made in /proc: "), ("/proc/version/x", "")] {
            let bad = |finding| matches!(finding, Finding::Bad(text) if text.contains("state_dir") && text.contains(why));
            assert!(bad(state(Path::new(impossible))), "{impossible}");
        }
        fs::create_dir_all(&dir).unwrap();
        fs::set_permissions(&dir, fs::Permissions::from_mode(0o700)).unwrap();
        assert!(matches!(state(&dir), Finding::Good(_)));
        assert!(matches!(measure(&dir, 0), Finding::Good(text) if text.contains("MB/s with sync")));
        assert!(matches!(measure(&dir, u64::MAX), Finding::Note(text) if text.contains("max_size")));
        assert_eq!(fs::read_dir(&dir).unwrap().count(), 0);
        fs::set_permissions(&dir, fs::Permissions::from_mode(0o755)).unwrap();
        assert!(matches!(state(&dir), Finding::Note(text) if text.contains("chmod 700")));
        fs::write(dir.join("file"), "").unwrap();
        assert!(matches!(state(&dir.join("file")), Finding::Bad(text) if text.contains("no directory")));
        fs::remove_dir_all(&dir).unwrap();
    }
}

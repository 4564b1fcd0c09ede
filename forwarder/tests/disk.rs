//! The disk fills up, turns read-only or loses what it was given: the forwarder goes on, and says what it cost.

#![allow(clippy::unwrap_used, clippy::indexing_slicing, reason = "a test fails by panicking")]

mod broker;

use broker::{Broker, Folder, Heard, forwarder, message, run, wait_for};
use headwater_forwarder::{BufferConfig, DropReason, Forwarder, ForwarderEvent, Full, Lane, Message};
use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;
use tokio::time::{Instant, sleep};

const BODY_BYTES: usize = 500;

fn push(forwarder: &Forwarder, n: usize) {
    let lane = if n.is_multiple_of(20) { Lane::Alert } else { Lane::Data };
    let body = format!("{n:<BODY_BYTES$}").into();
    forwarder.push(Message { body, ..message(lane, n) });
}

fn numbers(heard: &Heard) -> BTreeSet<usize> {
    heard.messages().into_iter().map(|body| body.trim_end().parse().unwrap()).collect()
}

fn events(forwarder: &Forwarder) -> Vec<ForwarderEvent> {
    std::iter::from_fn(|| forwarder.try_event()).collect()
}

/// A file system in memory, gone when dropped.
struct Tmpfs(PathBuf);

impl Tmpfs {
    /// `None`: this user, or this machine, cannot.
    fn mount(path: PathBuf, size: &str) -> Option<Self> {
        std::fs::create_dir_all(&path).unwrap();
        let tmpfs = Self(path);
        tmpfs.mount_with(&format!("size={size}")).then_some(tmpfs)
    }

    fn mount_with(&self, options: &str) -> bool {
        let mut mount = Command::new("mount");
        mount.args(["-t", "tmpfs", "-o", options, "tmpfs"]).arg(&self.0);
        mount.status().is_ok_and(|status| status.success())
    }

    fn remount(&self, options: &str) {
        assert!(self.mount_with(&format!("remount,{options}")));
    }
}

impl Drop for Tmpfs {
    fn drop(&mut self) {
        let _ = Command::new("umount").args(["-q", "-l"]).arg(&self.0).status();
    }
}

#[test]
fn a_full_disk_is_told_and_used_again_when_there_is_room() {
    run(async {
        let folder = Folder::new();
        let Some(disk) = Tmpfs::mount(folder.0.join("disk"), "12m") else {
            println!("left out: this user cannot mount a tmpfs here");
            return;
        };
        let mut broker = Broker::stopped("");
        let config = BufferConfig { memory_bytes_max: 1 << 20, ..BufferConfig::default() };
        let forwarder = forwarder(broker.port, &disk.0, config, "");
        // Somebody else takes half of it.
        let filler = disk.0.join("filler");
        std::fs::write(&filler, vec![0; 6 << 20]).unwrap();
        let (mut n, mut seen) = (0, Vec::new());
        while !seen.iter().any(|event| matches!(event, ForwarderEvent::DiskBad { .. })) {
            assert!(n < 200_000, "it never fills up: {seen:?}");
            (0..50).for_each(|k| push(&forwarder, n + k));
            n += 50;
            sleep(Duration::from_millis(5)).await;
            seen.extend(events(&forwarder));
        }
        let reason = forwarder.status().disk_error.expect("an error");
        assert!(reason.contains("space"), "{reason}");
        // Memory is bounded meanwhile, and what has no room is counted.
        (0..4_000).for_each(|k| push(&forwarder, n + k));
        n += 4_000;
        sleep(Duration::from_millis(300)).await;
        assert!(forwarder.status().memory_bytes <= 1 << 20);
        seen.extend(events(&forwarder));
        assert!(
            seen.iter().any(|event| matches!(event, ForwarderEvent::Evicted { why: DropReason::Memory, .. })),
            "{seen:?}"
        );
        std::fs::remove_file(&filler).unwrap();
        wait_for("the disk to be used again", || forwarder.status().disk_error.is_none()).await;
        assert!(events(&forwarder).contains(&ForwarderEvent::DiskGood));

        assert!(broker.try_start());
        let heard = Heard::listen(broker.port).await;
        wait_for("the backlog to drain", || forwarder.account().waiting == 0).await;
        sleep(Duration::from_millis(200)).await;
        let (got, account) = (numbers(&heard), forwarder.account());
        assert_eq!(account.made, n as u64);
        assert_eq!(got.len() as u64 + account.lost, account.made, "{account:?}");
        assert!((0..n).step_by(20).all(|alert| got.contains(&alert)), "alerts are lost last");
        assert!(forwarder.stop(Instant::now() + Duration::from_secs(4)).await);
    });
}

/// Sled writes a little before it reads: what lies on a disk without a byte to spare is not lost, and goes out.
#[test]
fn what_lies_on_a_full_disk_is_sent() {
    run(async {
        let folder = Folder::new();
        let Some(disk) = Tmpfs::mount(folder.0.join("disk"), "48m") else {
            println!("left out: this user cannot mount a tmpfs here");
            return;
        };
        let mut broker = Broker::stopped("");
        fill(broker.port, &disk.0).await;
        let mut filler = std::fs::File::create(disk.0.join("filler")).unwrap();
        while std::io::Write::write(&mut filler, &[0; 4_096]).is_ok_and(|count| count > 0) {}
        assert!(broker.try_start());
        let heard = Heard::listen(broker.port).await;
        let forwarder = forwarder(broker.port, &disk.0, small(), "");
        forwarder.opened().await;
        wait_for("all to be delivered", || forwarder.account().waiting == 0).await;
        wait_for("all to be heard", || numbers(&heard).len() == FILLED).await;
        assert_eq!((forwarder.account().delivered as usize, forwarder.account().lost), (FILLED, 0));
        assert!(events(&forwarder).iter().all(|event| !matches!(event, ForwarderEvent::Damaged { .. })));
        assert!(forwarder.stop(Instant::now() + Duration::from_secs(4)).await);
    });
}

#[test]
fn a_read_only_disk_costs_memory_only() {
    run(async {
        let folder = Folder::new();
        let Some(disk) = Tmpfs::mount(folder.0.join("disk"), "32m") else {
            println!("left out: this user cannot mount a tmpfs here");
            return;
        };
        let mut broker = Broker::stopped("");
        disk.remount("ro");
        let forwarder = forwarder(broker.port, &disk.0, BufferConfig::default(), "");
        (0..500).for_each(|n| push(&forwarder, n));
        wait_for("the disk to be found bad", || forwarder.status().disk_error.is_some()).await;
        assert!(broker.try_start());
        let heard = Heard::listen(broker.port).await;
        wait_for("all to be delivered", || forwarder.account().waiting == 0).await;
        sleep(Duration::from_millis(200)).await;
        assert_eq!(numbers(&heard).len(), 500);
        assert_eq!((forwarder.account().delivered, forwarder.account().lost), (500, 0));
        assert!(forwarder.stop(Instant::now() + Duration::from_secs(2)).await);
        disk.remount("rw");
    });
}

/// A buffer of many small segments.
fn small() -> BufferConfig {
    BufferConfig { max_size: 32 << 20, full: Full::DropOldest, ..BufferConfig::default() }
}

const FILLED: usize = 8_000;

/// Fills a buffer and stops; its segments.
async fn fill(port: u16, folder: &Path) -> Vec<PathBuf> {
    let forwarder = forwarder(port, folder, small(), "");
    for n in 0..FILLED {
        push(&forwarder, n);
        if n.is_multiple_of(500) {
            let position = forwarder.position();
            let kept = tokio::time::timeout(Duration::from_secs(60), forwarder.kept(&position));
            assert!(kept.await.is_ok(), "all are written");
        }
    }
    assert!(forwarder.stop(Instant::now() + Duration::from_secs(4)).await);
    let entries = std::fs::read_dir(folder.join("buffer")).unwrap().flatten().map(|entry| entry.path());
    let mut found: Vec<PathBuf> = entries.filter(|path| path.is_dir()).collect();
    found.sort_by_key(|path| path.file_name().unwrap().to_str().unwrap().parse::<u64>().unwrap());
    assert!(found.len() > 3, "{found:?}");
    found
}

type Damage = fn(&Path);

/// What can happen to a segment's folder.
const DAMAGES: [(&str, Damage); 7] = [
    ("flipped", |segment| {
        let mut bytes = std::fs::read(segment.join("db")).unwrap();
        let mut rng = fastrand::Rng::with_seed(9);
        (0..20).for_each(|_| bytes[rng.usize(..400_000)] ^= 0x20);
        std::fs::write(segment.join("db"), bytes).unwrap();
    }),
    ("cut", |segment| {
        let file = std::fs::OpenOptions::new().write(true).open(segment.join("db")).unwrap();
        file.set_len(200_000).unwrap();
    }),
    ("zeroed", |segment| std::fs::write(segment.join("db"), vec![0; 500_000]).unwrap()),
    ("emptied", |segment| std::fs::write(segment.join("db"), []).unwrap()),
    ("without its database", |segment| std::fs::remove_file(segment.join("db")).unwrap()),
    ("without its config", |segment| std::fs::remove_file(segment.join("conf")).unwrap()),
    ("gone", |segment| std::fs::remove_dir_all(segment).unwrap()),
];

/// One in the middle and the one that was filled last are damaged; the others arrive, and what does not is counted.
#[test]
fn damage_costs_what_cannot_be_read_and_the_rest_arrives() {
    std::thread::scope(|scope| {
        for (name, damage) in DAMAGES {
            scope.spawn(move || run(survive(name, damage)));
        }
    });
}

async fn survive(name: &str, damage: Damage) {
    let (mut broker, folder) = (Broker::stopped(""), Folder::new());
    let segments = fill(broker.port, &folder.0).await;
    damage(&segments[1]);
    damage(segments.last().unwrap());
    assert!(broker.try_start());
    let heard = Heard::listen(broker.port).await;
    let forwarder = forwarder(broker.port, &folder.0, small(), "");
    forwarder.opened().await;
    wait_for(name, || forwarder.account().waiting == 0).await;
    wait_for(name, || heard.messages().len() as u64 == forwarder.account().delivered).await;
    let (got, account) = (numbers(&heard), forwarder.account());
    let lost = FILLED - got.len();
    println!("{name}: {lost} of {FILLED} lost, {account:?}");
    assert!(lost < FILLED * 3 / 5, "{name}: {lost}");
    // Every message is known from the indexes, whatever the databases say.
    assert_eq!((account.made as usize, account.lost as usize), (FILLED, lost), "{name}");
    let told: u64 = events(&forwarder)
        .iter()
        .map(|event| if let ForwarderEvent::Damaged { count, .. } = event { *count } else { 0 })
        .sum();
    assert_eq!(told as usize, lost, "{name}");
    // And it goes on.
    push(&forwarder, FILLED);
    wait_for("one more", || forwarder.account().waiting == 0).await;
    assert!(forwarder.stop(Instant::now() + Duration::from_secs(4)).await);
    let entries = std::fs::read_dir(folder.0.join("buffer")).unwrap().flatten();
    let aside = entries.filter(|entry| entry.file_name().to_string_lossy().contains(".damaged-"));
    assert!(lost == 0 || name == "gone" || aside.count() > 0, "{name}: set aside, never deleted");
}

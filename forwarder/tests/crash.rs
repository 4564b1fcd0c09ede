//! The process is killed and the power is cut, at random moments under load: what was promised is there.
//!
//! `HEADWATER_KILLS=1000 HEADWATER_CUTS=200` make it long. The power cut needs root, mount and loop devices: without
//! them it is left out, and says so.

#![allow(clippy::unwrap_used, clippy::indexing_slicing, reason = "a test fails by panicking")]

mod broker;

use broker::child::{Said, Victim, serve_if_child};
use broker::{Broker, Folder, Gate, Heard, forwarder, run, wait_for};
use headwater_forwarder::BufferConfig;
use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;
use tokio::time::{Instant, sleep};

fn times(name: &str, default: u32) -> u32 {
    std::env::var(name).ok().and_then(|text| text.parse().ok()).unwrap_or(default)
}

fn numbers(heard: &Heard) -> BTreeSet<usize> {
    heard.messages().into_iter().map(|body| body.trim_end().parse().unwrap()).collect()
}

/// Opens and closes the way to the broker, a few times within `ms`.
async fn weather(gate: &Gate, rng: &mut fastrand::Rng, ms: u64) {
    let mut left = ms;
    while left > 0 {
        if rng.bool() {
            gate.open()
        } else {
            gate.close()
        }
        let step = rng.u64(1..=left.min(700));
        sleep(Duration::from_millis(step)).await;
        left -= step;
    }
}

/// Sends all that is in the buffer.
async fn drain(gate: &Gate, folder: &Path) -> headwater_forwarder::Account {
    gate.open();
    let forwarder = forwarder(gate.port, folder, BufferConfig::default(), "");
    forwarder.opened().await;
    wait_for("the backlog to drain", || forwarder.account().waiting == 0).await;
    sleep(Duration::from_millis(200)).await;
    let account = forwarder.account();
    assert!(forwarder.stop(Instant::now() + Duration::from_secs(4)).await);
    account
}

#[test]
fn a_killed_process_has_lost_nothing_that_was_safe() {
    serve_if_child();
    run(async {
        let (broker, folder) = (Broker::start(""), Folder::new());
        let (heard, gate) = (Heard::listen(broker.port).await, Gate::to(broker.port).await);
        let mut rng = fastrand::Rng::new();
        let mut lives: Vec<(usize, Said)> = Vec::new();
        for _ in 0..times("HEADWATER_KILLS", 6) {
            let first = lives.last().map_or(0, |(_, said)| said.pushed);
            let name = "a_killed_process_has_lost_nothing_that_was_safe";
            let mut victim = Victim::start(name, gate.port, &folder.0, first);
            let ms = rng.u64(50..2_500);
            weather(&gate, &mut rng, ms).await;
            lives.push((first, victim.kill()));
        }
        let account = drain(&gate, &folder.0).await;
        assert_eq!((account.waiting, account.lost), (0, 0));
        let got = numbers(&heard);
        let mut lost = 0;
        for (first, said) in &lives {
            let safe = said.kept.max(said.pushed_a_second_ago);
            let missing: Vec<usize> = (*first..safe).filter(|n| !got.contains(n)).collect();
            assert!(missing.is_empty(), "{said:?}: missing {} from {:?}", missing.len(), missing.first());
            lost += (*first..said.pushed).filter(|n| !got.contains(n)).count();
        }
        let pushed = lives.last().unwrap().1.pushed;
        println!(
            "{} kills, {pushed} messages pushed, {lost} of the last second before a kill lost",
            lives.len()
        );
        assert!(lives.iter().any(|(first, said)| said.kept > *first), "nothing was ever kept");
    });
}

/// An ext4 file system in a file.
struct Disk {
    image: PathBuf,
    mount: PathBuf,
}

impl Disk {
    /// `None`: this user, or this machine, cannot.
    fn make(folder: &Path) -> Option<Self> {
        let disk = Self { image: folder.join("disk.img"), mount: folder.join("disk") };
        std::fs::File::create(&disk.image).unwrap().set_len(96 << 20).unwrap();
        std::fs::create_dir_all(&disk.mount).unwrap();
        let formatted = Command::new("mkfs.ext4").arg("-q").arg(&disk.image).status();
        (formatted.is_ok_and(|status| status.success()) && disk.attach()).then_some(disk)
    }

    fn attach(&self) -> bool {
        let mut mount = Command::new("mount");
        mount.args(["-o", "loop"]).arg(&self.image).arg(&self.mount);
        mount.status().is_ok_and(|status| status.success())
    }

    fn detach(&self) {
        let status = Command::new("umount").arg(&self.mount).status();
        assert!(status.is_ok_and(|status| status.success()), "umount {}", self.mount.display());
    }
}

impl Drop for Disk {
    fn drop(&mut self) {
        let _ = Command::new("umount").arg("-q").arg(&self.mount).status();
    }
}

#[test]
fn a_power_cut_has_cost_a_second_at_most() {
    serve_if_child();
    run(async {
        let folder = Folder::new();
        let Some(disk) = Disk::make(&folder.0) else {
            println!("left out: no loop device for this user on this machine");
            return;
        };
        let broker = Broker::start("");
        let (heard, gate) = (Heard::listen(broker.port).await, Gate::to(broker.port).await);
        let mut rng = fastrand::Rng::new();
        let (mut first, mut lost, mut pushed) = (0, 0, 0);
        let cuts = times("HEADWATER_CUTS", 4);
        for cut in 0..cuts {
            let name = "a_power_cut_has_cost_a_second_at_most";
            let mut victim = Victim::start(name, gate.port, &disk.mount, first);
            let ms = rng.u64(200..4_000);
            weather(&gate, &mut rng, ms).await;
            // What is in the file now is what a power cut leaves; what the kernel still holds is not.
            victim.signal("STOP");
            gate.close();
            let said = victim.said();
            let copy = folder.0.join("copy.img");
            std::fs::copy(&disk.image, &copy).unwrap();
            pushed += victim.kill().pushed - first;
            disk.detach();
            std::fs::rename(&copy, &disk.image).unwrap();
            assert!(disk.attach(), "the copy cannot be mounted");
            let account = drain(&gate, &disk.mount).await;
            assert_eq!((account.waiting, account.lost), (0, 0), "cut {cut}");
            let got = numbers(&heard);
            let safe = said.kept.max(said.pushed_a_second_ago);
            let missing: Vec<usize> = (first..safe).filter(|n| !got.contains(n)).collect();
            assert!(
                missing.is_empty(),
                "cut {cut}, {said:?}: missing {} from {:?}",
                missing.len(),
                missing.first()
            );
            lost += (first..said.pushed).filter(|n| !got.contains(n)).count();
            first = said.pushed + 1_000;
        }
        println!("{cuts} power cuts, {pushed} messages pushed, {lost} of the last second before a cut lost");
    });
}

//! What the buffer costs and yields: rates, bytes written, space, memory, time to start, and how fast a backlog drains.
//!
//! `cargo bench -p headwater-forwarder` runs all parts, each in a process of its own; `-- drain` one of them. Needs
//! mosquitto for the last part. Rates depend on the machine: compare lines of one run.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::indexing_slicing,
    reason = "a bench fails by panicking"
)]
#![allow(unreachable_pub, reason = "it is no library")]

#[path = "../../tests/broker/mod.rs"]
mod broker;
mod null;
mod rivals;

use broker::{Broker, Folder, Gate, run, wait_for};
use headwater_forwarder::{BufferConfig, Forwarder, Lane, Message, OutputSlot, Start};
use null::Null;
use std::path::Path;
use std::process::Command;
use std::sync::Arc;
use std::time::{Duration, Instant};

/// Bytes of a message's body.
const BODY_BYTES: usize = 256;

const MIB: u64 = 1 << 20;

fn main() {
    let parts: [(&str, fn()); 6] = [
        ("rates", rates),
        ("cycle", cycle),
        ("fill", fill),
        ("full", full),
        ("online", online),
        ("drain", drain),
    ];
    let wanted: Vec<String> = std::env::args().skip(1).filter(|arg| !arg.starts_with('-')).collect();
    match wanted.as_slice() {
        [name, ..] => parts.iter().find(|(part, _)| part == name).expect("a part of this bench").1(),
        [] => {
            for (name, _) in parts.iter().filter(|(name, _)| *name != "full") {
                let status = Command::new(std::env::current_exe().unwrap()).arg(name).status().unwrap();
                assert!(status.success(), "{name} failed");
            }
        }
    }
}

/// Appends and drains: the buffer, sled as one would use it, and a plain file.
fn rates() {
    let count = 200_000;
    println!("append {count} messages of {BODY_BYTES} B, then drain them into nothing");
    let folder = Folder::new();
    run(async {
        let link = Null::down();
        let appended = Usage::now();
        let forwarder = start(&folder.0, 256 * MIB, link.clone());
        push_all(&forwarder, count).await;
        let appended = appended.until_now();
        let drained = Usage::now();
        link.set_up(true);
        wait_for("the backlog to drain", || forwarder.account().waiting == 0).await;
        report("buffer, sync each 1 s", count, &appended, &drained.until_now());
    });
    for (name, count, flush_every) in [("sled, flush each", 20_000, 1), ("sled, flush each 100", count, 100)]
    {
        let folder = Folder::new();
        let appended = Usage::now();
        let db = rivals::fill_sled(&folder.0, count, BODY_BYTES, flush_every);
        let appended = appended.until_now();
        let drained = Usage::now();
        rivals::drain_sled(&db, flush_every);
        report(name, count, &appended, &drained.until_now());
    }
    for (name, sync_every) in [("plain file, sync each 100", 100), ("plain file, sync each 50,000", 50_000)] {
        let folder = Folder::new();
        let appended = Usage::now();
        rivals::fill_file(&folder.0, count, BODY_BYTES, sync_every);
        let appended = appended.until_now();
        let drained = Usage::now();
        assert_eq!(rivals::drain_file(&folder.0), count);
        report(name, count, &appended, &drained.until_now());
    }
}

/// Fills to 256 MiB and drains, ten times: what it takes on disk.
fn cycle() {
    println!("fill to 250 MiB and drain into nothing, ten times");
    run(async {
        let folder = Folder::new();
        let link = Null::down();
        let forwarder = start(&folder.0, 256 * MIB, link.clone());
        let mut pushed = 0;
        for round in 1..=10 {
            let (began, written) = (Instant::now(), written_bytes());
            while forwarder.status().disk_bytes < 245 * MIB {
                push(&forwarder, 2_000).await;
                pushed += 2_000;
            }
            let (filled, filled_bytes) = (began.elapsed(), size_of(&folder.0));
            let waiting = forwarder.account().waiting;
            let began = Instant::now();
            link.set_up(true);
            wait_for("the backlog to drain", || forwarder.account().waiting == 0).await;
            let drained = began.elapsed();
            link.set_up(false);
            wait_for("the space to be given back", || forwarder.status().disk_bytes == 0).await;
            println!(
                "  {round:>2}: {:>4} MiB on disk after {:.1} s; {waiting} drained at {:.0}/s; {} B left, {:.2} written \
                 per payload byte, {} KiB RSS",
                filled_bytes / MIB,
                filled.as_secs_f64(),
                waiting as f64 / drained.as_secs_f64(),
                size_of(&folder.0),
                (written_bytes() - written) as f64 / (waiting as usize * BODY_BYTES) as f64,
                rss_kib(),
            );
        }
        assert_eq!(forwarder.account().lost, 0, "of {pushed}");
    });
}

/// Fills a buffer, then starts on it in a fresh process.
fn fill() {
    let folder = Folder::new();
    run(async {
        let forwarder = start(&folder.0, 256 * MIB, Null::down());
        while forwarder.status().disk_bytes < 245 * MIB {
            push(&forwarder, 2_000).await;
        }
        println!(
            "full: {} messages on {} MiB; {} KiB RSS while filling",
            forwarder.account().waiting,
            size_of(&folder.0) / MIB,
            rss_kib()
        );
        assert!(forwarder.stop(tokio::time::Instant::now() + Duration::from_secs(4)).await);
    });
    let status = Command::new(std::env::current_exe().unwrap()).arg("full").env("FOLDER", &folder.0).status();
    assert!(status.unwrap().success());
}

fn full() {
    let folder = std::env::var("FOLDER").expect("run `fill`");
    run(async move {
        let before = rss_kib();
        let began = Instant::now();
        let link = Null::down();
        let forwarder = start(Path::new(&folder), 256 * MIB, link.clone());
        forwarder.opened().await;
        let waiting = forwarder.account().waiting;
        println!("  start on it: {:.0} ms, {waiting} messages found", began.elapsed().as_secs_f64() * 1e3);
        println!("  {before} KiB RSS before, {} KiB after the start", rss_kib());
        push(&forwarder, 2_000).await;
        tokio::time::sleep(Duration::from_secs(1)).await;
        println!("  {} KiB RSS while it takes more", rss_kib());
        link.set_up(true);
        wait_for("half of it to drain", || forwarder.account().waiting < waiting / 2).await;
        println!("  {} KiB RSS while it drains", rss_kib());
    });
}

/// With the uplink up, nothing is written.
fn online() {
    let count = 500_000;
    run(async {
        let (folder, link) = (Folder::new(), Null::down());
        let forwarder = start(&folder.0, 256 * MIB, link.clone());
        link.set_up(true);
        let before = (Usage::now(), rss_kib());
        for _ in 0..count / 2_000 {
            push(&forwarder, 2_000).await;
            wait_for("all to be acknowledged", || forwarder.account().waiting == 0).await;
        }
        let (took, written) = before.0.until_now();
        println!("online, {count} messages of {BODY_BYTES} B at {:.0}/s", count as f64 / took.as_secs_f64());
        println!("  {written} bytes written; {} KiB RSS, {} before", rss_kib(), before.1);
        assert!(!folder.0.join("buffer").exists(), "sled was opened");
    });
}

/// A backlog into mosquitto, against a publisher that has all in memory.
fn drain() {
    let count = std::env::var("MESSAGES").ok().and_then(|text| text.parse().ok()).unwrap_or(1_000_000);
    println!("drain {count} messages of {BODY_BYTES} B into mosquitto, QoS 1");
    let broker = Broker::start("log_type none\n");
    let mut bare = Vec::new();
    let mut ours = Vec::new();
    for _ in 0..3 {
        run(async {
            let began = Instant::now();
            rivals::bare_publisher(broker.port, count, BODY_BYTES).await;
            bare.push(count as f64 / began.elapsed().as_secs_f64());
        });
        run(async {
            let folder = Folder::new();
            let gate = Gate::to(broker.port).await;
            let backlog = start(&folder.0, 2_048 * MIB, Null::down());
            push_all(&backlog, count).await;
            assert!(backlog.stop(tokio::time::Instant::now() + Duration::from_secs(10)).await);
            drop(gate);
            let config = BufferConfig { max_size: 2_048 * MIB, ..BufferConfig::default() };
            let began = Instant::now();
            let forwarder = broker::forwarder(broker.port, &folder.0, config, "");
            assert_eq!(forwarder.account().waiting, count as u64);
            while forwarder.account().waiting > 0 {
                tokio::time::sleep(Duration::from_millis(5)).await;
            }
            ours.push(count as f64 / began.elapsed().as_secs_f64());
            println!(
                "  {:.0}/s, bare {:.0}/s, {} KiB RSS",
                ours.last().unwrap(),
                bare.last().unwrap(),
                rss_kib()
            );
        });
    }
    let best = |rates: &[f64]| rates.iter().copied().fold(0.0, f64::max);
    println!("  best of three: {:.2} of the bare publisher", best(&ours) / best(&bare));
}

fn start(folder: &Path, max_size: u64, link: Null) -> Forwarder {
    let config = BufferConfig { max_size, ..BufferConfig::default() };
    let slot = OutputSlot {
        name: "cloud".into(),
        output: Box::new(link),
        encoder: Arc::new(broker::Plain),
        presence: None,
    };
    let folder = folder.join("buffer");
    Forwarder::start(Start { config, folder, outputs: vec![slot], clock: Arc::new(|| 1_000) }).unwrap()
}

async fn push_all(forwarder: &Forwarder, count: usize) {
    for _ in 0..count / 2_000 {
        push(forwarder, 2_000).await;
    }
    let position = forwarder.position();
    wait_for("all to be written", || forwarder.is_kept(&position)).await;
}

/// As fast as memory empties.
async fn push(forwarder: &Forwarder, count: usize) {
    for n in 0..count {
        let body = vec![n as u8; BODY_BYTES].into();
        forwarder.push(Message { lane: Lane::Data, made_ms: 0, body });
    }
    while forwarder.status().memory_bytes > 6 << 20 {
        tokio::time::sleep(Duration::from_millis(1)).await;
    }
}

/// Time, and bytes that went to the disk.
struct Usage(Instant, u64);

impl Usage {
    fn now() -> Self {
        Self(Instant::now(), written_bytes())
    }

    fn until_now(&self) -> (Duration, u64) {
        (self.0.elapsed(), written_bytes() - self.1)
    }
}

fn report(name: &str, count: usize, appended: &(Duration, u64), drained: &(Duration, u64)) {
    let rate = |took: Duration| count as f64 / took.as_secs_f64();
    let written = (appended.1 + drained.1) as f64 / (count * BODY_BYTES) as f64;
    let (append, drain) = (rate(appended.0), rate(drained.0));
    println!(
        "  {name:<29} append {append:>8.0}/s, drain {drain:>8.0}/s, {written:>6.2} bytes written per payload byte"
    );
}

fn written_bytes() -> u64 {
    number_in("/proc/self/io", "write_bytes:")
}

fn rss_kib() -> u64 {
    number_in("/proc/self/status", "VmRSS:")
}

fn number_in(file: &str, key: &str) -> u64 {
    let text = std::fs::read_to_string(file).unwrap();
    let line = text.lines().find_map(|line| line.strip_prefix(key)).unwrap();
    line.split_whitespace().next().unwrap().parse().unwrap()
}

fn size_of(folder: &Path) -> u64 {
    let entries = std::fs::read_dir(folder).into_iter().flatten().flatten();
    entries
        .map(|entry| entry.path())
        .map(|path| if path.is_dir() { size_of(&path) } else { path.metadata().map_or(0, |meta| meta.len()) })
        .sum()
}

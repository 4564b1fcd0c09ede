//! Load, memory, network and disks (proc(5), statvfs(3)).

use crate::access::explain;
use crate::polled::PolledReadings;
use crate::sysfs;
use rustix::fs::statvfs;
use std::path::Path;

/// The drop-in of the service that opens folders elsewhere.
const DROP_IN: &str = "files.conf";

/// Interfaces of no interest: the machine's own, and those that come and go with every container.
const NO_INTERFACES: [&str; 2] = ["lo", "veth"];

/// What is the difference between two looks.
#[derive(Clone, Default)]
pub(super) struct Kernel {
    /// All time of the processors, and what of it was idle, at the last look.
    cpu: Option<(u64, u64)>,
}

impl Kernel {
    pub(super) fn look(&mut self, proc: &Path, to: &mut PolledReadings) {
        let text = |name: &str| sysfs::text(&proc.join(name)).unwrap_or_default();
        look_at_load(&text("loadavg"), to);
        look_at_memory(&text("meminfo"), to);
        look_at_network(&text("net/dev"), to);
        self.look_at_cpu(&text("stat"), to);
        if let Some(seconds) = text("uptime").split(' ').next().and_then(|word| word.parse().ok()) {
            to.reading(format_args!("uptime"), "s", seconds);
        }
    }

    /// How busy the processors were since the last look.
    fn look_at_cpu(&mut self, stat: &str, to: &mut PolledReadings) {
        let Some(now) = cpu_times(stat) else { return };
        let Some(last) = self.cpu.replace(now) else { return };
        let all = now.0.saturating_sub(last.0);
        if all > 0 {
            let busy = all.saturating_sub(now.1.saturating_sub(last.1));
            to.reading(format_args!("cpu/used"), "%", percent(busy, all));
        }
    }
}

/// All time of the processors, and what of it was idle (ticks).
fn cpu_times(stat: &str) -> Option<(u64, u64)> {
    let line = stat.lines().next()?.strip_prefix("cpu ")?;
    // user, nice, system, idle, iowait, irq, softirq, steal; what follows is in `user` already.
    let times: Vec<u64> = line.split_whitespace().take(8).map_while(|word| word.parse().ok()).collect();
    let idle = times.get(3)?.saturating_add(times.get(4).copied().unwrap_or(0));
    Some((times.iter().fold(0, |sum, time| u64::saturating_add(sum, *time)), idle))
}

fn look_at_load(loadavg: &str, to: &mut PolledReadings) {
    for (name, word) in ["1m", "5m", "15m"].iter().zip(loadavg.split(' ')) {
        if let Ok(load) = word.parse() {
            to.reading(format_args!("load/{name}"), "", load);
        }
    }
}

fn look_at_memory(meminfo: &str, to: &mut PolledReadings) {
    let bytes = |key: &str| {
        let line = meminfo.lines().find_map(|line| line.strip_prefix(key)?.strip_prefix(':'))?;
        line.trim().strip_suffix(" kB")?.parse::<u64>().ok()?.checked_mul(1_024)
    };
    if let (Some(all), Some(available)) = (bytes("MemTotal"), bytes("MemAvailable")) {
        to.reading(format_args!("memory/used"), "%", percent(all.saturating_sub(available), all));
        to.reading(format_args!("memory/available"), "B", float(available));
    }
    if let (Some(all), Some(free)) = (bytes("SwapTotal").filter(|all| *all > 0), bytes("SwapFree")) {
        to.reading(format_args!("swap/used"), "%", percent(all.saturating_sub(free), all));
    }
}

/// Counters of each interface, which begin at the start of the machine.
fn look_at_network(dev: &str, to: &mut PolledReadings) {
    for line in dev.lines() {
        let Some((name, counts)) = line.split_once(':') else { continue };
        let name = name.trim();
        if NO_INTERFACES.iter().any(|none| name.starts_with(none)) {
            continue;
        }
        let counts: Vec<u64> = counts.split_whitespace().map_while(|word| word.parse().ok()).collect();
        // Received: bytes, packets, errors, dropped and four more; then the same, sent.
        let [received, _, errors_in, dropped_in, _, _, _, _, sent, _, errors_out, dropped_out, ..] =
            counts.as_slice()
        else {
            continue;
        };
        to.reading(format_args!("network/{name}/received"), "B", float(*received));
        to.reading(format_args!("network/{name}/sent"), "B", float(*sent));
        to.reading(format_args!("network/{name}/errors"), "", float(errors_in.saturating_add(*errors_out)));
        to.reading(
            format_args!("network/{name}/dropped"),
            "",
            float(dropped_in.saturating_add(*dropped_out)),
        );
    }
}

/// The disk on which a folder lies, as df(1) counts.
pub(super) fn look_at_disk(root: &Path, folder: &str, to: &mut PolledReadings) {
    let folder = folder.trim_matches('/');
    let path = root.join(folder);
    let disk = match statvfs(&path) {
        Ok(disk) => disk,
        Err(error) => return to.trouble(explain(&path, &error.into(), DROP_IN)),
    };
    let between = if folder.is_empty() { "" } else { "/" };
    let used = disk.f_blocks.saturating_sub(disk.f_bfree);
    to.reading(
        format_args!("disk{between}{folder}/used"),
        "%",
        percent(used, used.saturating_add(disk.f_bavail)),
    );
    let free = disk.f_bavail.saturating_mul(disk.f_frsize);
    to.reading(format_args!("disk{between}{folder}/free"), "B", float(free));
    if disk.f_files > 0 {
        let used = disk.f_files.saturating_sub(disk.f_ffree);
        to.reading(format_args!("disk{between}{folder}/inodes_used"), "%", percent(used, disk.f_files));
    }
}

#[expect(clippy::cast_precision_loss, reason = "a count above 2^53 is as good without its last digits")]
fn float(count: u64) -> f64 {
    count as f64
}

/// A part of a whole (%); 0 of nothing.
fn percent(part: u64, whole: u64) -> f64 {
    if whole == 0 { 0.0 } else { float(part) / float(whole) * 100.0 }
}

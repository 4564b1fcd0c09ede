//! `headwater check`: all that is wrong with the config, or what it will run.

use super::{Failure, checked, load_whole, stdout};
use crate::config::Config;
use crate::engine::journal_share;
use crate::estimate::Estimate;
use crate::journal::PAGE_BYTES;
use headwater_forwarder::Sync;
use headwater_pipeline::config::{StreamConfig, WindowConfig};
use headwater_settings::{Document, Or, Table, format_duration, format_size};
use std::path::Path;

/// `MemoryMax` of the unit that packages ship (bytes).
const UNIT_MEMORY_MAX: u64 = 192 << 20;

pub(super) fn run(path: &Path) -> Result<(), Failure> {
    let mut loaded = load_whole(path)?;
    let config = checked((loaded.config.take(), &loaded.document))?;
    let remote = loaded.remote_change().map(|change| change + "\n").unwrap_or_default();
    stdout::print(describe(path, &config, &loaded.document) + &remote)
}

pub(crate) fn describe(path: &Path, config: &Config, document: &Document) -> String {
    let well = match document.mistakes().len() {
        0 => "all is well",
        _ => "it runs, but look at the warnings",
    };
    let mut text = format!("{}: {well}\n\n", path.display());
    text.push_str(&format!("agent {}, state in {}", config.agent.id, config.agent.state_dir.display()));
    if config.agent.runtime_dir != config.agent.state_dir {
        text.push_str(&format!(", journal in {}", config.agent.runtime_dir.display()));
    }
    text.push('\n');
    let places = |kind: &str| -> Vec<String> {
        let tables = document.root().named_tables(kind);
        tables.into_iter().map(|(_, mut table)| place_of(&mut table)).collect()
    };
    for (source, place) in config.sources.iter().zip(places("sources")) {
        text.push_str(&format!("source {}: {place}\n", source.name));
    }
    for stream in &config.streams {
        text.push_str(&format!("stream {}: {}\n", stream.name, describe_stream(stream)));
    }
    for (output, place) in config.outputs.iter().zip(places("outputs")) {
        let format = output.encoder.format.name();
        text.push_str(&format!("output {}: {place}, as {format}\n", output.name));
    }
    text.push_str(&format!(
        "limits: {} series, payloads of {}\n",
        config.limits.series,
        format_size(config.limits.payload_bytes as u64)
    ));
    let cost = Estimate::of(config);
    text.push_str(&describe_cost(config, &cost));
    text.push_str(&describe_checkpoints(config, &cost));
    text.push_str(&describe_syncs(config));
    text
}

/// What the figures of memory hold for: the allocator of the GNU system's library gives back what is freed only if it is told to.
const ALLOCATOR: &str = if cfg!(target_env = "gnu") {
    "that is the memory of the service, whose unit sets MALLOC_ARENA_MAX=2 and MALLOC_MMAP_THRESHOLD_=131072; started without \
     them the agent may take a third more\n"
} else {
    ""
};

fn describe_cost(config: &Config, cost: &Estimate) -> String {
    let rate = cost.messages_per_s.map_or_else(
        || "as many messages as the readings make".to_owned(),
        |rate| format!("{} messages a minute", (rate * 60.0).round()),
    );
    let mib = |bytes: u64| format_size(bytes >> 20 << 20);
    let advice = if cost.memory_offline > UNIT_MEMORY_MAX {
        format!(
            "that is more memory than the service may take (MemoryMax, {}): past it late readings and new series are \
             refused; set [limits] series to {} or less, or raise MemoryMax with `systemctl edit headwater`\n",
            format_size(UNIT_MEMORY_MAX),
            Estimate::series_within(config, UNIT_MEMORY_MAX),
        )
    } else {
        String::new()
    };
    format!(
        "at most, with all series in every stream: memory {} ({} while the uplink is up; {} of it where readings come in \
         order and their values lie close), disk {}, {rate}\n{advice}{ALLOCATOR}",
        mib(cost.memory_offline),
        mib(cost.memory),
        mib(cost.memory_usual),
        mib(cost.disk),
    )
}

/// The line about the interval of checkpoints that `daily_writes` allows.
fn describe_checkpoints(config: &Config, cost: &Estimate) -> String {
    let every = format_duration(config.agent.checkpoint_ms);
    let (series, all) = (cost.checkpoints.series, config.limits.series);
    let budget = format_size(config.buffer.daily_writes);
    if series >= all as u64 {
        return format!("checkpoints: every {every}, within {budget} a day (`daily_writes`)\n");
    }
    // Seconds do not matter in minutes.
    let ms = cost.checkpoints.all_ms;
    let whole = if ms < 60_000 { 1_000 } else { 60_000 };
    format!(
        "checkpoints: every {every} while about {series} series have new readings each time; {budget} a day (`daily_writes`) \
         allow one in about {} if all {all} have\n",
        format_duration((ms + whole - 1) / whole * whole),
    )
}

/// The line about the syncs that `daily_writes` allows, if a source waits for them.
fn describe_syncs(config: &Config) -> String {
    if !config.sources.iter().any(|source| source.source.is_durable()) {
        return String::new();
    }
    let every = match config.buffer.sync {
        Sync::Always => "at once".to_owned(),
        Sync::Every(ms) => format!("every {}", format_duration(ms.cast_signed())),
    };
    let share = journal_share(config.buffer.daily_writes);
    format!(
        "syncs of the journal: {every}, and when a broker waits; {} a day (three quarters of `daily_writes`) allow one of \
         {} every {} ms for long\n",
        format_size(share),
        format_size(PAGE_BYTES),
        86_400_000 * PAGE_BYTES / share.max(1),
    )
}

/// Kind and address of a source or output, as the file has them.
fn place_of(table: &mut Table<'_>) -> String {
    let words = ["type", "url"].into_iter().filter_map(|key| table.string(key).given());
    words.collect::<Vec<_>>().join(" ")
}

fn describe_stream(stream: &StreamConfig) -> String {
    let summaries = match stream.window {
        WindowConfig::Cut(_) => format!(": {}", stream.plan),
        WindowConfig::None(_) => String::new(),
    };
    let pairs: String =
        stream.pairs.iter().map(|pair| format!("; {} with {}", pair.a.with("*"), pair.b.with("*"))).collect();
    let own = stream.detectors.iter().map(|own| (&own.name, &own.severity, &own.listing));
    let groups = stream.groups.iter().map(|group| (&group.name, &group.severity, &group.listing));
    let detectors: String = own
        .chain(groups)
        .map(|(name, severity, listing)| format!("\n  detector {name} ({severity}): {listing}"))
        .collect();
    format!("{}{summaries}{pairs}{detectors}", stream.window)
}

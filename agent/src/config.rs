//! The checked config: a [`Config`] never holds a bad value.
//!
//! [`load`] reads the file once and lets every part read its own table (sources in `sensors`, outputs and the buffer
//! in `forwarder`, detectors by the kernel's own list of parameters). It collects every mistake on the way.

mod clock;
mod connections;
mod directory;
mod globs;
mod labels;
mod names;
mod privacy;
mod remote;
mod text;

use crate::clock::ClockConfig;
use crate::models;
use crate::remote::{RemoteSettings, StateFile};
pub(crate) use directory::{SYSTEM_RUNTIME, SYSTEM_STATE};
use headwater_forwarder::{BufferConfig, Output, OutputContext};
use headwater_http::HttpSettings;
use headwater_pipeline::config::{GroupJudge, Limits, ReadModel, StreamConfig, read_streams, refuse_unknown};
use headwater_sensors::{ReadSource, Source};
use headwater_settings::{At, Document, Or, Overlay, Table, fingerprint_of};
use headwater_wire::{ENCODERS, Encoding, OutputEncoder, Precision, Unplaced};
pub(crate) use names::host_name;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::sync::Arc;
pub(crate) use text::ConfigText;

/// Everything that `run` needs.
pub struct Config {
    /// `[agent]`.
    pub agent: AgentConfig,
    /// `[sources.NAME]`, in the order of the file.
    pub sources: Vec<SourceConfig>,
    /// `[streams.NAME]`, in the order of the file.
    pub streams: Vec<StreamConfig>,
    /// `[outputs.NAME]`, in the order of the file.
    pub outputs: Vec<OutputConfig>,
    /// `[buffer]`.
    pub buffer: BufferConfig,
    /// `[limits]`.
    pub limits: Limits,
    /// `[clock]`.
    pub clock: ClockConfig,
    /// `[http]`; `None`: there is no listener.
    pub http: Option<HttpSettings>,
    /// `[remote]`; `None`: the config is not changed remotely.
    pub remote: Option<RemoteSettings>,
    /// The fingerprint of all streams.
    pub(crate) streams_print: u64,
    /// The fingerprint of `[http]`.
    pub(crate) http_print: u64,
}

/// `[agent]`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AgentConfig {
    /// The agent's id, as one level of an MQTT topic.
    pub id: String,
    /// The folder of the buffer and the checkpoints.
    pub state_dir: PathBuf,
    /// Where the journal lives that a crash does not take, best in memory.
    pub runtime_dir: PathBuf,
    /// Checksum of the text and the models.
    pub checksum: u32,
    /// How often open windows become durable (ms).
    pub checkpoint_ms: i64,
    /// How often a report is emitted (ms).
    pub report_ms: i64,
    /// The log level, if configured.
    pub log: Option<tracing::Level>,
    /// Whether the config is read again when its file changes.
    pub watch: bool,
    /// How long the next config is on trial (ms); 0: not at all.
    pub trial_ms: i64,
}

/// A source with its name.
pub struct SourceConfig {
    /// The name in the config.
    pub name: String,
    /// The source.
    pub source: Box<dyn Source>,
    /// How far ahead of the agent's clock a reading may be (ms).
    pub future_ms: i64,
    /// The most series that it may bring; `None`: as many as `[limits] series` allows.
    pub series_max: Option<usize>,
    /// The fingerprint of all that it was read from.
    pub(crate) print: u64,
}

/// An output with its name and its encoder.
pub struct OutputConfig {
    /// The name in the config.
    pub name: String,
    /// The output.
    pub output: Box<dyn Output>,
    /// Format and streams.
    pub encoder: OutputEncoder,
    /// The fingerprint of all that it was read from.
    pub(crate) print: u64,
}

const SECOND: i64 = 1_000;
const MINUTE: i64 = 60 * SECOND;
const HOUR: i64 = 60 * MINUTE;
const DAY: i64 = 24 * HOUR;

/// The upper bound of `[limits] series`: a handle has 32 bits, and memory ends long before.
const SERIES_MAX: i64 = 1_000_000;

/// The series that one message may bring anew: one cannot take all places.
const NEW_SERIES: usize = 256;

/// Reads a config file. The document holds the mistakes; `None` means that there were errors.
///
/// # Errors
/// The file cannot be read at all.
pub fn load(path: &Path) -> Result<(Option<Config>, Document), std::io::Error> {
    load_with(path, &models::read)
}

/// Reads a config file whose models are read by `models`.
///
/// # Errors
/// The file cannot be read at all.
pub(crate) fn load_with(
    path: &Path,
    models: &ReadModel<'_>,
) -> Result<(Option<Config>, Document), std::io::Error> {
    let text = std::fs::read_to_string(path)?;
    Ok(read_document(Document::parse(path, &text, |name| std::env::var(name).ok()), &text, models))
}

/// Reads only `[agent]` of a config file; `None`: the document says why not. Mistakes elsewhere are not looked for.
///
/// # Errors
/// The file cannot be read at all.
pub(crate) fn load_agent(path: &Path) -> Result<(Option<AgentConfig>, Document), std::io::Error> {
    let text = std::fs::read_to_string(path)?;
    let env = |name: &str| std::env::var(name).ok();
    let document = Document::parse(path, &text, env);
    let directories = (directory::state(&env), env("RUNTIME_DIRECTORY"));
    let agent = read_agent(document.root().table("agent"), directories);
    Ok((agent.filter(|_| !document.has_errors()), document))
}

/// Reads a config from text; `env` answers `${NAME}`.
pub fn parse(
    path: &Path,
    text: &str,
    env: impl Fn(&str) -> Option<String> + 'static,
) -> (Option<Config>, Document) {
    read_document(Document::parse(path, text, env), text, &models::read)
}

/// Reads a config from the text of its file and what lies over it.
pub(crate) fn parse_text(path: &Path, text: &ConfigText, state: &StateFile) -> (Option<Config>, Document) {
    let env = |name: &str| std::env::var(name).ok();
    if text.remote.is_empty() {
        return parse(path, &text.file, env);
    }
    let overlay = Overlay { path: state.path(), text: &text.remote };
    read_document(Document::parse_over(path, &text.file, overlay, env), &text.whole(), &models::read)
}

fn read_document(document: Document, text: &str, models: &ReadModel<'_>) -> (Option<Config>, Document) {
    let env = |name: &str| document.environment(name);
    let directories = (directory::state(&env), env("RUNTIME_DIRECTORY"));
    let mut config = read(&document, directories, models);
    if let Some(config) = &mut config {
        config.agent.checksum = checksum(text, &config.streams);
    }
    let config = config.filter(|_| !document.has_errors());
    (config, document)
}

/// Asks a document for everything that a config has, whatever it answers.
#[cfg(test)]
pub(crate) fn ask(document: &Document) {
    read(document, (PathBuf::from(SYSTEM_STATE), None), &models::read);
}

/// Identifies a config: its text, and the contents of its models.
fn checksum(text: &str, streams: &[StreamConfig]) -> u32 {
    let mut hash = crc32fast::Hasher::new();
    hash.update(text.as_bytes());
    for group in streams.iter().flat_map(|stream| &stream.groups) {
        if let GroupJudge::Windows(detector) = &group.judge
            && let Some(model) = detector.model_checksum()
        {
            hash.update(&model.to_le_bytes());
        }
    }
    hash.finalize()
}

fn read(
    document: &Document,
    directories: (PathBuf, Option<String>),
    models: &ReadModel<'_>,
) -> Option<Config> {
    let mut root = document.root();
    names::check(&mut root);
    let limits = read_limits(root.table("limits"));
    let agent = read_agent(root.table("agent"), directories);
    let id = agent.as_ref().map_or_else(|| "agent".to_owned(), |agent| agent.id.clone());
    let mut sources = read_sources(&mut root, &id, limits);
    let source_names: Vec<String> = sources.iter().map(|(name, _)| name.clone()).collect();
    let streams = read_streams(&mut root, &source_names, models);
    globs::warn_of_idle(&mut root, &sources, &streams);
    labels::refuse_unmade(&mut root, &sources, &streams);
    let labels = privacy::made(&sources);
    let outputs = read_outputs(&mut root, &id, labels.as_deref());
    let remote = remote::read(&mut root, &outputs, &id);
    let prints = connections::exclude_own(&mut root, &mut sources, &outputs, &id);
    connections::refuse_equal(&mut root, &sources, &outputs, remote.as_ref());
    let buffer = BufferConfig::read(root.table("buffer"));
    let clock = clock::read(root.table("clock"));
    let http = root.table("http").map(HttpSettings::read);
    if !document.is_syntax_broken() {
        root.missing(
            "sources",
            format!("add [sources.NAME]; its `type` is {}", headwater_sensors::source_kinds()),
        );
        root.missing(
            "streams",
            "add a stream, e.g. [streams.all] with window = { type = \"tumbling\", size = \"1m\" }",
        );
        if !root.has("outputs") {
            root.warn(0..0, "no output: messages are made and kept in the buffer only", "add [outputs.NAME]");
        }
    }
    let own_limits = (limits.series, limits.new_series, limits.payload_bytes);
    let (streams_print, http_print) = (root.fingerprint_of("streams"), root.fingerprint_of("http"));
    root.finish();
    Some(Config {
        agent: agent?,
        sources: sources
            .into_iter()
            .zip(prints)
            .filter_map(|((name, source), print)| {
                let ReadSource { source, future_ms, series_max } = source?;
                let print = fingerprint_of(&(print, &id, own_limits));
                Some(SourceConfig { name, source, future_ms, series_max, print })
            })
            .collect(),
        streams,
        outputs,
        buffer,
        limits,
        clock,
        http: http.flatten(),
        remote,
        streams_print,
        http_print,
    })
}

fn read_limits(table: Option<Table<'_>>) -> Limits {
    let mut limits = Limits {
        series: 10_000,
        new_series: NEW_SERIES,
        forget_ms: 7 * DAY,
        payload_bytes: 256 << 10,
        retained_bytes: 8 << 20,
    };
    if let Some(mut table) = table {
        limits.series = table.integer("series", 1..=SERIES_MAX).value_or(10_000).unsigned_abs() as usize;
        let new_series = table.integer("new_series", 1..=SERIES_MAX).given();
        limits.new_series = new_series.map_or(NEW_SERIES, |count| count.unsigned_abs() as usize);
        limits.forget_ms = table.duration("forget", SECOND..=10 * 365 * DAY).value_or(limits.forget_ms);
        limits.payload_bytes = table.size("payload", 1..=256 << 20).value_or(256 << 10) as usize;
        limits.retained_bytes = table.size("retained", 0..=1 << 30).value_or(8 << 20) as usize;
        table.finish();
    }
    limits
}

fn read_agent(
    table: Option<Table<'_>>,
    (state_dir, runtime_directory): (PathBuf, Option<String>),
) -> Option<AgentConfig> {
    let mut agent = AgentConfig {
        id: host_name(),
        runtime_dir: state_dir.clone(),
        state_dir,
        checksum: 0,
        checkpoint_ms: 10 * SECOND,
        report_ms: HOUR,
        log: None,
        watch: false,
        trial_ms: 2 * MINUTE,
    };
    let runtime_directory = runtime_directory.map(PathBuf::from);
    let Some(mut table) = table else {
        agent.runtime_dir = runtime_directory.unwrap_or(agent.runtime_dir);
        return Some(agent);
    };
    let id = table.string("id");
    agent.state_dir = table.path_to("state_dir").value_or(agent.state_dir);
    let runtime_dir = table.path_to("runtime_dir").given();
    warn_of_writers(&table, "state_dir", &agent.state_dir);
    agent.runtime_dir = runtime_dir.or(runtime_directory).unwrap_or_else(|| agent.state_dir.clone());
    agent.checkpoint_ms = table.duration("checkpoint", 100..=DAY).value_or(agent.checkpoint_ms);
    agent.report_ms = table.duration("report", SECOND..=7 * DAY).value_or(agent.report_ms);
    agent.watch = table.boolean("watch").value_or(false);
    table.note("watch", "reads the config again when its file changes");
    agent.trial_ms = table.duration("trial", 0..=DAY).value_or(agent.trial_ms);
    let trial = "how long the next config may take until an output is back that worked before it; else it is rolled back";
    table.note("trial", trial);
    agent.log = table
        .choice(
            "log",
            &[
                ("error", tracing::Level::ERROR),
                ("warn", tracing::Level::WARN),
                ("info", tracing::Level::INFO),
                ("debug", tracing::Level::DEBUG),
                ("trace", tracing::Level::TRACE),
            ],
        )
        .given();
    if let Some(id) = id.and_then(|id| names::checked(&table, "`id`", id)) {
        agent.id = id;
    }
    table.finish();
    Some(agent)
}

/// Whoever may write there can take the agent's state away, or put another in its place.
fn warn_of_writers(table: &Table<'_>, key: &str, folder: &Path) {
    let mode = std::fs::metadata(folder).map_or(0, |found| found.permissions().mode());
    let who = [(0o002, "everybody on this machine"), (0o020, "everybody in its group")];
    if let Some((_, who)) = who.into_iter().find(|(bit, _)| mode & bit != 0) {
        let what = format!("{who} may write in {}", folder.display());
        table.warn(table.place_of(key), what, format!("chmod go-w {}", folder.display()));
    }
}

fn read_sources(root: &mut Table<'_>, agent: &str, limits: Limits) -> Vec<(String, Option<ReadSource>)> {
    let listens = root.has("http");
    root.named_tables("sources")
        .into_iter()
        .map(|(name, mut table)| {
            let context = headwater_sensors::SourceContext {
                agent: agent.to_owned(),
                source: name.value.clone(),
                payload_bytes_max: limits.payload_bytes,
                series_max: limits.series,
            };
            let source = headwater_sensors::read_source(&mut table, &context);
            if !listens && source.as_ref().is_some_and(|read| read.source.needs_listener()) {
                let fix = "add `[http]`, which listens at 127.0.0.1:8600";
                table.refuse(table.place_of("path"), "others cannot ask: there is no listener", fix);
            }
            if table.is_overlaid() && source.as_ref().is_some_and(|read| !read.source.may_be_remote()) {
                let what =
                    "a source that starts a program or opens what its table names cannot be set remotely";
                table.refuse(table.place_of("type"), what, "add it in the config's file");
            }
            table.finish();
            (name.value, source)
        })
        .collect()
}

fn read_outputs(root: &mut Table<'_>, agent: &str, labels: Option<&[String]>) -> Vec<OutputConfig> {
    let streams = stream_names(root);
    root.named_tables("outputs")
        .into_iter()
        .filter_map(|(name, mut table)| {
            let context = OutputContext { agent: agent.to_owned(), output: name.value.clone() };
            let kind = headwater_forwarder::read_output_kind(&mut table);
            let output = kind.and_then(|kind| (kind.read)(&mut table, &context));
            let formats = output.as_ref().and_then(|output| output.formats());
            let formats = formats.or(kind.map(|kind| kind.formats)).unwrap_or_default();
            let encoder = read_encoder(&mut table, agent, formats, &streams);
            let is_json = encoder.as_ref().is_none_or(|encoder| encoder.format == Encoding::Json);
            if output.as_ref().is_some_and(|output| output.announces()) && !is_json {
                let what = "what is announced is read by those who know JSON alone";
                table.refuse(table.place_of("format"), what, "leave `format` out, or `home_assistant`");
            }
            let privacy = privacy::read(&mut table, labels);
            let print = table.fingerprint();
            // Without a kind its keys are unknown.
            if kind.is_some() {
                table.finish();
            }
            let encoder = OutputEncoder { privacy: privacy?, ..encoder? };
            let print = fingerprint_of(&(print, agent));
            Some(OutputConfig { name: name.value, output: output?, encoder, print })
        })
        .collect()
}

fn stream_names(root: &mut Table<'_>) -> Vec<String> {
    root.named_tables("streams").into_iter().map(|(name, _)| name.value).collect()
}

/// `format`, one of those that the kind can carry, `streams` and `kinds`.
fn read_encoder(
    table: &mut Table<'_>,
    agent: &str,
    formats: &[&str],
    known: &[String],
) -> Option<OutputEncoder> {
    let known_by = |name: &&str| ENCODERS.iter().find(|(word, _)| word == name);
    let words: Vec<_> = formats.iter().filter_map(known_by).copied().collect();
    debug_assert_eq!(words.len(), formats.len(), "a kind of output names a format that there is not");
    let given = table.choice("format", &words);
    let streams = table.at_least_one("streams");
    for stream in streams.iter().flat_map(|list| &list.value) {
        refuse_unknown(table, stream, "stream", known);
    }
    let kinds = table.at_least_one("kinds");
    let known_kinds = headwater_pipeline::event::KINDS.map(str::to_owned);
    for kind in kinds.iter().flat_map(|list| &list.value) {
        refuse_unknown(table, kind, "kind of message", &known_kinds);
    }
    let mut format = given.map(|at| at.value).or(words.first().map(|(_, format)| *format))?;
    if let Some(kinds) = &kinds {
        warn_of_formless(table, kinds, format);
    }
    let kinds = kinds.map(|list| list.value.into_iter().map(|at| at.value).collect());
    if let Encoding::Influx(precision) = &mut format {
        *precision = table.choice("precision", &Precision::WORDS).value_or(*precision);
    }
    let streams = streams.map(|list| list.value.into_iter().map(|at| at.value).collect());
    Some(OutputEncoder {
        agent: agent.to_owned(),
        format,
        streams,
        kinds,
        placer: Arc::new(Unplaced),
        privacy: None,
    })
}

/// Refuses kinds none of which the format has a form for, because nothing would ever be sent; warns of some.
fn warn_of_formless(table: &Table<'_>, kinds: &At<Vec<At<String>>>, format: Encoding) {
    let formless: Vec<&At<String>> = kinds.value.iter().filter(|kind| !format.has(&kind.value)).collect();
    let Some(first) = formless.first() else { return };
    let what = format!("`{}` has no form for {}", format.name(), first.value);
    if formless.len() == kinds.value.len() {
        table.refuse(
            kinds.span.clone(),
            what,
            "name another kind, or another `format`: nothing would be sent",
        );
    } else {
        table.warn(first.span.clone(), what, "leave it out: it is not sent");
    }
}

#[cfg(test)]
mod tests;

//! `headwater merge`: the summaries of many agents, merged without a cluster.

use super::{Failure, stdout};
use clap::Args;
use flate2::read::MultiGzDecoder;
use headwater_lab::fleet::{Fleet, MergeOptions};
use headwater_settings::parse_duration;
use headwater_text::{LINE_BYTES_MAX, clean};
use std::fs::File;
use std::io::{BufReader, BufWriter, Write as _};
use std::path::{Path, PathBuf};

/// Options of `merge`.
#[derive(Debug, Args)]
pub(super) struct MergeArguments {
    /// Messages as JSON lines, as the outputs `file` and `stdout` write them, .gz too; - for the standard input
    #[arg(required = true)]
    files: Vec<PathBuf>,
    /// Labels that make a group, such as site (default: none)
    #[arg(long, value_name = "LABEL", value_delimiter = ',')]
    by: Vec<String>,
    /// Length of a window
    #[arg(long, value_name = "DURATION", default_value = "1h", value_parser = duration)]
    every: i64,
    /// Percentiles, where all summaries have sketches
    #[arg(long, value_name = "PERCENT", value_delimiter = ',', default_value = "50,95,99", value_parser = percent)]
    percentiles: Vec<f64>,
    /// Adds the merged sketch to each result
    #[arg(long)]
    sketch: bool,
}

fn duration(text: &str) -> Result<i64, &'static str> {
    parse_duration(text).filter(|every_ms| *every_ms > 0).ok_or("write a duration such as 15m, 1h or 1d")
}

fn percent(text: &str) -> Result<f64, &'static str> {
    let percent =
        text.trim_start_matches('p').parse().ok().filter(|percent| *percent > 0.0 && *percent <= 100.0);
    percent.ok_or("it has to be above 0 and at most 100")
}

pub(super) fn run(arguments: MergeArguments) -> Result<(), Failure> {
    let MergeArguments { files, by, every, percentiles, sketch } = arguments;
    let mut fleet = Fleet::new(MergeOptions { by, every_ms: every, percentiles, with_sketch: sketch });
    for path in &files {
        read(path, &mut fleet)
            .map_err(|error| Failure::Other(format!("cannot read {}: {error}", path.display())))?;
    }
    for (reason, refused) in fleet.refused() {
        let first = clean(&refused.first, LINE_BYTES_MAX);
        eprintln!("warning: {} messages are left out ({reason}); the first: {first}", refused.count);
    }
    if fleet.is_empty() {
        let fix =
            "no summary is left to merge; `--every` has to be as long as the windows of the stream at least";
        return Err(Failure::Other(fix.to_owned()));
    }
    let mut out = BufWriter::new(std::io::stdout().lock());
    fleet.write(&mut out).and_then(|()| out.flush()).map_err(stdout::unwritten)
}

/// Adds the messages of a file, or of the standard input. Files that end in `.gz` are inflated.
fn read(path: &Path, fleet: &mut Fleet) -> std::io::Result<()> {
    if path.as_os_str() == "-" {
        return fleet.read(std::io::stdin().lock());
    }
    let file = File::open(path)?;
    match path.extension() {
        Some(extension) if extension == "gz" => fleet.read(BufReader::new(MultiGzDecoder::new(file))),
        _ => fleet.read(BufReader::new(file)),
    }
}

//! Where the program's own log goes: stderr, one line an event, fields behind it.

mod limit;
mod line;

use limit::LineLimit;
use line::CleanFields;
use std::str::FromStr;
use tracing::Level;
use tracing_subscriber::filter::{LevelFilter, Targets};
use tracing_subscriber::fmt::time::uptime;
use tracing_subscriber::prelude::*;

/// Starts logging at the level of `HEADWATER_LOG`, else of the config, else `info`. `HEADWATER_LOG` may also name
/// modules (`info,headwater_forwarder=debug`). The TLS library is held to warnings.
pub(crate) fn start(config: Option<Level>) {
    let wanted = std::env::var("HEADWATER_LOG").ok();
    let default = config.unwrap_or(Level::INFO);
    let parsed = wanted.as_deref().and_then(targets_of);
    let misread = wanted.is_some() && parsed.is_none();
    let targets = parsed.unwrap_or_else(|| Targets::new().with_default(LevelFilter::from_level(default)));
    let quiet = targets.default_level().map_or(LevelFilter::WARN, |level| level.min(LevelFilter::WARN));
    let targets = targets.with_target("rustls", quiet);
    // The buffer says once what sled says of a bad disk again and again.
    let targets = targets.with_target("sled", LevelFilter::OFF);
    let lines = tracing_subscriber::fmt::layer();
    let lines = lines.with_writer(std::io::stderr).with_target(false).fmt_fields(CleanFields);
    // Under systemd the journal adds the time; by hand the time since the start is what one looks for.
    let under_systemd = std::env::var_os("JOURNAL_STREAM").is_some();
    let registry = tracing_subscriber::registry().with(targets).with(LineLimit::default());
    let installed = if under_systemd {
        registry.with(lines.without_time().with_ansi(false)).try_init()
    } else {
        let color = std::io::IsTerminal::is_terminal(&std::io::stderr());
        registry.with(lines.with_timer(uptime()).with_ansi(color)).try_init()
    };
    if installed.is_ok() && misread {
        tracing::warn!(
            "HEADWATER_LOG is not understood and was ignored; write error, warn, info, debug or trace, or level,module=level"
        );
    }
}

/// A word alone is a level, and not a module that nobody has written: a mistyped one would silence all others.
fn targets_of(wanted: &str) -> Option<Targets> {
    let is_sound = |part: &str| part.contains('=') || LevelFilter::from_str(part.trim()).is_ok();
    Targets::from_str(wanted).ok().filter(|_| wanted.split(',').all(is_sound))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_word_that_is_no_level_is_not_understood() {
        for (wanted, level) in [
            ("warn", Some(LevelFilter::WARN)),
            ("info,headwater_forwarder=debug", Some(LevelFilter::INFO)),
            ("inof", None),
            ("info,headwater_forwarder", None),
            ("warning", None),
        ] {
            let found = targets_of(wanted).and_then(|targets| targets.default_level());
            assert_eq!(found, level, "{wanted}");
        }
    }
}

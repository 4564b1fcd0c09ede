//! `[clock]`: when the wall clock is trusted, and how long messages wait for it.

use crate::clock::{ClockConfig, Trust};
use headwater_settings::{Or, Table, parse_duration};

/// The longest wait, other than for ever: 10 years (ms).
const WAIT_MAX_MS: i64 = 3_652 * 86_400_000;

pub(super) fn read(table: Option<Table<'_>>) -> ClockConfig {
    let mut clock = ClockConfig::default();
    let Some(mut table) = table else { return clock };
    if let Some(wait) = table.string("wait") {
        let given = match wait.value.as_str() {
            "forever" => Some(None),
            text => parse_duration(text).filter(|ms| (0..=WAIT_MAX_MS).contains(ms)).map(Some),
        };
        match given {
            Some(wait_ms) => clock.wait_ms = wait_ms,
            None => table.refuse(
                wait.span,
                format!("`wait` cannot be `{}`", wait.value),
                "write a duration such as \"10m\" or \"1h\", or \"forever\"",
            ),
        }
    }
    let words = [("auto", Trust::Auto), ("synced", Trust::Synced), ("always", Trust::Always)];
    clock.trust = table.choice("trust", &words).value_or(clock.trust);
    table.finish();
    clock
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config;
    use std::path::Path;

    fn read_text(clock: &str) -> Result<ClockConfig, String> {
        let text = format!(
            "[sources.s]\ntype = \"mqtt\"\nurl = \"mqtt://h\"\ntopics = [\"#\"]\n[streams.a]\n{clock}"
        );
        let (config, document) = config::parse(Path::new("t.toml"), &text, |_| None);
        config.map(|config| config.clock).ok_or_else(|| document.render_all())
    }

    #[test]
    fn the_default_is_ten_minutes_and_mistakes_are_shown() {
        assert_eq!(read_text("").unwrap(), ClockConfig { wait_ms: Some(600_000), trust: Trust::Auto });
        let given = read_text("[clock]\nwait = \"forever\"\ntrust = \"synced\"\n").unwrap();
        assert_eq!(given, ClockConfig { wait_ms: None, trust: Trust::Synced });
        assert_eq!(read_text("[clock]\nwait = \"0s\"\n").unwrap().wait_ms, Some(0));
        let shown = read_text("[clock]\nwait = \"soon\"\n").unwrap_err();
        assert!(shown.contains("t.toml:7:8") && shown.contains("forever"), "{shown}");
        let shown = read_text("[clock]\nwiat = \"1m\"\n").unwrap_err();
        assert!(shown.contains("did you mean `wait`"), "{shown}");
    }
}

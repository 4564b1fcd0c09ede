//! A config as it is read: that of the file, and what was set remotely over it.

use crate::clock;
use crate::config::{self, Config, ConfigText};
use crate::remote::{StateFile, StoredRemote};
use headwater_settings::Document;
use std::io::ErrorKind;
use std::path::Path;

/// A config as it was read.
pub(crate) struct LoadedConfig {
    /// The config; `None`: the document says why not.
    pub(crate) config: Option<Config>,
    /// The mistakes.
    pub(crate) document: Document,
    /// What it was read from.
    pub(crate) text: ConfigText,
    /// What the state directory keeps of remote changes.
    pub(crate) stored: StoredRemote,
    /// Where; `None`: there is no `[remote]`, or the config has mistakes.
    pub(crate) state: Option<StateFile>,
    /// Why what was set remotely is not part of the config, though `[remote]` is there.
    pub(crate) left_out: Option<String>,
}

impl LoadedConfig {
    /// Reads a config from the text of its file, and lays over it what was set remotely. Where that does not fit, the config
    /// is that of the file alone.
    pub(crate) fn read(path: &Path, file: String) -> Self {
        let mut text = ConfigText { file, remote: String::new() };
        let (config, document) = config::parse(path, &text.file, |name| std::env::var(name).ok());
        let state = config.as_ref().filter(|config| config.remote.is_some());
        let state = state.map(|config| StateFile::of(&config.agent.state_dir));
        let stored = StoredRemote::default();
        let mut loaded =
            Self { config, document, text: text.clone(), stored, state: state.clone(), left_out: None };
        let Some(state) = state else { return loaded };
        match state.read() {
            Ok(stored) => loaded.stored = stored,
            Err(error) => {
                // What has been here before is not known any more: all of the past may have.
                loaded.stored.time_ms = clock::now().0;
                let fix = match error.kind() {
                    ErrorKind::PermissionDenied => "ask as root or as the agent's user",
                    _ => "send the change again",
                };
                loaded.left_out = Some(format!("{}: {error}; {fix}", state.path().display()));
                return loaded;
            }
        }
        text.remote.clone_from(&loaded.stored.text);
        let (config, document) = config::parse_text(path, &text, &state);
        match config {
            None => loaded.left_out = Some(document.render_all().trim_end().to_owned()),
            Some(config) => {
                (loaded.config, loaded.document, loaded.text) = (Some(config), document, text);
            }
        }
        loaded
    }

    /// What lies over the file, in words; `None`: nothing.
    pub(crate) fn remote_change(&self) -> Option<String> {
        let StoredRemote { id, set_ms, .. } = &self.stored;
        let of = format!("remote change {id}, signed {}", clock::utc(headwater_kernel::time::Time(*set_ms)));
        match &self.left_out {
            Some(why) if id.is_empty() => Some(format!("what was set remotely is not read: {why}")),
            Some(why) => Some(format!("{of}, does not fit and is not used: {why}")),
            None if self.text.remote.is_empty() => None,
            None => Some(format!(
                "{of}, lies over the file; `headwater config show` prints it, `drop` removes it"
            )),
        }
    }
}

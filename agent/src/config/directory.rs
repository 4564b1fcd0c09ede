//! Where the state lives unless the config says so.

use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};

/// The folder of the service's state.
pub(crate) const SYSTEM_STATE: &str = "/var/lib/headwater";

/// The folder that the service has in memory.
pub(crate) const SYSTEM_RUNTIME: &str = "/run/headwater";

/// The folder of the state: systemd's, or that of the service, or that of a user who has none (XDG Base Directory
/// Specification 0.8).
pub(super) fn state(env: &impl Fn(&str) -> Option<String>) -> PathBuf {
    if let Some(directory) = env("STATE_DIRECTORY") {
        // systemd passes colon-separated lists; ours hold one.
        return PathBuf::from(directory);
    }
    // The folder of a process belongs to its user.
    let is_root = std::fs::metadata("/proc/self").is_ok_and(|process| process.uid() == 0);
    if is_root || Path::new(SYSTEM_STATE).exists() { PathBuf::from(SYSTEM_STATE) } else { of_user(env) }
}

fn of_user(env: &impl Fn(&str) -> Option<String>) -> PathBuf {
    let absolute = |name: &str| env(name).map(PathBuf::from).filter(|path| path.is_absolute());
    let state = absolute("XDG_STATE_HOME").or_else(|| Some(absolute("HOME")?.join(".local/state")));
    state.map_or_else(|| PathBuf::from(SYSTEM_STATE), |state| state.join("headwater"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_user_without_a_service_has_a_folder_of_their_own() {
        let of = |variables: &'static [(&str, &str)]| {
            let env = |name: &str| {
                variables.iter().find(|(known, _)| *known == name).map(|(_, value)| (*value).to_owned())
            };
            (state(&env), of_user(&env))
        };
        assert_eq!(of(&[("STATE_DIRECTORY", "/s"), ("HOME", "/h")]).0, Path::new("/s"));
        assert_eq!(of(&[("HOME", "/h")]).1, Path::new("/h/.local/state/headwater"));
        assert_eq!(of(&[("HOME", "/h"), ("XDG_STATE_HOME", "/x")]).1, Path::new("/x/headwater"));
        assert_eq!(of(&[("HOME", "/h"), ("XDG_STATE_HOME", "x")]).1, Path::new("/h/.local/state/headwater"));
        assert_eq!(of(&[]).1, Path::new(SYSTEM_STATE));
    }
}

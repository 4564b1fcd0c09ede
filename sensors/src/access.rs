//! What to do where the system says that this user may not use something.

use std::fs;
use std::io::{self, ErrorKind};
use std::os::unix::fs::MetadataExt;
use std::path::Path;

/// Why `path` cannot be used, with the way out. `drop_in` is the one of the service that opens such things.
pub(crate) fn explain(path: &Path, error: &io::Error, drop_in: &str) -> String {
    let shown = path.display();
    if error.kind() != ErrorKind::PermissionDenied {
        return format!("{shown}: {error}");
    }
    let shut = path.ancestors().skip(1).find(|folder| fs::read_dir(folder).is_err() && folder.is_dir());
    if let Some(folder) = shut.filter(|_| fs::metadata(path).is_err()) {
        let folder = folder.display();
        return format!(
            "{shown}: permission denied: {folder} is shut; open it for the user of the agent, in a service with the \
             drop-in {drop_in}"
        );
    }
    match fs::metadata(path).ok().and_then(|metadata| group_name(metadata.gid())) {
        Some(group) => format!(
            "{shown}: permission denied: it belongs to group {group}; add the user of the agent to that group, in a \
             service with `SupplementaryGroups={group}` (drop-in {drop_in})"
        ),
        None => format!("{shown}: permission denied; give the user of the agent access to it"),
    }
}

/// The name of a group.
fn group_name(gid: u32) -> Option<String> {
    let groups = fs::read_to_string("/etc/group").ok()?;
    groups.lines().find_map(|line| {
        let mut cells = line.split(':');
        let name = cells.next()?;
        (cells.nth(1)?.parse() == Ok(gid)).then(|| name.to_owned())
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_shut_door_names_the_group_that_opens_it() {
        let denied = || io::Error::from(ErrorKind::PermissionDenied);
        let said = explain(Path::new("/dev/null"), &denied(), "serial.conf");
        assert!(
            said.contains("belongs to group root") && said.contains("SupplementaryGroups=root"),
            "{said}"
        );
        let absent = explain(Path::new("/nowhere/x"), &io::Error::from(ErrorKind::NotFound), "serial.conf");
        assert!(absent.starts_with("/nowhere/x: "), "{absent}");
    }
}

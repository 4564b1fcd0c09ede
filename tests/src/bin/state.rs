//! Makes the state folders of the version at hand: run by `tests/state/make [FOLDER]`.

use headwater_tests::state::{cases, make};
use std::path::{Path, PathBuf};

fn main() {
    let own = || Path::new(env!("CARGO_MANIFEST_DIR")).join("state").join(env!("CARGO_PKG_VERSION"));
    let folder = std::env::args_os().nth(1).map_or_else(own, PathBuf::from);
    for case in cases() {
        let place = folder.join(case.name);
        if place.exists() {
            println!("{} is there already, and stays as it is", place.display());
            continue;
        }
        make(&case, &place);
        println!("{}", place.display());
    }
}

//! The body of a checkpoint that an earlier run has left.
#![no_main]

use headwater::fuzzing::StateFolder;
use headwater_fuzz::state::{PARTS, body, fresh, go_on};
use libfuzzer_sys::fuzz_target;

fuzz_target!(
    init: for part in PARTS {
        headwater_fuzz::begin_with(part, &body(part));
    },
    |data: &[u8]| {
        let folder = StateFolder::new();
        go_on(folder.go_on(data, &[], &fresh).expect("a folder that can be used"));
    }
);

//! The journal that an earlier run has left behind a checkpoint: frames, each behind its length (u16).
#![no_main]

use headwater::fuzzing::StateFolder;
use headwater_fuzz::state::{body, fresh, go_on};
use libfuzzer_sys::fuzz_target;

const PART: &str = "tumbling";

fuzz_target!(
    init: {
        let journal = StateFolder::new().journal(&body(PART), &["tumbling/a", "detected/b"]);
        headwater_fuzz::begin_with("journal", &journal.expect("a folder that can be used"));
    },
    |data: &[u8]| {
        thread_local!(static BODY: Vec<u8> = body(PART));
        let folder = StateFolder::new();
        let restored = BODY.with(|body| folder.go_on(body, data, &fresh));
        go_on(restored.expect("a folder that can be used"));
    }
);

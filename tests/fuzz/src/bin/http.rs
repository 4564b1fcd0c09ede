//! What a client sends to the agent's listener.
#![no_main]

use headwater_fuzz::run;
use libfuzzer_sys::fuzz_target;

fuzz_target!(|data: &[u8]| run(headwater_http::fuzzing::hear(data)));

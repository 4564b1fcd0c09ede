//! What a Kafka broker answers.
#![no_main]

use libfuzzer_sys::fuzz_target;

fuzz_target!(|data: &[u8]| headwater_kafka::fuzzing::hear(data));

//! The JSON Schema of the config (draft 2020-12), for editors that complete and check it as it is written.
//!
//! `agent/schema.json` is written by a test, which lets the reading of configs say what it asks for (`explore.rs`). Finding that
//! out takes seconds, and the answer is the same on every machine and in every build; so the program only prints the file.

#[cfg(test)]
mod explore;
#[cfg(test)]
mod tests;

/// `agent/schema.json`, deflated by the build script.
const DEFLATED: &[u8] = include_bytes!(concat!(env!("OUT_DIR"), "/schema.deflate"));

/// More than the schema has (bytes).
const BYTES_MAX: usize = 4 << 20;

/// The schema, as JSON.
pub(crate) fn schema() -> Vec<u8> {
    miniz_oxide::inflate::decompress_to_vec_with_limit(DEFLATED, BYTES_MAX).unwrap_or_default()
}

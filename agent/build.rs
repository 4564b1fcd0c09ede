//! Deflates the schema of the config, so that the program holds it small. Equal files give equal bytes.

use std::io;
use std::path::PathBuf;
use std::{env, fs};

const FILE: &str = "schema.json";

/// The smallest result that `miniz_oxide` makes.
const LEVEL: u8 = 10;

fn main() -> io::Result<()> {
    println!("cargo::rerun-if-changed={FILE}");
    let out = PathBuf::from(env::var_os("OUT_DIR").unwrap_or_default());
    fs::write(out.join("schema.deflate"), miniz_oxide::deflate::compress_to_vec(&fs::read(FILE)?, LEVEL))
}

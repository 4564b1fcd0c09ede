//! `headwater`: reads the command line and calls the library.

use clap::Parser;
use headwater::cli::{self, Cli};
use std::panic::catch_unwind;
use std::process::ExitCode;

fn main() -> ExitCode {
    let cli = Cli::parse();
    match catch_unwind(|| cli::run(cli)) {
        Ok(Ok(())) => ExitCode::SUCCESS,
        Ok(Err(failure)) => {
            eprintln!("{failure}");
            failure.exit_code()
        }
        // Its words are on stderr already.
        Err(_) => ExitCode::FAILURE,
    }
}

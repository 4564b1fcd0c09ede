//! `headwater`: reads the command line and calls the library.

use clap::Parser;
use headwater::cli::{self, Cli};
use headwater_text::{LINE_BYTES_MAX, clean};
use std::panic::catch_unwind;
use std::process::ExitCode;

fn main() -> ExitCode {
    let cli = Cli::parse();
    match catch_unwind(|| cli::run(cli)) {
        Ok(Ok(())) => ExitCode::SUCCESS,
        Ok(Err(failure)) => {
            // It may quote a broker, a file or a command line.
            failure.to_string().lines().for_each(|line| eprintln!("{}", clean(line, LINE_BYTES_MAX)));
            failure.exit_code()
        }
        // Its words are on stderr already.
        Err(_) => ExitCode::FAILURE,
    }
}

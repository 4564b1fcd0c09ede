//! `headwater man`: the manual page, from the same words as `--help`.

use super::{Cli, Failure, stdout};
use clap::CommandFactory;
use clap_mangen::Man;

/// What stands behind the options: files, environment, exit codes.
const MORE: &str = ".SH FILES
.TP
.I /etc/headwater/headwater.toml
The config. \\fBheadwater check\\fR says what is wrong with it; \\fBsystemctl reload headwater\\fR reads it again.
.TP
.I /var/lib/headwater
Open windows (\\fIwindows.checkpoint\\fR, and what has changed since) and what waits for an output (\\fIbuffer\\fR).
.SH ENVIRONMENT
.TP
.B HEADWATER_LOG
The level of the log: error, warn, info, debug or trace, also by module (\\fIinfo,headwater_forwarder=debug\\fR).
.SH EXIT STATUS
0: done. 2: the config or the command line is wrong. 1: anything else.
.SH SIGNALS
SIGTERM and SIGINT end \\fBheadwater run\\fR and lose nothing; SIGHUP reads the config again.
";

pub(super) fn run() -> Result<(), Failure> {
    let mut page = Vec::new();
    let man = Man::new(Cli::command());
    man.render_title(&mut page)?;
    man.render_name_section(&mut page)?;
    man.render_synopsis_section(&mut page)?;
    man.render_description_section(&mut page)?;
    man.render_options_section(&mut page)?;
    page.extend_from_slice(b".SH COMMANDS\n");
    for command in Cli::command().get_subcommands() {
        let about = command.get_about().map(ToString::to_string).unwrap_or_default();
        page.extend_from_slice(format!(".TP\n.B headwater {}\n{about}\n", command.get_name()).as_bytes());
    }
    page.extend_from_slice(MORE.as_bytes());
    stdout::print(page)
}

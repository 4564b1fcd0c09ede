//! `headwater man`: the manual page, from the same words as `--help`.

use super::{Cli, Failure, stdout};
use clap::{Command, CommandFactory};
use clap_mangen::Man;
use std::io;

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
    stdout::print(page()?)
}

/// The whole page.
fn page() -> io::Result<Vec<u8>> {
    let mut page = Vec::new();
    let mut program = Cli::command();
    program.build();
    let man = Man::new(program.clone());
    man.render_title(&mut page)?;
    man.render_name_section(&mut page)?;
    man.render_synopsis_section(&mut page)?;
    man.render_description_section(&mut page)?;
    man.render_options_section(&mut page)?;
    page.extend_from_slice(b".SH COMMANDS\n");
    described(&program).try_for_each(|command| render(command, &mut page))?;
    page.extend_from_slice(MORE.as_bytes());
    Ok(page)
}

/// The commands of a command, without that for help.
fn described(command: &Command) -> impl Iterator<Item = &Command> {
    command.get_subcommands().filter(|command| command.get_name() != "help")
}

/// Appends a command with its options, then the commands that it has.
fn render(command: &Command, page: &mut Vec<u8>) -> io::Result<()> {
    let name = command.get_bin_name().unwrap_or_default();
    page.extend_from_slice(format!(".SS {name}\n").as_bytes());
    // What every command takes stands above.
    let own = command.clone().mut_args(|argument| {
        let is_common = argument.is_global_set() || ["help", "version"].contains(&argument.get_id().as_str());
        argument.hide(is_common)
    });
    let man = Man::new(own);
    for section in
        [Man::render_synopsis_section, Man::render_description_section, Man::render_options_section]
    {
        let mut text = Vec::new();
        section(&man, &mut text)?;
        // Its heading is of a page of its own.
        let text = String::from_utf8_lossy(&text);
        let body = text.split_once(".SH ").and_then(|(_, section)| section.split_once('\n'));
        page.extend_from_slice(b".PP\n");
        page.extend_from_slice(body.map_or("", |(_, body)| body).as_bytes());
    }
    described(command).try_for_each(|command| render(command, page))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The text of the page without what troff makes of it.
    fn text() -> String {
        String::from_utf8(page().unwrap())
            .unwrap()
            .replace("\\-", "-")
            .replace("\\fB", "")
            .replace("\\fR", "")
            .replace("\\*(Aq", "'")
    }

    fn check(command: &Command, text: &str) {
        let name = command.get_bin_name().unwrap();
        let own = text.split_once(&format!(".SS {name}\n")).unwrap_or_else(|| panic!("{name} is missing")).1;
        let own = own.split("\n.SS ").next().unwrap();
        let about = command.get_about().unwrap().to_string();
        assert!(own.contains(&about), "{name}: {about}\n{own}");
        for argument in command.get_arguments().filter(|argument| !argument.is_global_set()) {
            let long = argument.get_long().map(|long| format!("--{long}"));
            let word = long.unwrap_or_else(|| argument.get_value_names().unwrap()[0].to_string());
            let help = argument.get_help().map(ToString::to_string).unwrap_or_default();
            let is_there = own.contains(&word) && own.contains(&help);
            assert!(is_there || word == "--help", "{name}: {word}: {help}\n{own}");
        }
        described(command).for_each(|command| check(command, text));
    }

    #[test]
    fn the_page_has_every_command_and_every_option_with_its_words() {
        let mut program = Cli::command();
        program.build();
        let text = text();
        assert!(described(&program).count() > 10 && text.contains("--config"));
        described(&program).for_each(|command| check(command, &text));
    }
}

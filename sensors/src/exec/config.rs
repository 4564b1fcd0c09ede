//! The table of a source that runs a program.

use super::{Exec, Schedule};
use crate::topic::TopicTemplate;
use crate::{DecodeConfig, Source, SourceContext, SourceKind};
use headwater_settings::{Or, Pairs, Table};
use std::time::Duration;

pub(crate) const KIND: SourceKind =
    SourceKind { name: "exec", read, find: None, discover: None, sample: include_str!("sample.toml") };

const DAY_MS: i64 = 86_400_000;

fn read(table: &mut Table<'_>, context: &SourceContext, labels: &Pairs) -> Option<Box<dyn Source>> {
    let command = read_command(table);
    let schedule = read_schedule(table);
    let is_whole = table.choice("framing", &[("lines", false), ("output", true)]).value_or(false);
    let is_unfit = is_whole && matches!(schedule, Schedule::Always);
    if is_unfit {
        let fix = "set `interval`, or leave `framing` out: a program that runs all the time prints lines";
        table.refuse(table.place_of("framing"), "`framing = \"output\"` needs `interval`", fix);
    }
    let environment = table.pairs("environment").value_or(Vec::new());
    let topic = TopicTemplate::literal(&context.source);
    let decode = DecodeConfig::read(table, labels, Some(vec![topic]));
    let (command, decode) = (command?, decode?);
    (!is_unfit).then(|| {
        Box::new(Exec {
            command,
            environment: environment.into_iter().map(|(name, value)| (name, value.value)).collect(),
            schedule,
            is_whole,
            decode,
            context: context.clone(),
        }) as Box<dyn Source>
    })
}

/// `None`: there were mistakes.
fn read_command(table: &mut Table<'_>) -> Option<Vec<String>> {
    let Some(command) = table.strings("command") else {
        if !table.has("command") {
            let fix = "add the program and its arguments: `command = [\"/usr/bin/sensors\", \"-j\"]`";
            table.missing("command", fix);
        }
        return None;
    };
    let words: Vec<String> = command.value.into_iter().map(|word| word.value).collect();
    if words.first().is_none_or(String::is_empty) || words.iter().any(|word| word.contains('\0')) {
        let fix = "name the program first; a shell only where you ask for it: [\"/bin/sh\", \"-c\", \"…\"]";
        table.refuse(command.span, "`command` names no program", fix);
        return None;
    }
    Some(words)
}

fn read_schedule(table: &mut Table<'_>) -> Schedule {
    let duration = |ms: i64| Duration::from_millis(ms.unsigned_abs());
    let interval = table.duration("interval", 100..=DAY_MS).given().map(duration);
    let within = table.duration("timeout", 100..=DAY_MS).given().map(duration);
    let Some(interval) = interval else {
        if within.is_some() {
            let fix = "leave it out, or set `interval`";
            table.refuse(table.place_of("timeout"), "`timeout` has no meaning without `interval`", fix);
        }
        return Schedule::Always;
    };
    Schedule::Every { interval, within: within.unwrap_or(interval) }
}

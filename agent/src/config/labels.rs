//! Labels that expressions of streams read: at least one source of the stream must give them.

use headwater_pipeline::config::{StreamConfig, place_in};
use headwater_sensors::ReadSource;
use headwater_settings::{Table, nearest};

/// Refuses expressions that read a label of no source of theirs: `where` would filter every reading. Silent about labels that
/// `has` asks for, and where a source's readings may bring any label.
pub(super) fn refuse_unmade(
    root: &mut Table<'_>,
    sources: &[(String, Option<ReadSource>)],
    streams: &[StreamConfig],
) {
    let made = |(_, source): &(String, Option<ReadSource>)| source.as_ref()?.source.labels();
    let made: Vec<Option<Vec<String>>> = sources.iter().map(made).collect();
    for (name, mut table) in root.named_tables("streams") {
        let Some(stream) = streams.iter().find(|stream| *stream.name == *name.value) else { continue };
        let taken = (0..).zip(&made).filter(|(source, _)| stream.takes_from(*source));
        let taken = taken.map(|(_, labels)| labels.as_ref());
        let Some(labels) = taken.collect::<Option<Vec<_>>>() else { continue };
        let known: Vec<&str> = labels.into_iter().flatten().map(String::as_str).collect();
        for (key, program) in [("where", &stream.condition), ("map", &stream.map)] {
            let (Some(program), Some(text)) = (program, table.string(key)) else { continue };
            for (label, part) in program.labels().iter().filter(|(label, _)| !known.contains(&label.as_str()))
            {
                let fix = match nearest(label, known.iter().copied()) {
                    Some(likely) => format!("did you mean `{likely}`?"),
                    None if known.is_empty() => {
                        "no label is made: name levels of `topics` as {NAME}, or write `labels` of the source"
                            .to_owned()
                    }
                    None => format!("labels are {}", known.join(", ")),
                };
                let what = format!("`{key}`: no source of the stream gives its series a label `{label}`");
                table.refuse(place_in(&text, part), what, fix);
            }
        }
    }
}

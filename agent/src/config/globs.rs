//! Names of series in streams: at least one source of the stream must be able to make each.

use headwater_pipeline::config::StreamConfig;
use headwater_pipeline::glob;
use headwater_sensors::{ReadSource, SeriesNames};
use headwater_settings::{At, Or, Table};

/// Warns of globs that no series of the sources can match; silent if a source does not know its names yet.
pub(super) fn warn_of_idle(
    root: &mut Table<'_>,
    sources: &[(String, Option<ReadSource>)],
    streams: &[StreamConfig],
) {
    let names = |(_, source): &(String, Option<ReadSource>)| match source.as_ref()?.source.names() {
        SeriesNames::Patterns(patterns) => Some(patterns),
        SeriesNames::Unknown => None,
    };
    let names: Vec<Option<Vec<String>>> = sources.iter().map(names).collect();
    for (name, mut table) in root.named_tables("streams") {
        let Some(stream) = streams.iter().find(|stream| *stream.name == *name.value) else { continue };
        let taken = (0..).zip(&names).filter(|(source, _)| stream.takes_from(*source));
        let Some(names) = taken.map(|(_, names)| names.as_ref()).collect::<Option<Vec<_>>>() else {
            continue;
        };
        let names: Vec<&str> = names.into_iter().flatten().map(String::as_str).collect();
        let is_idle = |glob: &At<String>| !names.iter().any(|name| glob::may_meet(&glob.value, name));
        for glob in globs_of(&mut table).into_iter().filter(|glob| !names.is_empty() && is_idle(glob)) {
            let some: Vec<&str> = names.iter().take(3).copied().collect();
            let fix = format!("series are named like {}", some.join(", "));
            table.warn(glob.span, format!("no series can match `{}`", glob.value), fix);
        }
    }
}

/// Every name or glob of series in a stream's table.
fn globs_of(stream: &mut Table<'_>) -> Vec<At<String>> {
    let mut globs = Vec::new();
    for key in ["series", "expect"] {
        globs.extend(stream.strings(key).given().unwrap_or_default());
    }
    for mut pair in stream.tables("pairs") {
        globs.extend(["a", "b"].into_iter().filter_map(|key| pair.string(key)));
    }
    for mut detector in stream.tables("detectors") {
        globs.extend(detector.strings("over").given().unwrap_or_default());
    }
    globs
}

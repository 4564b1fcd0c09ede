//! `privacy` of an output: labels that must not leave the agent.

use headwater_sensors::ReadSource;
use headwater_settings::{At, Or, Table, nearest};
use headwater_wire::Privacy;

/// Shorter keys can be guessed.
const KEY_BYTES_MIN: usize = 16;

/// Reads `privacy`; `made` are the labels that sources give, if all are known. `None`: there were mistakes; `Some(None)`: there
/// is no such table.
pub(super) fn read(output: &mut Table<'_>, made: Option<&[String]>) -> Option<Option<Privacy>> {
    let Some(mut table) = output.table("privacy") else { return Some(None) };
    table.note("drop", "labels that are left out");
    table.note("hash", "labels whose values are replaced by pseudonyms");
    table.note("key", "of the pseudonyms, 16 signs at least; best `{ file = … }`");
    let (drop, hash) = (labels(&mut table, "drop", made), labels(&mut table, "hash", made));
    let names_none = [("drop", &drop), ("hash", &hash)].iter().all(|(key, labels)| match labels {
        Some(labels) => labels.is_empty(),
        // A wrong value is reported already.
        None => !table.has(key),
    });
    let (drop, hash) = (drop.unwrap_or_default(), hash.unwrap_or_default());
    let key = table.secret("key");
    let twice = hash.iter().find(|label| drop.iter().any(|other| other.value == label.value));
    if let Some(label) = twice {
        let what = format!("the label `{}` is both left out and replaced", label.value);
        table.refuse(label.span.clone(), what, "name it in one of `drop` and `hash`");
    }
    if names_none {
        let fix = "name labels: `hash = [\"device\"]`, or `drop = [\"owner\"]`";
        table.refuse(table.place_of("hash"), "`privacy` names no label", fix);
    }
    match &key {
        // Names that lose a part are told apart by a hash, too.
        None => table
            .missing("key", "add `key = { file = \"privacy-key\" }`, with 16 signs at least in that file"),
        Some(At { value, span }) if value.reveal().len() < KEY_BYTES_MIN => {
            let fix = "make one with: head -c 24 /dev/urandom | base64";
            table.refuse(span.clone(), "the key has fewer than 16 signs", fix);
        }
        Some(_) => {}
    }
    let is_fine = twice.is_none() && (!drop.is_empty() || !hash.is_empty());
    table.finish();
    let plain = |labels: Vec<At<String>>| labels.into_iter().map(|label| label.value).collect();
    let key = key.filter(|_| is_fine)?.value;
    Some(Some(Privacy::new(plain(drop), plain(hash), key.reveal().as_bytes())))
}

/// The labels that a key names; `None`: it is not there, or wrong. One that no source gives hides nothing.
fn labels(table: &mut Table<'_>, key: &str, made: Option<&[String]>) -> Option<Vec<At<String>>> {
    let labels = table.strings(key).given()?;
    for label in &labels {
        let Some(made) = made.filter(|made| !made.contains(&label.value)) else { continue };
        let fix = match nearest(&label.value, made.iter().map(String::as_str)) {
            Some(likely) => format!("did you mean `{likely}`?"),
            None => format!("labels are {}", made.join(", ")),
        };
        table.refuse(label.span.clone(), format!("no source gives a label `{}`", label.value), fix);
    }
    Some(labels)
}

/// The labels that sources give; `None`: some may bring any.
pub(super) fn made(sources: &[(String, Option<ReadSource>)]) -> Option<Vec<String>> {
    let labels = sources.iter().map(|(_, source)| source.as_ref()?.source.labels());
    Some(labels.collect::<Option<Vec<_>>>()?.concat())
}

#[cfg(test)]
mod tests {
    use crate::config::parse;
    use std::path::Path;

    #[test]
    fn each_mistake_is_said_once() {
        let key = "key = \"0123456789abcdef\"";
        for (labels, said) in [
            ("drop = \"owner\",", "`drop` is a string here"),
            ("hash = \"owner\",", "`hash` is a string here"),
            ("drop = [],", "names no label"),
            ("hash = [],", "names no label"),
            ("", "names no label"),
        ] {
            let text = format!(
                "[sources.s]\ntype = \"mqtt\"\nurl = \"mqtt://127.0.0.1\"\ntopics = [\"#\"]\n[streams.a]\n\
                 [outputs.o]\ntype = \"stdout\"\nprivacy = {{ {labels} {key} }}\n"
            );
            let (config, document) = parse(Path::new("t.toml"), &text, |_| None);
            let shown = document.render_all();
            assert!(config.is_none() && shown.contains(said), "{labels}: {shown}");
            assert_eq!(shown.matches(": error").count(), 1, "{labels}: {shown}");
        }
    }
}

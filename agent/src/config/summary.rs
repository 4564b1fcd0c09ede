//! `aggregates` of a stream: what its summaries carry.

use crate::plan::{AGGREGATES, Aggregate, Plan};
use headwater_settings::{Table, nearest};

const AGGREGATES_DEFAULT: [&str; 4] = ["count", "min", "max", "mean"];

pub(super) fn read(stream: &mut Table<'_>) -> Option<Plan> {
    let Some(names) = stream.strings("aggregates") else {
        let defaults = AGGREGATES_DEFAULT
            .iter()
            .filter_map(|name| Some(((*name).to_owned(), Aggregate::parse(name).ok()?)));
        return Some(Plan::new(defaults.collect()));
    };
    let mut aggregates: Vec<(String, Aggregate)> = Vec::new();
    for name in names.value {
        if aggregates.iter().any(|(known, _)| *known == name.value) {
            stream.warn(name.span, format!("`{}` stands here twice", name.value), "once is enough");
            continue;
        }
        match Aggregate::parse(&name.value) {
            Ok(aggregate) => aggregates.push((name.value, aggregate)),
            Err(what) => {
                let likely = nearest(&name.value, AGGREGATES.iter().map(|(name, _)| *name));
                let fix = likely.map_or_else(
                    || {
                        let names: Vec<&str> = AGGREGATES.iter().map(|(name, _)| *name).collect();
                        format!("known: {}, and any percentile pNN", names.join(", "))
                    },
                    |word| format!("did you mean `{word}`?"),
                );
                stream.refuse(name.span, what, fix);
            }
        }
    }
    if aggregates.is_empty() {
        stream.refuse(names.span, "`aggregates` is empty", "name at least one, e.g. \"mean\"");
        return None;
    }
    Some(Plan::new(aggregates))
}

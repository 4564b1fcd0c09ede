//! Time zones, by the IANA database of the system, or else by the one compiled into the program.

use super::Table;
use crate::at::At;
use crate::nearest::nearest;
use jiff::tz::TimeZone;

impl Table<'_> {
    /// A time zone by its name.
    pub fn time_zone(&mut self, key: &str) -> Option<At<TimeZone>> {
        let name = self.string(key)?;
        if let Ok(zone) = TimeZone::get(&name.value) {
            return Some(At { value: zone, span: name.span });
        }
        let known: Vec<String> = jiff::tz::db().available().map(|name| name.as_str().to_owned()).collect();
        let fix = nearest(&name.value, known.iter().map(String::as_str)).map_or_else(
            || "write a zone as the IANA database names it, as in \"Europe/Berlin\"".to_owned(),
            |name| format!("did you mean `{name}`?"),
        );
        self.refuse(name.span, format!("there is no time zone `{}`", name.value), fix);
        None
    }
}

//! Hides secrets in what is said of a config: the value of a key such as `password`, user and password of an address, and
//! what came from the environment or from another file.

/// What is shown in the place of a secret.
pub(crate) const HIDDEN: &str = "***";

/// Keys with one of these words hold a secret.
const SECRET_WORDS: [&str; 4] = ["passw", "pwd", "token", "secret"];

/// The quotes of texts that go over several lines.
const MULTILINE: [&str; 2] = ["\"\"\"", "'''"];

/// Whether the key's value is a secret.
fn is_secret(key: &str) -> bool {
    let key = key.to_ascii_lowercase();
    SECRET_WORDS.iter().any(|word| key.contains(word))
}

/// A line of a config without the secrets in it; `before` is the text of the file before the line. The line need not be
/// TOML.
pub(crate) fn conceal_line(before: &str, line: &str) -> String {
    if begins_in_secret(before) {
        return HIDDEN.to_owned();
    }
    let mut shown = conceal_addresses(line);
    let lower = shown.to_ascii_lowercase();
    let keys = SECRET_WORDS.iter().filter_map(|word| lower.find(word).map(|at| at + word.len())).min();
    // The value begins behind the sign; whatever else stands on the line goes with it.
    if let Some(end) = keys {
        let sign = shown.get(end..).and_then(|rest| rest.find(['=', ':']));
        shown.truncate(sign.map_or(end, |sign| end + sign + 1));
        shown.push(' ');
        shown.push_str(HIDDEN);
    }
    shown
}

/// Whether the text that a secret key has begun goes on after `before`.
fn begins_in_secret(before: &str) -> bool {
    MULTILINE.iter().any(|quotes| {
        let is_open = before.matches(quotes).count() % 2 == 1;
        let opener = before.rfind(quotes).filter(|_| is_open).and_then(|at| before.get(..at));
        opener.is_some_and(|text| is_secret(text.rsplit('\n').next().unwrap_or_default()))
    })
}

/// User and password between `://` and `@` are hidden. A password may hold either.
fn conceal_addresses(text: &str) -> String {
    let mut shown = String::with_capacity(text.len());
    let mut rest = text;
    while let Some((scheme, address)) = rest.split_once("://") {
        shown.push_str(scheme);
        shown.push_str("://");
        let end = address.find(['"', '\'', '`']).unwrap_or(address.len());
        let host = address.get(..end).and_then(|address| address.rfind('@')).unwrap_or(0);
        if host > 0 {
            shown.push_str(HIDDEN);
        }
        rest = address.get(host..).unwrap_or_default();
    }
    shown + rest
}

/// A text of the program's own, without these values and without users and passwords of addresses.
pub(crate) fn conceal_text(text: &str, values: &[String]) -> String {
    let mut shown = conceal_addresses(text);
    for value in values.iter().filter(|value| !value.is_empty()) {
        // A short value would be found everywhere: it is hidden where it stands alone.
        let (value, hidden) = match value.len() {
            0..3 => (format!("`{value}`"), format!("`{HIDDEN}`")),
            _ => (value.clone(), HIDDEN.to_owned()),
        };
        shown = shown.replace(&value, &hidden);
    }
    shown
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn secrets_in_a_line_are_hidden() {
        for (line, shown) in [
            ("password = \"hunter2\"", "password = ***"),
            ("  mqtt_Password: hunter2", "  mqtt_Password: ***"),
            ("password hunter2", "passw ***"),
            ("a = { username = \"u\", password = \"x\", qos = 7 }", "a = { username = \"u\", password = ***"),
            ("passwort = \"hunter2\"", "passwort = ***"),
            ("api_token=\"x\"", "api_token= ***"),
            (
                "url = \"mqtt://u:p@ss@host:1883\" # http://x@y",
                "url = \"mqtt://***@host:1883\" # http://***@y",
            ),
            ("url = \"mqtt://u:hunter2@host", "url = \"mqtt://***@host"),
            ("url = \"mqtt://host\"", "url = \"mqtt://host\""),
            ("qos = 7", "qos = 7"),
        ] {
            assert_eq!(conceal_line("", line), shown);
        }
        assert_eq!(conceal_line("a = 1\npassword = \"\"\"\n", "hunter2"), HIDDEN);
        assert_eq!(conceal_line("password = '''\nx\n", "hunter2"), HIDDEN);
        assert_eq!(conceal_line("password = \"\"\"x\"\"\"\n", "qos = 7"), "qos = 7");
        assert_eq!(conceal_line("topic = \"\"\"\n", "x"), "x");
    }

    #[test]
    fn values_from_elsewhere_are_hidden() {
        let values = ["hunter2".to_owned(), "7".to_owned(), String::new()];
        let shown = conceal_text("`keep_alive` cannot be `hunter2`, of `7` and 17", &values);
        assert_eq!(shown, "`keep_alive` cannot be `***`, of `***` and 17");
        assert_eq!(conceal_text("`x://u:p@h` is no address", &values), "`x://***@h` is no address");
    }
}

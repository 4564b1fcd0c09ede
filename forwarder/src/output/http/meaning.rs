//! What an answer means for the messages of its request.

use headwater_http::{HttpAnswer, StatusCode, header};
use serde_json::Value;
use std::time::Duration;

/// The fate of a request's messages.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Meaning {
    /// The server has them all.
    Taken,
    /// Some of them are bad. Whether the server names them, or what is wrong with them; how many it has not taken, where it
    /// says so and has taken the others.
    Bad { why: String, is_named: bool, dropped: Option<usize> },
    /// They are too many bytes.
    TooLarge(String),
    /// The server does not read gzip.
    NoGzip,
    /// They may be sent again, not before this.
    Later { why: String, wait: Option<Duration> },
    /// Neither these messages nor others will be taken until somebody mends the config or the server.
    Held(String),
}

/// Words by which databases say that lines are bad: InfluxDB, VictoriaMetrics, QuestDB.
const BAD_LINES: [&str; 10] = [
    "unable to parse",
    "partial write",
    "field type conflict",
    "retention policy",
    "invalid number",
    "missing tag",
    "missing fields",
    "cannot parse",
    "error in line",
    "\"line\":",
];

/// What an answer shows of a body in gzip that was read as text: its first bytes.
const GZIP_SHOWN: [&str; 3] = ["\u{1f}", "\\x1f", "\\u001f"];

/// Judges an answer of `server`.
pub(super) fn meaning(answer: &HttpAnswer, server: &str, was_gzip: bool) -> Meaning {
    let (status, words) = (answer.status, answer.words());
    let said = || {
        if words.is_empty() { format!("{server}: {status}") } else { format!("{server}: {status}: {words}") }
    };
    if let Some(location) = answer.location() {
        return Meaning::Held(format!(
            "{server} redirects to {location}, which is not followed; write that as the url"
        ));
    }
    if is_page(answer) && (status.is_success() || status.is_client_error()) {
        let why = "answers with a page for people; is there a proxy or a login before the server, and is the path right?";
        return Meaning::Held(format!("{server}: {status}, and it {why}"));
    }
    match status {
        _ if status.is_success() && answer.is_cut => {
            Meaning::Held(format!("{server} answers without end; is it a server that takes messages?"))
        }
        _ if status.is_success() => match error_inside(&answer.body) {
            None => Meaning::Taken,
            Some(error) => bad(&words, format!("{server}: {status}, with the error: {error}")),
        },
        StatusCode::BAD_REQUEST | StatusCode::UNPROCESSABLE_ENTITY
            if was_gzip && names_gzip(&answer.body, &words) =>
        {
            Meaning::NoGzip
        }
        StatusCode::BAD_REQUEST | StatusCode::UNPROCESSABLE_ENTITY => bad(&words, said()),
        StatusCode::PAYLOAD_TOO_LARGE => Meaning::TooLarge(said()),
        StatusCode::UNSUPPORTED_MEDIA_TYPE if was_gzip => Meaning::NoGzip,
        StatusCode::UNAUTHORIZED | StatusCode::FORBIDDEN => Meaning::Held(format!(
            "{}; check `username` and `password`, or `token`, and what they may write",
            said()
        )),
        StatusCode::NOT_FOUND => {
            Meaning::Held(format!("{}; is the url right, and does the database exist?", said()))
        }
        StatusCode::REQUEST_TIMEOUT | StatusCode::TOO_EARLY | StatusCode::TOO_MANY_REQUESTS => {
            Meaning::Later { why: said(), wait: answer.retry_after() }
        }
        _ if status.is_server_error() => Meaning::Later { why: said(), wait: answer.retry_after() },
        _ => Meaning::Held(said()),
    }
}

/// Whether the answer says that gzip could not be read. An answer that names a line may quote the word from it.
fn names_gzip(body: &[u8], words: &str) -> bool {
    let text = String::from_utf8_lossy(body);
    let said = words.to_ascii_lowercase();
    GZIP_SHOWN.iter().any(|sign| text.contains(sign))
        || (!names_lines(words) && ["gzip", "content-encoding"].iter().any(|word| said.contains(word)))
}

fn names_lines(words: &str) -> bool {
    BAD_LINES.iter().any(|sign| words.contains(sign))
}

fn bad(words: &str, why: String) -> Meaning {
    let is_named = names_lines(words);
    let is_old = words.contains("retention policy");
    let why = if is_old { format!("it is older than the database keeps: {why}") } else { why };
    let dropped = words.split_once("dropped=").filter(|_| words.contains("partial write"));
    let dropped =
        dropped.and_then(|(_, rest)| rest.split(|c: char| !c.is_ascii_digit()).next()?.parse().ok());
    Meaning::Bad { why, is_named, dropped }
}

/// Whether it is HTML.
fn is_page(answer: &HttpAnswer) -> bool {
    let kind =
        answer.headers.get(header::CONTENT_TYPE).and_then(|kind| kind.to_str().ok()).unwrap_or_default();
    let text = answer.body.trim_ascii_start();
    let starts =
        |with: &str| text.get(..with.len()).is_some_and(|start| start.eq_ignore_ascii_case(with.as_bytes()));
    kind.starts_with("text/html") || starts("<!doctype html") || starts("<html")
}

/// The error in an answer that says that all is well: `{"error": "…"}`, `{"errors": …}`.
fn error_inside(body: &[u8]) -> Option<String> {
    let Ok(Value::Object(answer)) = serde_json::from_slice(body) else { return None };
    let error = ["error", "errors"].into_iter().find_map(|key| answer.get(key))?;
    match error {
        Value::Null | Value::Bool(false) => None,
        Value::Array(errors) if errors.is_empty() => None,
        Value::String(error) if error.is_empty() => None,
        Value::String(error) => Some(error.clone()),
        error => Some(error.to_string()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use headwater_http::{Bytes, HeaderMap};

    fn of(status: u16, kind: &'static str, body: &'static str) -> Meaning {
        let mut headers = HeaderMap::new();
        headers.insert(header::CONTENT_TYPE, header::HeaderValue::from_static(kind));
        headers.insert(header::RETRY_AFTER, header::HeaderValue::from_static("7"));
        headers.insert(header::LOCATION, header::HeaderValue::from_static("https://db/write"));
        let body = Bytes::from_static(body.as_bytes());
        let answer =
            HttpAnswer { status: StatusCode::from_u16(status).unwrap(), headers, body, is_cut: false };
        meaning(&answer, "db:1", true)
    }

    /// The answers are those that were seen of InfluxDB 1.6, InfluxDB 2, QuestDB 9 and of proxies.
    #[test]
    fn each_answer_has_the_meaning_that_its_server_gives_it() {
        assert_eq!(of(204, "", ""), Meaning::Taken);
        assert_eq!(of(200, "application/json", "{\"ok\":true,\"error\":null,\"errors\":[]}"), Meaning::Taken);
        assert_eq!(of(415, "", ""), Meaning::NoGzip);
        for unread in [
            "{\"error\":\"gzip: invalid header\"}",
            "Unsupported Content-Encoding",
            "unable to parse '\u{1f}\u{fffd}'",
            "{\"error\":\"unable to parse '\\u001f…'\"}",
        ] {
            assert_eq!(of(400, "", unread), Meaning::NoGzip, "{unread}");
        }
        let quoted = "{\"error\":\"unable to parse 'cpu,series=gzip a=NaN': invalid number\"}";
        assert!(matches!(of(400, "", quoted), Meaning::Bad { is_named: true, .. }));
        assert!(matches!(of(413, "", ""), Meaning::TooLarge(_)));
        let later = Some(Duration::from_secs(7));
        for status in [429, 500, 502, 503, 504, 408] {
            assert!(
                matches!(of(status, "", "busy"), Meaning::Later { why, wait } if why.contains("busy") && wait == later)
            );
        }
        for (body, named) in [
            ("{\"error\":\"partial write: field type conflict: input field \\\"a\\\" … dropped=1\"}", true),
            ("{\"error\":\"unable to parse 'm a=NaN': invalid number\"}", true),
            ("{\"code\":\"invalid\",\"message\":\"failed to parse line protocol\",\"line\":2}", true),
            ("{\"error\":\"database is required\"}", false),
            ("no", false),
        ] {
            assert!(
                matches!(of(400, "", body), Meaning::Bad { is_named, .. } if is_named == named),
                "{body}"
            );
        }
        let old = of(400, "", "{\"error\":\"partial write: points beyond retention policy dropped=1\"}");
        assert!(
            matches!(old, Meaning::Bad { why, dropped: Some(1), .. } if why.starts_with("it is older than"))
        );
        let inside = of(200, "application/json", "{\"error\":\"partial write\"}");
        assert!(matches!(inside, Meaning::Bad { is_named: true, .. }));
        for (status, kind, body, words) in [
            (200, "text/html; charset=utf-8", "<p>please log in</p>", "a page for people"),
            (403, "", " <!DOCTYPE HTML><title>blocked</title>", "a page for people"),
            (301, "", "", "redirects to https://db/write"),
            (401, "", "{\"error\":\"unable to parse authentication credentials\"}", "check `username`"),
            (404, "", "{\"error\":\"database not found: \\\"x\\\"\"}", "does the database exist?"),
            (405, "", "", "405"),
        ] {
            assert!(
                matches!(of(status, kind, body), Meaning::Held(why) if why.contains(words)),
                "{status} {body}"
            );
        }
    }
}

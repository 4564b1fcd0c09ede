//! The config of a client: whom to ask, and who asks.

use super::url::HttpUrl;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use headwater_settings::{At, Or, Secret, Table};
use headwater_tls::{Tls, TlsFiles};
use hyper::HeaderMap;
use hyper::header::{AUTHORIZATION, HeaderName, HeaderValue};
use std::time::Duration;

/// The time in which an answer must have come.
const TIMEOUT_MS: i64 = 30_000;

/// Headers that the client makes itself.
const OWN: [&str; 6] =
    ["host", "content-length", "transfer-encoding", "connection", "content-encoding", "content-type"];

/// A server and our credentials; checked, files included.
#[derive(Clone, Debug)]
pub struct ClientSettings {
    pub(crate) url: HttpUrl,
    pub(crate) tls: Option<Tls>,
    pub(crate) headers: HeaderMap,
    pub(crate) timeout: Duration,
}

impl ClientSettings {
    /// Reads `url`, `headers`, `username`, `password`, `token`, `timeout`, `ca`, `cert` and `key`, and the files that they
    /// name. `None`: there were mistakes, which the table has noted.
    pub fn read(table: &mut Table<'_>, example: &str) -> Option<Self> {
        let url = read_url(table, example);
        let files = TlsFiles::take(table);
        let credentials = Credentials::read(table);
        let headers = read_headers(table);
        let timeout = table.duration("timeout", 1_000..=60_000).given().unwrap_or(TIMEOUT_MS);
        let url = url?;
        let tls = files.read(table, url.is_tls, "write the url as https://, or leave the key out")?;
        let mut headers = headers?;
        if let Some((key, value)) = credentials.header(table, &url)? {
            if tls.is_none() && !url.is_this_machine() {
                let what = format!("the {key} goes over the network as it is");
                table.warn(table.place_of(key), what, "write the url as https://, if the server has TLS");
            }
            if headers.insert(AUTHORIZATION, value).is_some() {
                let what = format!("`headers` says who we are, and `{key}` too");
                table.refuse(table.place_of("headers"), what, "leave Authorization out there, or the other");
                return None;
            }
        }
        Some(Self { url, tls, headers, timeout: Duration::from_millis(timeout.unsigned_abs()) })
    }

    /// `host:port`, for people.
    #[must_use]
    pub fn address(&self) -> String {
        let HttpUrl { host, port, .. } = &self.url;
        if host.contains(':') { format!("[{host}]:{port}") } else { format!("{host}:{port}") }
    }

    /// The path that is asked for.
    #[must_use]
    pub fn path(&self) -> &str {
        self.url.target.path()
    }

    /// The value of a name in the url's query.
    #[must_use]
    pub fn query(&self, name: &str) -> Option<&str> {
        self.url.query(name)
    }

    /// The same with a name added to the url's query; both are plain words.
    #[must_use]
    pub fn with_query(mut self, name: &str, value: &str) -> Self {
        self.url.add_query(name, value);
        self
    }
}

fn read_url(table: &mut Table<'_>, example: &str) -> Option<HttpUrl> {
    let Some(url) = table.string("url") else {
        table.missing("url", format!("add `url = \"{example}\"`"));
        return None;
    };
    HttpUrl::parse(&url.value).map_err(|(what, fix)| table.refuse(url.span, what, fix)).ok()
}

/// Headers of the config. `None`: there were mistakes.
fn read_headers(table: &mut Table<'_>) -> Option<HeaderMap> {
    let (mut headers, mut is_fine) = (HeaderMap::new(), true);
    for (name, At { value, span }) in table.secrets("headers") {
        let header = HeaderName::try_from(&name).ok().filter(|header| !OWN.contains(&header.as_str()));
        match (header, secret_header(value.reveal())) {
            (Some(header), Some(value)) => {
                headers.insert(header, value);
            }
            (None, _) => {
                is_fine = false;
                table.refuse(
                    span,
                    format!("a header cannot be called `{name}` here"),
                    "leave it out, or spell it right",
                );
            }
            (_, None) => {
                is_fine = false;
                table.refuse(
                    span,
                    format!("the header `{name}` cannot hold this"),
                    "write printable ASCII on one line",
                );
            }
        }
    }
    is_fine.then_some(headers)
}

/// A value that no log shows.
fn secret_header(value: &str) -> Option<HeaderValue> {
    let mut value = HeaderValue::try_from(value).ok()?;
    value.set_sensitive(true);
    Some(value)
}

/// Who we are, as configured.
struct Credentials {
    username: Option<At<String>>,
    password: Option<At<Secret>>,
    token: Option<At<Secret>>,
}

impl Credentials {
    fn read(table: &mut Table<'_>) -> Self {
        table.note("token", "instead of `username` and `password`");
        Self {
            username: table.string("username"),
            password: table.secret("password"),
            token: table.secret("token"),
        }
    }

    /// The key that is said, and what says it; `None`: a mistake.
    fn header(&self, table: &Table<'_>, url: &HttpUrl) -> Option<Option<(&'static str, HeaderValue)>> {
        let (key, text) = match (&self.username, &self.password, &self.token) {
            (None, None, None) => return Some(None),
            (None, None, Some(token)) => {
                // Servers of InfluxDB 2 know no other word.
                let word = if url.target.path().ends_with("/api/v2/write") { "Token" } else { "Bearer" };
                ("token", format!("{word} {}", token.value.reveal()))
            }
            (Some(user), Some(password), None) => {
                let pair = format!("{}:{}", user.value, password.value.reveal());
                ("password", format!("Basic {}", STANDARD.encode(pair)))
            }
            (Some(user), None, None) => {
                let fix = "add `password`; write \"\" where there is none";
                table.refuse(user.span.clone(), "`username` without `password`", fix);
                return None;
            }
            (Some(_), _, Some(token)) => {
                table.refuse(
                    token.span.clone(),
                    "`token` and `username` are both given",
                    "leave one of them out",
                );
                return None;
            }
            (None, Some(password), _) => {
                table.refuse(password.span.clone(), "`password` without `username`", "add `username`");
                return None;
            }
        };
        let Some(value) = secret_header(&text) else {
            table.refuse(
                table.place_of(key),
                format!("no header can hold this {key}"),
                "write printable ASCII on one line",
            );
            return None;
        };
        Some(Some((key, value)))
    }
}

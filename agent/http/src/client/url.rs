//! The address of a server: `http://host[:port]/path?query`, or `https://…`. IPv6 stands in brackets.

use hyper::Uri;
use hyper::header::HeaderValue;
use std::net::IpAddr;

/// A server's address, and what is asked of it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct HttpUrl {
    /// Without brackets.
    pub(crate) host: String,
    pub(crate) port: u16,
    pub(crate) is_tls: bool,
    /// Path and query.
    pub(crate) target: Uri,
    pub(crate) host_header: HeaderValue,
}

const SHAPE: &str = "write http://host:port/path, or https:// for TLS, and IPv6 in brackets";

impl HttpUrl {
    /// Reads an address.
    ///
    /// # Errors
    /// What is wrong, and the way out. A password is not shown.
    pub(crate) fn parse(text: &str) -> Result<Self, (String, &'static str)> {
        let refuse = || (format!("`{text}` is not the address of a server"), SHAPE);
        if text
            .split_once("://")
            .is_some_and(|(_, rest)| rest.split('/').next().unwrap_or_default().contains('@'))
        {
            let fix = "use the keys `username` and `password`, so that no password ends up in a log";
            return Err(("user and password do not belong in the address".to_owned(), fix));
        }
        let uri: Uri = text.parse().map_err(|_| refuse())?;
        let is_tls = match uri.scheme_str() {
            Some("http") => false,
            Some("https") => true,
            _ => return Err(refuse()),
        };
        let authority = uri.authority().ok_or_else(refuse)?;
        let port = match authority.port() {
            Some(port) => port.as_u16(),
            None if authority.as_str().ends_with(':') => return Err(refuse()),
            None if is_tls => 443,
            None => 80,
        };
        let bracketed = authority.host();
        let host = bracketed.strip_prefix('[').and_then(|host| host.strip_suffix(']')).unwrap_or(bracketed);
        let target =
            uri.path_and_query().map_or("/", |target| target.as_str()).parse().map_err(|_| refuse())?;
        let host_header = HeaderValue::from_str(authority.as_str()).map_err(|_| refuse())?;
        if host.is_empty() || port == 0 {
            return Err(refuse());
        }
        Ok(Self { host: host.to_owned(), port, is_tls, target, host_header })
    }

    /// Whether what is sent stays on this machine.
    pub(crate) fn is_this_machine(&self) -> bool {
        self.host == "localhost" || self.host.parse::<IpAddr>().is_ok_and(|address| address.is_loopback())
    }

    /// The value of a name in the query, not decoded.
    pub(crate) fn query(&self, name: &str) -> Option<&str> {
        let mut pairs = self.target.query()?.split('&').filter_map(|pair| pair.split_once('='));
        pairs.find(|(key, _)| *key == name).map(|(_, value)| value)
    }

    /// Adds a name to the query. Both are plain words.
    pub(crate) fn add_query(&mut self, name: &str, value: &str) {
        let joint = if self.target.query().is_some() { '&' } else { '?' };
        if let Ok(target) = format!("{}{joint}{name}={value}", self.target).parse() {
            self.target = target;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_are_read() {
        for (text, host, port, is_tls, target) in [
            ("http://db", "db", 80, false, "/"),
            ("https://db.example.com/a/b?c=d", "db.example.com", 443, true, "/a/b?c=d"),
            ("http://[fd00::1]:8086/write?db=x", "fd00::1", 8086, false, "/write?db=x"),
        ] {
            let url = HttpUrl::parse(text).unwrap();
            let read = (url.host.as_str(), url.port, url.is_tls, url.target.to_string());
            assert_eq!(read, (host, port, is_tls, target.to_owned()), "{text}");
        }
        let mut url = HttpUrl::parse("http://db/write?db=x").unwrap();
        url.add_query("precision", "ms");
        assert_eq!(
            (url.target.to_string().as_str(), url.query("db")),
            ("/write?db=x&precision=ms", Some("x"))
        );
    }

    #[test]
    fn mistakes_name_the_way_out() {
        for bad in [
            "",
            "db",
            "db:8086",
            "ftp://db",
            "http://",
            "http:///x",
            "http://db:0",
            "http://a b",
            "http://db:",
        ] {
            assert_eq!(HttpUrl::parse(bad).unwrap_err().1, SHAPE, "{bad}");
        }
        let (what, fix) = HttpUrl::parse("http://me:hunter2@db/").unwrap_err();
        assert!(!what.contains("hunter2") && fix.contains("`username`"));
    }
}

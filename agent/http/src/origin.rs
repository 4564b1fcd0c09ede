//! Whether a request is meant for this listener, and comes from nowhere else than a page of its own.
//!
//! A page of the internet can let its own name mean 127.0.0.1 (DNS rebinding), and a browser then lets it read what the
//! agent says on loopback. The browser still sends the page's name as `Host`. So a listener on loopback answers only
//! to names of this machine, and to those of `[http] hosts`. Beyond loopback a token is asked for, which no page has.
//!
//! A page can send requests without reading the answer, too. Browsers then say where from (`Origin`, RFC 6454), and no
//! foreign page is answered.

use hyper::header::{HOST, ORIGIN};
use hyper::http::uri::Authority;
use hyper::{HeaderMap, Uri, Version};
use std::net::IpAddr;

/// Why a request is not answered.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Foreign {
    /// It has no `Host`, several, or one that is none.
    NoHost,
    /// It is meant for another name.
    Host,
    /// A page of another origin sends it.
    Origin,
}

/// Judges a request to a listener; `hosts` are the names besides those of this machine, on loopback.
pub(crate) fn judge(
    (version, uri, headers): (Version, &Uri, &HeaderMap),
    is_loopback: bool,
    hosts: &[String],
) -> Result<(), Foreign> {
    let host = host_of(version, uri, headers)?;
    let is_meant =
        |name: &str| is_this_machine(name) || hosts.iter().any(|host| host.eq_ignore_ascii_case(name));
    if is_loopback && host.as_ref().is_some_and(|host| !is_meant(host.host())) {
        return Err(Foreign::Host);
    }
    let Some(origin) = headers.get(ORIGIN) else { return Ok(()) };
    let origin =
        origin.to_str().ok().and_then(|origin| origin.split_once("://")).map(|(_, authority)| authority);
    match (origin, host) {
        (Some(origin), Some(host)) if origin.eq_ignore_ascii_case(host.as_str()) => Ok(()),
        _ => Err(Foreign::Origin),
    }
}

/// The name that a request is meant for; `None` is possible in HTTP/1.0 only.
fn host_of(version: Version, uri: &Uri, headers: &HeaderMap) -> Result<Option<Authority>, Foreign> {
    let mut hosts = headers.get_all(HOST).iter();
    let (host, another) = (hosts.next(), hosts.next());
    if another.is_some() {
        return Err(Foreign::NoHost);
    }
    let host = match host {
        None if version == Version::HTTP_10 => None,
        None => return Err(Foreign::NoHost),
        Some(host) => {
            let host = host.to_str().ok().and_then(|host| host.parse::<Authority>().ok());
            Some(host.filter(|host| !host.as_str().contains('@')).ok_or(Foreign::NoHost)?)
        }
    };
    // A request may name its target whole, which then counts (RFC 9112, 3.2.2).
    Ok(uri.authority().cloned().or(host))
}

fn is_this_machine(host: &str) -> bool {
    let bare = host.strip_prefix('[').and_then(|host| host.strip_suffix(']')).unwrap_or(host);
    host.eq_ignore_ascii_case("localhost") || bare.parse().is_ok_and(|address: IpAddr| address.is_loopback())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn judged(host: &str, origin: Option<&str>, is_loopback: bool) -> Result<(), Foreign> {
        let mut headers = HeaderMap::new();
        headers.insert(HOST, host.parse().unwrap());
        if let Some(origin) = origin {
            headers.insert(ORIGIN, origin.parse().unwrap());
        }
        let uri = Uri::from_static("/");
        judge((Version::HTTP_11, &uri, &headers), is_loopback, &["pi.lan".to_owned()])
    }

    #[test]
    fn on_loopback_only_names_of_this_machine_are_meant() {
        for host in ["localhost", "LOCALHOST:8600", "127.0.0.1:8600", "127.9.9.9", "[::1]:8600", "pi.lan:80"]
        {
            assert_eq!(judged(host, None, true), Ok(()), "{host}");
        }
        for host in
            ["evil.example", "127.0.0.1.evil.example:8600", "localhost.evil.example", "10.0.0.1", "[fd00::1]"]
        {
            assert_eq!(judged(host, None, true), Err(Foreign::Host), "{host}");
            assert_eq!(judged(host, None, false), Ok(()), "{host}: a token is asked for");
        }
        for host in ["", "a b", "user@localhost", "localhost:x:y"] {
            assert_eq!(judged(host, None, true), Err(Foreign::NoHost), "{host}");
        }
        let (uri, none) = (Uri::from_static("http://evil.example/"), HeaderMap::new());
        assert_eq!(judge((Version::HTTP_11, &uri, &none), true, &[]), Err(Foreign::NoHost));
        assert_eq!(judge((Version::HTTP_10, &uri, &none), true, &[]), Err(Foreign::Host));
        assert_eq!(judge((Version::HTTP_10, &Uri::from_static("/"), &none), true, &[]), Ok(()));
        let twice: HeaderMap = ["localhost", "evil"]
            .map(|host| (HOST, host.parse().unwrap()))
            .into_iter()
            .fold(HeaderMap::new(), |mut headers, (name, value)| {
                headers.append(name, value);
                headers
            });
        assert_eq!(
            judge((Version::HTTP_11, &Uri::from_static("/"), &twice), true, &[]),
            Err(Foreign::NoHost)
        );
    }

    #[test]
    fn pages_of_other_origins_are_not_answered() {
        assert_eq!(judged("localhost:8600", Some("http://localhost:8600"), true), Ok(()));
        for origin in
            ["http://evil.example", "http://localhost:1", "null", "http://localhost:8600@evil.example"]
        {
            assert_eq!(judged("localhost:8600", Some(origin), true), Err(Foreign::Origin), "{origin}");
            assert_eq!(judged("10.0.0.1:8600", Some(origin), false), Err(Foreign::Origin), "{origin}");
        }
    }
}

//! The address of a broker: `mqtt://host:port`, `mqtts://host:port`, or `host[:port]`; over a websocket
//! `ws://host:port/path` or `wss://host:port/path`. IPv6 stands in brackets.

use std::net::IpAddr;

/// A broker's address.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct BrokerAddress {
    pub(crate) host: String,
    pub(crate) port: u16,
    pub(crate) tls: bool,
    /// The path of its websocket; `None`: plain TCP.
    pub(crate) path: Option<String>,
}

/// The mistake in an address, and the way out.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct BadAddress {
    pub(crate) what: String,
    pub(crate) fix: &'static str,
}

const SHAPE: &str = "write mqtt://host:1883, mqtts://host:8883 for TLS, ws:// or wss://host/mqtt for websockets, and IPv6 as \
                     mqtt://[fd00::1]:1883";

/// The path of a websocket where none is given: that of most brokers.
const USUAL_PATH: &str = "/mqtt";

impl BrokerAddress {
    /// Whether what is sent stays on this machine.
    pub(crate) fn is_this_machine(&self) -> bool {
        self.host == "localhost" || self.host.parse::<IpAddr>().is_ok_and(|address| address.is_loopback())
    }

    pub(crate) fn parse(text: &str) -> Result<Self, BadAddress> {
        let refuse = |what: String, fix| Err(BadAddress { what, fix });
        let (scheme, rest) = text.split_once("://").unwrap_or(("mqtt", text));
        let (tls, port) = match scheme {
            "mqtt" => (false, 1883),
            "mqtts" => (true, 8883),
            "tcp" => return refuse("`tcp://` is not known".into(), "write mqtt:// instead"),
            "ssl" | "tls" => return refuse(format!("`{scheme}://` is not known"), "write mqtts:// instead"),
            "ws" => (false, 80),
            "wss" => (true, 443),
            other => return refuse(format!("`{other}://` is not known"), SHAPE),
        };
        let is_websocket = matches!(scheme, "ws" | "wss");
        let (rest, path) = match rest.split_once('/').filter(|_| is_websocket) {
            Some((rest, path)) => (rest, Some(format!("/{path}"))),
            None => (rest.strip_suffix('/').unwrap_or(rest), is_websocket.then(|| USUAL_PATH.to_owned())),
        };
        if rest.contains('@') {
            // The address is not shown: it holds a password.
            let fix = "use the keys `username` and `password`, so that no password ends up in a log";
            return refuse("user and password do not belong in the address".into(), fix);
        }
        if rest.contains(['/', '?', '#']) {
            return refuse(format!("`{text}` has something after the port"), SHAPE);
        }
        if path.iter().any(|path| path.contains(|c: char| !c.is_ascii_graphic() || c == '#')) {
            let fix = "write a path of printable signs, others as %20";
            return refuse(format!("the path of `{text}` cannot be asked for"), fix);
        }
        let Some((host, port)) = split_port(rest, port) else {
            let is_host = |(host, _): (&str, &str)| split_port(host, port).is_some();
            if rest.rsplit_once(':').is_some_and(is_host) {
                return refuse(format!("the port of `{text}` is not one from 1 to 65535"), SHAPE);
            }
            return refuse(format!("`{text}` is not a broker's address"), SHAPE);
        };
        Ok(Self { host: host.to_owned(), port, tls, path })
    }
}

/// Host without brackets, and port; `None`: either is invalid.
fn split_port(rest: &str, default: u16) -> Option<(&str, u16)> {
    let (host, port) = match rest.strip_prefix('[') {
        Some(bracketed) => {
            let (host, after) = bracketed.split_once(']')?;
            host.parse::<std::net::Ipv6Addr>().ok()?;
            (host, if after.is_empty() { None } else { Some(after.strip_prefix(':')?) })
        }
        None => match rest.split_once(':') {
            Some((host, port)) => (host, Some(port)),
            None => (rest, None),
        },
    };
    let strange = |c: char| c.is_whitespace() || c.is_control();
    let port = match port {
        Some(digits) => digits.parse().ok().filter(|port| *port != 0)?,
        None => default,
    };
    (!host.is_empty() && !host.contains(strange)).then_some((host, port))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_are_read() {
        let address = |host: &str, port, tls| Ok(BrokerAddress { host: host.into(), port, tls, path: None });
        assert_eq!(BrokerAddress::parse("mqtt://127.0.0.1"), address("127.0.0.1", 1883, false));
        assert_eq!(
            BrokerAddress::parse("mqtts://broker.example.com"),
            address("broker.example.com", 8883, true)
        );
        assert_eq!(BrokerAddress::parse("broker:1884"), address("broker", 1884, false));
        assert_eq!(BrokerAddress::parse("mqtts://[fd00::1]:9/"), address("fd00::1", 9, true));
        assert_eq!(BrokerAddress::parse("[::1]"), address("::1", 1883, false));
        for (text, port, tls, path) in [
            ("ws://broker", 80, false, "/mqtt"),
            ("ws://broker/", 80, false, "/"),
            ("wss://broker:8084/a/b?token=1", 8084, true, "/a/b?token=1"),
            ("wss://broker/mqtt", 443, true, "/mqtt"),
        ] {
            let path = Some(path.to_owned());
            assert_eq!(
                BrokerAddress::parse(text),
                Ok(BrokerAddress { host: "broker".into(), port, tls, path })
            );
        }
    }

    #[test]
    fn mistakes_name_the_way_out() {
        for bad in [
            "",
            "mqtt://",
            "mqtt://a:b",
            "a:0",
            "a:65536",
            "::1",
            "[::1",
            "[::1]x",
            "[x]:1",
            "a b",
            "mqtt://a/b",
        ] {
            let error = BrokerAddress::parse(bad).unwrap_err();
            assert!(error.fix.contains("mqtt://host:1883"), "{bad}: {error:?}");
        }
        for bad in ["mqtt://a:b", "a:0", "[::1]:65536"] {
            assert!(BrokerAddress::parse(bad).unwrap_err().what.contains("the port of"), "{bad}");
        }
        assert_eq!(BrokerAddress::parse("tcp://a").unwrap_err().fix, "write mqtt:// instead");
        assert_eq!(BrokerAddress::parse("ssl://a").unwrap_err().fix, "write mqtts:// instead");
        assert!(BrokerAddress::parse("ws://a/b c").unwrap_err().what.contains("the path of"));
        let secret = BrokerAddress::parse("mqtt://me:hunter2@host").unwrap_err();
        assert!(secret.fix.contains("`username`") && !secret.what.contains("hunter2"));
    }
}

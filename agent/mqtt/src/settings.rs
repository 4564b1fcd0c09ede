//! The settings of a connection in the config.

use crate::TOPIC_BYTES_MAX;
use crate::url::BrokerAddress;
use headwater_settings::{Or, Secret, Table};
use headwater_tls::{Tls, TlsFiles};
use std::time::Duration;

const KEEP_ALIVE_MS: i64 = 30_000;

/// The protocol's version.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Version {
    /// 3.1.1: supported by every broker.
    V4,
    /// 5: the broker gives reasons for its refusals.
    V5,
}

/// The broker's address and our credentials; checked, files included.
#[derive(Clone, Debug)]
pub struct Settings {
    /// Name or address, IPv6 without brackets.
    pub host: String,
    /// TCP port.
    pub port: u16,
    /// `None`: plain text.
    pub tls: Option<Tls>,
    /// The path of the broker's websocket; `None`: MQTT over TCP itself.
    pub websocket: Option<String>,
    /// The user name.
    pub username: Option<String>,
    /// The password.
    pub password: Option<Secret>,
    /// Overrides the client id that the program would choose.
    pub client_id: Option<String>,
    /// Protocol version.
    pub version: Version,
    /// How often a silent connection is probed; it counts as dead after at most twice as long.
    pub keep_alive: Duration,
}

impl Settings {
    /// Plain settings for an address, without user, password or files.
    ///
    /// # Errors
    /// The mistake in the address, and the way out.
    pub fn parse_url(url: &str) -> Result<Self, String> {
        let address = BrokerAddress::parse(url).map_err(|bad| format!("{}; {}", bad.what, bad.fix))?;
        let tls = if address.tls { Some(Tls::new(None, None)?) } else { None };
        Ok(Self {
            host: address.host,
            port: address.port,
            tls,
            websocket: address.path,
            username: None,
            password: None,
            client_id: None,
            version: Version::V4,
            keep_alive: Duration::from_millis(KEEP_ALIVE_MS.unsigned_abs()),
        })
    }

    /// Reads `url`, `username`, `password`, `ca`, `cert`, `key`, `version`, `client_id` and `keep_alive`, and the
    /// files that they name. `None`: there were mistakes, which the table has noted.
    pub fn read(table: &mut Table<'_>) -> Option<Self> {
        let address = read_address(table);
        let files = TlsFiles::take(table);
        let username = table.string("username");
        let password = table.secret("password");
        if password.is_some() && !table.has("username") {
            table.refuse(table.place_of("password"), "`password` without `username`", "add `username`");
        }
        let version = table.choice("version", &[("3.1.1", Version::V4), ("5", Version::V5)]);
        let client_id = read_client_id(table);
        // MQTT counts whole seconds in 16 bits. A shorter time than 5 s would take a slow answer for none.
        let keep_alive = table.duration("keep_alive", 5_000..=65_535_000).given().unwrap_or(KEEP_ALIVE_MS);
        let address = address?;
        let tls =
            files.read(table, address.tls, "write the url as mqtts:// or wss://, or leave the key out")?;
        if password.is_some() && tls.is_none() && !address.is_this_machine() {
            let what = "the password goes over the network as it is";
            table.warn(
                table.place_of("password"),
                what,
                "write the url as mqtts:// or wss://, if the broker has TLS",
            );
        }
        Some(Self {
            host: address.host,
            port: address.port,
            tls,
            websocket: address.path,
            username: username.given(),
            password: password.given(),
            client_id,
            version: version.given().unwrap_or(Version::V4),
            keep_alive: Duration::from_millis(keep_alive.unsigned_abs()),
        })
    }

    /// Whether an address is that of this broker, as far as its text tells.
    #[must_use]
    pub fn is_at(&self, address: &str) -> bool {
        same_host(&self.address()) == same_host(address)
    }

    /// A client id at this broker, for people; equal texts are the same client.
    #[must_use]
    pub fn client_at_broker(&self, client_id: &str) -> String {
        format!("the client id `{client_id}` at {}", same_host(&self.address()))
    }

    /// `host:port`, for people.
    #[must_use]
    pub fn address(&self) -> String {
        let (host, port) = (&self.host, self.port);
        if host.contains(':') { format!("[{host}]:{port}") } else { format!("{host}:{port}") }
    }
}

/// The address with one name for this machine.
fn same_host(address: &str) -> String {
    let names = ["127.0.0.1:", "[::1]:"];
    let port = names.into_iter().find_map(|name| address.strip_prefix(name));
    port.map_or_else(|| address.to_lowercase(), |port| format!("localhost:{port}"))
}

fn read_address(table: &mut Table<'_>) -> Option<BrokerAddress> {
    let Some(url) = table.string("url") else {
        table.missing("url", "add `url = \"mqtt://127.0.0.1:1883\"`");
        return None;
    };
    let parsed = BrokerAddress::parse(&url.value);
    parsed.map_err(|bad| table.refuse(url.span, bad.what, bad.fix)).ok()
}

fn read_client_id(table: &mut Table<'_>) -> Option<String> {
    let id = table.string("client_id")?;
    if id.value.is_empty() || id.value.len() > TOPIC_BYTES_MAX || id.value.contains('\0') {
        let fix = "leave it out, or write a name that no other client of the broker has";
        table.refuse(id.span, "`client_id` is empty, longer than 65535 bytes or holds NUL", fix);
        return None;
    }
    Some(id.value)
}

#[cfg(test)]
mod tests {
    use super::*;
    use headwater_settings::Document;
    use std::path::Path;

    fn read(text: &str) -> (Option<Settings>, Vec<String>) {
        let document = Document::parse(Path::new("/nowhere/test.toml"), text, |_| None);
        let mut root = document.root();
        let settings = Settings::read(&mut root);
        root.finish();
        (settings, document.mistakes().iter().map(|m| format!("{}; {}", m.what, m.fix)).collect())
    }

    #[test]
    fn defaults_suit_a_broker_next_door() {
        let (settings, mistakes) = read("url = \"mqtt://broker\"");
        let settings = settings.unwrap();
        assert_eq!(mistakes, [""; 0]);
        assert_eq!((settings.address().as_str(), settings.version), ("broker:1883", Version::V4));
        assert_eq!(settings.keep_alive, Duration::from_secs(30));
        assert!(settings.tls.is_none() && settings.client_id.is_none());
        assert!(Settings::parse_url("[::1]").unwrap().address() == "[::1]:1883");
        assert!(Settings::parse_url("tcp://x").unwrap_err().contains("write mqtt://"));
    }

    #[test]
    fn every_mistake_is_told() {
        let text = "url = \"mqtt://a\"\nca = \"ca.pem\"\npassword = \"x\"\nversion = \"4\"\nkeep_alive = \"1s\"\n\
                    client_id = \"\"\n";
        let (settings, mistakes) = read(text);
        assert!(settings.is_none());
        assert_eq!(mistakes.len(), 5, "{mistakes:#?}");
        assert!(mistakes[0].contains("`ca` has no use without TLS"));
        assert!(mistakes[1].contains("add `username`"));
        assert!(mistakes[2].contains("`3.1.1`"));
        assert!(read("").1[0].contains("`url` is missing"));
    }

    #[test]
    fn tls_files_are_read_at_once() {
        let (settings, mistakes) = read("url = \"mqtts://a\"\nca = \"gone.pem\"\n");
        assert!(settings.is_none());
        assert!(mistakes[0].contains("cannot read /nowhere/gone.pem"), "{mistakes:?}");
        let (_, mistakes) = read("url = \"mqtts://a\"\ncert = \"c.pem\"\n");
        assert!(mistakes[0].contains("`cert` without `key`"), "{mistakes:?}");
        let junk = std::env::temp_dir().join(format!("headwater-mqtt-{}.pem", std::process::id()));
        std::fs::write(&junk, "junk").unwrap();
        let (_, mistakes) = read(&format!("url = \"mqtts://a\"\nca = \"{}\"\n", junk.display()));
        assert!(mistakes[0].contains("holds no certificate"), "{mistakes:?}");
        std::fs::remove_file(&junk).unwrap();
    }
}

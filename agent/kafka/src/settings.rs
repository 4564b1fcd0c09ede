//! The settings of a cluster in the config.

use crate::scram::ScramHash;
use headwater_settings::{At, Secret, SwitchOrTable, Table};
use headwater_tls::{Tls, TlsFiles};

/// The port of a broker that names none.
const PORT: u16 = 9092;

/// The most brokers that a config may name.
const BROKERS_MAX: usize = 64;

/// The address of a broker.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct KafkaAddress {
    /// Name or address, IPv6 without brackets.
    pub host: String,
    /// TCP port.
    pub port: u16,
}

impl KafkaAddress {
    /// Reads `host`, `host:port` or `[::1]:port`.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        let text = text.trim();
        let (host, port) = match text.strip_prefix('[').map(|rest| rest.split_once(']')) {
            Some(inside) => inside.map(|(host, rest)| (host, rest.strip_prefix(':')))?,
            None => match text.rsplit_once(':') {
                Some((host, port)) if !host.contains(':') => (host, Some(port)),
                _ => (text, None),
            },
        };
        let port = port.map_or(Some(PORT), |port| port.parse().ok().filter(|port| *port > 0))?;
        let is_name = !host.is_empty() && !host.contains(|c: char| c.is_whitespace() || c == '/' || c == '@');
        is_name.then(|| Self { host: host.to_owned(), port })
    }

    /// Whether it is this machine's own.
    fn is_this_machine(&self) -> bool {
        self.host == "localhost" || self.host.parse::<std::net::IpAddr>().is_ok_and(|ip| ip.is_loopback())
    }
}

impl std::fmt::Display for KafkaAddress {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let Self { host, port } = self;
        if host.contains(':') { write!(f, "[{host}]:{port}") } else { write!(f, "{host}:{port}") }
    }
}

/// How the password is proved.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Mechanism {
    /// It is sent as it is.
    Plain,
    /// It is not sent.
    Scram(ScramHash),
}

impl Mechanism {
    const ALL: [(&'static str, Self); 3] = [
        ("PLAIN", Self::Plain),
        ("SCRAM-SHA-256", Self::Scram(ScramHash::Sha256)),
        ("SCRAM-SHA-512", Self::Scram(ScramHash::Sha512)),
    ];

    /// Its name in the protocol.
    #[must_use]
    pub fn name(self) -> &'static str {
        Self::ALL.iter().find(|(_, mechanism)| *mechanism == self).map_or("", |(name, _)| name)
    }
}

/// Who we are.
#[derive(Clone, Debug)]
pub struct Sasl {
    /// How the password is proved.
    pub mechanism: Mechanism,
    /// The name.
    pub username: String,
    /// The password.
    pub password: Secret,
}

/// The settings of a cluster; checked, files included.
#[derive(Clone, Debug)]
pub struct KafkaSettings {
    /// Brokers to begin with; never empty.
    pub brokers: Vec<KafkaAddress>,
    /// `None`: plain text.
    pub tls: Option<Tls>,
    /// `None`: no name and password.
    pub sasl: Option<Sasl>,
    /// What the brokers' logs and quotas call us.
    pub client_id: String,
}

impl KafkaSettings {
    /// Settings for some brokers `host:port,host:port`, in plain text.
    ///
    /// # Errors
    /// The mistake, and the way out.
    pub fn parse(brokers: &str, client_id: &str) -> Result<Self, String> {
        let parsed = |text: &str| KafkaAddress::parse(text).ok_or_else(|| bad_broker(text));
        let brokers = brokers.split(',').map(parsed).collect::<Result<Vec<_>, _>>()?;
        Ok(Self { brokers, tls: None, sasl: None, client_id: client_id.to_owned() })
    }

    /// Reads `brokers`, `tls` and `sasl`, and the files that they name. `None`: there were mistakes, which the table has
    /// noted.
    pub fn read(table: &mut Table<'_>, client_id: &str) -> Option<Self> {
        let brokers = read_brokers(table);
        let tls = read_tls(table);
        let sasl = table.table("sasl").map_or(Some(None), |sasl| read_sasl(sasl).map(Some));
        let (brokers, tls, sasl) = (brokers?, tls?, sasl?);
        let is_near = brokers.iter().all(KafkaAddress::is_this_machine);
        if sasl.as_ref().is_some_and(|sasl| sasl.mechanism == Mechanism::Plain) && tls.is_none() && !is_near {
            table.warn(
                table.place_of("sasl"),
                "the password goes over the network as it is",
                "add `tls = true` where the brokers have it, or use SCRAM-SHA-512",
            );
        }
        Some(Self { brokers, tls, sasl, client_id: client_id.to_owned() })
    }

    /// The brokers, for people.
    #[must_use]
    pub fn address(&self) -> String {
        self.brokers.iter().map(ToString::to_string).collect::<Vec<_>>().join(", ")
    }
}

fn bad_broker(text: &str) -> String {
    format!("`{text}` is no address of a broker; write host:port, such as \"127.0.0.1:9092\"")
}

fn read_brokers(table: &mut Table<'_>) -> Option<Vec<KafkaAddress>> {
    if !table.has("brokers") {
        table.missing("brokers", "add `brokers = [\"127.0.0.1:9092\"]`");
        return None;
    }
    let given = table.one_or_more("brokers")?;
    let mut brokers = Vec::new();
    for At { value, span } in given.value {
        for part in value.split(',') {
            let Some(address) = KafkaAddress::parse(part) else {
                let fix = "write host:port, such as \"127.0.0.1:9092\"";
                table.refuse(span.clone(), format!("`{part}` is no address of a broker"), fix);
                return None;
            };
            brokers.push(address);
        }
    }
    if brokers.len() > BROKERS_MAX {
        table.refuse(
            given.span,
            format!("more than {BROKERS_MAX} brokers"),
            "name a few: they know the others",
        );
        return None;
    }
    Some(brokers)
}

/// `None`: a mistake; `Some(None)`: plain text.
fn read_tls(table: &mut Table<'_>) -> Option<Option<Tls>> {
    if !table.has("tls") {
        table.switch_or_table("tls"); // known, although it is not there
        return Some(None);
    }
    match table.switch_or_table("tls")? {
        SwitchOrTable::Switch(false) => Some(None),
        SwitchOrTable::Switch(true) => match Tls::new(None, None) {
            Ok(tls) => Some(Some(tls)),
            Err(why) => {
                table.refuse(table.place_of("tls"), why, "write tls = { ca = \"ca.pem\" }");
                None
            }
        },
        SwitchOrTable::Table(mut files) => {
            let taken = TlsFiles::take(&mut files);
            let tls = taken.read(&files, true, "");
            files.finish();
            tls
        }
    }
}

fn read_sasl(mut table: Table<'_>) -> Option<Sasl> {
    table.note("mechanism", "how the brokers know us");
    table.note("username", "who we are to the brokers");
    table.note("password", "best `{ file = … }`");
    let mechanism = table.string("mechanism");
    let known = || Mechanism::ALL.map(|(name, _)| format!("\"{name}\"")).join(" or ");
    if mechanism.is_none() {
        table.missing("mechanism", format!("add `mechanism`, which is {}", known()));
    }
    let mechanism = mechanism.and_then(|At { value, span }| {
        let found = Mechanism::ALL.iter().find(|(name, _)| name.eq_ignore_ascii_case(&value));
        if found.is_none() {
            table.refuse(span, format!("`mechanism` cannot be `{value}`"), format!("write {}", known()));
        }
        found.map(|(_, mechanism)| *mechanism)
    });
    let (username, password) = (table.string("username"), table.secret("password"));
    if username.is_none() {
        table.missing("username", "add `username`");
    }
    if password.is_none() {
        table.missing("password", "add `password = { file = \"…\" }`");
    }
    table.finish();
    Some(Sasl { mechanism: mechanism?, username: username?.value, password: password?.value })
}

#[cfg(test)]
mod tests {
    use super::*;
    use headwater_settings::Document;
    use std::path::Path;

    fn read(text: &str) -> (Option<KafkaSettings>, Vec<String>) {
        let document = Document::parse(Path::new("/nowhere/test.toml"), text, |_| None);
        let mut root = document.root();
        let settings = KafkaSettings::read(&mut root, "me");
        root.finish();
        (settings, document.mistakes().iter().map(|m| format!("{}; {}", m.what, m.fix)).collect())
    }

    #[test]
    fn brokers_have_a_port_by_default() {
        let (settings, mistakes) = read("brokers = [\"a\", \"b:9093, [::1]:9094\"]");
        assert_eq!(mistakes, [""; 0]);
        let settings = settings.unwrap();
        assert_eq!(settings.address(), "a:9092, b:9093, [::1]:9094");
        assert!(settings.tls.is_none() && settings.sasl.is_none());
        assert_eq!(KafkaSettings::parse("x:1", "me").unwrap().address(), "x:1");
        assert!(read("brokers = \"a\"\ntls = true").0.unwrap().tls.is_some());
    }

    #[test]
    fn a_name_and_a_password_need_a_mechanism() {
        let text =
            "brokers = \"a\"\nsasl = { mechanism = \"scram-sha-256\", username = \"u\", password = \"p\" }";
        let sasl = read(text).0.unwrap().sasl.unwrap();
        assert_eq!((sasl.mechanism.name(), &*sasl.username), ("SCRAM-SHA-256", "u"));
        let plain = read(&text.replace("scram-sha-256", "plain")).1;
        assert!(plain.iter().any(|mistake| mistake.contains("goes over the network as it is")), "{plain:?}");
    }

    #[test]
    fn mistakes_say_what_would_be_right() {
        for (text, word) in [
            ("", "`brokers` is missing"),
            ("brokers = []", "`brokers` is empty"),
            ("brokers = \"kafka://a\"", "write host:port"),
            ("brokers = \"a:0\"", "write host:port"),
            ("brokers = \"a\"\ntls = { ca = \"gone.pem\" }", "cannot read /nowhere/gone.pem"),
            ("brokers = \"a\"\ntls = { crt = \"x\" }", "unknown key `crt`"),
            ("brokers = \"a\"\ntls = 5", "a table, true or false"),
            ("brokers = \"a\"\nsasl = { username = \"u\", password = \"p\" }", "`mechanism` is missing"),
            (
                "brokers = \"a\"\nsasl = { mechanism = \"GSSAPI\", username = \"u\", password = \"p\" }",
                "cannot be `GSSAPI`",
            ),
        ] {
            let (_, mistakes) = read(text);
            assert!(mistakes.iter().any(|mistake| mistake.contains(word)), "{text}: {mistakes:?}");
        }
    }
}

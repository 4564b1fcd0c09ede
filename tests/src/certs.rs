//! A certificate authority for tests, and what it signs.

use rcgen::{
    BasicConstraints, CertificateParams, DnType, ExtendedKeyUsagePurpose, IsCa, Issuer, KeyPair,
    KeyUsagePurpose, date_time_ymd,
};
use std::path::{Path, PathBuf};

/// An authority with a certificate of its own in `<dir>/<name>.pem`.
pub struct Authority {
    issuer: Issuer<'static, KeyPair>,
    dir: PathBuf,
    /// The authority's certificate, PEM.
    pub ca: PathBuf,
}

/// A certificate and its key, both PEM.
pub struct Identity {
    /// The certificate.
    pub cert: PathBuf,
    /// The private key.
    pub key: PathBuf,
}

impl Authority {
    /// Makes an authority that is valid for a long time.
    ///
    /// # Panics
    /// When keys or files cannot be made.
    #[must_use]
    pub fn new(dir: &Path, name: &str) -> Self {
        let mut params = named(name, &[]);
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        params.key_usages = vec![KeyUsagePurpose::KeyCertSign, KeyUsagePurpose::CrlSign];
        let key = KeyPair::generate().expect("a key");
        let ca = dir.join(format!("{name}.pem"));
        std::fs::write(&ca, params.self_signed(&key).expect("a certificate").pem()).expect("a file");
        Self { issuer: Issuer::new(params, key), dir: dir.to_owned(), ca }
    }

    /// Makes a server's certificate for loopback.
    #[must_use]
    pub fn server(&self) -> Identity {
        self.sign("server", &["localhost", "127.0.0.1"], ExtendedKeyUsagePurpose::ServerAuth)
    }

    /// Makes a server's certificate for another host.
    #[must_use]
    pub fn server_elsewhere(&self) -> Identity {
        self.sign("elsewhere", &["db.example.org"], ExtendedKeyUsagePurpose::ServerAuth)
    }

    /// Makes a server's certificate for loopback that ended years ago.
    #[must_use]
    pub fn server_of_old(&self) -> Identity {
        let mut params = named("old", &["localhost", "127.0.0.1"]);
        (params.not_before, params.not_after) = (date_time_ymd(2019, 1, 1), date_time_ymd(2020, 1, 1));
        self.sign_as("old", params, ExtendedKeyUsagePurpose::ServerAuth)
    }

    /// Makes a client's certificate.
    #[must_use]
    pub fn client(&self, name: &str) -> Identity {
        self.sign(name, &[], ExtendedKeyUsagePurpose::ClientAuth)
    }

    /// Makes a server's certificate as `openssl x509 -req` does without more words: of X.509 version 1, with no host in it. The
    /// authority's key is openssl's own, so this writes another `<name>-1.pem` for it.
    ///
    /// # Panics
    /// When openssl does not do it.
    #[must_use]
    pub fn server_of_version_1(dir: &Path) -> (PathBuf, Identity) {
        let openssl = |arguments: &str| {
            let mut command = std::process::Command::new("openssl");
            let output = command.args(arguments.split(' ')).current_dir(dir).output().expect("openssl");
            assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
        };
        openssl("req -x509 -newkey rsa:2048 -nodes -keyout ca-1.key -out ca-1.pem -days 3650 -subj /CN=ca");
        openssl("req -newkey rsa:2048 -nodes -keyout server-1.key -out server-1.csr -subj /CN=localhost");
        openssl(
            "x509 -req -in server-1.csr -CA ca-1.pem -CAkey ca-1.key -CAcreateserial -out server-1.crt -days 3650",
        );
        let identity = Identity { cert: dir.join("server-1.crt"), key: dir.join("server-1.key") };
        (dir.join("ca-1.pem"), identity)
    }

    /// Makes a server's certificate for loopback that signs itself, as `openssl req -x509` does.
    ///
    /// # Panics
    /// When keys or files cannot be made.
    #[must_use]
    pub fn self_signed_server(dir: &Path) -> Identity {
        let mut params = named("self", &["localhost", "127.0.0.1"]);
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        let pair = KeyPair::generate().expect("a key");
        let (cert, key) = (dir.join("self.crt"), dir.join("self.key"));
        std::fs::write(&cert, params.self_signed(&pair).expect("a certificate").pem()).expect("a file");
        std::fs::write(&key, pair.serialize_pem()).expect("a file");
        Identity { cert, key }
    }

    fn sign(&self, name: &str, hosts: &[&str], usage: ExtendedKeyUsagePurpose) -> Identity {
        self.sign_as(name, named(name, hosts), usage)
    }

    fn sign_as(&self, name: &str, mut params: CertificateParams, usage: ExtendedKeyUsagePurpose) -> Identity {
        params.key_usages = vec![KeyUsagePurpose::DigitalSignature];
        params.extended_key_usages = vec![usage];
        params.use_authority_key_identifier_extension = true;
        let pair = KeyPair::generate().expect("a key");
        let signed = params.signed_by(&pair, &self.issuer).expect("a certificate");
        let cert = self.dir.join(format!("{name}.crt"));
        let key = self.dir.join(format!("{name}.key"));
        std::fs::write(&cert, signed.pem()).expect("a file");
        std::fs::write(&key, pair.serialize_pem()).expect("a file");
        Identity { cert, key }
    }
}

fn named(name: &str, hosts: &[&str]) -> CertificateParams {
    let hosts = hosts.iter().map(|host| (*host).to_owned()).collect::<Vec<_>>();
    let mut params = CertificateParams::new(hosts).expect("host names");
    params.distinguished_name.push(DnType::CommonName, format!("headwater test {name}"));
    params
}

//! TLS, mutual TLS, and names with passwords. Right ones get through. Wrong ones are logged and tried again.

use crate::{Config, check_all, publish, wait_source};
use headwater_tests::certs::Authority;
use headwater_tests::mosquitto::Guard;
use headwater_tests::{Agent, Mosquitto, Options, Publisher, Subscriber, TempDir, recording, wait_for};

struct Scene {
    dir: TempDir,
    authority: Authority,
    broker: Mosquitto,
}

impl Scene {
    fn tls(mutual: bool) -> Self {
        let dir = TempDir::new();
        let authority = Authority::new(&dir, "authority");
        let guard = Guard::Tls(authority.server(), mutual.then(|| authority.ca.clone()));
        let broker = Mosquitto::with(&Options { guard: Some(guard), ..Options::default() });
        Self { dir, authority, broker }
    }

    /// A broker that is reached over a websocket.
    fn websocket(tls: bool) -> Self {
        let dir = TempDir::new();
        let authority = Authority::new(&dir, "authority");
        let guard = Guard::WebSocket(tls.then(|| authority.server()));
        let broker = Mosquitto::with(&Options { guard: Some(guard), ..Options::default() });
        Self { dir, authority, broker }
    }

    /// A plain source and a guarded output.
    fn config(&self, scheme: &str, keys: &str) -> String {
        let mut config = Config::new(self.broker.port, self.broker.port);
        config.output = format!("{scheme}://localhost:{}", self.broker.guarded_port);
        config.output_keys = keys.to_owned();
        config.text()
    }

    fn check_delivers(&self, config: &str) {
        let subscriber = Subscriber::new(self.broker.port);
        let _agent = Agent::start(&self.dir, config);
        wait_source(&self.broker, 1);
        let readings = recording::own("travel_time.csv");
        publish(&mut Publisher::new(self.broker.port), "office", "temp", &readings);
        check_all(&subscriber, "sensors/office/temp", &readings);
    }

    /// The failure is logged and tried again, and the rest of the agent goes on.
    fn check_refused(&self, config: &str, words: &[&str]) {
        let subscriber = Subscriber::new(self.broker.port);
        let mut agent = Agent::start(&self.dir, config);
        agent.wait_log(words);
        wait_source(&self.broker, 1);
        let attempts = || self.broker.logged(&format!("on port {}", self.broker.guarded_port));
        wait_for("another attempt", || (attempts() >= 2).then_some(()));
        agent.check_running();
        assert!(subscriber.messages().is_empty(), "a message got through");
    }
}

#[test]
fn tls_with_the_right_authority_delivers() {
    let scene = Scene::tls(false);
    scene.check_delivers(&scene.config("mqtts", &format!("ca = \"{}\"", scene.authority.ca.display())));
}

/// Source and output.
#[test]
fn a_websocket_carries_all_that_a_socket_does() {
    let scene = Scene::websocket(false);
    let source = format!("ws://localhost:{}/mqtt", scene.broker.guarded_port);
    let config = scene.config("ws", "").replace(&format!("mqtt://127.0.0.1:{}", scene.broker.port), &source);
    scene.check_delivers(&config);
}

#[test]
fn a_websocket_in_tls_delivers() {
    let scene = Scene::websocket(true);
    scene.check_delivers(&scene.config("wss", &format!("ca = \"{}\"", scene.authority.ca.display())));
}

#[test]
fn a_port_without_a_websocket_is_refused_in_words() {
    let scene = Scene::websocket(false);
    let config = scene.config("ws", "").replace(
        &format!("ws://localhost:{}", scene.broker.guarded_port),
        &format!("ws://localhost:{}", scene.broker.port),
    );
    let mut agent = Agent::start(&scene.dir, &config);
    agent.wait_log(&["closed the connection without an answer", "websocket"]);
    agent.check_running();
}

#[test]
fn tls_with_a_wrong_authority_is_refused_in_words_and_tried_again() {
    let scene = Scene::tls(false);
    let wrong = Authority::new(&scene.dir, "stranger");
    scene.check_refused(
        &scene.config("mqtts", &format!("ca = \"{}\"", wrong.ca.display())),
        &["certificate", "ca"],
    );
}

/// The usual broker at home: its certificate signs itself, and is named as `ca`.
#[test]
fn a_certificate_that_signs_itself_is_trusted_where_it_is_named() {
    let dir = TempDir::new();
    let (authority, own) = (Authority::new(&dir, "authority"), Authority::self_signed_server(&dir));
    let ca = own.cert.clone();
    let broker = Mosquitto::with(&Options { guard: Some(Guard::Tls(own, None)), ..Options::default() });
    let scene = Scene { dir, authority, broker };
    scene.check_delivers(&scene.config("mqtts", &format!("ca = \"{}\"", ca.display())));
}

/// The classic recipe makes a certificate of version 1, which names no host.
#[test]
fn a_certificate_of_the_first_version_is_refused_in_words() {
    let dir = TempDir::new();
    let (authority, (ca, server)) = (Authority::new(&dir, "authority"), Authority::server_of_version_1(&dir));
    let broker = Mosquitto::with(&Options { guard: Some(Guard::Tls(server, None)), ..Options::default() });
    let scene = Scene { dir, authority, broker };
    let config = scene.config("mqtts", &format!("ca = \"{}\"", ca.display()));
    scene.check_refused(&config, &["output disconnected", "X.509 version 1", "subjectAltName=DNS:localhost"]);
}

#[test]
fn mutual_tls_delivers() {
    let scene = Scene::tls(true);
    let client = scene.authority.client("client");
    let (ca, cert, key) = (scene.authority.ca.display(), client.cert.display(), client.key.display());
    scene.check_delivers(
        &scene.config("mqtts", &format!("ca = \"{ca}\"\ncert = \"{cert}\"\nkey = \"{key}\"")),
    );
}

#[test]
fn mutual_tls_without_a_certificate_is_refused_in_words() {
    let scene = Scene::tls(true);
    let keys = format!("ca = \"{}\"", scene.authority.ca.display());
    scene.check_refused(&scene.config("mqtts", &keys), &["certificate"]);
}

fn with_login() -> Scene {
    let dir = TempDir::new();
    let authority = Authority::new(&dir, "unused");
    let guard = Some(Guard::Login("greenhouse-7", "s3cret"));
    Scene { dir, authority, broker: Mosquitto::with(&Options { guard, ..Options::default() }) }
}

#[test]
fn a_name_and_a_password_from_a_file_deliver() {
    let scene = with_login();
    let path = scene.dir.write("mqtt-password", "s3cret\n");
    let keys = format!("username = \"greenhouse-7\"\npassword = {{ file = \"{}\" }}", path.display());
    scene.check_delivers(&scene.config("mqtt", &keys));
}

#[test]
fn a_wrong_password_is_said_and_tried_again_and_never_shown() {
    let scene = with_login();
    let config = scene.config("mqtt", "username = \"greenhouse-7\"\npassword = \"0pen-sesame\"");
    scene.check_refused(&config, &["password"]);
    let log = std::fs::read_to_string(scene.dir.join("headwater.log")).unwrap();
    assert!(!log.contains("0pen-sesame"), "the password stands in the log");
}

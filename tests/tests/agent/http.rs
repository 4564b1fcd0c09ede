//! The agent's HTTP listener, asked by curl.

use headwater_tests::agent::run;
use headwater_tests::ports::free_port;
use headwater_tests::{Agent, TempDir};
use std::net::TcpListener;
use std::process::Command;

fn config(http: &str) -> String {
    format!("[http]\n{http}\n[sources.s]\ntype = \"stdin\"\n[streams.s]\nwindow = {{ type = \"none\" }}\n")
}

/// The status that curl gets.
fn status_of(arguments: &[&str]) -> String {
    let mut curl = Command::new("curl");
    let output =
        curl.args(["-s", "-m", "20", "-o", "/dev/null", "-w", "%{http_code}"]).args(arguments).output();
    String::from_utf8_lossy(&output.expect("curl").stdout).into_owned()
}

#[test]
fn the_listener_answers_who_may_ask() {
    let (dir, port) = (TempDir::new(), free_port());
    std::fs::write(dir.join("token"), "0123456789abcdef\n").expect("a token");
    let agent =
        Agent::start(&dir, &config(&format!("listen = \"127.0.0.1:{port}\"\ntoken_file = \"token\"")));
    agent.wait_log(&["listening at http://127.0.0.1"]);
    let url = format!("http://127.0.0.1:{port}/no-such-path");
    assert_eq!(status_of(&[&url]), "404");
    assert_eq!(status_of(&["-H", "Host: evil.example", &url]), "421");
    assert_eq!(status_of(&["-H", "Origin: http://evil.example", &url]), "403");
    assert_eq!(status_of(&["-H", &format!("X: {}", "x".repeat(20_000)), &url]), "431");
    assert!(agent.terminate().success());
}

/// An agent whose port is taken works, says so, and listens as soon as it is free.
#[test]
fn a_port_that_is_taken_is_trouble_until_it_is_free() {
    let dir = TempDir::new();
    let other = TcpListener::bind("127.0.0.1:0").expect("a port");
    let port = other.local_addr().expect("its address").port();
    let agent = Agent::start(&dir, &config(&format!("listen = \"127.0.0.1:{port}\"")));
    agent.wait_log(&["cannot listen at 127.0.0.1", "end the program that has it"]);
    drop(other);
    agent.wait_log(&["listening at http://127.0.0.1"]);
    assert_eq!(status_of(&[&format!("http://127.0.0.1:{port}/no-such-path")]), "404");
    assert!(agent.terminate().success());
}

#[test]
fn an_open_door_is_a_mistake() {
    let dir = TempDir::new();
    let path = dir.write("headwater.toml", config("listen = \"0.0.0.0:8600\""));
    let output = run(&dir, &["check", "--config", &path.to_string_lossy()]);
    assert_eq!(output.status.code(), Some(2));
    let errors = String::from_utf8_lossy(&output.stderr);
    assert!(errors.contains("there is no token") && errors.contains("token_file"), "{errors}");
}

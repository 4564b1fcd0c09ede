//! The config of the listener: `[http]`.

use headwater_settings::{At, Secret, Table};
use std::net::{Ipv4Addr, SocketAddr};

/// The port where none is given.
const PORT: u16 = 8600;

/// Shorter tokens can be guessed.
const TOKEN_SIGNS_MIN: usize = 16;

/// `[http]`, checked.
#[derive(Clone, Debug)]
pub struct HttpSettings {
    /// Where the agent listens.
    pub listen: SocketAddr,
    /// What whoever asks must know.
    pub token: Option<Secret>,
    /// Names under which a listener on loopback is asked, besides those of this machine.
    pub hosts: Vec<String>,
}

impl HttpSettings {
    /// Reads `listen`, `token`, `token_file` and `hosts`, and finishes the table. `None`: there were mistakes.
    pub fn read(mut table: Table<'_>) -> Option<Self> {
        let listen = if table.has("listen") {
            table.listen("listen", "127.0.0.1:8600")
        } else {
            Some((Ipv4Addr::LOCALHOST, PORT).into())
        };
        let token = read_token(&mut table);
        let hosts = table.strings("hosts").map(|list| list.value).unwrap_or_default();
        if let Some(host) =
            hosts.iter().find(|host| host.value.is_empty() || host.value.contains([':', '/', ' ']))
        {
            let fix = "write names as they stand in the address of the page, without a port: `hosts = [\"pi.lan\"]`";
            table.refuse(host.span.clone(), format!("`{}` is not a name", host.value), fix);
        }
        if listen.is_some_and(|listen| !listen.ip().is_loopback()) && token.is_none() {
            let fix = "add `token_file = \"http-token\"` with a secret of 16 signs at least in that file, or listen at 127.0.0.1";
            table.refuse(table.place_of("listen"), "other machines may ask here, and there is no token", fix);
        }
        table.finish();
        let hosts = hosts.into_iter().map(|host| host.value).collect();
        Some(Self { listen: listen?, token, hosts })
    }
}

/// `token`, or `token_file`, which is the same as `token = { file = "…" }`.
fn read_token(table: &mut Table<'_>) -> Option<Secret> {
    let token = table.secret("token");
    let file = table.secret_file("token_file");
    if let (Some(_), Some(At { span, .. })) = (&token, &file) {
        table.refuse(span.clone(), "`token` and `token_file` are both given", "leave one of them out");
    }
    let At { value, span } = token.or(file)?;
    check_token(table, &value, span);
    Some(value)
}

/// Reports a token that is easily guessed, or that no header can hold. Tokens of single routes obey it too.
pub fn check_token(table: &Table<'_>, token: &Secret, span: std::ops::Range<usize>) {
    let token = token.reveal();
    if token.len() < TOKEN_SIGNS_MIN || !token.bytes().all(|sign| sign.is_ascii_graphic()) {
        let fix = "make one with: head -c 24 /dev/urandom | base64";
        table.refuse(span, "the token has fewer than 16 signs, or blanks or letters beyond ASCII", fix);
    }
}

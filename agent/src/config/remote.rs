//! `[remote]`: changes of the config over MQTT.

use super::OutputConfig;
use crate::remote::RemoteSettings;
use headwater_settings::{At, Or, Table, fingerprint_of};
use ring::hmac;

/// Shorter secrets can be guessed.
const SECRET_BYTES_MIN: usize = 16;

/// How far the time of a request may be from that of the agent (ms): clocks differ, and networks are slow.
const WITHIN_MS: i64 = 300_000;

/// Reads `[remote]`. `None`: there is no such table, or there were mistakes.
pub(super) fn read(root: &mut Table<'_>, outputs: &[OutputConfig], agent: &str) -> Option<RemoteSettings> {
    let mut table = root.table("remote")?;
    table.note("output", "an MQTT output, by its name: its broker carries the requests and the answers");
    table.note("secret", "signs the requests, 16 signs at least; best `{ file = … }`");
    table.note("within", "how far the time of a request may be from that of the agent");
    let output = table.string("output");
    let secret = table.secret("secret");
    let within_ms = table.duration("within", 10_000..=86_400_000).value_or(WITHIN_MS);
    if output.is_none() {
        table.missing(
            "output",
            "name an MQTT output, whose broker carries the requests: `output = \"cloud\"`",
        );
    }
    match &secret {
        None => table.missing(
            "secret",
            "add `secret = { file = \"remote-secret\" }`, with 16 signs at least in that file",
        ),
        Some(At { value, span }) if value.reveal().len() < SECRET_BYTES_MIN => {
            let fix = "make one with: head -c 24 /dev/urandom | base64";
            table.refuse(span.clone(), "the secret has fewer than 16 signs", fix);
        }
        Some(_) => {}
    }
    let print = table.fingerprint();
    let carrier = output.and_then(|output| {
        let named = outputs.iter().find(|own| own.name == output.value);
        let carrier = named.and_then(|own| Some((own.output.broker()?.clone(), own.print)));
        if carrier.is_none() {
            let what = format!("`{}` is no MQTT output", output.value);
            table.refuse(output.span, what, "name an output with a broker that can carry requests");
        }
        carrier
    });
    table.finish();
    let (mut broker, place) = carrier?;
    let key = hmac::Key::new(hmac::HMAC_SHA256, secret?.value.reveal().as_bytes());
    // The output's own connection has the client id that is written there.
    let client_id = broker.client_id.take();
    broker.client_id =
        Some(client_id.map_or_else(|| format!("headwater-{agent}-config"), |id| id + "-config"));
    let print = fingerprint_of(&(print, place, agent));
    Some(RemoteSettings { broker, agent: agent.to_owned(), key, within_ms, print })
}

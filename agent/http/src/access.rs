//! Tokens: who may ask.
//!
//! A token comes as `Authorization: Bearer TOKEN` (RFC 6750), as `Token TOKEN` (clients of InfluxDB), or as the password of
//! `Basic` (RFC 7617), which every browser asks for by itself. Tokens are compared by their HMAC under a key of this run, so
//! that the time tells nothing about them. Who has given [`FAILURES_MAX`] wrong ones is not heard for a while; a request
//! without any does not count.
//!
//! Limits: [`PEERS_MAX`] peers are remembered. Peers of IPv6 are told apart by their first 64 bits.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use headwater_settings::Secret;
use hyper::HeaderMap;
use hyper::header::AUTHORIZATION;
use ring::hmac;
use ring::rand::SystemRandom;
use std::cell::RefCell;
use std::fmt;
use std::net::IpAddr;
use std::time::Duration;
use tokio::time::Instant;

/// Wrong tokens of a peer within [`WITHIN`], after which it is not heard.
pub(crate) const FAILURES_MAX: u32 = 10;
pub(crate) const WITHIN: Duration = Duration::from_secs(60);

/// The peers that are remembered.
const PEERS_MAX: usize = 256;

/// A token, in a form that can be compared and not read.
pub(crate) struct AccessToken {
    key: hmac::Key,
    tag: hmac::Tag,
}

impl AccessToken {
    pub(crate) fn new(token: &Secret) -> Self {
        let key = hmac::Key::generate(hmac::HMAC_SHA256, &SystemRandom::new());
        // A system without randomness has no TLS either; the time then tells as much as that of a plain comparison.
        let key = key.unwrap_or_else(|_| hmac::Key::new(hmac::HMAC_SHA256, b"headwater"));
        let tag = hmac::sign(&key, token.reveal().as_bytes());
        Self { key, tag }
    }

    fn is(&self, given: &[u8]) -> bool {
        hmac::verify(&self.key, given, self.tag.as_ref()).is_ok()
    }
}

impl fmt::Debug for AccessToken {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("AccessToken(…)")
    }
}

/// What becomes of a request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Entrance {
    Granted,
    /// It has no token.
    Unknown,
    /// It has a wrong one.
    Wrong,
    /// There were too many wrong ones; what this one has was not looked at.
    Unheard(Duration),
}

/// Those who have given wrong tokens.
#[derive(Debug, Default)]
pub(crate) struct Failures(RefCell<Vec<Failing>>);

#[derive(Debug)]
struct Failing {
    peer: IpAddr,
    count: u32,
    since: Instant,
}

impl Failures {
    /// Judges a request of `peer` that needs `token`.
    pub(crate) fn judge(&self, token: &AccessToken, peer: IpAddr, headers: &HeaderMap) -> Entrance {
        let (peer, now) = (group(peer), Instant::now());
        let mut failing = self.0.borrow_mut();
        failing.retain(|known| now.saturating_duration_since(known.since) < WITHIN);
        let known = failing.iter().position(|known| known.peer == peer);
        if let Some(known) = known.and_then(|at| failing.get(at)).filter(|known| known.count >= FAILURES_MAX)
        {
            return Entrance::Unheard((known.since + WITHIN).saturating_duration_since(now));
        }
        let Some(given) = headers.get(AUTHORIZATION) else { return Entrance::Unknown };
        if given_token(given.as_bytes()).is_some_and(|given| token.is(&given)) {
            return Entrance::Granted;
        }
        match known.and_then(|at| failing.get_mut(at)) {
            Some(known) => known.count += 1,
            None => {
                // Those of longest ago stand first.
                if failing.len() >= PEERS_MAX {
                    failing.remove(0);
                }
                failing.push(Failing { peer, count: 1, since: now });
            }
        }
        Entrance::Wrong
    }
}

/// The token in an `Authorization` header.
fn given_token(header: &[u8]) -> Option<Vec<u8>> {
    let (scheme, rest) = header.split_at_checked(header.iter().position(|byte| *byte == b' ')?)?;
    let rest = rest.trim_ascii();
    match scheme.to_ascii_lowercase().as_slice() {
        b"bearer" | b"token" => Some(rest.to_vec()),
        b"basic" => {
            let plain = STANDARD.decode(rest).ok()?;
            let colon = plain.iter().position(|byte| *byte == b':')?;
            plain.get(colon + 1..).map(<[u8]>::to_vec)
        }
        _ => None,
    }
}

/// Whose peers count as one: a machine, or with IPv6 its network.
pub(crate) fn group(peer: IpAddr) -> IpAddr {
    match peer.to_canonical() {
        IpAddr::V6(address) if !address.is_loopback() => IpAddr::V6((address.to_bits() >> 64 << 64).into()),
        other => other,
    }
}

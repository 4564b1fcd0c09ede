//! A signed request: a JSON map, and the signature of what it says.
//!
//! ```text
//! {"id":"spring","time":1790000000000,"config":"[limits]\nseries = 2000\n","hmac":"6f2a…"}
//! hmac = HMAC-SHA-256 (RFC 2104) by the secret, in hex, over these lines; the text is the last one:
//!     headwater config 1
//!     AGENT
//!     TIME        ms since the Unix epoch, in decimal
//!     ID
//!     CONFIG
//! ```
//! Neither an agent's id nor that of a request holds a line break, so that no two requests sign the same bytes.

use super::TEXT_BYTES_MAX;
use ring::hmac;
use serde::{Deserialize, Serialize};
use std::fmt::Write as _;

/// The first line of what is signed: what signs other things by the same secret signs no request.
const TITLE: &str = "headwater config 1";

/// The longest id of a request (bytes).
const ID_BYTES_MAX: usize = 64;

/// A request, whose signature is verified.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct SignedRequest {
    /// The operator's name for it.
    pub(crate) id: String,
    /// When it was signed [ms since the Unix epoch].
    #[serde(rename = "time")]
    pub(crate) time_ms: i64,
    /// What lies over the config's file; empty: nothing any more.
    pub(crate) config: String,
    /// The signature, in hex.
    hmac: String,
}

/// Why a request is not followed.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub(crate) enum RequestRefusal {
    /// It cannot be read.
    #[error("it is no request: {0}")]
    Form(String),
    /// Nobody who knows the secret has signed it for this agent.
    #[error("its signature is wrong")]
    Signature,
    /// A later one, or this one, has been here before.
    #[error("one of its time or a later one has been here before")]
    Repeated,
    /// Its time is not that of the agent.
    #[error("its time is {0} away from that of the agent; sign it anew")]
    Stale(String),
    /// The one before it was just followed, or is on trial.
    #[error("{0}; send it again later")]
    Busy(&'static str),
    /// The config would have mistakes.
    #[error("{0}")]
    Config(String),
    /// It cannot be kept.
    #[error("the disk does not take it: {0}")]
    Disk(String),
}

impl SignedRequest {
    /// Reads a request to an agent, and verifies its signature in constant time.
    ///
    /// # Errors
    /// [`RequestRefusal::Form`] or [`RequestRefusal::Signature`].
    pub(crate) fn verify(payload: &[u8], agent: &str, key: &hmac::Key) -> Result<Self, RequestRefusal> {
        let form = |why: &str| RequestRefusal::Form(why.to_owned());
        let request: Self = serde_json::from_slice(payload).map_err(|error| form(&error.to_string()))?;
        if request.config.len() > TEXT_BYTES_MAX {
            return Err(form("`config` has more than 64 KiB"));
        }
        if !is_id(&request.id) {
            return Err(form("`id` is no word of letters, digits, `.`, `_` and `-`, of 64 at most"));
        }
        let signature = bytes_of(&request.hmac).ok_or_else(|| form("`hmac` is no SHA-256 in hex"))?;
        let signed = signed_text(agent, request.time_ms, &request.id, &request.config);
        hmac::verify(key, signed.as_bytes(), &signature).map_err(|_| RequestRefusal::Signature)?;
        Ok(request)
    }
}

/// Signs a request to an agent, as JSON. `time_ms` is the present [ms since the Unix epoch].
///
/// # Errors
/// The id or the text cannot be sent; the text says why.
pub(crate) fn sign(
    agent: &str,
    (id, time_ms): (&str, i64),
    config: &str,
    key: &hmac::Key,
) -> Result<String, String> {
    if !is_id(id) {
        return Err(format!("`{id}` is no id: letters, digits, `.`, `_` and `-`, 64 at most"));
    }
    if config.len() > TEXT_BYTES_MAX {
        return Err("the text has more than 64 KiB".to_owned());
    }
    let tag = hmac::sign(key, signed_text(agent, time_ms, id, config).as_bytes());
    let mut hex = String::new();
    tag.as_ref().iter().for_each(|byte| _ = write!(hex, "{byte:02x}"));
    let request = SignedRequest { id: id.to_owned(), time_ms, config: config.to_owned(), hmac: hex };
    serde_json::to_string(&request).map_err(|error| error.to_string())
}

fn signed_text(agent: &str, time_ms: i64, id: &str, config: &str) -> String {
    format!("{TITLE}\n{agent}\n{time_ms}\n{id}\n{config}")
}

fn is_id(id: &str) -> bool {
    let is_sign = |byte: u8| byte.is_ascii_alphanumeric() || b"._-".contains(&byte);
    (1..=ID_BYTES_MAX).contains(&id.len()) && id.bytes().all(is_sign)
}

fn bytes_of(hex: &str) -> Option<[u8; 32]> {
    let mut bytes = [0; 32];
    if hex.len() != 2 * bytes.len() || !hex.is_ascii() {
        return None;
    }
    for (byte, pair) in bytes.iter_mut().zip(hex.as_bytes().chunks(2)) {
        let digits = std::str::from_utf8(pair).ok().filter(|pair| !pair.contains('+'))?;
        *byte = u8::from_str_radix(digits, 16).ok()?;
    }
    Some(bytes)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn key(secret: &str) -> hmac::Key {
        hmac::Key::new(hmac::HMAC_SHA256, secret.as_bytes())
    }

    fn signed(config: &str) -> String {
        sign("edge-1", ("spring", 1_790_000_000_000), config, &key("0123456789abcdef")).unwrap()
    }

    #[test]
    fn the_signature_is_what_openssl_makes() {
        // printf 'headwater config 1\nedge-1\n1790000000000\nspring\n[limits]\nseries = 2\n' |
        //     openssl dgst -sha256 -hmac 0123456789abcdef
        let hex = "fc77cd91c658e8296f72bff8e8fb6af85afb30b7af72f78c695a081800096129";
        let request = signed("[limits]\nseries = 2\n");
        assert!(request.contains(hex), "{request}");
    }

    #[test]
    fn only_what_was_signed_for_this_agent_is_read() {
        let good = signed("[limits]\n");
        let verify = |text: &str| SignedRequest::verify(text.as_bytes(), "edge-1", &key("0123456789abcdef"));
        assert_eq!(verify(&good).unwrap().config, "[limits]\n");
        for (from, to) in [("limits", "Limits"), ("spring", "sprinG"), ("1790000000000", "1790000000001")] {
            assert_eq!(verify(&good.replace(from, to)), Err(RequestRefusal::Signature), "{to}");
        }
        let other = SignedRequest::verify(good.as_bytes(), "edge-2", &key("0123456789abcdef"));
        assert_eq!(other, Err(RequestRefusal::Signature));
        let other = SignedRequest::verify(good.as_bytes(), "edge-1", &key("0123456789abcdeF"));
        assert_eq!(other, Err(RequestRefusal::Signature));
        let at = good.find("hmac\":\"").unwrap() + 7;
        for bad in [
            "",
            "{}",
            "[1]",
            &good[..at],
            &good.replace(&good[at..at + 2], "+f"),
            &good.replace("spring", "a b"),
        ] {
            assert!(matches!(verify(bad), Err(RequestRefusal::Form(_))), "{bad}");
        }
        let long = format!(
            "{{\"id\":\"a\",\"time\":1,\"hmac\":\"\",\"config\":\"{}\"}}",
            "x".repeat(TEXT_BYTES_MAX + 1)
        );
        assert!(verify(&long).unwrap_err().to_string().contains("64 KiB"));
    }

    proptest! {
        #[test]
        fn bytes_from_outside_do_no_harm(bytes in proptest::collection::vec(any::<u8>(), 0..200), cut in 0_usize..150) {
            let key = key("0123456789abcdef");
            prop_assert!(SignedRequest::verify(&bytes, "edge-1", &key).is_err());
            let good = signed("");
            let mut changed = good.clone().into_bytes();
            let at = cut % changed.len();
            changed[at] = bytes.first().copied().unwrap_or(0);
            let is_same = changed == good.as_bytes();
            // The digits of the signature may be large or small letters.
            let read = SignedRequest::verify(&changed, "edge-1", &key);
            prop_assert!(is_same || read.is_err() || read.unwrap().hmac.eq_ignore_ascii_case(&good[good.len() - 66..good.len() - 2]));
        }
    }
}

//! SCRAM: proves that both sides know the password, without sending it.
//!
//! Source: RFC 5802, and RFC 7677 for SHA-256. Deviation: names and passwords are taken as they are, without SASLprep, as
//! Kafka's own client does.

use crate::error::KafkaError;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use ring::{digest, hmac, pbkdf2};
use std::num::NonZeroU32;

/// The most rounds that a broker may ask for: a small machine takes a second for so many.
const ROUNDS_MAX: u32 = 200_000;

/// The hash of a mechanism.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ScramHash {
    /// SCRAM-SHA-256.
    Sha256,
    /// SCRAM-SHA-512.
    Sha512,
}

impl ScramHash {
    fn hmac(self) -> hmac::Algorithm {
        match self {
            Self::Sha256 => hmac::HMAC_SHA256,
            Self::Sha512 => hmac::HMAC_SHA512,
        }
    }

    fn digest(self) -> &'static digest::Algorithm {
        self.hmac().digest_algorithm()
    }

    fn pbkdf2(self) -> pbkdf2::Algorithm {
        match self {
            Self::Sha256 => pbkdf2::PBKDF2_HMAC_SHA256,
            Self::Sha512 => pbkdf2::PBKDF2_HMAC_SHA512,
        }
    }
}

/// The client's side of one exchange.
pub(crate) struct ScramExchange {
    hash: ScramHash,
    nonce: String,
    /// The first message without its head.
    bare: String,
}

/// What has to come back at last.
pub(crate) struct ServerProof {
    key: hmac::Key,
    signed: String,
}

impl ScramExchange {
    /// Begins an exchange with a nonce of printable characters.
    pub(crate) fn new(hash: ScramHash, username: &str, nonce: String) -> Self {
        let bare = format!("n={},r={nonce}", username.replace('=', "=3D").replace(',', "=2C"));
        Self { hash, nonce, bare }
    }

    /// The client's first message.
    pub(crate) fn first(&self) -> String {
        format!("n,,{}", self.bare)
    }

    /// Answers the server's first message: the client's last one, and what must follow it.
    ///
    /// # Errors
    /// The server's message is no answer to ours.
    pub(crate) fn last(
        &self,
        server_first: &str,
        password: &str,
    ) -> Result<(String, ServerProof), KafkaError> {
        let part = |name: &str| server_first.split(',').find_map(|part| part.strip_prefix(name));
        let strange = || KafkaError::Lost("the broker answers strangely to SCRAM".into());
        let nonce = part("r=").filter(|nonce| nonce.starts_with(&self.nonce)).ok_or_else(strange)?;
        let salt = part("s=").and_then(|salt| STANDARD.decode(salt).ok()).ok_or_else(strange)?;
        let rounds = part("i=").and_then(|rounds| rounds.parse::<NonZeroU32>().ok()).ok_or_else(strange)?;
        if rounds.get() > ROUNDS_MAX {
            return Err(KafkaError::Refused(format!(
                "the broker asks for {rounds} rounds of SCRAM, above {ROUNDS_MAX}"
            )));
        }
        let mut salted = vec![0; self.hash.digest().output_len()];
        pbkdf2::derive(self.hash.pbkdf2(), rounds, &salt, password.as_bytes(), &mut salted);
        let keyed = |key: &[u8], text: &[u8]| hmac::sign(&hmac::Key::new(self.hash.hmac(), key), text);
        let client_key = keyed(&salted, b"Client Key");
        let stored_key = digest::digest(self.hash.digest(), client_key.as_ref());
        let without_proof = format!("c=biws,r={nonce}");
        let signed = format!("{},{server_first},{without_proof}", self.bare);
        let signature = keyed(stored_key.as_ref(), signed.as_bytes());
        let proof: Vec<u8> =
            client_key.as_ref().iter().zip(signature.as_ref()).map(|(key, bits)| key ^ bits).collect();
        let key = hmac::Key::new(self.hash.hmac(), keyed(&salted, b"Server Key").as_ref());
        Ok((format!("{without_proof},p={}", STANDARD.encode(proof)), ServerProof { key, signed }))
    }
}

impl ServerProof {
    /// Whether the server's last message proves that it knows the password too.
    pub(crate) fn holds(&self, server_last: &str) -> bool {
        let signature = server_last.split(',').find_map(|part| part.strip_prefix("v="));
        let signature = signature.and_then(|signature| STANDARD.decode(signature).ok());
        signature.is_some_and(|signature| hmac::verify(&self.key, self.signed.as_bytes(), &signature).is_ok())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The example of RFC 7677, section 3.
    #[test]
    fn the_exchange_is_that_of_the_rfc() {
        let exchange = ScramExchange::new(ScramHash::Sha256, "user", "rOprNGfwEbeRWgbNEkqO".into());
        assert_eq!(exchange.first(), "n,,n=user,r=rOprNGfwEbeRWgbNEkqO");
        let server = "r=rOprNGfwEbeRWgbNEkqO%hvYDpWUa2RaTCAfuxFIlj)hNlF$k0,s=W22ZaJ0SNY7soEsUEjb6gQ==,i=4096";
        let (last, proof) = exchange.last(server, "pencil").unwrap();
        assert_eq!(
            last,
            "c=biws,r=rOprNGfwEbeRWgbNEkqO%hvYDpWUa2RaTCAfuxFIlj)hNlF$k0,\
             p=dHzbZapWIk4jUhN+Ute9ytag9zjfMHgsqmmiz7AndVQ="
        );
        assert!(proof.holds("v=6rriTRBi23WpRR/wtup+mMhUZUn/dB5nLTJRsjl95G4="));
        assert!(!proof.holds("v=6rriTRBi23WpRR/wtup+mMhUZUn/dB5nLTJRsjl95G5=") && !proof.holds("e=other"));
    }

    #[test]
    fn strange_servers_are_errors() {
        let exchange = ScramExchange::new(ScramHash::Sha512, "a,b=c", "nonce".into());
        assert_eq!(exchange.first(), "n,,n=a=2Cb=3Dc,r=nonce");
        for server in [
            "",
            "r=other,s=AA==,i=4096",
            "r=nonce1,s=!,i=4096",
            "r=nonce1,s=AA==,i=0",
            "r=nonce1,s=AA==,i=9999999",
        ] {
            assert!(exchange.last(server, "x").is_err(), "{server}");
        }
    }
}

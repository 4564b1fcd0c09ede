//! ApiVersions: which requests a broker takes.

use super::{Api, RequestBody};
use crate::bytes::{ByteReader, Malformed};
use crate::error::{ErrorCode, KafkaError};

/// Asks for them.
pub(crate) struct VersionsRequest;

impl RequestBody for VersionsRequest {
    fn api(&self) -> Api {
        Api::VERSIONS
    }

    fn put(&self, _version: i16, _to: &mut Vec<u8>) {}
}

/// The requests that a broker takes: key, oldest and newest version.
#[derive(Clone, Debug, Default)]
pub(crate) struct Versions(Vec<(i16, i16, i16)>);

impl Versions {
    pub(crate) const REQUEST: VersionsRequest = VersionsRequest;

    pub(crate) fn read(body: &[u8]) -> Result<Self, KafkaError> {
        let mut reader = ByteReader::new(body);
        let code = ErrorCode(reader.i16()?);
        if !code.is_ok() {
            return Err(KafkaError::Lost(format!("the broker does not say which requests it takes: {code}")));
        }
        let range = |reader: &mut ByteReader<'_>| -> Result<_, Malformed> {
            Ok((reader.i16()?, reader.i16()?, reader.i16()?))
        };
        Ok(Self(reader.list(range)?))
    }

    /// The newest version that both sides speak.
    pub(crate) fn of(&self, api: Api) -> Result<i16, KafkaError> {
        let Some((_, oldest, newest)) = self.0.iter().find(|(key, ..)| *key == api.key) else {
            return Err(KafkaError::Lost(format!("the broker knows no request {}", api.name)));
        };
        let version = api.versions.1.min(*newest);
        if version < api.versions.0.max(*oldest) {
            return Err(KafkaError::Lost(format!(
                "the broker takes {} in versions {oldest} to {newest}, and this client speaks {} to {}: Kafka 2.4 or \
                 later is needed",
                api.name, api.versions.0, api.versions.1
            )));
        }
        Ok(version)
    }
}

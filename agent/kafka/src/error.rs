//! What goes wrong with a cluster, and what its error codes mean.

use std::fmt;

/// Why a connection or a call failed, for people. The variant says what the caller does next.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum KafkaError {
    /// Worth another attempt without a change.
    #[error("{0}")]
    Lost(String),
    /// Another attempt is worth little before somebody changes the config or the cluster: credentials, trust.
    #[error("{0}")]
    Refused(String),
}

/// An error code of the protocol.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ErrorCode(pub i16);

/// What an error of one partition asks for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Remedy {
    /// Nothing: it is none.
    None,
    /// The leader has moved, or the partition is not there yet: look it up, and try again.
    LookUp,
    /// It goes on by itself, or somebody has to act: try again.
    Again,
    /// A record of the batch is to blame.
    Split,
    /// The offset is not there.
    OutOfRange,
}

/// The codes that brokers answer, with their names and what they ask for. Source: the protocol guide, "Error Codes".
const CODES: [(i16, &str, Remedy); 34] = [
    (-1, "UNKNOWN_SERVER_ERROR", Remedy::Again),
    (0, "NONE", Remedy::None),
    (1, "OFFSET_OUT_OF_RANGE", Remedy::OutOfRange),
    (2, "CORRUPT_MESSAGE", Remedy::Again),
    (3, "UNKNOWN_TOPIC_OR_PARTITION", Remedy::LookUp),
    (5, "LEADER_NOT_AVAILABLE", Remedy::LookUp),
    (6, "NOT_LEADER_OR_FOLLOWER", Remedy::LookUp),
    (7, "REQUEST_TIMED_OUT", Remedy::Again),
    (8, "BROKER_NOT_AVAILABLE", Remedy::LookUp),
    (9, "REPLICA_NOT_AVAILABLE", Remedy::LookUp),
    (10, "MESSAGE_TOO_LARGE", Remedy::Split),
    (13, "NETWORK_EXCEPTION", Remedy::LookUp),
    (17, "INVALID_TOPIC_EXCEPTION", Remedy::Again),
    (18, "RECORD_LIST_TOO_LARGE", Remedy::Split),
    (19, "NOT_ENOUGH_REPLICAS", Remedy::Again),
    (20, "NOT_ENOUGH_REPLICAS_AFTER_APPEND", Remedy::Again),
    (29, "TOPIC_AUTHORIZATION_FAILED", Remedy::Again),
    (31, "CLUSTER_AUTHORIZATION_FAILED", Remedy::Again),
    (32, "INVALID_TIMESTAMP", Remedy::Again),
    (33, "UNSUPPORTED_SASL_MECHANISM", Remedy::Again),
    (35, "UNSUPPORTED_VERSION", Remedy::Again),
    (43, "UNSUPPORTED_FOR_MESSAGE_FORMAT", Remedy::Again),
    (44, "POLICY_VIOLATION", Remedy::Again),
    (56, "KAFKA_STORAGE_ERROR", Remedy::LookUp),
    (58, "SASL_AUTHENTICATION_FAILED", Remedy::Again),
    (72, "LISTENER_NOT_FOUND", Remedy::LookUp),
    (74, "FENCED_LEADER_EPOCH", Remedy::LookUp),
    (75, "UNKNOWN_LEADER_EPOCH", Remedy::LookUp),
    (76, "UNSUPPORTED_COMPRESSION_TYPE", Remedy::Again),
    (78, "OFFSET_NOT_AVAILABLE", Remedy::Again),
    (87, "INVALID_RECORD", Remedy::Split),
    (89, "THROTTLING_QUOTA_EXCEEDED", Remedy::Again),
    (100, "UNKNOWN_TOPIC_ID", Remedy::LookUp),
    (103, "INCONSISTENT_TOPIC_ID", Remedy::LookUp),
];

impl ErrorCode {
    /// The code of success.
    pub const NONE: Self = Self(0);

    pub(crate) const UNKNOWN_TOPIC: Self = Self(3);
    pub(crate) const TOO_LARGE: Self = Self(10);
    pub(crate) const INVALID_TIMESTAMP: Self = Self(32);

    /// Whether it is none.
    #[must_use]
    pub fn is_ok(self) -> bool {
        self == Self::NONE
    }

    pub(crate) fn remedy(self) -> Remedy {
        CODES.iter().find(|(code, ..)| *code == self.0).map_or(Remedy::Again, |(.., remedy)| *remedy)
    }

    /// What the code means for a topic, and the way out where there is one.
    #[must_use]
    pub fn explain(self, topic: &str) -> String {
        let fix = match self.0 {
            3 => "the topic is not there, and the broker does not make it; create it, or check its name",
            17 => "a broker takes no topic of this name; it may have letters, digits, `.`, `_` and `-`",
            19 | 20 => "fewer replicas are in sync than `min.insync.replicas` asks for; are all brokers up?",
            29 | 31 => "this user may not; check the access rules of the cluster",
            32 => {
                "this machine's clock and that of the broker differ by more than it allows \
                 (`message.timestamp.after.max.ms`); set the clock"
            }
            44 => "a rule of the cluster forbids it",
            _ => return format!("{topic}: {self}"),
        };
        format!("{topic}: {self}: {fix}")
    }
}

impl fmt::Display for ErrorCode {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match CODES.iter().find(|(code, ..)| *code == self.0) {
            Some((code, name, _)) => write!(f, "{name} ({code})"),
            None => write!(f, "error {}", self.0),
        }
    }
}

//! Whether the agent is ready: for those who watch over many.

use crate::status::AgentStatus;
use serde::Serialize;

/// How the agent is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub(super) enum Readiness {
    /// All is well.
    Ready,
    /// It works, and something is not as it should be.
    Degraded,
    /// It has not told anything yet: the first checkpoint of the run is not written.
    Starting,
}

/// How the agent is, and why.
#[derive(Debug, PartialEq, Eq, Serialize)]
pub(super) struct Health {
    pub(super) status: Readiness,
    reasons: Vec<String>,
}

impl Health {
    /// By the status; `is_sending`: the first checkpoint of the run is written.
    pub(super) fn of(status: &AgentStatus, is_sending: bool) -> Self {
        let mut reasons = status.trouble.clone();
        for source in status.sources.iter().filter(|source| source.up == Some(false)) {
            reasons.push(down("source", &source.name, source.last_error.as_deref()));
        }
        for output in status.outputs.iter().filter(|output| !output.up) {
            reasons.push(down("output", &output.name, output.last_error.as_deref()));
        }
        let status = match (is_sending, reasons.is_empty()) {
            (false, _) => Readiness::Starting,
            (true, true) => Readiness::Ready,
            (true, false) => Readiness::Degraded,
        };
        Self { status, reasons }
    }
}

fn down(what: &str, name: &str, why: Option<&str>) -> String {
    // A source that has come to its end says so.
    format!("{what} {name} is down: {}", why.unwrap_or("not connected yet"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::status;

    #[test]
    fn what_is_wrong_is_said() {
        let mut status = status::tests::status();
        let health = Health::of(&status, true);
        let reasons = ["output lab is down: refused", "output new is down: not connected yet"];
        assert_eq!(
            (health.status, health.reasons),
            (Readiness::Degraded, reasons.map(str::to_owned).to_vec())
        );
        status.outputs.truncate(1);
        let health = Health::of(&status, true);
        assert_eq!(serde_json::to_string(&health).unwrap(), r#"{"status":"ready","reasons":[]}"#);
        status.trouble.push("memory is short".to_owned());
        assert_eq!(Health::of(&status, true).status, Readiness::Degraded);
        assert_eq!(Health::of(&status, false).status, Readiness::Starting);
    }
}

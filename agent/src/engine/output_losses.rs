//! Which outputs lose their connection again and again.

use super::Engine;
use super::losses::ConnectionLosses;
use headwater_forwarder::ConnectionStatus;
use headwater_text::{LINE_BYTES_MAX, clean};
use std::cell::RefCell;
use std::collections::HashMap;

/// The connections that were lost, by the output's name.
#[derive(Debug, Default)]
pub(super) struct OutputLosses(RefCell<HashMap<String, OutputConnection>>);

#[derive(Debug, Default)]
struct OutputConnection {
    is_up: bool,
    losses: ConnectionLosses,
}

impl OutputLosses {
    fn on_up(&self, name: &str) {
        self.0.borrow_mut().entry(name.to_owned()).or_default().is_up = true;
    }

    /// The output is down since `up_ms` (ms since boot), or still. An attempt that fails is no loss.
    pub(super) fn on_down(&self, name: &str, up_ms: i64) {
        if let Some(own) = self.0.borrow_mut().get_mut(name).filter(|own| own.is_up) {
            own.is_up = false;
            own.losses.on_lost(up_ms);
        }
    }

    /// The trouble that needs a person.
    pub(super) fn trouble(&self, output: &ConnectionStatus, up_ms: i64) -> Option<String> {
        let are_many = self.0.borrow().get(&output.name)?.losses.are_many(up_ms);
        let reason = output.last_error.as_deref().filter(|_| are_many)?;
        let (name, reason) = (&output.name, clean(reason, LINE_BYTES_MAX));
        Some(format!("output {name} loses its connection again and again: {reason}"))
    }
}

impl Engine {
    /// An output is connected.
    pub(crate) fn on_output_up(&self, name: &str) {
        self.output_losses.on_up(name);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_was_up_is_lost() {
        let losses = OutputLosses::default();
        let status = ConnectionStatus {
            waiting: 0,
            oldest_ms: None,
            name: "cloud".to_owned(),
            up: false,
            since_ms: 0,
            one_at_a_time: None,
            last_error: Some("reset\u{1b}".to_owned()),
        };
        for minute in 0..9 {
            losses.on_down("cloud", minute);
        }
        assert_eq!(losses.trouble(&status, 10), None, "it was never up");
        for minute in 0..3 {
            losses.on_up("cloud");
            losses.on_down("cloud", minute);
            losses.on_down("cloud", minute);
        }
        let expected = "output cloud loses its connection again and again: reset\u{fffd}";
        assert_eq!(losses.trouble(&status, 10).as_deref(), Some(expected));
        assert_eq!(losses.trouble(&ConnectionStatus { name: "lab".to_owned(), ..status }, 10), None);
    }
}

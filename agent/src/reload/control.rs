//! Which requests for a remote change are followed, and what is said of them.

use crate::config::Config;
use crate::remote::{
    RemoteLink, RemoteMessage, RequestAnswer, RequestRefusal, RequestState, SignedRequest, StateFile,
    StoredRemote,
};
use crate::status::RemoteStatus;
use headwater_kernel::time::Now;
use headwater_settings::format_duration;
use std::future::pending;
use std::time::Duration;
use tokio::time::Instant;

/// Requests are followed one in so long.
const FOLLOW_EVERY: Duration = Duration::from_secs(2);

/// What nobody has signed is answered and logged once in so long: it costs the sender nothing.
const UNSIGNED_EVERY: Duration = Duration::from_secs(10);

/// The requests to one agent.
pub(super) struct RemoteControl {
    pub(super) state: StateFile,
    pub(super) stored: StoredRemote,
    /// `None`: the config is not changed remotely.
    link: Option<RemoteLink>,
    /// When a request was followed last.
    followed: Option<Instant>,
    /// When something unsigned was answered last.
    answered: Option<Instant>,
    /// What the program's begin has made of the last request, until it is said.
    begun: Option<Outcome>,
    accepted: u64,
    refused: u64,
}

/// What becomes of a request, and why.
type Outcome = (RequestState, Option<String>);

impl RemoteControl {
    pub(super) fn new(state: StateFile, stored: StoredRemote) -> Self {
        Self {
            state,
            stored,
            link: None,
            followed: None,
            answered: None,
            begun: None,
            accepted: 0,
            refused: 0,
        }
    }

    /// A config is about to run, which may have another broker or secret.
    pub(super) fn take(&mut self, config: &Config) {
        let print = self.link.as_ref().map(|link| link.settings().print);
        if print != config.remote.as_ref().map(|remote| remote.print) {
            self.link = config.remote.clone().map(RemoteLink::new);
        }
    }

    /// Notes what the program's begin has made of the last request.
    pub(super) fn begin(&mut self, outcome: Option<Outcome>) {
        self.begun = outcome;
    }

    /// Says it, once.
    pub(super) fn say_begun(&mut self, now: Now) {
        if let Some((state, why)) = self.begun.take() {
            self.stand(state, why, now);
        }
    }

    /// Waits for the next message.
    pub(super) async fn next(&mut self) -> RemoteMessage {
        match &mut self.link {
            Some(link) => link.next().await,
            None => pending().await,
        }
    }

    /// The request in a message, if it is to be followed. `busy` says why none is now. What is not is answered and counted,
    /// but for what the broker had retained and the agent has read before.
    pub(super) fn admit(
        &mut self,
        message: &RemoteMessage,
        now: Now,
        busy: Option<&'static str>,
    ) -> Option<SignedRequest> {
        let settings = self.link.as_ref()?.settings();
        let request = match SignedRequest::verify(&message.payload, &settings.agent, &settings.key) {
            Ok(request) => request,
            Err(refusal) => {
                self.refuse_unsigned(&refusal, now);
                return None;
            }
        };
        let (within_ms, apart_ms) = (settings.within_ms, now.time.0.abs_diff(request.time_ms));
        let is_soon = self.followed.is_some_and(|at| at.elapsed() < FOLLOW_EVERY);
        let refusal = if request.time_ms <= self.stored.time_ms {
            if message.is_retained && request.time_ms == self.stored.time_ms {
                return None;
            }
            RequestRefusal::Repeated
        } else if now.synced && apart_ms > within_ms.unsigned_abs() {
            let apart_s = i64::try_from(apart_ms / 1_000).unwrap_or(i64::MAX / 1_000);
            RequestRefusal::Stale(format_duration(apart_s * 1_000))
        } else if let Some(busy) = busy {
            RequestRefusal::Busy(busy)
        } else if is_soon {
            RequestRefusal::Busy("another request came in the last 2 s")
        } else {
            self.followed = Some(Instant::now());
            return Some(request);
        };
        self.refuse(&request, &refusal, now);
        None
    }

    /// A request is followed: so it stands now.
    pub(super) fn accepted(&mut self, state: RequestState, now: Now) {
        self.accepted += 1;
        self.stand(state, None, now);
    }

    /// What has become of the request whose text is in force.
    pub(super) fn stand(&mut self, state: RequestState, why: Option<String>, now: Now) {
        let StoredRemote { id, set_ms, .. } = &self.stored;
        if id.is_empty() {
            return;
        }
        let answer =
            RequestAnswer { id: Some(id.clone()), time_ms: Some(*set_ms), state, why, now_ms: now.time.0 };
        tracing::info!(id, ?state, "remote change of the config");
        self.link.iter_mut().for_each(|link| link.stand(&answer));
    }

    /// A request is not followed.
    pub(super) fn refuse(&mut self, request: &SignedRequest, refusal: &RequestRefusal, now: Now) {
        self.refused += 1;
        let why = refusal.to_string();
        tracing::warn!(id = request.id, "a remote change of the config is refused:");
        why.lines().for_each(|line| tracing::warn!("{line}"));
        let (id, time_ms) = (Some(request.id.clone()), Some(request.time_ms));
        let answer =
            RequestAnswer { id, time_ms, state: RequestState::Refused, why: Some(why), now_ms: now.time.0 };
        self.link.iter_mut().for_each(|link| link.say(&answer));
    }

    fn refuse_unsigned(&mut self, refusal: &RequestRefusal, now: Now) {
        self.refused += 1;
        if self.answered.is_some_and(|at| at.elapsed() < UNSIGNED_EVERY) {
            return;
        }
        self.answered = Some(Instant::now());
        let why = refusal.to_string();
        tracing::warn!("a remote change of the config is refused: {why}");
        let (id, time_ms) = (None, None);
        let answer =
            RequestAnswer { id, time_ms, state: RequestState::Refused, why: Some(why), now_ms: now.time.0 };
        self.link.iter_mut().for_each(|link| link.say(&answer));
    }

    /// What the status says; `None`: the config is not changed remotely.
    pub(super) fn status(&self, in_force: bool) -> Option<RemoteStatus> {
        self.link.as_ref()?;
        let StoredRemote { id, set_ms, .. } = &self.stored;
        Some(RemoteStatus {
            id: in_force.then(|| id.clone()),
            set_ms: in_force.then_some(*set_ms),
            accepted: self.accepted,
            refused: self.refused,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::remote::{RemoteSettings, sign};
    use headwater_kernel::time::Time;
    use headwater_mqtt::Settings;
    use ring::hmac;
    use std::path::Path;

    const NOW: i64 = 1_790_000_000_000;

    fn control() -> RemoteControl {
        let mut control = RemoteControl::new(StateFile::of(Path::new("/nowhere")), StoredRemote::default());
        control.link = Some(RemoteLink::new(RemoteSettings {
            broker: Settings::parse_url("mqtt://127.0.0.1:1").unwrap(),
            agent: "edge-1".to_owned(),
            key: hmac::Key::new(hmac::HMAC_SHA256, b"0123456789abcdef"),
            within_ms: 60_000,
            print: 0,
        }));
        control
    }

    fn message(time_ms: i64, is_retained: bool) -> RemoteMessage {
        let key = hmac::Key::new(hmac::HMAC_SHA256, b"0123456789abcdef");
        let payload = sign("edge-1", ("a", time_ms), "", &key).unwrap().into();
        RemoteMessage { payload, is_retained }
    }

    fn now(synced: bool) -> Now {
        Now { synced, ..Now::uncorrected(Time(NOW)) }
    }

    #[tokio::test(start_paused = true)]
    async fn a_request_is_followed_once_in_its_time_and_not_too_often() {
        let mut control = control();
        let mut follow = |time_ms: i64, is_retained| {
            let request = control.admit(&message(time_ms, is_retained), now(true), None);
            if let Some(request) = &request {
                control.stored.time_ms = request.time_ms;
            }
            (request.is_some(), control.refused)
        };
        assert_eq!(follow(NOW - 60_001, false), (false, 1), "too old");
        assert_eq!(follow(NOW + 60_001, false), (false, 2), "of the future");
        assert_eq!(follow(NOW - 1_000, true), (true, 2), "a retained one is followed");
        assert_eq!(follow(NOW - 1_000, true), (false, 2), "once, and it is no fault that it comes again");
        assert_eq!(follow(NOW - 1_000, false), (false, 3), "somebody repeats it");
        assert_eq!(follow(NOW - 1_001, true), (false, 4), "an earlier one");
        assert_eq!(follow(NOW, false), (false, 5), "too soon");
        tokio::time::advance(FOLLOW_EVERY).await;
        assert_eq!(follow(NOW, false), (true, 5));
    }

    #[tokio::test(start_paused = true)]
    async fn without_a_trusted_clock_only_the_order_counts() {
        let mut control = control();
        control.stored.time_ms = 5;
        assert!(control.admit(&message(5, false), now(false), None).is_none());
        assert!(control.admit(&message(6, false), now(false), Some("busy")).is_none());
        assert!(control.admit(&message(6, false), now(false), None).is_some());
        let unsigned = RemoteMessage { payload: "{}".into(), is_retained: false };
        assert!(control.admit(&unsigned, now(false), None).is_none());
        assert_eq!(control.refused, 3);
    }
}

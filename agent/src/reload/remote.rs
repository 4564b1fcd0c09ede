//! What a remote change does to the agent that runs.

use super::{ConfigKeeper, Steady};
use crate::config::{Config, ConfigText, parse_text};
use crate::engine::Engine;
use crate::remote::{RemoteMessage, RequestRefusal, RequestState, SignedRequest, StoredRemote};

impl ConfigKeeper {
    /// Reads a request. Answers the config to go on with, if there is another one.
    pub(super) async fn request_of(&mut self, engine: &Engine, message: &RemoteMessage) -> Option<Config> {
        let busy = self.trial.is_some().then_some("another config is on trial");
        let request = self.remote.admit(message, engine.now(), busy);
        self.tell_remote(engine);
        let request = request?;
        let followed = self.follow(engine, &request).await;
        if let Err(refusal) = &followed {
            self.remote.refuse(&request, refusal, engine.now());
            self.remote.stored.time_ms = request.time_ms;
            self.store_remote();
        }
        self.tell_remote(engine);
        followed.ok().flatten()
    }

    /// Keeps a request and puts its config on trial. Answers the config; `None`: it is as it was.
    async fn follow(
        &mut self,
        engine: &Engine,
        request: &SignedRequest,
    ) -> Result<Option<Config>, RequestRefusal> {
        let text = ConfigText { file: self.running.file.clone(), remote: request.config.clone() };
        let (config, document) = parse_text(&self.path, &text, &self.remote.state);
        let refused = || RequestRefusal::Config(document.render_all().trim_end().to_owned());
        let config = config.ok_or_else(refused)?;
        let is_same = text == self.running;
        if !is_same {
            // First the trial, then what is tried: a crash between the two tries nothing.
            self.begin_trial(engine, &config, &text, Steady::Stays).await;
        }
        let next = StoredRemote {
            time_ms: request.time_ms,
            id: request.id.clone(),
            set_ms: request.time_ms,
            text: text.remote.clone(),
        };
        let (state, written) = (self.remote.state.clone(), next.clone());
        let is_kept = match self.disk.run(move || state.write(&written)).await {
            Some(kept) => kept.map_err(|error| error.to_string()),
            None => Err("it does not answer".to_owned()),
        };
        if let Err(why) = is_kept {
            self.trial = None;
            self.store_good();
            return Err(RequestRefusal::Disk(why));
        }
        self.remote.stored = next;
        let state = if self.trial.is_some() { RequestState::Trial } else { RequestState::Kept };
        self.remote.accepted(state, engine.now());
        if is_same {
            return Ok(None);
        }
        (self.running, self.trouble) = (text, None);
        self.take(&config);
        Ok(Some(config))
    }

    /// The engine's status says how remote changes stand.
    pub(super) fn tell_remote(&self, engine: &Engine) {
        engine.remote_status(self.remote.status(!self.running.remote.is_empty()));
    }

    /// Writes what is kept of remote changes.
    pub(super) fn store_remote(&mut self) {
        let (state, stored) = (self.remote.state.clone(), self.remote.stored.clone());
        self.disk.push(move || {
            if let Err(error) = state.write(&stored) {
                let path = state.path().display();
                tracing::warn!("cannot write {path}: {error}; a crash forgets which requests came");
            }
        });
    }
}

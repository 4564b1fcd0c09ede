//! Who runs the agent for `headwater run`: signals stop it and change its config, and so do the file when it is watched, and
//! remote requests. A new config is on trial.
//!
//! The file is the user's and is only read. Beside the state lie the last config that worked and what became of the one
//! after it (`good.rs`): a config that was rolled back does not come back by a crash or a restart, until the file is another.

mod control;
mod disk;
mod good;
mod loaded;
mod remote;
mod trial;
mod watch;

use crate::config::{Config, ConfigText, parse_text};
use crate::engine::Engine;
use crate::estimate::Estimate;
use crate::memory::MemoryCap;
use crate::notify;
use crate::remote::{RemoteMessage, RequestState, StateFile};
use crate::supervise::{Operator, OperatorRequest};
use control::RemoteControl;
use disk::DiskQueue;
use good::{GoodConfig, StoredTrial};
use headwater_pipeline::event::ReportCause;
use headwater_settings::format_size;
pub(crate) use loaded::LoadedConfig;
use std::future::pending;
use std::io;
use std::path::{Path, PathBuf};
use std::rc::Rc;
use std::time::Duration;
use tokio::signal::unix::{Signal, SignalKind, signal};
use trial::{ConfigTrial, Verdict};
use watch::FileWatch;

/// Runs an agent by its config file.
pub(crate) struct ConfigKeeper {
    path: PathBuf,
    signals: Signals,
    /// The text of the config that runs.
    running: ConfigText,
    /// How long the next one is on trial (ms).
    trial_ms: i64,
    /// The text of the file when it was read last.
    seen: String,
    good: GoodConfig,
    disk: DiskQueue,
    remote: RemoteControl,
    trial: Option<ConfigTrial>,
    watch: Option<FileWatch>,
    trouble: Option<String>,
}

/// The signals that a service manager sends.
struct Signals {
    terminate: Signal,
    interrupt: Signal,
    hangup: Signal,
}

/// A config that ends the program so often in its trial is rolled back.
const STARTS_MAX: u32 = 3;

/// How long outputs have to be there for a config to pass its trial.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Steady {
    /// They come back.
    ComesBack,
    /// They stay for a quarter of the trial: a remote change leaves connections as they are, and shows its harm later.
    Stays,
}

/// What happens to an agent that runs.
enum Happening {
    Stop,
    /// Somebody asks to read the config again.
    Asked,
    /// The file may have changed.
    Touched,
    /// Somebody asks for a remote change.
    Requested(RemoteMessage),
    Judged(Verdict),
}

impl ConfigKeeper {
    /// Takes over a config as it was read, and its text. Answers the config to begin with: that one, or the last one that
    /// worked, if it has been rolled back.
    ///
    /// # Errors
    /// The system takes no signal handlers.
    pub(crate) fn start(path: &Path, config: Config, loaded: LoadedConfig) -> io::Result<(Self, Config)> {
        let signals = Signals {
            terminate: signal(SignalKind::terminate())?,
            interrupt: signal(SignalKind::interrupt())?,
            hangup: signal(SignalKind::hangup())?,
        };
        let (text, state) = (loaded.text, StateFile::of(&config.agent.state_dir));
        let mut keeper = Self {
            path: path.to_owned(),
            signals,
            running: text.clone(),
            trial_ms: config.agent.trial_ms,
            seen: text.file.clone(),
            good: GoodConfig::of(&config.agent.state_dir),
            disk: DiskQueue::default(),
            remote: RemoteControl::new(state, loaded.stored),
            trial: None,
            watch: None,
            trouble: loaded.left_out.as_deref().map(left_out),
        };
        keeper.trouble.iter().for_each(|trouble| tracing::error!("{trouble}"));
        let stored = keeper.good.stored_trial(&text.whole());
        let config = keeper.go_on_trial(stored).unwrap_or(config);
        let is_rolled_back = text.remote != keeper.running.remote;
        keeper.remote.begin(match &keeper.trial {
            _ if is_rolled_back => Some((RequestState::RolledBack, keeper.trouble.clone())),
            Some(_) => Some((RequestState::Trial, None)),
            None if text.remote.is_empty() => None,
            None => Some((RequestState::Kept, None)),
        });
        keeper.take(&config);
        Ok((keeper, config))
    }

    /// Goes on with a trial that the end of the program has cut off. Answers the config to go back to, if there is one.
    fn go_on_trial(&mut self, stored: Option<StoredTrial>) -> Option<Config> {
        let Some(mut trial) = stored else {
            self.store_good();
            return None;
        };
        if let Some(why) = &trial.refused {
            return self.go_back(why);
        }
        trial.starts += 1;
        if trial.starts >= STARTS_MAX {
            let why = format!("the program has ended {STARTS_MAX} times in its trial");
            let tried = self.running.clone();
            let config = self.go_back(&why)?;
            self.note_refused(tried, StoredTrial { refused: Some(why), ..trial });
            return Some(config);
        }
        tracing::warn!("the config is still on trial: an output that worked before it has not come back");
        let StoredTrial { wanted, trial_ms, steady_ms, .. } = trial.clone();
        self.trial = Some(ConfigTrial::of(wanted, trial_ms, steady_ms));
        // Before the agent begins: what ends it is counted.
        self.good.on_trial(&self.running.whole(), &trial);
        None
    }

    /// The last config that worked, if there is one. The one that was to run is not used, and that is said.
    fn go_back(&mut self, why: &str) -> Option<Config> {
        let text = ConfigText::parts(&self.good.text()?);
        if text == self.running {
            return None;
        }
        let (config, document) = parse_text(&self.path, &text, &self.remote.state);
        if config.is_none() {
            tracing::error!(
                "the last config that worked cannot be used any more:\n{}",
                document.render_all()
            );
        }
        let config = config?;
        let trouble = if text.file == self.running.file {
            let id = &self.remote.stored.id;
            format!("the remote change {id} is not used, {why}: the config before it runs; send another one")
        } else {
            let path = self.path.display();
            format!(
                "the config in {path} is not used, {why}: the one before it runs; change the file, or reload it to try it again"
            )
        };
        tracing::error!("{trouble}");
        (self.running, self.trouble) = (text, Some(trouble));
        Some(config)
    }

    /// Keeps a config from coming back, which `tried` says: that of the file. What was set remotely is what it was before.
    fn note_refused(&mut self, tried: ConfigText, trial: StoredTrial) {
        if self.remote.stored.text != self.running.remote {
            self.remote.stored.text.clone_from(&self.running.remote);
            self.store_remote();
        }
        let tried = ConfigText { file: tried.file, remote: self.running.remote.clone() };
        if tried == self.running {
            return self.store_good();
        }
        let good = self.good.clone();
        self.disk.push(move || good.on_trial(&tried.whole(), &trial));
    }

    /// Notes that the config that runs works.
    fn store_good(&mut self) {
        let (good, text) = (self.good.clone(), self.running.whole());
        self.disk.push(move || good.store(&text));
    }

    /// A config is about to run.
    fn take(&mut self, config: &Config) {
        warn_of_memory(config);
        self.trial_ms = config.agent.trial_ms;
        self.remote.take(config);
        if config.agent.watch != self.watch.is_some() {
            self.watch = config.agent.watch.then(|| FileWatch::start(&self.path)).and_then(|watch| {
                let failed =
                    |error| tracing::warn!("the config cannot be watched: {error}; reload it by SIGHUP");
                watch.map_err(failed).ok()
            });
        }
    }

    async fn next(&mut self, engine: &Engine) -> Happening {
        let Self { signals: Signals { terminate, interrupt, hangup }, trial, watch, remote, .. } = self;
        let touched = async {
            match watch {
                Some(watch) => watch.changed().await,
                None => pending().await,
            }
        };
        let judged = async {
            match trial {
                Some(trial) => trial.verdict(engine).await,
                None => pending().await,
            }
        };
        tokio::select! {
            _ = terminate.recv() => Happening::Stop,
            _ = interrupt.recv() => Happening::Stop,
            _ = hangup.recv() => Happening::Asked,
            () = touched => Happening::Touched,
            message = remote.next() => Happening::Requested(message),
            verdict = judged => Happening::Judged(verdict),
        }
    }

    /// Reads the file. A config with mistakes changes nothing; `None`: nor does one that is as it was.
    async fn read(&mut self, engine: &Engine, is_asked: bool) -> Option<Config> {
        let file = match std::fs::read_to_string(&self.path) {
            Ok(file) => file,
            Err(error) => {
                self.refuse(engine, &format!("{}: cannot read the config: {error}", self.path.display()));
                return None;
            }
        };
        if !is_asked && file == self.seen {
            return None;
        }
        self.disk.finish().await;
        let loaded = LoadedConfig::read(&self.path, file);
        self.seen.clone_from(&loaded.text.file);
        let shown = loaded.document.render_all();
        if let Some(why) = &loaded.left_out {
            self.refuse(engine, &left_out(why));
            return None;
        }
        let Some(config) = loaded.config else {
            self.refuse(engine, shown.trim_end());
            return None;
        };
        shown.trim_end().lines().for_each(|line| tracing::warn!("{line}"));
        self.begin_trial(engine, &config, &loaded.text, Steady::ComesBack).await;
        self.trouble = None;
        self.running = loaded.text;
        if config.remote.is_some() {
            self.remote.stored = loaded.stored;
        }
        self.take(&config);
        Some(config)
    }

    fn refuse(&mut self, engine: &Engine, why: &str) {
        tracing::error!("the config stays as it was:");
        why.lines().for_each(|line| tracing::error!("{line}"));
        let first = why.lines().next().unwrap_or_default();
        self.trouble = Some(format!("the config was not read again: {first}"));
        engine.config_trouble(self.trouble.as_deref());
    }

    /// Puts the next config on trial, if an output works that it may cut off.
    async fn begin_trial(&mut self, engine: &Engine, config: &Config, text: &ConfigText, steady: Steady) {
        let worked = self.trial.take().map(ConfigTrial::into_wanted).unwrap_or_else(|| up(engine));
        let outputs = config.outputs.iter().map(|output| output.name.clone()).collect();
        let wanted = trial::wanted(worked, outputs);
        let (trial_ms, good, text) = (self.trial_ms, self.good.clone(), text.whole());
        if wanted.is_empty() || trial_ms == 0 {
            self.disk.push(move || good.store(&text));
            return;
        }
        let steady_ms = if steady == Steady::Stays { trial_ms / 4 } else { 0 };
        self.trial = Some(ConfigTrial::of(wanted.clone(), trial_ms, steady_ms));
        let stored = StoredTrial { wanted, trial_ms, steady_ms, ..StoredTrial::default() };
        if self.disk.run(move || good.on_trial(&text, &stored)).await.is_none() {
            tracing::warn!("the disk does not answer: a crash forgets that the config is on trial");
        }
    }

    /// Ends the trial. Answers the config to go back to, if there is one.
    async fn judge(&mut self, engine: &Engine, verdict: Verdict) -> Option<Config> {
        let trial = self.trial.take()?;
        let why = match verdict {
            Verdict::Passed => {
                tracing::info!("the config has passed its trial: {} came back", trial.names());
                self.store_good();
                if trial.is_remote() {
                    self.remote.stand(RequestState::Kept, None, engine.now());
                }
                return None;
            }
            Verdict::Failed => {
                let within = Duration::from_millis(trial.trial_ms().unsigned_abs());
                format!("{} worked before it and did not come back within {within:?}", trial.names())
            }
        };
        // What worked last may still be on its way to the disk.
        self.disk.finish().await;
        let (tried, trial_ms) = (self.running.clone(), trial.trial_ms());
        let config = self.go_back(&why)?;
        if tried.remote != self.running.remote {
            self.remote.stand(RequestState::RolledBack, Some(why.clone()), engine.now());
        }
        let (refused, wanted) = (Some(why.clone()), trial.into_wanted());
        self.note_refused(tried, StoredTrial { refused, wanted, trial_ms, ..StoredTrial::default() });
        engine.report(ReportCause::Config, &format!("the config was rolled back: {why}"));
        self.take(&config);
        Some(config)
    }
}

impl Operator for ConfigKeeper {
    async fn request(&mut self, engine: &Rc<Engine>) -> OperatorRequest {
        engine.config_trouble(self.trouble.as_deref());
        self.remote.say_begun(engine.now());
        self.tell_remote(engine);
        loop {
            let config = match self.next(engine).await {
                Happening::Stop => break,
                Happening::Asked => self.read(engine, true).await,
                Happening::Touched => self.read(engine, false).await,
                Happening::Requested(message) => self.request_of(engine, &message).await,
                Happening::Judged(verdict) => self.judge(engine, verdict).await,
            };
            if let Some(config) = config {
                return OperatorRequest::Change(Box::new(config));
            }
        }
        // What is still on its way to the disk goes on while the engine stops, which has little time.
        notify::stopping();
        OperatorRequest::Stop
    }

    async fn stopped(&mut self) {
        tokio::select! {
            _ = self.signals.terminate.recv() => {}
            _ = self.signals.interrupt.recv() => {}
        }
    }
}

/// Why what was set remotely is not used, and the way out.
fn left_out(why: &str) -> String {
    format!("what was set remotely is not used (`headwater config drop` removes it): {why}")
}

/// The names of the outputs that are connected.
fn up(engine: &Engine) -> Vec<String> {
    let outputs = engine.forwarder().status().outputs.into_iter();
    outputs.filter(|output| output.up).map(|output| output.name).collect()
}

/// Says so when the service may take less than the config usually will with as many series as it allows.
fn warn_of_memory(config: &Config) {
    let usual = Estimate::of(config).memory_usual;
    if let Some(cap) = MemoryCap::own().cap().filter(|cap| *cap < usual) {
        tracing::warn!(
            "with all its series this config takes about {}, and the service may take {}: lower [limits] series, or \
             raise MemoryMax (systemctl edit headwater)",
            format_size(usual >> 20 << 20),
            format_size(cap >> 20 << 20),
        );
    }
}

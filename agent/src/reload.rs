//! Who runs the agent for `headwater run`: signals stop it and change its config, and so does the file when it is watched. A
//! new config is on trial.
//!
//! The file is the user's and is only read. Beside the state lie the last config that worked and what became of the one
//! after it (`good.rs`): a config that was rolled back does not come back by a crash or a restart, until the file is another.

mod good;
mod trial;
mod watch;

use crate::config::{self, Config};
use crate::engine::Engine;
use crate::estimate::Estimate;
use crate::memory::MemoryCap;
use crate::notify;
use crate::supervise::{Operator, OperatorRequest};
use good::{GoodConfig, StoredTrial};
use headwater_pipeline::event::ReportCause;
use headwater_settings::format_size;
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
    /// The text of the config that runs, and how long the next one is on trial (ms).
    running: (String, i64),
    /// The text of the file when it was read last.
    seen: String,
    good: GoodConfig,
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

/// What happens to an agent that runs.
enum Happening {
    Stop,
    /// Somebody asks to read the config again.
    Asked,
    /// The file may have changed.
    Touched,
    Judged(Verdict),
}

impl ConfigKeeper {
    /// Takes over a config and its text as they were read from the file. Answers the config to begin with: that of the file,
    /// or the last one that worked, if the file's has been rolled back.
    ///
    /// # Errors
    /// The system takes no signal handlers.
    pub(crate) fn start(path: &Path, config: Config, text: String) -> io::Result<(Self, Config)> {
        let signals = Signals {
            terminate: signal(SignalKind::terminate())?,
            interrupt: signal(SignalKind::interrupt())?,
            hangup: signal(SignalKind::hangup())?,
        };
        let mut keeper = Self {
            path: path.to_owned(),
            signals,
            running: (text.clone(), config.agent.trial_ms),
            seen: text.clone(),
            good: GoodConfig::of(&config.agent.state_dir),
            trial: None,
            watch: None,
            trouble: None,
        };
        let config = match keeper.good.stored_trial(&text) {
            None => {
                keeper.good.store_at_start(&text);
                config
            }
            Some(StoredTrial { refused: None, wanted, trial_ms }) => {
                tracing::warn!(
                    "the config is still on trial: an output that worked before it has not come back"
                );
                keeper.trial = Some(ConfigTrial::of(wanted, trial_ms));
                config
            }
            Some(StoredTrial { refused: Some(why), .. }) => keeper.go_back(&why).unwrap_or(config),
        };
        keeper.take(&config);
        Ok((keeper, config))
    }

    /// The last config that worked, if there is one. The one of the file is not used, and that is said.
    fn go_back(&mut self, why: &str) -> Option<Config> {
        let text = self.good.text()?;
        let (config, document) = config::parse(&self.path, &text, |name| std::env::var(name).ok());
        if config.is_none() {
            tracing::error!(
                "the last config that worked cannot be used any more:\n{}",
                document.render_all()
            );
        }
        let config = config?;
        let path = self.path.display();
        let trouble = format!(
            "the config in {path} is not used, {why}: the one before it runs; change the file, or reload it to try it again"
        );
        tracing::error!("{trouble}");
        (self.running, self.trouble) = ((text, config.agent.trial_ms), Some(trouble));
        Some(config)
    }

    /// A config is about to run.
    fn take(&mut self, config: &Config) {
        warn_of_memory(config);
        self.running.1 = config.agent.trial_ms;
        if config.agent.watch != self.watch.is_some() {
            self.watch = config.agent.watch.then(|| FileWatch::start(&self.path)).and_then(|watch| {
                let failed =
                    |error| tracing::warn!("the config cannot be watched: {error}; reload it by SIGHUP");
                watch.map_err(failed).ok()
            });
        }
    }

    async fn next(&mut self, engine: &Engine) -> Happening {
        let Self { signals: Signals { terminate, interrupt, hangup }, trial, watch, .. } = self;
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
            verdict = judged => Happening::Judged(verdict),
        }
    }

    /// Reads the file. A config with mistakes changes nothing; `None`: nor does one that is as it was.
    fn read(&mut self, engine: &Engine, is_asked: bool) -> Option<Config> {
        let text = match std::fs::read_to_string(&self.path) {
            Ok(text) => text,
            Err(error) => {
                self.refuse(engine, &format!("{}: cannot read the config: {error}", self.path.display()));
                return None;
            }
        };
        if !is_asked && text == self.seen {
            return None;
        }
        let (config, document) = config::parse(&self.path, &text, |name| std::env::var(name).ok());
        self.seen.clone_from(&text);
        let shown = document.render_all();
        let Some(config) = config else {
            self.refuse(engine, shown.trim_end());
            return None;
        };
        shown.trim_end().lines().for_each(|line| tracing::warn!("{line}"));
        self.begin_trial(engine, &config, &text);
        self.trouble = None;
        self.running.0 = text;
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
    fn begin_trial(&mut self, engine: &Engine, config: &Config, text: &str) {
        let worked = self.trial.take().map(ConfigTrial::into_wanted).unwrap_or_else(|| up(engine));
        let outputs = config.outputs.iter().map(|output| output.name.clone()).collect();
        let wanted = trial::wanted(worked, outputs);
        let trial_ms = self.running.1;
        if wanted.is_empty() || trial_ms == 0 {
            self.good.store(text);
            return;
        }
        self.good.on_trial(text, &StoredTrial { refused: None, wanted: wanted.clone(), trial_ms });
        self.trial = Some(ConfigTrial::of(wanted, trial_ms));
    }

    /// Ends the trial. Answers the config to go back to, if there is one.
    fn judge(&mut self, engine: &Engine, verdict: Verdict) -> Option<Config> {
        let trial = self.trial.take()?;
        let why = match verdict {
            Verdict::Passed => {
                tracing::info!("the config has passed its trial: {} came back", trial.names());
                self.good.store(&self.running.0);
                return None;
            }
            Verdict::Failed => {
                let within = Duration::from_millis(trial.trial_ms().unsigned_abs());
                format!("{} worked before it and did not come back within {within:?}", trial.names())
            }
        };
        let refused = self.running.0.clone();
        let config = self.go_back(&why)?;
        let (wanted, trial_ms) = (trial.into_wanted(), self.running.1);
        self.good.on_trial(&refused, &StoredTrial { refused: Some(why.clone()), wanted, trial_ms });
        engine.report(ReportCause::Config, &format!("the config was rolled back: {why}"));
        self.take(&config);
        Some(config)
    }
}

impl Operator for ConfigKeeper {
    async fn request(&mut self, engine: &Rc<Engine>) -> OperatorRequest {
        engine.config_trouble(self.trouble.as_deref());
        loop {
            let config = match self.next(engine).await {
                Happening::Stop => break,
                Happening::Asked => self.read(engine, true),
                Happening::Touched => self.read(engine, false),
                Happening::Judged(verdict) => self.judge(engine, verdict),
            };
            if let Some(config) = config {
                return OperatorRequest::Change(Box::new(config));
            }
        }
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

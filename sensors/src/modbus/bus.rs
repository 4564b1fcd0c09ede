//! A bus with its units: asks them in turn, and leaves alone those that do not answer.
//!
//! After a time-out the next question waits as long again, on a fresh connection, so that a late answer finds nobody who would
//! take it for another one. A unit that did not answer is asked again after 0.5 to 60 s.

use super::config::{BusAddress, ModbusConfig};
use super::link::{AskError, Link};
use super::register::Register;
use super::request::{Gathering, RegisterSpan, gather};
use crate::safe_name::safe;
use crate::serial_port::PortUse;
use crate::source::stopped;
use crate::{
    ConnectionState, Finding, Running, SeriesNames, SeriesRef, Sink, Source, SourceProbe, Stamp, Stop,
};
use headwater_mqtt::Backoff;
use std::pin::pin;
use std::time::Duration;
use tokio::time::{Instant, MissedTickBehavior, interval, sleep};
use tokio_modbus::ExceptionCode;

pub(super) struct Modbus(pub(super) ModbusConfig);

impl Source for Modbus {
    fn names(&self) -> SeriesNames {
        SeriesNames::Patterns(self.0.registers.iter().map(|register| self.series_name(register)).collect())
    }

    fn labels(&self) -> Option<Vec<String>> {
        let labels = self.0.registers.iter().flat_map(|register| &register.labels);
        Some(labels.map(|(name, _)| name.clone()).collect())
    }

    fn exclusive(&self) -> Option<String> {
        match &self.0.address {
            BusAddress::Rtu(port, _) => Some(port.exclusive()),
            BusAddress::Tcp(_) | BusAddress::RtuOverTcp(_) => None,
        }
    }

    /// A serial line is not asked, because a running agent may ask it.
    fn probe(&self) -> SourceProbe<'_> {
        Box::pin(async {
            Some(match &self.0.address {
                BusAddress::Rtu(port, _) => port.probe(PortUse::ReadAndWrite),
                BusAddress::Tcp(_) | BusAddress::RtuOverTcp(_) => self.ask_once().await,
            })
        })
    }

    fn run(self: Box<Self>, mut sink: Box<dyn Sink>, stop: Stop) -> Running {
        Box::pin(async move {
            let mut stop = pin!(stopped(stop));
            let mut bus = Bus::new(&self);
            let mut ticks = interval(self.0.every);
            ticks.set_missed_tick_behavior(MissedTickBehavior::Skip);
            loop {
                let round = async {
                    ticks.tick().await;
                    bus.ask_all(sink.as_mut()).await;
                };
                tokio::select! {
                    () = &mut stop => return,
                    () = round => {}
                }
            }
        })
    }
}

impl Modbus {
    fn series_name(&self, register: &Register) -> String {
        format!("{}/{}", self.0.source, register.name)
    }

    fn requests(&self) -> Vec<RegisterSpan> {
        gather(&self.0.registers, Gathering { words_max: self.0.words_max, gap: self.0.gap })
    }

    /// Asks each unit one question, for people.
    async fn ask_once(&self) -> Finding {
        let (mut good, mut bad, mut last) = (Vec::new(), Vec::new(), None);
        for request in self.requests() {
            if last.replace(request.place.unit) == Some(request.place.unit) {
                continue;
            }
            let mut link = match Link::open(&self.0.address, self.0.timeout).await {
                Ok(link) => link,
                Err(why) => return Finding::Note(format!("{why}; it is connected as soon as it is there")),
            };
            match link.ask(&request, self.0.timeout).await {
                Ok(_) => good.push(request.place.unit.to_string()),
                Err(error) => bad.push(format!("{request}: {}", explain(&error, self.0.timeout))),
            }
        }
        match bad.first() {
            None => Finding::Works(format!("answers as unit {}", good.join(", "))),
            Some(why) if good.is_empty() => Finding::Fails(why.clone()),
            Some(why) => Finding::Note(format!("answers as unit {}; {why}", good.join(", "))),
        }
    }
}

/// What is said of an answer that is none.
fn explain(error: &AskError, within: Duration) -> String {
    let exception = match error {
        AskError::Silent => return format!("no answer within {} ms", within.as_millis()),
        AskError::Wrong(why) | AskError::Lost(why) => return why.clone(),
        AskError::Exception(exception) => exception,
    };
    let why = match exception {
        ExceptionCode::IllegalFunction => "it has no such `table`",
        ExceptionCode::IllegalDataAddress => {
            "it has no such registers; addresses begin with 0, and a device may want `gap = 0` or a smaller `max_registers`"
        }
        ExceptionCode::GatewayPathUnavailable | ExceptionCode::GatewayTargetDevice => {
            "the gateway does not reach the unit"
        }
        ExceptionCode::ServerDeviceBusy => "it is busy",
        _ => "see its manual",
    };
    format!("the unit refuses (exception {exception:?}): {why}")
}

/// A unit on the bus.
struct Unit {
    requests: Vec<RegisterSpan>,
    backoff: Backoff,
    /// It is left alone until then.
    rests_until: Option<Instant>,
    /// Why it did not answer last, or what it refuses; `None`: nothing, or it was not asked yet.
    why: Option<String>,
}

impl Unit {
    fn fail(&mut self, why: String) {
        self.rests_until = Some(Instant::now() + self.backoff.next());
        self.why = Some(why);
    }

    /// It answers; `refusal`: to one of the questions, that it cannot.
    fn succeed(&mut self, refusal: Option<String>) {
        self.backoff.reset();
        (self.rests_until, self.why) = (None, refusal);
    }
}

/// What a source knows of its bus while it runs.
struct Bus<'m> {
    modbus: &'m Modbus,
    units: Vec<Unit>,
    series: Vec<Option<SeriesRef>>,
    link: Option<Link>,
    backoff: Backoff,
    /// No connection is made before.
    connects_at: Option<Instant>,
    /// What was told: `None`: nothing; `Some(None)`: up.
    told: Option<Option<String>>,
}

impl<'m> Bus<'m> {
    fn new(modbus: &'m Modbus) -> Self {
        let mut units: Vec<Unit> = Vec::new();
        let mut last = None;
        for request in modbus.requests() {
            let is_same = last.replace(request.place.unit) == Some(request.place.unit);
            match units.last_mut().filter(|_| is_same) {
                Some(unit) => unit.requests.push(request),
                None => units.push(Unit {
                    requests: vec![request],
                    backoff: Backoff::by_chance(),
                    rests_until: None,
                    why: None,
                }),
            }
        }
        let series = vec![None; modbus.0.registers.len()];
        Self {
            modbus,
            units,
            series,
            link: None,
            backoff: Backoff::by_chance(),
            connects_at: None,
            told: None,
        }
    }

    /// Asks every unit that does not rest, once.
    async fn ask_all(&mut self, sink: &mut dyn Sink) {
        let mut units = std::mem::take(&mut self.units);
        for unit in
            units.iter_mut().filter(|unit| unit.rests_until.is_none_or(|until| until <= Instant::now()))
        {
            if let Err(why) = self.ask_unit(unit, sink).await {
                // There is no connection for the others either.
                self.tell(sink, Some(why));
                self.units = units;
                return;
            }
        }
        let why = units.iter().find_map(|unit| unit.why.as_deref());
        if units.iter().all(|unit| unit.rests_until.is_some()) {
            self.tell(sink, why.map(str::to_owned));
        } else {
            sink.trouble(why);
        }
        self.units = units;
    }

    /// Asks a unit everything. An error: there is no connection.
    async fn ask_unit(&mut self, unit: &mut Unit, sink: &mut dyn Sink) -> Result<(), String> {
        let requests = std::mem::take(&mut unit.requests);
        let result = self.ask_requests(&requests, unit, sink).await;
        unit.requests = requests;
        result
    }

    async fn ask_requests(
        &mut self,
        requests: &[RegisterSpan],
        unit: &mut Unit,
        sink: &mut dyn Sink,
    ) -> Result<(), String> {
        let mut refusal = None;
        for request in requests {
            let error = match self.ask(request).await? {
                Ok(words) => {
                    self.tell(sink, None);
                    self.hand_over(request, &words, sink);
                    continue;
                }
                Err(error) => error,
            };
            let what = explain(&error, self.modbus.0.timeout);
            let why = format!("{request}: {what}");
            match error {
                // The unit is there, and the other questions may be better ones.
                AskError::Exception(exception) if !is_absence(exception) => {
                    self.tell(sink, None);
                    sink.invalid(&request.to_string(), &what);
                    refusal.get_or_insert(why);
                }
                AskError::Exception(_) | AskError::Silent | AskError::Lost(_) => {
                    unit.fail(why);
                    return Ok(());
                }
                AskError::Wrong(_) => {
                    sink.invalid(&request.to_string(), &what);
                    unit.fail(why);
                    return Ok(());
                }
            }
        }
        unit.succeed(refusal);
        Ok(())
    }

    /// Asks one question, on a connection on which nothing went wrong. An error: there is no connection.
    async fn ask(&mut self, request: &RegisterSpan) -> Result<Result<Vec<u16>, AskError>, String> {
        let ModbusConfig { timeout, pause, .. } = self.modbus.0;
        let mut is_used = self.link.is_some();
        loop {
            let mut link = match self.link.take() {
                Some(link) => link,
                None => self.connect().await?,
            };
            if !pause.is_zero() {
                sleep(pause).await;
            }
            let answer = link.ask(request, timeout).await;
            match &answer {
                Ok(_) | Err(AskError::Exception(_)) => self.link = Some(link),
                // Devices close connections that were idle for a while.
                Err(AskError::Lost(_)) if is_used => {
                    is_used = false;
                    continue;
                }
                Err(AskError::Lost(_)) => {}
                Err(AskError::Silent | AskError::Wrong(_)) => {
                    drop(link);
                    sleep(timeout).await;
                }
            }
            return Ok(answer);
        }
    }

    async fn connect(&mut self) -> Result<Link, String> {
        if self.connects_at.is_some_and(|at| at > Instant::now()) {
            return Err(self.told.clone().flatten().unwrap_or_else(|| "not connected".to_owned()));
        }
        let link = Link::open(&self.modbus.0.address, self.modbus.0.timeout).await;
        match &link {
            Ok(_) => {
                self.backoff.reset();
                self.connects_at = None;
            }
            Err(_) => self.connects_at = Some(Instant::now() + self.backoff.next()),
        }
        link
    }

    /// Hands over the values of an answer.
    fn hand_over(&mut self, request: &RegisterSpan, words: &[u16], sink: &mut dyn Sink) {
        for (number, at) in &request.parts {
            let Some(register) = self.modbus.0.registers.get(*number) else { continue };
            let length = usize::from(register.encoding.kind.length());
            let Some(own) = words.get(*at..at.saturating_add(length)) else { continue };
            let value = register.encoding.value(own);
            if !value.is_finite() {
                sink.invalid(&request.to_string(), &format!("{} is no number", register.name));
                continue;
            }
            let Some(series) = self.series.get_mut(*number) else { continue };
            if series.is_none_or(|series| !sink.knows(series)) {
                *series = introduce(&self.modbus.series_name(register), register, sink);
            }
            match series {
                Some(series) => sink.reading(*series, Stamp::Arrival, value),
                None => sink.refused(1),
            }
        }
    }

    /// Tells what has changed; `why`: why nothing can be read.
    fn tell(&mut self, sink: &mut dyn Sink, why: Option<String>) {
        if self.told.as_ref() != Some(&why) {
            let state = why.as_deref().map_or(ConnectionState::Up, |reason| ConnectionState::Down { reason });
            sink.connection(state);
            self.told = Some(why);
        }
    }
}

/// Whether an exception says that the unit is not there.
fn is_absence(exception: ExceptionCode) -> bool {
    matches!(exception, ExceptionCode::GatewayPathUnavailable | ExceptionCode::GatewayTargetDevice)
}

fn introduce(raw: &str, register: &Register, sink: &mut dyn Sink) -> Option<SeriesRef> {
    let name = safe(raw);
    if name != raw {
        sink.renamed(raw, &name);
    }
    if let Some(unit) = &register.unit_of_measure {
        sink.unit(unit);
    }
    sink.series(&name, &register.labels)
}

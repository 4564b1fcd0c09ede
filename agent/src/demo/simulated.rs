//! The demo's sensors: a greenhouse, a freezer and a pump, with the faults that such things have.
//!
//! Each is a plain function of the time since the start and a seed, so that every demo shows the same. A day of theirs
//! takes [`DAY_S`] of ours; every [`ROUND_S`] the faults come again: a spike in the greenhouse, a freezer whose door
//! stands open, a sensor that falls silent.

use crate::clock;
use headwater_mqtt::{Backoff, Client, Connection, Qos, Session, Settings};
use std::f64::consts::TAU;
use std::fmt::Write;
use std::time::Duration;
use tokio::sync::watch;

/// A simulated day [s].
const DAY_S: f64 = 60.0;

/// After this long the faults come again [s].
const ROUND_S: f64 = 120.0;

/// How often each sensor speaks (ms).
const EVERY_MS: u32 = 500;

/// Fields and their values.
type Values = Vec<(&'static str, f64)>;

/// One simulated device.
struct Sensor {
    topic: &'static str,
    /// What it measures at a time since the start [s], given a source of noise; nothing when it is silent.
    read: fn(f64, &mut Noise) -> Option<Values>,
}

const SENSORS: &[Sensor] = &[
    Sensor { topic: "demo/greenhouse/bed1", read: first_bed },
    Sensor { topic: "demo/greenhouse/bed2", read: second_bed },
    Sensor { topic: "demo/kitchen/freezer", read: freezer },
    Sensor { topic: "demo/cellar/pump", read: pump },
];

/// A day's warmth, and once a round two seconds of the sun on the sensor.
fn first_bed(at: f64, noise: &mut Noise) -> Option<Values> {
    let spike = if within(at, 20.0, 22.0) { 16.0 } else { 0.0 };
    Some(climate(at, spike, noise))
}

/// The same some minutes of its day later; its battery is changed once a round.
fn second_bed(at: f64, noise: &mut Noise) -> Option<Values> {
    (!within(at, 80.0, 100.0)).then(|| climate(at - 2.0, 0.0, noise))
}

fn climate(at: f64, extra: f64, noise: &mut Noise) -> Values {
    let day = -(TAU * at / DAY_S).cos(); // coldest at the start of a day
    let temp = 21.0 + 5.0 * day + extra + noise.about(0.15);
    vec![("temp", temp), ("hum", 62.0 - 14.0 * day + noise.about(0.8))]
}

/// Its compressor saws; once a round the door stands open and it warms, slowly, for half a minute.
fn freezer(at: f64, noise: &mut Noise) -> Option<Values> {
    let saw = (at / 8.0).fract() - 0.5;
    let open = (at % ROUND_S - 35.0).clamp(0.0, 30.0);
    let drift = if within(at, 35.0, 75.0) { 0.3 * open } else { 0.0 };
    Some(vec![("temp", -18.0 + saw + drift + noise.about(0.05))])
}

/// Steady, but for what the bearing says.
fn pump(at: f64, noise: &mut Noise) -> Option<Values> {
    let load = 1.0 + 0.1 * (TAU * at / DAY_S).sin();
    Some(vec![
        ("pressure", 2.8 * load + noise.about(0.02)),
        ("vibration", 0.9 * load + noise.about(0.05).abs()),
    ])
}

/// Whether a time lies in a part of its round [s].
fn within(at: f64, from: f64, to: f64) -> bool {
    (from..to).contains(&(at % ROUND_S))
}

/// Reproducible noise.
struct Noise(fastrand::Rng);

impl Noise {
    /// The noise of one sensor at one step.
    fn at(seed: u64, sensor: usize, step: u32) -> Self {
        Self(fastrand::Rng::with_seed(seed ^ (u64::from(step) << 8) ^ sensor as u64))
    }

    /// Around zero, bell-shaped enough: the sum of four uniform numbers, scaled to a standard deviation.
    fn about(&mut self, deviation: f64) -> f64 {
        let sum = (0..4).map(|_| self.0.f64() - 0.5).sum::<f64>();
        sum * 3.0_f64.sqrt() * deviation
    }
}

/// What all sensors say at a step, as topics and JSON; `now_ms` is the time they put on it.
fn payloads(seed: u64, step: u32, now_ms: i64) -> impl Iterator<Item = (&'static str, String)> {
    let at = f64::from(step) * f64::from(EVERY_MS) / 1_000.0;
    SENSORS.iter().enumerate().filter_map(move |(index, sensor)| {
        let values = (sensor.read)(at, &mut Noise::at(seed, index, step))?;
        let mut json = format!("{{\"ts\":{now_ms}");
        for (name, value) in values {
            let _ = write!(json, ",\"{name}\":{value:.3}");
        }
        json.push('}');
        Some((sensor.topic, json))
    })
}

/// Publishes what the sensors say to the broker on a port of loopback, until told to stop.
///
/// # Errors
/// The settings cannot be used, which is a mistake of this program.
pub(super) async fn publish(port: u16, mut stop: watch::Receiver<bool>) -> Result<(), String> {
    let settings = Settings::parse_url(&format!("mqtt://127.0.0.1:{port}"))?;
    let session = Session::passing("headwater-demo-sensors");
    let mut backoff = Backoff::new(u64::from(port));
    let mut step = 0;
    while !*stop.borrow() {
        let (client, mut connection) =
            headwater_mqtt::connect(&settings, &session).map_err(|error| error.to_string())?;
        tokio::select! {
            () = speak(&client, &mut connection, &mut step) => {}
            _ = stop.changed() => break,
        }
        tokio::time::sleep(backoff.after(&connection)).await;
    }
    Ok(())
}

/// One connection, until it is lost.
async fn speak(client: &Client, connection: &mut Connection, step: &mut u32) {
    const SEED: u64 = 0x5eed;
    let mut ticks = tokio::time::interval(Duration::from_millis(EVERY_MS.into()));
    loop {
        tokio::select! {
            event = connection.poll() => {
                if let Err(error) = event {
                    tracing::debug!(%error, "the simulated sensors lost their broker");
                    return;
                }
            }
            _ = ticks.tick() => {
                for (topic, json) in payloads(SEED, *step, clock::now().0) {
                    // A full queue means a broker that does not keep up: a sensor would lose this reading too.
                    let _ = client.try_publish(topic.to_owned(), json.into(), Qos::AtLeastOnce, false);
                }
                *step += 1;
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn values(topic: &str, name: &str) -> Vec<(f64, f64)> {
        let steps = 0..(ROUND_S * 1_000.0) as u32 / EVERY_MS;
        let all = steps.flat_map(|step| payloads(1, step, 0).map(move |(topic, json)| (step, topic, json)));
        let own = all.filter(|(_, other, _)| *other == topic);
        own.filter_map(|(step, _, json)| {
            let map: serde_json::Value = serde_json::from_str(&json).unwrap();
            Some((f64::from(step) * f64::from(EVERY_MS) / 1_000.0, map.get(name)?.as_f64()?))
        })
        .collect()
    }

    fn highest(values: &[(f64, f64)]) -> (f64, f64) {
        values.iter().copied().max_by(|a, b| a.1.total_cmp(&b.1)).unwrap()
    }

    #[test]
    fn the_same_seed_gives_the_same_world() {
        let all =
            |seed| (0..100).flat_map(|step| payloads(seed, step, 7).collect::<Vec<_>>()).collect::<Vec<_>>();
        assert_eq!(all(1), all(1));
        assert_ne!(all(1), all(2));
        assert!(all(1).iter().all(|(topic, _)| topic.starts_with("demo/") && topic.split('/').count() == 3));
    }

    /// What the demo's detectors are set to find is there, where its words say it is, and nowhere else.
    #[test]
    fn every_fault_happens_once_a_round() {
        let bed = values("demo/greenhouse/bed1", "temp");
        let (at, temp) = highest(&bed);
        assert!(within(at, 20.0, 22.0) && temp > 34.0, "{temp} at {at}");
        assert!(bed.iter().filter(|(at, _)| !within(*at, 20.0, 22.0)).all(|(_, temp)| *temp < 28.0));
        let freezer = values("demo/kitchen/freezer", "temp");
        assert!(highest(&freezer).1 > -10.0);
        assert!(freezer.iter().filter(|(at, _)| !within(*at, 35.0, 75.0)).all(|(_, temp)| *temp < -17.0));
        let heard = values("demo/greenhouse/bed2", "temp");
        assert!(heard.iter().all(|(at, _)| !within(*at, 80.0, 100.0)));
        assert_eq!(bed.len() - heard.len(), 40);
        assert_eq!(values("demo/cellar/pump", "vibration").len(), bed.len());
    }
}

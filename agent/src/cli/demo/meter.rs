//! A power meter with a clock of its own that publishes over MQTT. Once in each minute it holds a reading back, which then
//! comes after its window.

use bytes::Bytes;
use headwater_kernel::time::Time;
use headwater_mqtt::{Backoff, Client, MqttEvent, MqttSession, Qos, Settings};
use std::time::Duration;
use tokio::time::interval;

const TOPIC: &str = "demo/cellar/meter";
const EVERY: Duration = Duration::from_secs(1);

/// The reading of this second is held back, in every minute since the start; and it comes so many seconds later.
const HELD_BACK_AT: u64 = 22;
const HELD_BACK_FOR: u64 = 12;

/// Publishes for ever; `now` is the meter's clock.
///
/// # Errors
/// The broker's address or the topic cannot be used.
pub(super) async fn publish(port: u16, now: impl Fn() -> Time) -> Result<(), String> {
    let settings = Settings::parse_url(&format!("mqtt://127.0.0.1:{port}"))?;
    let session = MqttSession::passing("cellar-meter");
    let mut backoff = Backoff::new(2);
    let (mut ticks, mut second, mut held_back) = (interval(EVERY), 0_u64, None);
    loop {
        let (client, mut connection) =
            headwater_mqtt::connect(&settings, &session).map_err(|error| error.to_string())?;
        let mut is_up = false;
        loop {
            tokio::select! {
                event = connection.poll() => match event {
                    Ok(MqttEvent::Connected { .. }) => is_up = true,
                    Ok(_) => {}
                    Err(_) => break,
                },
                _ = ticks.tick(), if is_up => {
                    let reading = payload(now(), second);
                    match second % 60 {
                        HELD_BACK_AT => held_back = Some(reading),
                        _ => send(&client, reading)?,
                    }
                    if second % 60 == HELD_BACK_AT + HELD_BACK_FOR && let Some(late) = held_back.take() {
                        send(&client, late)?;
                    }
                    second += 1;
                }
            }
        }
        tokio::time::sleep(backoff.after(&connection)).await;
    }
}

fn send(client: &Client, reading: Bytes) -> Result<(), String> {
    client.try_publish(TOPIC.to_owned(), reading, Qos::AtLeastOnce, false).map_err(|error| error.to_string())
}

/// Some hundred watts, and a kettle in between.
fn payload(Time(ms): Time, second: u64) -> Bytes {
    let watts = 180 + second % 7 * 3 + if second % 30 < 5 { 1_900 } else { 0 };
    format!("{{\"time\":{ms},\"watts\":{watts}}}").into()
}

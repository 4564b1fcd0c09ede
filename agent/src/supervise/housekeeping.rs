//! What has to be done now and then: reports, the watchdog, and a look for streams that no series has matched.

use crate::engine::Engine;
use crate::notify::Pulse;
use headwater_pipeline::event::ReportCause;
use std::time::Duration;
use tokio::time::Instant;

/// The time after which the log names the streams that no series has matched.
const MATCH_WITHIN: Duration = Duration::from_secs(60);

/// The time that the report of the start waits for a connected output. A report that is made before one is connected
/// arrives as backfill.
const CONNECT_WITHIN: Duration = Duration::from_secs(2);

/// An engine that has not looked at its windows for so long stands still.
const STANDS_STILL: Duration = Duration::from_secs(60);

/// Makes the report of the start and those of the interval, feeds the watchdog, and looks once for streams that no series
/// has matched.
pub(super) async fn housekeeping(engine: &Engine, report_ms: i64) {
    let mut reports = tokio::time::interval(Duration::from_millis(report_ms.unsigned_abs()));
    // One report is enough after a stall: two reports of one millisecond would have one id.
    reports.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
    let (mut beaten, mut pulse) = (Instant::now(), Pulse::new());
    pulse.beat(engine.ticks(), &engine.status().line());
    let mut first_look = std::pin::pin!(tokio::time::sleep(MATCH_WITHIN));
    let mut restart = std::pin::pin!(tokio::time::sleep(CONNECT_WITHIN));
    // The account lacks the messages of earlier runs until the buffer is open.
    let mut opened = std::pin::pin!(engine.forwarder().opened());
    let (mut is_open, mut looked, mut said) = (false, false, false);
    reports.tick().await;
    loop {
        tokio::select! {
            () = &mut opened, if !is_open => is_open = true,
            _ = reports.tick(), if is_open => engine.report(ReportCause::Interval, ""),
            () = engine.look() => {
                if beaten.elapsed() > Pulse::every() / 2 {
                    beaten = Instant::now();
                    pulse.beat(engine.ticks(), &engine.status().line());
                }
            }
            // Every look begins this anew.
            () = tokio::time::sleep(STANDS_STILL) => {
                tracing::error!("the engine stands still: no window was looked at since the last time");
            }
            () = &mut restart, if is_open && !said => {
                said = true;
                engine.report_start();
            }
            () = &mut first_look, if !looked => {
                looked = true;
                engine.warn_of_idle_streams();
            }
        }
    }
}

package fleet;

import java.time.Duration;
import org.apache.flink.api.common.eventtime.BoundedOutOfOrdernessWatermarks;
import org.apache.flink.api.common.eventtime.WatermarkGenerator;
import org.apache.flink.api.common.eventtime.WatermarkOutput;
import org.apache.flink.util.clock.RelativeClock;

/**
 * The watermark of one partition, which nobody waits for after so long without a message. Unlike Flink's own idleness, only time in
 * which the job has looked for messages counts: one that was stopped, or got no CPU, goes on without having left a partition behind.
 */
final class PartitionTime implements WatermarkGenerator<String> {
    /** What one look counts at most (ns): twice Flink's interval between them. */
    private static final long LOOK_MAX_NS = 400_000_000;

    private final BoundedOutOfOrdernessWatermarks<String> watermarks;
    private final long idleNs;
    private final RelativeClock clock;
    private long looked;
    private long quietNs;

    /** `disorder`: how far messages are out of order, `idle`: how long without one (ms). */
    PartitionTime(long disorder, long idle, RelativeClock clock) {
        watermarks = new BoundedOutOfOrdernessWatermarks<>(Duration.ofMillis(disorder));
        idleNs = Duration.ofMillis(idle).toNanos();
        this.clock = clock;
        looked = clock.relativeTimeNanos();
    }

    @Override
    public void onEvent(String text, long time, WatermarkOutput output) {
        watermarks.onEvent(text, time, output);
        quietNs = 0;
    }

    @Override
    public void onPeriodicEmit(WatermarkOutput output) {
        long now = clock.relativeTimeNanos();
        quietNs += Math.min(now - looked, LOOK_MAX_NS);
        looked = now;
        if (quietNs > idleNs) {
            output.markIdle();
        } else {
            watermarks.onPeriodicEmit(output);
        }
    }
}

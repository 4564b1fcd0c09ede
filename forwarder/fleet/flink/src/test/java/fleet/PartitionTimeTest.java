package fleet;

import java.time.Duration;
import org.apache.flink.api.common.eventtime.Watermark;
import org.apache.flink.api.common.eventtime.WatermarkOutput;
import org.apache.flink.util.clock.ManualClock;

/** A partition is idle after a minute of looks without a message, and not after a minute in which nobody looked. */
final class PartitionTimeTest {
    private PartitionTimeTest() {}

    public static void main(String[] words) {
        ManualClock clock = new ManualClock();
        Last last = new Last();
        PartitionTime time = new PartitionTime(1_000, 60_000, clock);
        time.onEvent("", 5_000, last);
        clock.advanceTime(Duration.ofMinutes(10));
        time.onPeriodicEmit(last);
        expect(last, "3999");
        int looks = 0;
        while (!last.state.equals("idle")) {
            clock.advanceTime(Duration.ofMillis(200));
            time.onPeriodicEmit(last);
            looks++;
        }
        if (looks != 299) {
            throw new AssertionError("idle after " + looks + " looks of 200 ms, one of them long");
        }
        time.onEvent("", 7_000, last);
        time.onPeriodicEmit(last);
        expect(last, "5999");
    }

    private static void expect(Last last, String state) {
        if (!last.state.equals(state)) {
            throw new AssertionError(last.state + " is not " + state);
        }
    }

    /** What was said last: a watermark or that nobody waits. */
    private static final class Last implements WatermarkOutput {
        private String state = "";

        @Override
        public void emitWatermark(Watermark watermark) {
            state = String.valueOf(watermark.getTimestamp());
        }

        @Override
        public void markIdle() {
            state = "idle";
        }

        @Override
        public void markActive() {
            state = "active";
        }
    }
}

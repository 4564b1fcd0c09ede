package fleet;

import java.util.ArrayList;
import java.util.List;
import org.apache.flink.api.common.functions.OpenContext;
import org.apache.flink.api.common.state.MapState;
import org.apache.flink.api.common.state.MapStateDescriptor;
import org.apache.flink.api.common.state.ValueState;
import org.apache.flink.api.common.state.ValueStateDescriptor;
import org.apache.flink.metrics.Counter;
import org.apache.flink.streaming.api.functions.KeyedProcessFunction;
import org.apache.flink.util.Collector;

/**
 * One window of one group: keeps of each id what may still count, and says the merged numbers when the watermark passes its
 * end, and again under a higher `rev` after what came later. Its state goes `lateness` after its end.
 */
final class FleetWindows extends KeyedProcessFunction<String, Entry, String> {
    private static final long serialVersionUID = 1L;

    private final Merge merge;
    private final long every;
    private final long lateness;
    private transient MapState<String, Revisions> ids;
    private transient ValueState<Long> rev;
    private transient ValueState<Boolean> changed;
    private transient Counter late;

    FleetWindows(Merge merge, long every, long lateness) {
        this.merge = merge;
        this.every = every;
        this.lateness = lateness;
    }

    @Override
    public void open(OpenContext context) {
        ids = getRuntimeContext().getMapState(new MapStateDescriptor<>("ids", String.class, Revisions.class));
        rev = getRuntimeContext().getState(new ValueStateDescriptor<>("rev", Long.class));
        changed = getRuntimeContext().getState(new ValueStateDescriptor<>("changed", Boolean.class));
        late = getRuntimeContext().getMetricGroup().counter("late");
    }

    @Override
    public void processElement(Entry entry, Context context, Collector<String> out) throws Exception {
        long watermark = context.timerService().currentWatermark();
        long end = entry.start + every;
        if (watermark >= end + lateness) {
            late.inc();
            context.output(Job.REJECTED, "late " + entry.agent + " " + entry.id);
            return;
        }
        String id = entry.agent + "\n" + entry.id;
        Revisions known = ids.get(id);
        Revisions revisions = known == null ? new Revisions() : known;
        if (!revisions.add(entry)) {
            return;
        }
        ids.put(id, revisions);
        changed.update(true);
        // What comes after the end is said together, when the watermark moves next.
        context.timerService().registerEventTimeTimer(watermark < end - 1 ? end - 1 : watermark + 1);
        context.timerService().registerEventTimeTimer(end + lateness);
    }

    @Override
    public void onTimer(long time, OnTimerContext context, Collector<String> out) throws Exception {
        List<Entry> entries = new ArrayList<>();
        for (Revisions revisions : ids.values()) {
            entries.add(revisions.best());
        }
        if (entries.isEmpty()) {
            return;
        }
        if (Boolean.TRUE.equals(changed.value())) {
            long next = rev.value() == null ? 0 : rev.value();
            out.collect(Json.write(merge.message(entries, next)));
            rev.update(next + 1);
            changed.clear();
        }
        if (time >= entries.get(0).start + every + lateness) {
            ids.clear();
            rev.clear();
        }
    }
}

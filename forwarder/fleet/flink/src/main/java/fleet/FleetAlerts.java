package fleet;

import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.node.ObjectNode;
import java.util.ArrayList;
import java.util.List;
import java.util.Set;
import java.util.TreeSet;
import org.apache.flink.api.common.functions.OpenContext;
import org.apache.flink.api.common.state.MapState;
import org.apache.flink.api.common.state.MapStateDescriptor;
import org.apache.flink.api.common.state.ValueState;
import org.apache.flink.api.common.state.ValueStateDescriptor;
import org.apache.flink.streaming.api.functions.KeyedProcessFunction;
import org.apache.flink.util.Collector;

/**
 * Alerts of one stream and group over a fleet: `n` of the agents that are heard raise one within `within`. An agent counts
 * from the time at which it raises an alert, for `within` or until that alert is over. All is judged at the watermark, so that
 * the order in which messages come makes no difference; an alert that comes later than `within` says nothing.
 */
final class FleetAlerts extends KeyedProcessFunction<String, FleetAlerts.Sign, String> {
    private static final long serialVersionUID = 1L;
    private static final long NEVER = Long.MAX_VALUE;

    private final int agents;
    private final long within;
    private transient MapState<String, Span> spans;
    private transient MapState<String, Long> heard;
    private transient ValueState<Long> since;

    FleetAlerts(int agents, long within) {
        this.agents = agents;
        this.within = within;
    }

    /** When an alert is raised and cleared (ms); never, as far as it is known. */
    public static final class Span {
        public long raised = NEVER;
        public long cleared = NEVER;
    }

    /** What one message says of an agent: it raises an alert, its alert is over, or it is heard. */
    public static final class Sign {
        public String agent;
        public String stream;
        public String labels;
        /** The alert's id; null: a summary. */
        public String alert;
        public boolean isRaised;
        public long time;

        /** The sign of a message; null: it is neither a summary nor an alert. `latest` bounds how far ahead it may be (ms). */
        static Sign read(String text, String[] by, long latest) throws RejectedException {
            JsonNode message = Json.read(text);
            String kind = message.path("kind").asText();
            if (message.path("v").asInt(-1) != Entry.WIRE_VERSION || !kind.equals("alert") && !kind.equals("summary")) {
                return null;
            }
            Sign sign = new Sign();
            sign.agent = Entry.text(message, "agent");
            sign.stream = Entry.text(message, "stream");
            ObjectNode labels = Json.MAPPER.createObjectNode();
            for (String name : by) {
                JsonNode label = message.path("labels").path(name);
                labels.set(name, label.isTextual() ? label : Json.MAPPER.nullNode());
            }
            sign.labels = Json.write(labels);
            if (kind.equals("alert")) {
                sign.alert = Entry.text(message, "id");
                sign.isRaised = Entry.text(message, "state").equals("raised");
            }
            sign.time = Entry.time(message, kind.equals("alert") ? "time" : "end");
            if (sign.time <= latest) {
                return sign;
            }
            if (sign.alert == null) {
                return null; // The windows refuse it.
            }
            throw new RejectedException("future", "an alert of " + sign.agent + " is at " + sign.time + ", ahead of this machine's clock");
        }

        String group() {
            return stream + " " + labels;
        }
    }

    @Override
    public void open(OpenContext context) {
        spans = getRuntimeContext().getMapState(new MapStateDescriptor<>("spans", String.class, Span.class));
        heard = getRuntimeContext().getMapState(new MapStateDescriptor<>("heard", String.class, Long.class));
        since = getRuntimeContext().getState(new ValueStateDescriptor<>("since", Long.class));
    }

    @Override
    public void processElement(Sign sign, Context context, Collector<String> out) throws Exception {
        Long last = heard.get(sign.agent);
        heard.put(sign.agent, last == null ? sign.time : Math.max(last, sign.time));
        long watermark = context.timerService().currentWatermark();
        if (sign.alert == null || sign.time + within <= watermark) {
            return;
        }
        String key = sign.agent + "\n" + sign.alert;
        Span known = spans.get(key);
        Span span = known == null ? new Span() : known;
        if (sign.isRaised) {
            span.raised = sign.time;
            context.timerService().registerEventTimeTimer(sign.time + within);
        } else {
            span.cleared = sign.time;
        }
        spans.put(key, span);
        context.timerService().registerEventTimeTimer(Math.max(sign.time, watermark + 1));
    }

    @Override
    public void onTimer(long time, OnTimerContext context, Collector<String> out) throws Exception {
        Set<String> names = new TreeSet<>();
        List<String> gone = new ArrayList<>();
        for (var entry : spans.entries()) {
            Span span = entry.getValue();
            boolean isOver = span.raised == NEVER ? span.cleared + within <= time : span.raised + within <= time;
            if (isOver) {
                gone.add(entry.getKey());
            } else if (span.raised <= time && time < span.cleared) {
                names.add(entry.getKey().substring(0, entry.getKey().indexOf('\n')));
            }
        }
        for (String key : gone) {
            spans.remove(key);
        }
        say(context.getCurrentKey(), names, time, out);
    }

    private void say(String group, Set<String> names, long now, Collector<String> out) throws Exception {
        boolean isRaised = names.size() >= agents;
        if (isRaised == (since.value() != null)) {
            return;
        }
        if (isRaised) {
            since.update(now);
        }
        int at = group.indexOf(' ');
        String stream = group.substring(0, at);
        String labels = group.substring(at + 1);
        ObjectNode message = Json.MAPPER.createObjectNode();
        message.put("v", Entry.WIRE_VERSION).put("kind", "fleet_alert").put("id", stream + "/" + labels + "@" + since.value());
        message.put("rev", isRaised ? 0 : 1).put("state", isRaised ? "raised" : "cleared").put("stream", stream);
        message.set("labels", Json.labels(labels));
        message.put("time", now).put("of", heardSince(now - within));
        names.forEach(message.putArray("agents")::add);
        out.collect(Json.write(message));
        if (!isRaised) {
            since.clear();
        }
    }

    /** How many agents are heard after a time. Those that are not are forgotten. */
    private int heardSince(long time) throws Exception {
        int count = 0;
        List<String> gone = new ArrayList<>();
        for (var entry : heard.entries()) {
            if (entry.getValue() > time) {
                count++;
            } else {
                gone.add(entry.getKey());
            }
        }
        for (String agent : gone) {
            heard.remove(agent);
        }
        return count;
    }
}

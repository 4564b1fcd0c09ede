package fleet;

import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.node.ObjectNode;
import java.util.ArrayList;
import java.util.List;
import org.apache.flink.api.common.functions.OpenContext;
import org.apache.flink.api.common.state.MapState;
import org.apache.flink.api.common.state.MapStateDescriptor;
import org.apache.flink.api.common.state.ValueState;
import org.apache.flink.api.common.state.ValueStateDescriptor;
import org.apache.flink.streaming.api.functions.KeyedProcessFunction;
import org.apache.flink.util.Collector;

/**
 * Alerts of one stream and group over a fleet: `n` of the agents that are heard raise one within `within`. An agent is heard
 * while its summaries come, and counts while its own alert is raised.
 */
final class FleetAlerts extends KeyedProcessFunction<String, FleetAlerts.Sign, String> {
    private static final long serialVersionUID = 1L;

    private final int agents;
    private final long within;
    private transient MapState<String, Long> raised;
    private transient MapState<String, Long> heard;
    private transient ValueState<Long> since;

    FleetAlerts(int agents, long within) {
        this.agents = agents;
        this.within = within;
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

        /** The sign of a message; null: it is neither a summary nor an alert. */
        static Sign read(String text, String[] by) throws RejectedException {
            JsonNode message = Json.read(text);
            String kind = message.path("kind").asText();
            if (message.path("v").asInt(-1) != Entry.WIRE_VERSION || !kind.equals("alert") && !kind.equals("summary")) {
                return null;
            }
            Sign sign = new Sign();
            sign.agent = message.path("agent").asText();
            sign.stream = message.path("stream").asText();
            ObjectNode labels = Json.MAPPER.createObjectNode();
            for (String name : by) {
                JsonNode label = message.path("labels").path(name);
                labels.set(name, label.isTextual() ? label : Json.MAPPER.nullNode());
            }
            sign.labels = Json.write(labels);
            if (kind.equals("alert")) {
                sign.alert = message.path("id").asText();
                sign.isRaised = message.path("state").asText().equals("raised");
            }
            sign.time = message.path(kind.equals("alert") ? "time" : "end").asLong();
            return sign;
        }

        String group() {
            return stream + " " + labels;
        }
    }

    @Override
    public void open(OpenContext context) {
        raised = getRuntimeContext().getMapState(new MapStateDescriptor<>("raised", String.class, Long.class));
        heard = getRuntimeContext().getMapState(new MapStateDescriptor<>("heard", String.class, Long.class));
        since = getRuntimeContext().getState(new ValueStateDescriptor<>("since", Long.class));
    }

    @Override
    public void processElement(Sign sign, Context context, Collector<String> out) throws Exception {
        Long last = heard.get(sign.agent);
        heard.put(sign.agent, last == null ? sign.time : Math.max(last, sign.time));
        if (sign.alert == null) {
            return;
        }
        String key = sign.agent + "\n" + sign.alert;
        if (sign.isRaised && !raised.contains(key)) {
            raised.put(key, sign.time);
        } else if (!sign.isRaised) {
            // The end stays for a while, so that a beginning that comes after it is not taken for a new one.
            raised.put(key, Long.MIN_VALUE);
        }
        context.timerService().registerEventTimeTimer(sign.time + within);
        say(sign, sign.time, out);
    }

    /** An alert that is older than `within` counts no more, and what is over is forgotten. */
    @Override
    public void onTimer(long time, OnTimerContext context, Collector<String> out) throws Exception {
        List<String> gone = new ArrayList<>();
        for (var entry : raised.entries()) {
            if (entry.getValue() <= time - within) {
                gone.add(entry.getKey());
            }
        }
        for (String key : gone) {
            raised.remove(key);
        }
        Sign sign = new Sign();
        int at = context.getCurrentKey().indexOf(' ');
        sign.stream = context.getCurrentKey().substring(0, at);
        sign.labels = context.getCurrentKey().substring(at + 1);
        say(sign, time, out);
    }

    private void say(Sign sign, long now, Collector<String> out) throws Exception {
        List<String> names = new ArrayList<>();
        for (var entry : raised.entries()) {
            String agent = entry.getKey().substring(0, entry.getKey().indexOf('\n'));
            if (entry.getValue() > now - within && !names.contains(agent)) {
                names.add(agent);
            }
        }
        boolean wasRaised = since.value() != null;
        boolean isRaised = names.size() >= agents;
        if (isRaised == wasRaised) {
            return;
        }
        if (isRaised) {
            since.update(now);
        }
        names.sort(null);
        ObjectNode message = Json.MAPPER.createObjectNode();
        String id = sign.stream + "/" + sign.labels + "@" + since.value();
        message.put("v", Entry.WIRE_VERSION).put("kind", "fleet_alert").put("id", id).put("rev", isRaised ? 0 : 1);
        message.put("state", isRaised ? "raised" : "cleared").put("stream", sign.stream);
        message.set("labels", Json.read(sign.labels));
        message.put("time", now).put("of", heardSince(now - within));
        names.forEach(message.putArray("agents")::add);
        out.collect(Json.write(message));
        if (!isRaised) {
            since.clear();
        }
    }

    private int heardSince(long time) throws Exception {
        int count = 0;
        for (Long last : heard.values()) {
            count += last > time ? 1 : 0;
        }
        return count;
    }
}

package fleet;

import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.node.ObjectNode;
import java.util.LinkedHashMap;
import java.util.Map;

/** What a merge needs of one summary, with the group and the window that it belongs to. A number that it lacks is null. */
public final class Entry {
    static final int WIRE_VERSION = 1;
    /** More readings than that are in no window, so that sums of counts stay below 2^63. */
    static final long COUNT_MAX = 1L << 40;
    /** The end of the year 9999, and as long before 1970 (ms). */
    private static final long TIME_MAX = 253_402_300_799_999L;

    public String id;
    public long rev;
    public String agent;
    public String series;
    public String stream;
    public String field;
    /** The labels that make the group, in order, as a JSON map. */
    public String labels;
    /** The window of the result, and the end of the summary (ms). */
    public long start;
    public long end;
    public boolean partial;
    public long count;
    public Double min;
    public Double max;
    public Double sum;
    public Double mean;
    public Double m2;
    public Sketch sketch;

    /** The entry of a message; null: a message of another kind. `now` bounds how far ahead a window may begin (ms). */
    static Entry read(String text, String[] by, long every, long latest) throws RejectedException {
        ObjectNode message = Json.read(text);
        if (message.path("v").asInt(-1) != WIRE_VERSION || !message.path("v").isInt()) {
            throw new RejectedException("version", "version " + message.path("v") + " is unknown; 1 is known");
        }
        if (!message.path("kind").asText().equals("summary") || message.has("a")) {
            return null;
        }
        Entry entry = new Entry();
        entry.id = text(message, "id");
        entry.agent = text(message, "agent");
        entry.series = text(message, "series");
        entry.stream = text(message, "stream");
        entry.field = entry.series.substring(entry.series.lastIndexOf('/') + 1);
        entry.labels = labels(message.path("labels"), by);
        long start = time(message, "start");
        entry.end = time(message, "end");
        if (entry.end < start) {
            throw new RejectedException("malformed", "a summary from " + start + " ends before, at " + entry.end);
        }
        entry.start = Math.floorDiv(start, every) * every;
        if (entry.end > entry.start + every) {
            throw new RejectedException("coarse", "a summary of " + (entry.end - start) + " ms fits into no window of " + every);
        }
        if (start > latest) {
            throw new RejectedException("future", "a summary begins at " + start + ", which is ahead of this machine's clock");
        }
        entry.readNumbers(message);
        return entry;
    }

    private void readNumbers(JsonNode message) throws RejectedException {
        if (!message.has("count")) {
            throw new RejectedException("no_count", "the summary has no `count`; add it to the stream's aggregates");
        }
        count = integer(message, "count", 0, COUNT_MAX);
        rev = integer(message, "rev", 0, Long.MAX_VALUE);
        if (message.has("partial") && !message.path("partial").isBoolean()) {
            throw new RejectedException("malformed", "`partial` is " + message.path("partial") + "; it has to be true or false");
        }
        partial = message.path("partial").booleanValue();
        min = number(message, "min");
        max = number(message, "max");
        sum = number(message, "sum");
        mean = number(message, "mean");
        if (count > 0) {
            sum = sum == null && mean != null ? Double.valueOf(mean * count) : sum;
            mean = mean == null && sum != null ? Double.valueOf(sum / count) : mean;
        }
        Double variance = number(message, "variance");
        Double stddev = number(message, "stddev");
        if (variance != null && variance < 0 || stddev != null && stddev < 0) {
            throw new RejectedException("malformed", "`variance` or `stddev` is negative");
        }
        variance = variance == null && stddev != null ? Double.valueOf(stddev * stddev) : variance;
        m2 = variance == null ? null : Double.valueOf(variance * count);
        if (message.has("sketch")) {
            sketch = Sketch.read(message.path("sketch"));
            if (sketch.count() != count) {
                throw new RejectedException("sketch", "the sketch holds " + sketch.count() + " values, and `count` is " + count);
            }
        }
    }

    /** What is merged with each other: texts of equal groups are equal. */
    String group() {
        return Json.write(Json.MAPPER.createArrayNode().add(stream).add(field).add(labels).add(start));
    }

    private static String labels(JsonNode labels, String[] by) throws RejectedException {
        if (!labels.isMissingNode() && !labels.isObject()) {
            throw new RejectedException("malformed", "`labels` is no map");
        }
        Map<String, JsonNode> chosen = new LinkedHashMap<>();
        for (String name : by) {
            chosen.put(name, labels.path(name).isTextual() ? labels.path(name) : Json.MAPPER.nullNode());
        }
        return Json.write(Json.MAPPER.valueToTree(chosen));
    }

    /** A time (ms since the Unix epoch). */
    static long time(JsonNode message, String name) throws RejectedException {
        return integer(message, name, -TIME_MAX, TIME_MAX);
    }

    static String text(JsonNode message, String name) throws RejectedException {
        if (!message.path(name).isTextual()) {
            throw new RejectedException("malformed", "`" + name + "` is no text");
        }
        return message.path(name).textValue();
    }

    private static long integer(JsonNode message, String name, long least, long greatest) throws RejectedException {
        JsonNode value = message.path(name);
        boolean usable = value.isIntegralNumber() && value.canConvertToLong();
        if (!usable || value.longValue() < least || value.longValue() > greatest) {
            throw new RejectedException("malformed", "`" + name + "` is " + value + "; it has to be an integer from " + least + " to " + greatest);
        }
        return value.longValue();
    }

    private static Double number(JsonNode message, String name) throws RejectedException {
        JsonNode value = message.path(name);
        if (value.isMissingNode()) {
            return null;
        }
        if (!value.isNumber() || !Double.isFinite(value.doubleValue())) {
            throw new RejectedException("malformed", "`" + name + "` is " + value + "; it has to be a finite number");
        }
        return value.doubleValue();
    }
}

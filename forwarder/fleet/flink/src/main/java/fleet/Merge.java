package fleet;

import com.fasterxml.jackson.databind.node.ObjectNode;
import java.io.Serializable;
import java.util.ArrayList;
import java.util.Comparator;
import java.util.HashSet;
import java.util.List;
import java.util.Set;
import java.util.function.Function;
import java.util.function.ToDoubleFunction;

/** What one window over all readings says: the rule of ../../../../../README.md. */
public final class Merge implements Serializable {
    private static final long serialVersionUID = 1L;

    private final long every;
    private final double[] percentiles;
    private final boolean withSketch;

    Merge(long every, double[] percentiles, boolean withSketch) {
        this.every = every;
        this.percentiles = percentiles.clone();
        this.withSketch = withSketch;
    }

    /** The message of kind `fleet` of a group's window. There is one entry at least. */
    ObjectNode message(List<Entry> all, long rev) throws RejectedException {
        Entry any = all.get(0);
        ObjectNode message = Json.MAPPER.createObjectNode();
        ObjectNode labels = Json.labels(any.labels);
        message.put("v", Entry.WIRE_VERSION).put("kind", "fleet").put("id", id(any, labels)).put("rev", rev);
        message.put("stream", any.stream).put("field", any.field).set("labels", labels);
        message.put("start", any.start).put("end", any.start + every);
        List<Entry> entries = new ArrayList<>(all);
        entries.removeIf(entry -> entry.count == 0);
        entries.sort(Comparator.comparing((Entry entry) -> entry.agent).thenComparing(entry -> entry.id));
        Set<String> agents = new HashSet<>();
        Set<List<String>> series = new HashSet<>();
        entries.forEach(entry -> agents.add(entry.agent));
        entries.forEach(entry -> series.add(List.of(entry.agent, entry.series)));
        long count = entries.stream().mapToLong(entry -> entry.count).sum();
        message.put("agents", agents.size()).put("series", series.size()).put("summaries", entries.size()).put("count", count);
        if (entries.stream().anyMatch(entry -> entry.partial)) {
            message.put("partial", true);
        }
        if (!entries.isEmpty()) {
            putNumbers(message, entries, count);
        }
        return message;
    }

    private static String id(Entry any, ObjectNode labels) {
        List<String> texts = new ArrayList<>();
        labels.properties().forEach(label -> texts.add(label.getKey() + "=" + label.getValue().asText("")));
        return any.stream + "/" + any.field + "/" + String.join(",", texts) + "@" + any.start;
    }

    /** What an entry lacks, the result lacks, and what is beyond all numbers. */
    private void putNumbers(ObjectNode to, List<Entry> entries, long count) {
        double least = Double.NEGATIVE_INFINITY;
        double greatest = Double.POSITIVE_INFINITY;
        if (all(entries, entry -> entry.min)) {
            least = entries.stream().mapToDouble(entry -> entry.min).min().getAsDouble();
            put(to, "min", least);
        }
        if (all(entries, entry -> entry.max)) {
            greatest = entries.stream().mapToDouble(entry -> entry.max).max().getAsDouble();
            put(to, "max", greatest);
        }
        if (all(entries, entry -> entry.sum)) {
            double sum = sum(entries, entry -> entry.sum);
            double mean = sum / count;
            put(to, "sum", sum);
            put(to, "mean", mean);
            if (all(entries, entry -> entry.m2)) {
                // Chan, Golub and LeVeque 1979, for any number of parts.
                double m2 = sum(entries, entry -> entry.m2 + entry.count * (entry.mean - mean) * (entry.mean - mean));
                put(to, "variance", m2 / count);
                put(to, "stddev", Math.sqrt(m2 / count));
            }
        }
        if (all(entries, entry -> entry.sketch)) {
            Sketch sketch = Sketch.merged(entries.stream().map(entry -> entry.sketch).toList());
            for (double percent : percentiles) {
                String name = percent == Math.rint(percent) ? String.valueOf((long) percent) : String.valueOf(percent);
                put(to, "p" + name, sketch.percentile(percent, least, greatest));
            }
            if (withSketch) {
                sketch.write(to.putObject("sketch"));
            }
        }
    }

    private static void put(ObjectNode to, String name, double value) {
        if (Double.isFinite(value)) {
            to.put(name, value);
        }
    }

    private static boolean all(List<Entry> entries, Function<Entry, ?> part) {
        return entries.stream().allMatch(entry -> part.apply(entry) != null);
    }

    /** A compensated sum (Neumaier 1974), so that the order of a million agents does not show. */
    private static double sum(List<Entry> entries, ToDoubleFunction<Entry> part) {
        double sum = 0;
        double lost = 0;
        for (Entry entry : entries) {
            double value = part.applyAsDouble(entry);
            double next = sum + value;
            lost += Math.abs(sum) >= Math.abs(value) ? (sum - next) + value : (value - next) + sum;
            sum = next;
        }
        return sum + lost;
    }
}

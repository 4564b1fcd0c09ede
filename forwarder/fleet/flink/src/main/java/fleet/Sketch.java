package fleet;

import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.node.ArrayNode;
import com.fasterxml.jackson.databind.node.ObjectNode;
import java.util.Map;
import java.util.TreeMap;

/**
 * A DDSketch with the bins of one level: bin i holds magnitudes above gamma^(i-1) and at most gamma^i. Its fields are plain
 * arrays, in the order of the indices, so that Flink stores them as they are.
 */
public final class Sketch {
    static final int LEVEL_MIN = -7;
    static final int LEVEL_MAX = 16;
    private static final int INDEX_MAX = 1 << 24;

    public int level = LEVEL_MIN;
    public long zero;
    public int[] positive = {};
    public long[] positiveCounts = {};
    public int[] negative = {};
    public long[] negativeCounts = {};

    /** The sketch of a summary. */
    static Sketch read(JsonNode json) throws RejectedException {
        Sketch sketch = new Sketch();
        JsonNode level = json.path("level");
        JsonNode zero = json.path("zero");
        if (!level.isInt() || level.intValue() < LEVEL_MIN || level.intValue() > LEVEL_MAX) {
            throw new RejectedException("sketch", "level " + level + " of the sketch is unknown");
        }
        if (!isCount(zero, 0)) {
            throw new RejectedException("sketch", "`zero` of the sketch is " + zero);
        }
        sketch.level = level.intValue();
        sketch.zero = zero.longValue();
        sketch.set(true, bins(json.path("positive")));
        sketch.set(false, bins(json.path("negative")));
        return sketch;
    }

    private static TreeMap<Integer, Long> bins(JsonNode json) throws RejectedException {
        TreeMap<Integer, Long> bins = new TreeMap<>();
        if (!json.isArray()) {
            throw new RejectedException("sketch", "the sketch has no list of bins");
        }
        for (JsonNode bin : json) {
            JsonNode index = bin.path(0);
            JsonNode count = bin.path(1);
            boolean usable = index.isInt() && Math.abs((long) index.intValue()) <= INDEX_MAX && isCount(count, 1) && bin.size() == 2;
            if (!usable || bins.put(index.intValue(), count.longValue()) != null) {
                throw new RejectedException("sketch", "bin " + bin + " of the sketch is not usable");
            }
        }
        return bins;
    }

    private static boolean isCount(JsonNode json, long least) {
        return json.isIntegralNumber() && json.canConvertToLong() && json.longValue() >= least && json.longValue() <= Entry.COUNT_MAX;
    }

    double gamma() {
        return Math.pow(101.0 / 99.0, Math.pow(2.0, level));
    }

    long count() {
        long count = zero;
        for (long bin : positiveCounts) {
            count += bin;
        }
        for (long bin : negativeCounts) {
            count += bin;
        }
        return count;
    }

    /** The sketch of all values of some. */
    static Sketch merged(Iterable<Sketch> sketches) {
        Sketch merged = new Sketch();
        for (Sketch sketch : sketches) {
            merged.level = Math.max(merged.level, sketch.level);
            merged.zero += sketch.zero;
        }
        TreeMap<Integer, Long> up = new TreeMap<>();
        TreeMap<Integer, Long> down = new TreeMap<>();
        for (Sketch sketch : sketches) {
            add(sketch.positive, sketch.positiveCounts, merged.level - sketch.level, up);
            add(sketch.negative, sketch.negativeCounts, merged.level - sketch.level, down);
        }
        merged.set(true, up);
        merged.set(false, down);
        return merged;
    }

    /** Adds bins at a level that is so many steps higher: each step replaces i by ceil(i / 2). */
    private static void add(int[] indices, long[] counts, int steps, TreeMap<Integer, Long> to) {
        for (int at = 0; at < indices.length; at++) {
            int index = indices[at];
            for (int step = 0; step < steps; step++) {
                index = Math.floorDiv(index + 1, 2);
            }
            to.merge(index, counts[at], Long::sum);
        }
    }

    private void set(boolean isPositive, TreeMap<Integer, Long> bins) {
        int[] indices = bins.keySet().stream().mapToInt(Integer::intValue).toArray();
        long[] counts = bins.values().stream().mapToLong(Long::longValue).toArray();
        if (isPositive) {
            positive = indices;
            positiveCounts = counts;
        } else {
            negative = indices;
            negativeCounts = counts;
        }
    }

    /**
     * The value of rank ceil(percent / 100 * count), within its bin's bound and never outside [least, greatest]. NaN: it is
     * beyond all numbers.
     */
    double percentile(double percent, double least, double greatest) {
        long rank = Math.max(1, (long) Math.ceil(percent * count() / 100));
        double gamma = gamma();
        for (int at = negative.length - 1; at >= 0; at--) {
            rank -= negativeCounts[at];
            if (rank <= 0) {
                return clamp(-2 * Math.pow(gamma, negative[at]) / (gamma + 1), least, greatest);
            }
        }
        rank -= zero;
        if (rank <= 0) {
            return clamp(0, least, greatest);
        }
        for (int at = 0; at < positive.length; at++) {
            rank -= positiveCounts[at];
            if (rank <= 0) {
                return clamp(2 * Math.pow(gamma, positive[at]) / (gamma + 1), least, greatest);
            }
        }
        throw new IllegalStateException("a sketch without values has no percentile");
    }

    private static double clamp(double value, double least, double greatest) {
        return Math.min(Math.max(value, least), greatest);
    }

    void write(ObjectNode to) {
        to.put("gamma", Double.isFinite(gamma()) ? Double.valueOf(gamma()) : null).put("level", level).put("zero", zero);
        write(to.putArray("negative"), negative, negativeCounts);
        write(to.putArray("positive"), positive, positiveCounts);
    }

    private static void write(ArrayNode to, int[] indices, long[] counts) {
        for (int at = 0; at < indices.length; at++) {
            to.addArray().add(indices[at]).add(counts[at]);
        }
    }
}

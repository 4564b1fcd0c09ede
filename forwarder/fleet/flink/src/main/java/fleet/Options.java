package fleet;

import java.util.Arrays;
import java.util.HashMap;
import java.util.Map;

/** What the job takes on the command line. */
final class Options {
    static final String HELP = """
        --brokers HOST:PORT,…     Kafka (default: localhost:9092)
        --from TOPIC,…            summaries (default: headwater.summary)
        --to TOPIC                results (default: headwater.fleet)
        --files DIRECTORY         results as JSON lines, too
        --rejected TOPIC          what was refused or came too late, and why (default: counted only)
        --by LABEL,…              labels that make a group (default: none)
        --every 1h                length of a window
        --lateness 7d             how long after its end a window takes summaries
        --disorder 1m             how far summaries of one partition are out of order
        --idle 1m                 after so long without a message a partition holds nobody up
        --ahead 10m               a summary that begins later than so much after now is refused
        --percentiles 50,95,99    which percentiles
        --sketch                  adds the merged sketch to each result
        --alerts N --within 10m   says when N agents of a group raise an alert within that time
        --checkpoints URL         directory for the job's state, such as file:///var/lib/fleet
        --checkpoint-every 10s    how often
        --restore URL             a checkpoint to go on from
        --group headwater-fleet   the consumer group
        --parallelism N           (default: Flink's own)
        --once                    takes what is there, and ends
        """;
    private static final Map<Character, Long> UNITS = Map.of('s', 1_000L, 'm', 60_000L, 'h', 3_600_000L, 'd', 86_400_000L);

    private final Map<String, String> given = new HashMap<>();
    final String brokers;
    final String from;
    final String to;
    final String files;
    final String rejected;
    final String[] by;
    final long every;
    final long lateness;
    final long disorder;
    final long idle;
    final long ahead;
    final double[] percentiles;
    final boolean sketch;
    final int agents;
    final long within;
    final String checkpoints;
    final long checkpointEvery;
    final String restore;
    final String group;
    final int parallelism;
    final boolean once;

    private Options(String[] words) {
        for (int at = 0; at < words.length; at++) {
            String name = words[at];
            boolean isFlag = name.equals("--sketch") || name.equals("--once");
            if (!HELP.contains(name + " ") && !HELP.contains(name + "\n") || !name.startsWith("--")) {
                throw new IllegalArgumentException("unknown option " + name);
            }
            if (!isFlag && at + 1 == words.length) {
                throw new IllegalArgumentException(name + " wants a value");
            }
            given.put(name, isFlag ? "" : words[++at]);
        }
        brokers = text("--brokers", "localhost:9092");
        from = text("--from", "headwater.summary");
        to = text("--to", "headwater.fleet");
        files = text("--files", null);
        rejected = text("--rejected", null);
        by = list("--by", "");
        every = duration("--every", "1h");
        lateness = duration("--lateness", "7d");
        disorder = duration("--disorder", "1m");
        idle = duration("--idle", "1m");
        ahead = duration("--ahead", "10m");
        percentiles = Arrays.stream(list("--percentiles", "50,95,99")).mapToDouble(Double::parseDouble).toArray();
        if (!Arrays.stream(percentiles).allMatch(percent -> percent > 0 && percent <= 100)) {
            throw new IllegalArgumentException("--percentiles have to be above 0 and at most 100");
        }
        sketch = given.containsKey("--sketch");
        agents = Integer.parseInt(text("--alerts", "0"));
        within = duration("--within", "10m");
        checkpoints = text("--checkpoints", null);
        checkpointEvery = duration("--checkpoint-every", "10s");
        restore = text("--restore", null);
        group = text("--group", "headwater-fleet");
        parallelism = Integer.parseInt(text("--parallelism", "0"));
        once = given.containsKey("--once");
    }

    static Options read(String[] words) {
        try {
            return new Options(words);
        } catch (IllegalArgumentException error) {
            System.err.println("error: " + error.getMessage() + "\n\n" + HELP);
            System.exit(2);
            throw error;
        }
    }

    Merge merge() {
        return new Merge(every, percentiles, sketch);
    }

    private String text(String name, String otherwise) {
        return given.getOrDefault(name, otherwise);
    }

    private String[] list(String name, String otherwise) {
        String text = text(name, otherwise);
        return text.isEmpty() ? new String[0] : text.split(",");
    }

    private long duration(String name, String otherwise) {
        String text = text(name, otherwise);
        Long unit = text.isEmpty() ? null : UNITS.get(text.charAt(text.length() - 1));
        if (unit == null || !text.matches("[1-9][0-9]{0,5}[smhd]")) {
            throw new IllegalArgumentException(name + " is " + text + ", which is no duration such as 15m, 1h or 7d");
        }
        return Long.parseLong(text.substring(0, text.length() - 1)) * unit;
    }
}

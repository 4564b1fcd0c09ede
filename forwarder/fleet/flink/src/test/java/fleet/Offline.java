package fleet;

import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.TreeMap;

/**
 * The merge without an engine, for tests: Offline FILE EVERY LABEL… prints the results of a file of messages, and
 * `Offline FILE.tsv` what becomes of each message, with the message.
 */
final class Offline {
    private Offline() {}

    public static void main(String[] words) throws Exception {
        if (words[0].endsWith(".tsv")) {
            for (String line : Files.readAllLines(Path.of(words[0]))) {
                String text = line.substring(line.indexOf('\t') + 1);
                System.out.println(fate(text) + "\t" + text);
            }
            return;
        }
        String[] by = List.of(words).subList(2, words.length).toArray(String[]::new);
        Options options = Options.read(new String[] {"--every", words[1], "--sketch"});
        Map<String, Map<String, Revisions>> windows = new TreeMap<>();
        Map<String, Integer> refused = new TreeMap<>();
        for (String line : Files.readAllLines(Path.of(words[0]))) {
            try {
                Entry entry = Entry.read(line, by, options.every, Long.MAX_VALUE);
                if (entry != null) {
                    windows.computeIfAbsent(entry.group(), key -> new TreeMap<>())
                        .computeIfAbsent(entry.agent + "\n" + entry.id, key -> new Revisions()).add(entry);
                }
            } catch (RejectedException error) {
                refused.merge(error.reason, 1, Integer::sum);
            }
        }
        for (Map<String, Revisions> ids : windows.values()) {
            List<Entry> entries = new ArrayList<>();
            ids.values().forEach(revisions -> entries.add(revisions.best()));
            System.out.println(Json.write(options.merge().message(entries, 0)));
        }
        System.err.println(Json.write(Json.MAPPER.valueToTree(refused)));
    }

    private static String fate(String text) {
        try {
            return Entry.read(text, new String[] {"site"}, 3_600_000, Long.MAX_VALUE) == null ? "passed" : "merged";
        } catch (RejectedException error) {
            return error.reason;
        }
    }
}

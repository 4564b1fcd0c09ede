package fleet;

import java.util.ArrayList;
import java.util.List;

/**
 * The entries of one id that may still count, whatever the order in which they come. A higher `rev` takes the place of a lower
 * one, except that a partial one does not replace one of larger `count`.
 */
public final class Revisions {
    public List<Entry> entries = new ArrayList<>();

    /** Whether the entry is new. */
    boolean add(Entry entry) {
        boolean isKnown = entries.stream().anyMatch(known -> known.rev == entry.rev);
        if (isKnown || isDominated(entry)) {
            return false;
        }
        entries.add(entry);
        entries.removeIf(this::isDominated);
        return true;
    }

    private boolean isDominated(Entry entry) {
        return entries.stream().filter(known -> known.rev > entry.rev)
            .anyMatch(later -> !later.partial || entry.partial && later.count >= entry.count);
    }

    Entry best() {
        List<Entry> sorted = new ArrayList<>(entries);
        sorted.sort((a, b) -> Long.compare(a.rev, b.rev));
        Entry best = null;
        for (Entry entry : sorted) {
            if (best == null || !entry.partial || entry.count >= best.count) {
                best = entry;
            }
        }
        return best;
    }
}

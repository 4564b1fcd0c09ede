package fleet;

/** A message that cannot be merged: the text says why, the reason is one word for counting. */
public final class RejectedException extends Exception {
    private static final long serialVersionUID = 1L;

    public final String reason;

    RejectedException(String reason, String text) {
        super(text);
        this.reason = reason;
    }
}

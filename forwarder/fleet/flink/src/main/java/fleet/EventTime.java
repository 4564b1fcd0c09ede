package fleet;

import com.fasterxml.jackson.core.JsonParser;
import com.fasterxml.jackson.core.JsonToken;
import java.io.IOException;
import org.apache.flink.api.common.eventtime.SerializableTimestampAssigner;

/**
 * The time that a message speaks of, for the watermark of its partition: the end of a summary, the time of an alert. It is read
 * from the text, because only the source knows partitions, and one that is read faster must not end the windows of another.
 */
final class EventTime implements SerializableTimestampAssigner<String> {
    private static final long serialVersionUID = 1L;
    /** Of what has no time: it moves no watermark. */
    static final long NONE = Long.MIN_VALUE;

    private final long ahead;

    /** `ahead`: how far after now a time may be (ms). */
    EventTime(long ahead) {
        this.ahead = ahead;
    }

    @Override
    public long extractTimestamp(String text, long unused) {
        long time = of(text);
        // An agent whose clock is ahead would end the windows of all others.
        return time > System.currentTimeMillis() + ahead ? NONE : time;
    }

    /** The first `end` or `time` of the message itself (ms). */
    static long of(String text) {
        try (JsonParser parser = Json.MAPPER.createParser(text)) {
            if (parser.nextToken() != JsonToken.START_OBJECT) {
                return NONE;
            }
            while (parser.nextToken() == JsonToken.FIELD_NAME) {
                String name = parser.currentName();
                JsonToken value = parser.nextToken();
                if (value == JsonToken.VALUE_NUMBER_INT && (name.equals("end") || name.equals("time"))) {
                    return name.equals("end") ? parser.getLongValue() - 1 : parser.getLongValue();
                }
                parser.skipChildren();
            }
        } catch (IOException error) {
            // Whoever reads the whole message says what is wrong with it.
        }
        return NONE;
    }
}

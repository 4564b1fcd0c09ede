package fleet;

import com.fasterxml.jackson.core.JsonProcessingException;
import com.fasterxml.jackson.databind.DeserializationFeature;
import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.ObjectMapper;
import com.fasterxml.jackson.databind.node.ObjectNode;

/** JSON as agents and the job write it. */
final class Json {
    static final ObjectMapper MAPPER = new ObjectMapper().enable(DeserializationFeature.FAIL_ON_TRAILING_TOKENS);

    private Json() {}

    /** A message. What is null in it is as absent. */
    static ObjectNode read(String text) throws RejectedException {
        try {
            if (MAPPER.readTree(text) instanceof ObjectNode message) {
                message.properties().removeIf(member -> member.getValue().isNull());
                return message;
            }
        } catch (JsonProcessingException error) {
            throw new RejectedException("malformed", "no JSON: " + error.getOriginalMessage());
        }
        throw new RejectedException("malformed", "no JSON object");
    }

    /** What `write` made of labels, whose values may be null. */
    static ObjectNode labels(String text) {
        try {
            return (ObjectNode) MAPPER.readTree(text);
        } catch (JsonProcessingException error) {
            throw new IllegalStateException("what was written can be read", error);
        }
    }

    static String write(JsonNode json) {
        try {
            return MAPPER.writeValueAsString(json);
        } catch (JsonProcessingException error) {
            throw new IllegalStateException("a tree of JSON can be written", error);
        }
    }
}

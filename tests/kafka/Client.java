import java.io.BufferedReader;
import java.io.InputStreamReader;
import java.nio.charset.StandardCharsets;
import java.time.Duration;
import java.util.*;
import org.apache.kafka.clients.admin.*;
import org.apache.kafka.clients.consumer.*;
import org.apache.kafka.clients.producer.*;
import org.apache.kafka.common.TopicPartition;
import org.apache.kafka.common.header.Header;
import org.apache.kafka.common.serialization.*;

/** What tests need of Java's own client: BROKERS COMMAND ... */
public final class Client {
    public static void main(String[] args) throws Exception {
        String brokers = args[0];
        switch (args[1]) {
            case "create" -> create(brokers, args);
            case "delete" -> admin(brokers).deleteTopics(List.of(args[2])).all().get();
            case "trim" -> trim(brokers, args[2], Long.parseLong(args[3]));
            case "drain" -> drain(brokers, List.of(args[2].split(",")));
            case "send" -> send(brokers, args[2], args[3]);
            case "rate" -> rate(brokers, args[2], Integer.parseInt(args[3]), Integer.parseInt(args[4]));
            default -> throw new IllegalArgumentException(args[1]);
        }
        System.out.flush();
        System.exit(0);
    }

    private static Admin admin(String brokers) {
        return Admin.create(Map.<String, Object>of("bootstrap.servers", brokers));
    }

    /** create TOPIC PARTITIONS [KEY=VALUE ...] */
    private static void create(String brokers, String[] args) throws Exception {
        Map<String, String> configs = new HashMap<>();
        for (int i = 4; i < args.length; i++) {
            configs.put(args[i].substring(0, args[i].indexOf('=')), args[i].substring(args[i].indexOf('=') + 1));
        }
        NewTopic topic = new NewTopic(args[2], Integer.parseInt(args[3]), (short) 1).configs(configs);
        admin(brokers).createTopics(List.of(topic)).all().get();
    }

    /** trim TOPIC OFFSET: removes what lies before the offset in every partition. */
    private static void trim(String brokers, String topic, long offset) throws Exception {
        Admin admin = admin(brokers);
        Map<TopicPartition, RecordsToDelete> all = new HashMap<>();
        int count = admin.describeTopics(List.of(topic)).allTopicNames().get().get(topic).partitions().size();
        for (int i = 0; i < count; i++) {
            all.put(new TopicPartition(topic, i), RecordsToDelete.beforeOffset(offset));
        }
        admin.deleteRecords(all).all().get();
    }

    /** drain TOPIC[,TOPIC]: topic, partition, offset, time, key, headers and value of each record, up to the end. */
    private static void drain(String brokers, List<String> topics) {
        Map<String, Object> config = Map.of("bootstrap.servers", brokers, "auto.offset.reset", "earliest",
                "enable.auto.commit", "false", "allow.auto.create.topics", "false", "isolation.level", "read_committed");
        try (var consumer = new KafkaConsumer<>(config, new StringDeserializer(), new StringDeserializer())) {
            List<TopicPartition> all = new ArrayList<>();
            for (String topic : topics) {
                consumer.partitionsFor(topic).forEach(p -> all.add(new TopicPartition(topic, p.partition())));
            }
            consumer.assign(all);
            consumer.seekToBeginning(all);
            Map<TopicPartition, Long> ends = consumer.endOffsets(all);
            StringBuilder out = new StringBuilder();
            while (all.stream().anyMatch(p -> consumer.position(p) < ends.get(p))) {
                for (var record : consumer.poll(Duration.ofMillis(200))) {
                    StringJoiner headers = new StringJoiner(";");
                    for (Header header : record.headers()) {
                        headers.add(header.key() + "=" + new String(header.value(), StandardCharsets.UTF_8));
                    }
                    out.append(String.join("\t", record.topic(), "" + record.partition(), "" + record.offset(),
                            "" + record.timestamp(), "" + record.key(), headers.toString(), record.value())).append('\n');
                }
                System.out.print(out);
                out.setLength(0);
            }
        }
    }

    /**
     * send TOPIC CODEC: KEY TAB VALUE from each line of the standard input, or KEY alone for a record without a value; says ok
     * when all are acknowledged.
     */
    private static void send(String brokers, String topic, String codec) throws Exception {
        // A broker that is killed again and again may be away for minutes in all.
        var config = Map.<String, Object>of("bootstrap.servers", brokers, "compression.type", codec, "acks", "all",
                "request.timeout.ms", "10000", "delivery.timeout.ms", "900000", "max.block.ms", "900000");
        try (var producer = new KafkaProducer<>(config, new StringSerializer(), new StringSerializer());
                var lines = new BufferedReader(new InputStreamReader(System.in, StandardCharsets.UTF_8))) {
            List<java.util.concurrent.Future<RecordMetadata>> sent = new ArrayList<>();
            for (String line; (line = lines.readLine()) != null;) {
                int tab = line.indexOf('\t');
                if (line.equals("\t")) {
                    producer.flush();
                    System.out.println("flushed");
                    continue;
                }
                String key = tab < 0 ? line : line.substring(0, tab);
                sent.add(producer.send(new ProducerRecord<>(topic, key, tab < 0 ? null : line.substring(tab + 1))));
            }
            for (var one : sent) {
                one.get();
            }
        }
        System.out.println("ok");
    }

    /** rate TOPIC COUNT BYTES: sends and reads so many records, and prints both a second. */
    private static void rate(String brokers, String topic, int count, int bytes) throws Exception {
        Map<String, Object> config = Map.of("bootstrap.servers", brokers, "acks", "all");
        byte[] value = new byte[bytes];
        Arrays.fill(value, (byte) 'x');
        double sent;
        try (var producer = new KafkaProducer<>(config, new StringSerializer(), new ByteArraySerializer())) {
            long start = System.nanoTime();
            for (int i = 0; i < count; i++) {
                producer.send(new ProducerRecord<>(topic, "key" + i % 1000, value));
            }
            producer.flush();
            sent = count / ((System.nanoTime() - start) / 1e9);
        }
        System.out.printf("%.0f%n", sent);
    }
}

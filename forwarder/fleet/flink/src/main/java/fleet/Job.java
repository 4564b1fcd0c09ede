package fleet;

import java.io.Serializable;
import java.nio.charset.StandardCharsets;
import java.time.Duration;
import org.apache.flink.api.common.eventtime.WatermarkStrategy;
import org.apache.flink.api.common.functions.OpenContext;
import org.apache.flink.api.common.serialization.SimpleStringEncoder;
import org.apache.flink.api.common.serialization.SimpleStringSchema;
import org.apache.flink.configuration.CheckpointingOptions;
import org.apache.flink.configuration.Configuration;
import org.apache.flink.configuration.ExternalizedCheckpointRetention;
import org.apache.flink.configuration.RestartStrategyOptions;
import org.apache.flink.configuration.StateRecoveryOptions;
import org.apache.flink.connector.base.DeliveryGuarantee;
import org.apache.flink.connector.file.sink.FileSink;
import org.apache.flink.connector.kafka.sink.KafkaRecordSerializationSchema;
import org.apache.flink.connector.kafka.sink.KafkaSink;
import org.apache.flink.connector.kafka.source.KafkaSource;
import org.apache.flink.connector.kafka.source.enumerator.initializer.OffsetsInitializer;
import org.apache.flink.core.fs.Path;
import org.apache.flink.metrics.Counter;
import org.apache.flink.streaming.api.datastream.DataStream;
import org.apache.flink.streaming.api.datastream.SingleOutputStreamOperator;
import org.apache.flink.streaming.api.environment.StreamExecutionEnvironment;
import org.apache.flink.streaming.api.functions.ProcessFunction;
import org.apache.flink.streaming.api.functions.sink.v2.DiscardingSink;
import org.apache.flink.util.Collector;
import org.apache.flink.util.OutputTag;
import org.apache.kafka.clients.producer.ProducerRecord;

/** Merges the summaries of a fleet from Kafka: ../../../../../README.md says how to run it. */
public final class Job {
    /** A line for each message that was refused or came too late: the reason, and which. */
    static final OutputTag<String> REJECTED = new OutputTag<>("rejected") {
        private static final long serialVersionUID = 1L;
    };

    /** How long a broker keeps what is written and belongs to no checkpoint yet: as long as it may, by its default. */
    private static final int TRANSACTION_MS = 900_000;

    private Job() {}

    public static void main(String[] words) throws Exception {
        Options options = Options.read(words);
        StreamExecutionEnvironment flink = environment(options);
        DataStream<String> texts = flink.fromSource(source(options), timed(options), "summaries").uid("summaries");
        SingleOutputStreamOperator<Entry> entries = texts.process(new Read(options)).name("read");
        FleetWindows windows = new FleetWindows(options.merge(), options.every, options.lateness);
        SingleOutputStreamOperator<String> results = entries.keyBy(Entry::group).process(windows).name("windows").uid("windows");
        results.sinkTo(sink(options, options.to, "results")).name("results").uid("results");
        if (options.files != null) {
            var files = FileSink.forRowFormat(new Path(options.files), new SimpleStringEncoder<String>("UTF-8")).build();
            results.sinkTo(files).name("files").uid("files");
        }
        DataStream<String> rejected = entries.getSideOutput(REJECTED).union(results.getSideOutput(REJECTED));
        if (options.agents > 0) {
            SingleOutputStreamOperator<FleetAlerts.Sign> signs = texts.process(new ReadSigns(options)).name("signs");
            rejected = rejected.union(signs.getSideOutput(REJECTED));
            signs.keyBy(FleetAlerts.Sign::group).process(new FleetAlerts(options.agents, options.within)).name("alerts").uid("alerts")
                .sinkTo(sink(options, options.to, "alerts")).name("alerts").uid("alerts-sink");
        }
        if (options.rejected == null) {
            rejected.sinkTo(new DiscardingSink<>()).name("rejected").uid("discarded");
        } else {
            rejected.sinkTo(sink(options, options.rejected, "rejected")).name("rejected").uid("rejected");
        }
        flink.execute("headwater-fleet");
    }

    private static StreamExecutionEnvironment environment(Options options) {
        Configuration config = new Configuration();
        if (options.checkpoints != null) {
            config.set(CheckpointingOptions.CHECKPOINTS_DIRECTORY, options.checkpoints);
            config.set(CheckpointingOptions.CHECKPOINTING_INTERVAL, Duration.ofMillis(options.checkpointEvery));
            config.set(CheckpointingOptions.EXTERNALIZED_CHECKPOINT_RETENTION,
                ExternalizedCheckpointRetention.RETAIN_ON_CANCELLATION);
            config.set(RestartStrategyOptions.RESTART_STRATEGY, "exponential-delay");
        }
        if (options.restore != null) {
            config.set(StateRecoveryOptions.SAVEPOINT_PATH, options.restore);
        }
        StreamExecutionEnvironment flink = StreamExecutionEnvironment.getExecutionEnvironment(config);
        if (options.parallelism > 0) {
            flink.setParallelism(options.parallelism);
        }
        return flink;
    }

    private static WatermarkStrategy<String> timed(Options options) {
        long disorder = options.disorder;
        long idle = options.idle;
        return WatermarkStrategy.<String>forGenerator(context -> new PartitionTime(disorder, idle, context.getInputActivityClock()))
            .withTimestampAssigner(new EventTime(options.ahead));
    }

    private static KafkaSource<String> source(Options options) {
        var source = KafkaSource.<String>builder().setBootstrapServers(options.brokers).setTopics(options.from.split(","))
            .setGroupId(options.group).setStartingOffsets(OffsetsInitializer.earliest())
            .setValueOnlyDeserializer(new Texts());
        return options.once ? source.setBounded(OffsetsInitializer.latest()).build() : source.build();
    }

    /** With checkpoints what is written belongs to one of them: a restart from it says nothing twice. */
    private static KafkaSink<String> sink(Options options, String topic, String name) {
        var sink = KafkaSink.<String>builder().setBootstrapServers(options.brokers).setRecordSerializer(new Untimed(topic));
        if (options.checkpoints == null) {
            return sink.setDeliveryGuarantee(DeliveryGuarantee.AT_LEAST_ONCE).build();
        }
        return sink.setDeliveryGuarantee(DeliveryGuarantee.EXACTLY_ONCE).setTransactionalIdPrefix(options.group + "-" + name)
            .setProperty("transaction.timeout.ms", String.valueOf(TRANSACTION_MS)).build();
    }

    /** The values of records; one without a value, which a compacted topic may hold, is passed over. */
    private static final class Texts extends SimpleStringSchema {
        private static final long serialVersionUID = 1L;

        @Override
        public String deserialize(byte[] value) {
            return value == null ? null : super.deserialize(value);
        }
    }

    /** Records without a time of their own: Kafka would delete what is stamped with a window older than its retention. */
    private static final class Untimed implements KafkaRecordSerializationSchema<String> {
        private static final long serialVersionUID = 1L;
        private final String topic;

        Untimed(String topic) {
            this.topic = topic;
        }

        @Override
        public ProducerRecord<byte[], byte[]> serialize(String text, KafkaSinkContext context, Long time) {
            return new ProducerRecord<>(topic, text.getBytes(StandardCharsets.UTF_8));
        }
    }

    /** Texts to signs for the alerts. Of summaries that cannot be used the windows speak. */
    private static final class ReadSigns extends ProcessFunction<String, FleetAlerts.Sign> {
        private static final long serialVersionUID = 1L;
        private final Serializable by;
        private final long ahead;

        ReadSigns(Options options) {
            by = options.by;
            ahead = options.ahead;
        }

        @Override
        public void processElement(String text, Context context, Collector<FleetAlerts.Sign> out) {
            try {
                FleetAlerts.Sign sign = FleetAlerts.Sign.read(text, (String[]) by, System.currentTimeMillis() + ahead);
                if (sign != null) {
                    out.collect(sign);
                }
            } catch (RejectedException error) {
                // Of a summary the windows say it.
                if (text.contains("\"alert\"")) {
                    context.output(REJECTED, error.reason + " " + error.getMessage());
                }
            }
        }
    }

    /** Texts to entries; what cannot be merged is counted by its reason. */
    private static final class Read extends ProcessFunction<String, Entry> {
        private static final long serialVersionUID = 1L;
        private final Serializable by;
        private final long every;
        private final long ahead;
        private transient Counter refused;

        Read(Options options) {
            by = options.by;
            every = options.every;
            ahead = options.ahead;
        }

        @Override
        public void open(OpenContext context) {
            refused = getRuntimeContext().getMetricGroup().counter("refused");
        }

        @Override
        public void processElement(String text, Context context, Collector<Entry> out) {
            try {
                long latest = System.currentTimeMillis() + ahead;
                Entry entry = Entry.read(text, (String[]) by, every, latest);
                if (entry != null) {
                    out.collect(entry);
                }
            } catch (RejectedException error) {
                refused.inc();
                context.output(REJECTED, error.reason + " " + error.getMessage());
            }
        }
    }
}

# What the scripts of this folder share: to be sourced. Jars and Python packages are kept below target/fleet.
here=$(cd "$(dirname "$0")" && pwd)
root=$(cd "$here/../.." && pwd)
fleet=$root/forwarder/fleet
cache=${HEADWATER_FLEET:-$root/target/fleet}
java_options=(-Xmx768m -XX:+UseSerialGC -XX:TieredStopAtLevel=1 -XX:-UsePerfData)
java_fleet=(java "${java_options[@]}" -Dlog4j2.configurationFile="$here/log4j2.properties"
    -cp "$cache/classes:$cache/flink/*")
work=$(mktemp -d)
broker=$work/broker
children=()

as_root() {
    if [ "$(id -u)" -eq 0 ]; then "$@"; else sudo "$@"; fi
}

clean_up() {
    local child
    for child in "${children[@]}"; do
        kill -9 "$child" 2>/dev/null || true
    done
    [ ! -e "$broker/pid" ] || "$root/tests/kafka/broker" stop "$broker" || true
    rm -rf "$work"
}
trap clean_up EXIT

install() {
    local missing=()
    command -v javac >/dev/null || missing+=(openjdk-17-jdk-headless)
    command -v mvn >/dev/null || missing+=(maven)
    if [ ${#missing[@]} -gt 0 ]; then
        as_root apt-get update -q >&2
        as_root env DEBIAN_FRONTEND=noninteractive apt-get install -q -y --no-install-recommends "${missing[@]}" >&2
    fi
}

# Copies what a pom asks for, once.
jars() {
    local pom=$1 to=$2
    if [ ! -e "$to/complete" ] || [ "$pom" -nt "$to/complete" ]; then
        mvn -q -B -f "$pom" dependency:copy-dependencies -DincludeScope=runtime -DoutputDirectory="$to" >&2
        touch "$to/complete"
    fi
}

compile() {
    install
    jars "$fleet/flink/pom.xml" "$cache/flink"
    rm -rf "$cache/classes"
    javac --release 17 -Xlint:all,-path,-classfile -cp "$cache/flink/*" -d "$cache/classes" \
        "$fleet"/flink/src/main/java/fleet/*.java "$fleet"/flink/src/test/java/fleet/*.java
}

binary() {
    [ -n "${HEADWATER_BIN:-}" ] || (cd "$root" && cargo build --quiet --locked -p headwater)
    echo "${HEADWATER_BIN:-${CARGO_TARGET_DIR:-$root/target}/debug/headwater}"
}

make_swarm() {
    [ -e "$work/swarm/truth.json" ] && return
    python3 "$here/swarm.py" --headwater "$headwater" --agents "${AGENTS:-20}" --hours "${HOURS:-3}" "$work/swarm"
    "$headwater" merge --by site "$work/swarm/messages.jsonl" >"$work/merged.jsonl" 2>/dev/null
    echo -n "headwater merge: "
    python3 "$here/judge.py" "$work/swarm/truth.json" "$work/merged.jsonl"
}

# Below the ephemeral range, so that no client is given it by chance.
free_port() {
    python3 - <<'EOF'
import os, random, socket

while True:
    port = random.Random(os.urandom(8)).randrange(18_000, 32_000)
    try:
        with socket.socket() as listener:
            listener.bind(("127.0.0.1", port))
        print(port)
        break
    except OSError:
        pass
EOF
}

start_broker() {
    [ -e "$broker/pid" ] && return
    "$root/tests/kafka/broker" fetch >/dev/null
    port=$(free_port)
    "$root/tests/kafka/broker" format "$broker" "$port" "$(free_port)"
    "$root/tests/kafka/broker" start "$broker"
}

client() {
    "$root/tests/kafka/broker" client "127.0.0.1:$port" "$@"
}

send() {
    awk '{ print NR "\t" $0 }' "$2" | client send "$1" none >"$work/sent"
    grep -qx ok "$work/sent"
}

values() {
    client drain "$1" | cut -f 7-
}

# judge RESULTS [--no-repeats]
judge() {
    python3 "$here/judge.py" "${@:2}" "$work/swarm/truth.json" "$work/$1"
}

# A job of Flink in the background, as `job_pid`: start_job LOG OPTION…
start_job() {
    "${java_fleet[@]}" fleet.Job --brokers "127.0.0.1:$port" --by site "${@:2}" >"$work/$1.log" 2>&1 &
    job_pid=$!
    children+=("$job_pid")
}

# The number of the last complete checkpoint below a directory, 0 if there is none.
checkpoint() {
    { ls -d "$1"/*/chk-*/_metadata 2>/dev/null || true; } | sed 's/.*chk-//; s/[^0-9].*//' | sort -n | tail -n 1 | grep . || echo 0
}

# Waits until two more checkpoints are complete, so that one of them has begun after now: checkpoints_on DIRECTORY LOG
checkpoints_on() {
    local before
    before=$(checkpoint "$1")
    wait_for "[ \$(checkpoint $1) -ge $((before + 2)) ]" "checkpoints after number $before" "$work/$2.log"
}

kill_job() {
    kill -9 "$job_pid"
    wait "$job_pid" 2>/dev/null || true
}

# The checkpoint to go on from, as an option of the job.
restored() {
    echo "--restore file://$(ls -d "$1"/*/chk-"$(checkpoint "$1")")"
}

wait_for() {
    local tries=1200
    until eval "$1" >/dev/null 2>&1; do
        tries=$((tries - 1))
        if [ "$tries" = 0 ]; then
            echo "tests/fleet/check: no $2" >&2
            tail -30 "$3" >&2
            exit 1
        fi
        sleep 0.5
    done
}

# Flink's distribution, and the settings of a cluster whose state is on the disk: flink_distribution MEMORY, which is a map as in its config
flink_distribution() {
    local flink=$cache/distribution wheel
    if [ ! -e "$flink/complete" ]; then
        echo "tests/fleet/check: getting Flink's distribution (300 MB)" >&2
        rm -rf "$flink" "$cache/wheel"
        # One has the jars, the other the commands.
        python3 -m pip download --quiet --disable-pip-version-check --no-deps --only-binary :all: --python-version 3.11 \
            --dest "$cache/wheel" apache-flink-libraries==2.2.1 apache-flink==2.2.1 >&2
        for wheel in "$cache"/wheel/*.whl; do
            python3 -m zipfile -e "$wheel" "$cache/wheel"
        done
        mv "$cache/wheel/pyflink" "$flink"
        rm -rf "$cache/wheel"
        touch "$flink/complete"
    fi
    cp -r "$flink" "$work/flink"
    mkdir "$work/tmp"
    # As the guide says: the connector and Jackson lie in lib/.
    cp "$cache"/flink/flink-connector-{base,kafka}-*.jar "$cache"/flink/kafka-clients-*.jar "$work/flink/lib/"
    cp "$cache"/flink/jackson-{core,databind,annotations}-*.jar "$work/flink/lib/"
    chmod -R u+x "$work/flink/bin"
    # Of the settings it comes with, those of Java's modules stay.
    grep -A 3 '^env:' "$flink/conf/config.yaml" >"$work/flink/conf/config.yaml"
    cat >>"$work/flink/conf/config.yaml" <<EOF
jobmanager: { rpc: { address: 127.0.0.1, port: $(free_port) }, bind-host: 127.0.0.1, memory: { process: { size: 800m } } }
rest: { address: 127.0.0.1, bind-address: 127.0.0.1, port: $rest }
taskmanager: { host: 127.0.0.1, bind-host: 127.0.0.1, numberOfTaskSlots: 2, memory: { $1 } }
state: { backend: { type: rocksdb, rocksdb: { use-bloom-filter: true } } }
execution: { checkpointing: { incremental: true } }
io: { tmp: { dirs: $work/tmp } }
EOF
}

# A job manager and a task manager, as processes of their own: start_cluster MEMORY
start_cluster() {
    local daemon
    rest=$(free_port)
    flink_distribution "$1"
    (cd "$cache/classes" && jar --create --file "$work/fleet-1.jar" fleet)
    for daemon in jobmanager taskmanager; do
        "$work/flink/bin/$daemon.sh" start-foreground >"$work/$daemon.log" 2>&1 &
        children+=($!)
    done
    wait_for "curl -sf http://127.0.0.1:$rest/overview | grep -q '\"slots-available\":2'" "cluster" "$work/taskmanager.log"
}

# The job's jar by the distribution's own command, to its end or in the background of the cluster: flink_run [--detached] OPTION…
flink_run() {
    local how=()
    [ "$1" != --detached ] || { how=(--detached); shift; }
    "$work/flink/bin/flink" run "${how[@]}" -c fleet.Job "$work/fleet-1.jar" --brokers "127.0.0.1:$port" --by site "$@" \
        >"$work/run.log" 2>&1 || { tail -n 30 "$work/run.log" "$work/taskmanager.log" >&2; exit 1; }
}

python_with_spark() {
    if [ ! -e "$cache/python/complete" ]; then
        echo "tests/fleet/check: installing Spark (450 MB)" >&2
        python3 -m venv "$cache/python"
        "$cache/python/bin/pip" install --quiet --disable-pip-version-check -r "$fleet/spark/requirements.txt" >&2
        touch "$cache/python/complete"
    fi
}

spark() {
    local job=$1
    shift
    SPARK_LOCAL_IP=127.0.0.1 PYSPARK_PYTHON=$cache/python/bin/python "${measured[@]}" "$cache/python/bin/spark-submit" --master 'local[2]' \
        --conf spark.driver.memory=900m --conf spark.sql.shuffle.partitions=2 --conf spark.ui.enabled=false \
        --conf spark.driver.host=127.0.0.1 --conf spark.driver.bindAddress=127.0.0.1 "${spark_options[@]}" \
        "$job" "$@" >>"$work/spark.log" 2>&1 || { tail -40 "$work/spark.log" >&2; exit 1; }
}

spark_options=()
# What a run of Spark is wrapped into.
measured=()
port=

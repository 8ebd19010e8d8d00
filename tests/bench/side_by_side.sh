#!/usr/bin/env bash
# Ingest and rule evaluation: alertd beside Debian's prometheus, each by the CPU seconds of its own process.
#
# Usage: tests/bench/side_by_side.sh [HOSTS] [SERIES] [ROUNDS]     default 200 500 40: 100,000 series
# Needs: cmake --preset release && ninja -C build/release; packages prometheus, libsnappy-dev; the load
# generator and the rule set of ../shared/bench.
set -euo pipefail
root=$(cd "$(dirname "$0")/../.." && pwd)
hosts=${1:-200} series=${2:-500} rounds=${3:-40}
bin=$root/build/release/bin
bench=$root/../shared/bench
[ -d "$bench" ] || { echo "side_by_side: ../shared/bench is not there" >&2; exit 1; }

work=$(mktemp -d -t tocsin-bench.XXXXXX)
pids=()
cleanup() {
  for pid in "${pids[@]}"; do kill "$pid" 2> /dev/null || true; done
  rm -rf "$work"
}
trap cleanup EXIT

cp -r "$bench/rwload" "$bench/rules" "$work/"
make -s -C "$work/rwload"
python3 "$work/rules/gen_rules.py" 15s > "$work/rules.yml"

ticks=$(getconf CLK_TCK)
cpu_of() { awk -v t="$ticks" '{ sub(/.*\) /, ""); print ($12 + $13) / t }' "/proc/$1/stat"; }
rss_of() { awk '/^VmRSS/ { printf "%.0f", $2 / 1024 }' "/proc/$1/status"; }
wait_http() { for _ in $(seq 300); do curl -sf -o /dev/null "$1" && return 0; sleep 0.1; done; return 1; }
difference() { awk -v a="$1" -v b="$2" 'BEGIN { printf "%.2f", a - b }'; }

# run NAME PID URL: the load, then the server's CPU and memory.
run() {
  local name=$1 pid=$2 url=$3 before
  before=$(cpu_of "$pid")
  "$work/rwload/rwload" --url "$url/api/v1/write" --hosts "$hosts" --series "$series" \
    --rounds "$rounds" --batch 500 --connections 8 --server-pid "$pid" > "$work/$name.load"
  echo "--- $name: ingest of $((hosts * series)) series x $rounds"
  cat "$work/$name.load"
  echo "$name cpu_s_total $(difference "$(cpu_of "$pid")" "$before") rss_mib $(rss_of "$pid")"
}

# rules NAME PID COUNTER_URL COUNTER: CPU seconds of one evaluation of all 100 rules, over 60 s at 15 s.
rules() {
  local name=$1 pid=$2 before
  sleep 20
  before=$(cpu_of "$pid")
  sleep 60
  echo "$name rules_cpu_s_per_evaluation $(awk -v d="$(difference "$(cpu_of "$pid")" "$before")" 'BEGIN { print d / 4 }')"
}

printf 'global: {scrape_interval: 15s, evaluation_interval: 15s}\n' > "$work/prometheus.yml"
prometheus --config.file="$work/prometheus.yml" --storage.tsdb.path="$work/prometheus" \
  --web.enable-remote-write-receiver --web.enable-lifecycle --web.listen-address=127.0.0.1:19090 \
  --log.level=error &
pids+=($!); prometheus_pid=$!
wait_http http://127.0.0.1:19090/-/ready
run prometheus "$prometheus_pid" http://127.0.0.1:19090
printf 'rule_files: [%s]\n' "$work/rules.yml" >> "$work/prometheus.yml"
curl -sf -XPOST http://127.0.0.1:19090/-/reload
rules prometheus "$prometheus_pid"
kill "$prometheus_pid"; wait "$prometheus_pid" 2> /dev/null || true

mkdir -p "$work/rules-alertd"
cat > "$work/alertd.toml" << EOF
[server]
listen = "127.0.0.1:19464"
[store]
path = "$work/alertd"
[rules]
paths = ["$work/rules-alertd"]
EOF
"$bin/tocsin-alertd" --config "$work/alertd.toml" 2> "$work/alertd.log" &
pids+=($!); alertd_pid=$!
wait_http http://127.0.0.1:19464/-/ready || { cat "$work/alertd.log"; exit 1; }
run alertd "$alertd_pid" http://127.0.0.1:19464
cp "$work/rules.yml" "$work/rules-alertd/"
curl -sf -XPOST http://127.0.0.1:19464/-/reload > /dev/null
rules alertd "$alertd_pid"

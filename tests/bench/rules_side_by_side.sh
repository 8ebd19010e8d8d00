#!/usr/bin/env bash
# One hundred rules over many series: alertd beside Debian's prometheus and victoria-metrics with vmalert.
#
# Usage: tests/bench/rules_side_by_side.sh [--servers "alertd prometheus vm"] [--hosts N] [--series N]
#                                          [--interval SECONDS] [--rounds N] [--evaluations N] [--bin FOLDER]
#                                          [--keep FOLDER]
#   default: 100 hosts x 500 series (50,000), every 15 s, 10 minutes of history, 4 evaluations
#   larger: --hosts 1000 (500,000 series); --hosts 4000 --interval 90 (2 million: on two cores the peers
#   cannot evaluate them every 15 s; 16 GiB)
#
# One server at a time, so that the memory of one is free before the next starts. Each gets the same
# history as fast as it takes it, then live rounds, one an interval. Measured are CPU seconds (user + system)
# of the server's own process: over a stretch of live rounds without rules, then over as long a stretch
# with them. The difference, divided by the evaluations that took place, is the cost of one evaluation of
# all rules. For alertd the CPU of its evaluation threads is shown as well: it needs no subtraction. For
# vm the CPU of vmalert is part of the sum.
#
# Needs: cmake --preset release && ninja -C build/release; packaging/install-deps --bench; the load
# generator and the rule set of ../shared/bench. Loopback only, ports 19590-19593.
set -euo pipefail
root=$(cd "$(dirname "$0")/../.." && pwd)
servers="alertd prometheus vm" hosts=100 series=500 interval=15 rounds= evaluations=4
bin=$root/build/release/bin keep=
while [ $# -gt 0 ]; do
  case $1 in
    --servers) servers=$2 ;; --hosts) hosts=$2 ;; --series) series=$2 ;; --interval) interval=$2 ;;
    --rounds) rounds=$2 ;;
    --evaluations) evaluations=$2 ;; --bin) bin=$2 ;; --keep) keep=$2 ;;
    *) sed -n '2,20s/^# \{0,1\}//p' "$0"; exit 2 ;;
  esac
  shift 2
done
rounds=${rounds:-$((600 / interval))}
bench=$root/../shared/bench
[ -d "$bench" ] || { echo "rules_side_by_side: ../shared/bench is not there: skipped"; exit 0; }

work=$(mktemp -d -t tocsin-bench.XXXXXX)
pids=()
cleanup() {
  for pid in "${pids[@]}"; do kill "$pid" 2> /dev/null || true; done
  for pid in "${pids[@]}"; do wait "$pid" 2> /dev/null || true; done
  if [ -n "$keep" ]; then mkdir -p "$keep"; cp "$work"/*.log "$work"/*.load "$keep" 2> /dev/null || true; fi
  rm -rf "$work"
}
trap cleanup EXIT

cp -r "$bench/rwload" "$bench/rules" "$work/"
make -s -C "$work/rwload"
mkdir "$work/rules-in-force"
python3 "$work/rules/gen_rules.py" "${interval}s" > "$work/rules.yml"

ticks=$(getconf CLK_TCK)
cpu_of() { awk -v t="$ticks" '{ sub(/.*\) /, ""); print ($12 + $13) / t }' "/proc/$1/stat"; }
cpu_of_threads() { # PID NAME: of the threads with that name, exited ones not counted
  cat /proc/"$1"/task/*/stat 2> /dev/null | awk -v t="$ticks" -v n="($2)" \
    'index($0, n) { sub(/.*\) /, ""); sum += $12 + $13 } END { print sum / t }'
}
rss_of() { awk '/^VmRSS/ { printf "%.0f", $2 / 1024 }' "/proc/$1/status"; }
wait_http() { for _ in $(seq 1200); do curl -sf -o /dev/null "$1" && return 0; sleep 0.1; done; return 1; }
minus() { awk -v a="$1" -v b="$2" 'BEGIN { printf "%.3f", a - b }'; }
metric() { curl -s "$1" | awk -v n="$2" 'index($0, n) == 1 { sum += $NF } END { printf "%d", sum }'; }
spawn() { "$@" & pids+=($!); last_pid=$!; }
stop_last() { # stops PID and waits: the next server wants the memory
  kill "$1" 2> /dev/null || true
  wait "$1" 2> /dev/null || true
}

start_prometheus() {
  printf 'global: {scrape_interval: %ss, evaluation_interval: %ss}\n' $interval $interval > "$work/prometheus.yml"
  spawn prometheus --config.file="$work/prometheus.yml" --storage.tsdb.path="$work/data" \
    --web.enable-remote-write-receiver --web.enable-lifecycle --web.listen-address=127.0.0.1:19590 \
    --log.level=error > "$work/prometheus.log" 2>&1
  pid=$last_pid url=http://127.0.0.1:19590
  wait_http $url/-/ready
}
rules_prometheus() {
  printf 'rule_files: [%s]\n' "$work/rules.yml" >> "$work/prometheus.yml"
  curl -sf -XPOST $url/-/reload
}
count_prometheus() { metric $url/metrics prometheus_rule_group_iterations_total; }

start_vm() {
  spawn victoria-metrics -storageDataPath="$work/data" -httpListenAddr=127.0.0.1:19591 \
    -retentionPeriod=1 > "$work/vm.log" 2>&1
  pid=$last_pid url=http://127.0.0.1:19591
  wait_http $url/health
}
rules_vm() {
  # Without a notifier vmalert refuses alerting rules; nothing listens on port 19593.
  spawn vmalert -rule="$work/rules.yml" -datasource.url=$url -notifier.url=http://127.0.0.1:19593 \
    -evaluationInterval=${interval}s -httpListenAddr=127.0.0.1:19592 > "$work/vmalert.log" 2>&1
  second=$last_pid
  wait_http http://127.0.0.1:19592/health
}
count_vm() { metric http://127.0.0.1:19592/metrics vmalert_iteration_total; }

start_alertd() {
  cat > "$work/alertd.toml" << TOML
[server]
listen = "127.0.0.1:19590"
[store]
path = "$work/data"
[rules]
paths = ["$work/rules-in-force"]
TOML
  spawn "$bin/tocsin-alertd" --config "$work/alertd.toml" 2> "$work/alertd.log"
  pid=$last_pid url=http://127.0.0.1:19590
  wait_http $url/-/ready
}
rules_alertd() {
  cp "$work/rules.yml" "$work/rules-in-force/"
  curl -sf -XPOST $url/-/reload > /dev/null
}
count_alertd() { metric $url/metrics tocsin_alertd_rule_group_iterations_total; }

measure() {
  local name=$1 seconds=$((interval * evaluations)) load before without with threads=0 count
  pid= second= url=
  rm -rf "$work/data"
  "start_$name"
  "$work/rwload/rwload" --url "$url/api/v1/write" --hosts "$hosts" --series "$series" --chunk 2 \
    --step "$interval" --rounds "$rounds" --live $((evaluations * 2 + 8)) --batch 500 --connections 8 \
    --server-pid "$pid" > "$work/$name.load" 2>&1 &
  load=$!
  pids+=("$load")
  until grep -qs steady "$work/$name.load"; do
    kill -0 "$load" 2> /dev/null || { cat "$work/$name.load"; return 1; }
    sleep 0.5
  done
  sleep $((interval + 5))
  before=$(cpu_of "$pid"); sleep "$seconds"; without=$(minus "$(cpu_of "$pid")" "$before")
  local rss_without; rss_without=$(rss_of "$pid")
  "rules_$name"
  sleep $((2 * interval + 2))
  before=$(cpu_of "$pid"); count=$("count_$name")
  local second_before=0 threads_before=0
  [ -n "$second" ] && second_before=$(cpu_of "$second")
  [ "$name" = alertd ] && threads_before=$(cpu_of_threads "$pid" eval)
  sleep "$seconds"
  with=$(minus "$(cpu_of "$pid")" "$before")
  [ -n "$second" ] && with=$(awk -v a="$with" -v b="$(cpu_of "$second")" -v c="$second_before" 'BEGIN { print a + b - c }')
  [ "$name" = alertd ] && threads=$(minus "$(cpu_of_threads "$pid" eval)" "$threads_before")
  count=$(($("count_$name") - count))
  awk -v n="$name" -v s=$((hosts * series)) -v w="$without" -v r="$with" -v e="$count" -v t="$threads" \
    -v m0="$rss_without" -v m1="$(rss_of "$pid")" 'BEGIN {
      printf "%s series=%d evaluations=%d cpu_s_per_evaluation=%.3f", n, s, e, (e ? (r - w) / e : -1)
      if (t > 0 && e) printf " eval_threads_cpu_s_per_evaluation=%.3f", t / e
      printf " live_ingest_cpu_s_per_round=%.3f rss_mib_before_rules=%d rss_mib=%d\n", w / e, m0, m1 }'
  kill "$load" 2> /dev/null || true
  wait "$load" 2> /dev/null || true
  [ -n "$second" ] && stop_last "$second"
  stop_last "$pid"
}

for server in $servers; do measure "$server"; done

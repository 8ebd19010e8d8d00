#!/usr/bin/env bash
# Ingest: alertd, Debian's prometheus and victoria-metrics, one after the other in one run, each by the CPU
# seconds of its own process: first samples of new series, then steady rounds of the same series.
#
# Usage: tests/bench/ingest_side_by_side.sh [HOSTS SERIES ROUNDS]     default 200 500 40: 100,000 series
#   SERVERS="alertd prometheus victoria-metrics"  which of them, and in what order
#   BATCH=500 CONNECTIONS=8                       samples a request; connections kept alive
#   TOCSIN_BIN_DIR=build/release/bin              where tocsin-alertd is
# Needs: cmake --preset release && ninja -C build/release tocsin-alertd; packages prometheus, victoria-metrics,
# libsnappy-dev; the load generator of ../shared/bench.
set -euo pipefail
root=$(cd "$(dirname "$0")/../.." && pwd)
hosts=${1:-200} series=${2:-500} rounds=${3:-40}
bin=${TOCSIN_BIN_DIR:-$root/build/release/bin}
load=${TOCSIN_BENCH_DIR:-$root/../shared/bench}/rwload
[ -d "$load" ] || { echo "ingest_side_by_side: $load is not there" >&2; exit 1; }

work=$(mktemp -d -t tocsin-ingest.XXXXXX)
pid=
cleanup() {
  [ -z "$pid" ] || kill "$pid" 2> /dev/null || true
  rm -rf "$work"
}
trap cleanup EXIT

cp -r "$load" "$work/rwload" && chmod -R u+w "$work/rwload"
make -s -C "$work/rwload"

ticks=$(getconf CLK_TCK)
cpu_of() { awk -v t="$ticks" '{ sub(/.*\) /, ""); print ($12 + $13) / t }' "/proc/$1/stat"; }
rss_of() { awk '/^VmRSS/ { printf "%.0f", $2 / 1024 }' "/proc/$1/status"; }
difference() { awk -v a="$1" -v b="$2" 'BEGIN { printf "%.2f", a - b }'; }
wait_http() { for _ in $(seq 300); do curl -sf -o /dev/null "$1" && return 0; sleep 0.1; done; return 1; }
free_port() { python3 -c 'import socket; s = socket.socket(); s.bind(("127.0.0.1", 0)); print(s.getsockname()[1])'; }

start_alertd() {
  mkdir -p "$work/no-rules"
  printf '[server]\nlisten = "127.0.0.1:%s"\n[store]\npath = "%s"\nseries_max = 4000000\n[rules]\npaths = ["%s"]\n' \
    "$1" "$work/alertd" "$work/no-rules" > "$work/alertd.toml"
  "$bin/tocsin-alertd" --config "$work/alertd.toml" 2> "$work/alertd.log" &
  pid=$!
  wait_http "http://127.0.0.1:$1/-/ready"
}
start_prometheus() {
  printf 'global: {scrape_interval: 15s}\n' > "$work/prometheus.yml"
  prometheus --config.file="$work/prometheus.yml" --storage.tsdb.path="$work/prometheus" \
    --web.enable-remote-write-receiver --web.listen-address="127.0.0.1:$1" --log.level=error \
    2> "$work/prometheus.log" &
  pid=$!
  wait_http "http://127.0.0.1:$1/-/ready"
}
start_victoria-metrics() {
  victoria-metrics -storageDataPath="$work/vm" -httpListenAddr="127.0.0.1:$1" -retentionPeriod=1 \
    2> "$work/victoria-metrics.log" &
  pid=$!
  wait_http "http://127.0.0.1:$1/health"
}

echo "$hosts hosts x $series series x $rounds rounds, ${BATCH:-500} samples a request, ${CONNECTIONS:-8} connections," \
  "$(nproc) cores; $(date -u +%FT%TZ)"
for server in ${SERVERS:-alertd prometheus victoria-metrics}; do
  port=$(free_port)
  "start_$server" "$port" || { echo "$server did not start:" >&2; cat "$work/$server.log" >&2; exit 1; }
  before=$(cpu_of "$pid")
  "$work/rwload/rwload" --url "http://127.0.0.1:$port/api/v1/write" --hosts "$hosts" --series "$series" \
    --rounds "$rounds" --batch "${BATCH:-500}" --connections "${CONNECTIONS:-8}" --server-pid "$pid" \
    > "$work/load.out"
  echo "--- $server"
  cat "$work/load.out"
  echo "$server: cpu_s_total $(difference "$(cpu_of "$pid")" "$before") rss_mib $(rss_of "$pid")"
  kill "$pid"; wait "$pid" 2> /dev/null || true; pid=
done

#!/usr/bin/env bash
# The store beside Debian's prometheus and victoria-metrics: memory, restart after kill -9, disk, and queries over days.
#
# Usage: tests/bench/store_side_by_side.sh [--hosts 1000] [--series 500] [--rounds 20] [--days 0] [--servers "alertd ..."]
#   without --days: hosts x series with so many rounds 15 s apart that end now; then kill -9 and start again
#   with --days N:  30 hosts x 800 series, N days of rounds 15 s apart, then one query over all of it
# BIN_DIR: where tocsin-alertd is (build/release/bin). Needs packages prometheus, victoria-metrics, libsnappy-dev, jq; the load
# generator of ../shared/bench.
set -euo pipefail
root=$(cd "$(dirname "$0")/../.." && pwd)
hosts=1000 series=500 rounds=20 days=0 servers="alertd prometheus victoria-metrics"
while [ $# -gt 0 ]; do
  case $1 in
    --hosts) hosts=$2 ;;
    --series) series=$2 ;;
    --rounds) rounds=$2 ;;
    --days) days=$2 ;;
    --servers) servers=$2 ;;
    *) echo "store_side_by_side: $1?" >&2; exit 2 ;;
  esac
  shift 2
done
bin=${BIN_DIR:-$root/build/release/bin}
bench=$root/../shared/bench
[ -d "$bench" ] || { echo "store_side_by_side: ../shared/bench is not there" >&2; exit 1; }
[ "$days" = 0 ] || { hosts=30; series=800; rounds=$((days * 5760)); }

work=$(mktemp -d -t tocsin-store.XXXXXX)
pid=
cleanup() {
  [ -z "$pid" ] || kill "$pid" 2> /dev/null || true
  rm -rf "$work"
}
trap cleanup EXIT
cp -r "$bench/rwload" "$work/"
make -s -C "$work/rwload"

ticks=$(getconf CLK_TCK)
cpu_of() { awk -v t="$ticks" '{ sub(/.*\) /, ""); print ($12 + $13) / t }' "/proc/$1/stat"; }
# Resident MiB: all, and what is not the clean page of a file.
rss_of() { awk '/^VmRSS/ { r = $2 } /^RssAnon/ { a = $2 } END { printf "%.0f (anonymous %.0f)", r / 1024, a / 1024 }' "/proc/$1/status"; }
port=$((20000 + RANDOM % 10000))
url=http://127.0.0.1:$port

mkdir "$work/rules"
cat > "$work/alertd.toml" << EOF
[server]
listen = "127.0.0.1:$port"
[store]
path = "$work/alertd"
[rules]
paths = ["$work/rules"]
EOF
echo 'global: {scrape_interval: 15s}' > "$work/prometheus.yml"

# start NAME: the server, and the seconds until it is ready.
start() {
  local begin=$EPOCHREALTIME ready=$url/-/ready
  case $1 in
    alertd) "$bin/tocsin-alertd" --config "$work/alertd.toml" >> "$work/$1.log" 2>&1 & ;;
    prometheus) prometheus --config.file="$work/prometheus.yml" --storage.tsdb.path="$work/$1" --web.enable-remote-write-receiver \
      --storage.tsdb.retention.time=30d --storage.tsdb.allow-overlapping-blocks --web.listen-address="127.0.0.1:$port" >> "$work/$1.log" 2>&1 & ;;
    victoria-metrics) ready=$url/health
      victoria-metrics -storageDataPath="$work/$1" -httpListenAddr="127.0.0.1:$port" -retentionPeriod=2 >> "$work/$1.log" 2>&1 & ;;
  esac
  pid=$!
  for _ in $(seq 3000); do
    curl -sf -o /dev/null "$ready" && break
    kill -0 "$pid" 2> /dev/null || { tail -5 "$work/$1.log"; return 1; }
    sleep 0.02
  done
  echo "$1 ready_s $(awk -v a="$begin" -v b="$EPOCHREALTIME" 'BEGIN { printf "%.2f", b - a }')"
}

disk_of() { du -sb "$work/$1" | cut -f1; }

for server in $servers; do
  start "$server"
  end=$(($(date +%s) * 1000))
  before=$(cpu_of "$pid")
  "$work/rwload/rwload" --url "$url/api/v1/write" --hosts "$hosts" --series "$series" --rounds "$rounds" --batch 500 \
    --connections 8 --end "$end" --server-pid "$pid" > "$work/load" || true
  tail -1 "$work/load"
  sleep 5
  samples=$((hosts * series * rounds))
  echo "$server samples $samples cpu_s $(awk -v a="$(cpu_of "$pid")" -v b="$before" 'BEGIN { printf "%.1f", a - b }') rss_mib $(rss_of "$pid")"
  echo "$server disk_bytes_a_sample $(awk -v b="$(disk_of "$server")" -v s="$samples" 'BEGIN { printf "%.2f", b / s }')"
  [ "$server" != alertd ] || (cd "$work/alertd/tsdb" && for kind in wal checkpoint chunks; do
    echo "alertd $kind $(cat $kind* 2> /dev/null | wc -c) bytes in $(ls | grep -c "^$kind") files"; done)
  if [ "$days" != 0 ]; then
    # Every series of one metric of one host, and one host's average over all hosts of another, an hour a step.
    for expr in 'rate(node_cpu_seconds_total{instance=~".*[05].*"}[1h])' 'sum(rate(node_network_receive_bytes_total[1h]))'; do
      for try in 1 2 3; do
        begin=$EPOCHREALTIME
        n=$(curl -s -G "$url/api/v1/query_range" --data-urlencode "query=$expr" --data-urlencode "nocache=1" \
          --data-urlencode "start=$((end / 1000 - days * 86400))" --data-urlencode "end=$((end / 1000))" --data-urlencode step=3600 \
          | jq '[.data.result[].values | length] | "\(length) series, \(add) values"' -r)
        echo "$server query $try: $(awk -v a="$begin" -v b="$EPOCHREALTIME" 'BEGIN { printf "%.3f", b - a }') s, $n: $expr"
      done
    done
    echo "$server after queries rss_mib $(rss_of "$pid")"
  fi
  kill -9 "$pid"; wait "$pid" 2> /dev/null || true
  start "$server"
  grep -E "read in" "$work/$server.log" | tail -1 || true
  echo "$server after restart rss_mib $(rss_of "$pid")"
  kill "$pid"; wait "$pid" 2> /dev/null || true
  pid=
  rm -rf "${work:?}/$server"
done

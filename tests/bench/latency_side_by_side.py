#!/usr/bin/env python3
"""From a sample to the page: how long a crossing takes to reach a webhook, side by side.

Usage: tests/bench/latency_side_by_side.py [--crossings 200] [--hosts 200] [--series 500]
         [--systems on-data,1s,prometheus] [--min-interval 1s] [--bin build/release/bin] [--json FILE]

For each system: start it, load it with hosts x series series that are written anew every 15 s, and give
it 100 rules over them. Then, again and again at a random moment, write a sample of a new series that
crosses the threshold of one more rule (`for` 0), and stop the clock when its webhook arrives. group_wait
is 0 everywhere. The clock starts before the write request, so that the way in counts too.

  on-data      alertd; all 101 rules in on-data groups; the one that is crossed with min_interval 0s
  1s           alertd; the rule that is crossed every second, the 100 rules every 15 s
  prometheus   Debian's prometheus and prometheus-alertmanager, the same

Needs the release build; Debian's packages prometheus and prometheus-alertmanager; the load generator and
the rules of ../shared/bench. Loopback only; every program is started here and stopped by its pid.
"""

import argparse
import http.server
import importlib.util
import json
import os
import pathlib
import random
import shutil
import subprocess
import sys
import tempfile
import threading
import time
import urllib.request

ROOT = pathlib.Path(os.environ.get("TOCSIN_SOURCE_DIR", pathlib.Path(__file__).parents[2])).resolve()
sys.path.insert(0, str(ROOT / "tests" / "e2e"))
import harness  # noqa: E402

BENCH = ROOT / ".." / "shared" / "bench"
PROBE = "crossing_probe"


class Sink:
    """Webhooks in; remembers when each probe was first said to fire."""

    def __init__(self):
        sink = self
        self.seen = {}
        self.changed = threading.Condition()

        class Handler(http.server.BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"
            disable_nagle_algorithm = True

            def do_POST(self):
                body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
                now = time.time()
                self.send_response(200)
                self.send_header("Content-Length", "0")
                self.end_headers()
                sink.take(body, now)

            def log_message(self, *_):
                pass

        self.server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.server.daemon_threads = True
        self.url = "http://127.0.0.1:%d/hook" % self.server.server_address[1]
        threading.Thread(target=self.server.serve_forever, daemon=True).start()

    def take(self, body, now):
        for alert in json.loads(body).get("alerts", []):
            name = alert["labels"].get("probe")
            if name and alert["status"] == "firing":
                with self.changed:
                    self.seen.setdefault(name, now)
                    self.changed.notify_all()

    def wait(self, name, seconds):
        with self.changed:
            self.changed.wait_for(lambda: name in self.seen, seconds)
            return self.seen.get(name)

    def stop(self):
        self.server.shutdown()
        self.server.server_close()


def rules_module():
    spec = importlib.util.spec_from_file_location("gen_rules", BENCH / "rules" / "gen_rules.py")
    module = importlib.util.module_from_spec(spec)
    arguments, sys.argv = sys.argv, ["gen_rules.py", "--list"]
    out, sys.stdout = sys.stdout, open(os.devnull, "w")
    try:
        spec.loader.exec_module(module)
    finally:
        sys.stdout.close()
        sys.argv, sys.stdout = arguments, out
    return module


def on_data_rules(min_interval):
    module = rules_module()
    text = '[[group]]\nname = "node"\ninterval = "on-data"\nmin_interval = "%s"\n' % min_interval
    for name, expr, thresholds, hold in module.RULES:
        for severity, threshold in zip(("medium", "critical"), thresholds):
            text += """
[[group.alert]]
name = "%s%s"
expr = '''%s'''
severity = "%s"
for = "%s"
no_data = "ok"
runbook = "https://example.org/%s"
summary = "{{ $labels.instance }}: %s ({{ $value | humanize }})"
""" % (name, severity.capitalize(), expr % module.number(threshold), severity, hold, name, name)
    return text + """
[[group]]
name = "probe"
interval = "on-data"
min_interval = "0s"
[[group.alert]]
name = "Crossed"
expr = '%s > 50'
severity = "medium"
runbook = "https://example.org/crossed"
""" % PROBE


def slot_rules(work):
    text = subprocess.run([sys.executable, BENCH / "rules" / "gen_rules.py", "15s"], check=True,
                          capture_output=True, text=True).stdout
    (work / "node.yml").write_text(text)
    (work / "probe.yml").write_text("""groups:
- name: probe
  interval: 1s
  rules:
  - alert: Crossed
    expr: %s > 50
    labels: {severity: warning}
""" % PROBE)


class System:
    def __init__(self, work, sink):
        self.work, self.sink, self.processes = work, sink, []
        self.port = harness.free_port()

    def spawn(self, name, *command):
        log = open(self.work / (name + ".log"), "wb")
        process = subprocess.Popen([str(part) for part in command], stdout=log, stderr=log,
                                   cwd=self.work)
        log.close()
        self.processes.append(process)
        return process

    def wait_ready(self, port):
        def ready():
            try:
                url = "http://127.0.0.1:%d/-/ready" % port
                return urllib.request.urlopen(url, timeout=5).status == 200
            except OSError:
                return False
        harness.wait_until(ready, 60, "port %d" % port)

    def stop(self):
        for process in reversed(self.processes):
            process.terminate()
        for process in self.processes:
            process.wait(30)

    def counts(self):
        """How many series there are, and how many evaluations of single rules there were."""
        url = "http://127.0.0.1:%d/metrics" % self.port
        sums = dict.fromkeys(self.COUNTS, 0.0)
        for line in urllib.request.urlopen(url, timeout=30).read().decode().splitlines():
            name = line.partition("{")[0].partition(" ")[0]
            if name in sums:
                sums[name] += float(line.rsplit(" ", 1)[1])
        return [int(sums[name]) for name in self.COUNTS]

    def means_ms(self, names, before=None):
        """Means of histograms, in milliseconds, since `before` (the answer of an earlier call)."""
        url = "http://127.0.0.1:%d/metrics" % self.port
        sums = {}
        for line in urllib.request.urlopen(url, timeout=30).read().decode().splitlines():
            series = line.rsplit(" ", 1)[0]
            name = series.partition("{")[0]
            if name.endswith(("_sum", "_count")) and name.rsplit("_", 1)[0] in names:
                sums[name] = sums.get(name, 0) + float(line.rsplit(" ", 1)[1])
        if before is None:
            return sums
        means = {}
        for name in names:
            count = sums.get(name + "_count", 0) - before.get(name + "_count", 0)
            total = sums.get(name + "_sum", 0) - before.get(name + "_sum", 0)
            means[names[name]] = round(1000 * total / count, 2) if count else None
        return means

    def cpu_seconds(self):
        total = 0
        for process in self.processes:
            fields = pathlib.Path("/proc/%d/stat" % process.pid).read_text().rsplit(")", 1)[1].split()
            total += (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")
        return total


class Tocsin(System):
    COUNTS = ["tocsin_alertd_store_series", "tocsin_alertd_rule_evaluations_total"]
    HOPS = {"tocsin_alertd_store_fsync_seconds": "group_commit",
            "tocsin_alertd_rule_evaluation_duration_seconds": "one_rule",
            "tocsin_alertd_notifications_latency_seconds": "decision_to_delivery"}

    def __init__(self, work, sink, binaries, rules):
        super().__init__(work, sink)
        (work / "alertd.toml").write_text("""
[server]
listen = "127.0.0.1:%d"
[store]
path = "%s/store"
[rules]
paths = %s

[[receiver]]
name = "ops"
[[receiver.webhook]]
name = "hook"
url = "%s"
rate_per_minute = 100000
rate_burst = 10000
# A storm's incidents would be told in one message, which names no crossing.
[incident]
storm_incidents = 0
[route]
receiver = "ops"
group_by = ["alertname", "probe"]
group_wait = "0s"
group_interval = "1s"
""" % (self.port, work, json.dumps(rules), sink.url))
        self.spawn("alertd", binaries / "tocsin-alertd", "--config", work / "alertd.toml")
        self.wait_ready(self.port)


class Prometheus(System):
    COUNTS = ["prometheus_tsdb_head_series", "prometheus_rule_evaluations_total"]
    HOPS = {}

    def __init__(self, work, sink):
        super().__init__(work, sink)
        manager = harness.free_port()
        (work / "alertmanager.yml").write_text("""
route: {receiver: hook, group_by: [alertname, probe], group_wait: 0s, group_interval: 1s}
receivers: [{name: hook, webhook_configs: [{url: '%s'}]}]
""" % sink.url)
        (work / "prometheus.yml").write_text("""
global: {scrape_interval: 15s, evaluation_interval: 1s}
rule_files: [%s/node.yml, %s/probe.yml]
alerting: {alertmanagers: [{static_configs: [{targets: ['127.0.0.1:%d']}]}]}
""" % (work, work, manager))
        self.spawn("alertmanager", "/usr/bin/prometheus-alertmanager",
                   "--config.file=%s/alertmanager.yml" % work, "--storage.path=%s/am" % work,
                   "--web.listen-address=127.0.0.1:%d" % manager, "--cluster.listen-address=")
        self.spawn("prometheus", "/usr/bin/prometheus", "--config.file=%s/prometheus.yml" % work,
                   "--storage.tsdb.path=%s/data" % work, "--web.enable-remote-write-receiver",
                   "--web.listen-address=127.0.0.1:%d" % self.port, "--log.level=error")
        self.wait_ready(manager)
        self.wait_ready(self.port)


def push(port, name, value):
    labels = {"__name__": PROBE, "probe": name, "instance": name, "host": name}
    body = harness.write_request([(labels, [(int(time.time() * 1000), value)])])
    request = urllib.request.Request("http://127.0.0.1:%d/api/v1/write" % port, body,
                                     harness.WRITE_HEADERS)
    urllib.request.urlopen(request, timeout=30).read()


def crossings(system, sink, count):
    """Seconds from the write of each crossing to its webhook; None if none came."""
    latencies = []
    for i in range(count):
        name = "p%d-%d" % (system.port, i)
        push(system.port, name, 0)
        time.sleep(0.2 + random.random())
        start = time.time()
        push(system.port, name, 100)
        arrived = sink.wait(name, 30)
        latencies.append(arrived - start if arrived else None)
        push(system.port, name, 0)
    return latencies


def summary(name, latencies, system, began, cpu):
    good = sorted(one for one in latencies if one is not None)

    def quantile(q):
        return round(good[min(len(good) - 1, int(q * len(good)))], 4) if good else None

    return {"system": name, "crossings": len(latencies), "lost": len(latencies) - len(good),
            "p50_s": quantile(0.5), "p90_s": quantile(0.9), "p99_s": quantile(0.99),
            "max_s": round(good[-1], 4) if good else None,
            "cpu_s_per_minute": round((system.cpu_seconds() - cpu) / (time.time() - began) * 60, 2),
            "load_average": round(os.getloadavg()[0], 1)}


def measure(name, options, work):
    work.mkdir()
    sink = Sink()
    binaries = pathlib.Path(options.bin).resolve()
    if name == "on-data":
        (work / "rules.toml").write_text(on_data_rules(options.min_interval))
        system = Tocsin(work, sink, binaries, [str(work / "rules.toml")])
    else:
        slot_rules(work)
        files = [str(work / "node.yml"), str(work / "probe.yml")]
        system = Prometheus(work, sink) if name == "prometheus" else Tocsin(work, sink, binaries, files)
    try:
        system.spawn("load", options.rwload, "--url",
                     "http://127.0.0.1:%d/api/v1/write" % system.port, "--hosts", options.hosts,
                     "--series", options.series, "--chunk", 2, "--rounds", 4, "--live", 100000,
                     "--batch", 500, "--connections", 8)
        load = system.processes.pop()
        try:
            harness.wait_until(lambda: b"steady" in (work / "load.log").read_bytes(), 300,
                               "the first rounds of the load")
            time.sleep(20)
            began, cpu = time.time(), system.cpu_seconds()
            evaluations, hops = system.counts()[1], system.means_ms(system.HOPS)
            latencies = crossings(system, sink, options.crossings)
            result = summary(name, latencies, system, began, cpu)
            result["series"], result["rule_evaluations"] = system.counts()
            result["rule_evaluations"] -= evaluations
            result["mean_ms"] = system.means_ms(system.HOPS, hops)
            return result
        finally:
            load.terminate()
            load.wait(30)
    finally:
        system.stop()
        sink.stop()


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--crossings", type=int, default=200)
    parser.add_argument("--hosts", type=int, default=200)
    parser.add_argument("--series", type=int, default=500)
    parser.add_argument("--systems", default="on-data,1s,prometheus")
    parser.add_argument("--min-interval", default="1s", help="of the 100 on-data rules")
    parser.add_argument("--bin", default=str(ROOT / "build/release/bin"))
    parser.add_argument("--json", help="append one line for each system to this file")
    options = parser.parse_args()
    if not BENCH.is_dir():
        print("latency_side_by_side: ../shared/bench is not there: skipped")
        return
    work = pathlib.Path(tempfile.mkdtemp(prefix="tocsin-latency-"))
    try:
        shutil.copytree(BENCH / "rwload", work / "rwload")
        subprocess.run(["make", "-s", "-C", work / "rwload"], check=True)
        options.rwload = work / "rwload" / "rwload"
        for name in options.systems.split(","):
            result = json.dumps(measure(name, options, work / name))
            print(result, flush=True)
            if options.json:
                with open(options.json, "a") as out:
                    out.write(result + "\n")
    finally:
        shutil.rmtree(work, ignore_errors=True)


if __name__ == "__main__":
    main()

#!/usr/bin/env python3
"""A storm: 50,000 alerts posted over API v2, side by side with Debian's prometheus-alertmanager.

Usage: tests/bench/storm_side_by_side.py [--alerts 50000] [--systems alertd,alertmanager]
         [--by ...|alertname] [--bin build/release/bin] [--json FILE]

Each system is started with one webhook receiver and group_wait 1s (alertd: its own routing, resolved
and repeated as always), the alerts are posted 64 a request by the shared load program, and the clock
stops when the last webhook has arrived. With `--by ...` each alert is a group of its own and so one
notification each (group_interval 5m, as in the anchors); with `--by alertname` there are 100 groups,
which tell of late alerts in further messages (group_interval 3s). In the middle of the storm one Critical
alert is posted, with a receiver of its own on the same sink; how long it took is printed too.

Printed for each: CPU seconds of the server's process from the first post to the last delivery, wall
seconds from the first post to the last delivery, resident MiB at the end, seconds for the Critical one.

Needs ../shared/bench/tools (load program and sink); skipped with a message where that is not there, or
where a program is missing. Loopback only; every program is started here and stopped by its pid.
"""

import argparse
import http.client
import json
import os
import pathlib
import shutil
import socket
import subprocess
import sys
import tempfile
import threading
import time
import urllib.request

ROOT = pathlib.Path(os.environ.get("TOCSIN_SOURCE_DIR", pathlib.Path(__file__).parents[2])).resolve()
TOOLS = ROOT / ".." / "shared" / "bench" / "tools"
SKIPPED = 77
QUIET = 4  # seconds without a webhook after which a grouped storm is over: group_interval and more


def skip(why):
    print("skipped: " + why)
    sys.exit(SKIPPED)


def free_port():
    with socket.socket() as s:
        s.bind(("127.0.0.1", 0))
        return s.getsockname()[1]


def get(port, path="/"):
    return urllib.request.urlopen("http://127.0.0.1:%d%s" % (port, path), timeout=5).read()


def wait_until(condition, seconds, what):
    end = time.time() + seconds
    while time.time() < end:
        try:
            if condition():
                return
        except OSError:
            pass
        time.sleep(0.02)
    raise SystemExit("timed out: " + what)


def cpu_of(pid):
    fields = pathlib.Path("/proc/%d/stat" % pid).read_text().rsplit(") ", 1)[1].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def rss_of(pid):
    for line in pathlib.Path("/proc/%d/status" % pid).read_text().splitlines():
        if line.startswith("VmRSS"):
            return int(line.split()[1]) // 1024
    return 0


def interval(by):
    return "5m" if by == "..." else "3s"


def start_alertd(work, binaries, port, sink, by):
    group_by = '["alertname", "instance", "device"]' if by == "..." else '["alertname"]'
    (work / "alertd.toml").write_text("""
[server]
listen = "127.0.0.1:%d"
log_level = "error"
[store]
path = "%s"
[rules]
paths = []
[incident]
storm_incidents = 0     # the peer knows no storms: one message each
[[receiver]]
name = "hook"
[[receiver.webhook]]
url = "http://127.0.0.1:%d/hook"
rate_per_minute = 0
in_flight = 64
[route]
receiver = "hook"
group_by = %s
group_wait = "1s"
group_interval = "%s"
""" % (port, work / "data", sink, group_by, interval(by)))
    return subprocess.Popen([str(binaries / "tocsin-alertd"), "--config", str(work / "alertd.toml")],
                            stdout=open(work / "alertd.log", "w"), stderr=subprocess.STDOUT)


def start_alertmanager(work, port, sink, by):
    (work / "am.yml").write_text("""
route: {receiver: hook, group_by: ["%s"], group_wait: 1s, group_interval: %s}
receivers: [{name: hook, webhook_configs: [{url: "http://127.0.0.1:%d/hook"}]}]
""" % (by, interval(by), sink))
    return subprocess.Popen(
        ["prometheus-alertmanager", "--config.file=%s" % (work / "am.yml"),
         "--storage.path=%s" % (work / "am"), "--web.listen-address=127.0.0.1:%d" % port,
         "--cluster.listen-address="],
        stdout=open(work / "am.log", "w"), stderr=subprocess.STDOUT)


def post_critical(port, done):
    stamp = time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime())
    end = time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(time.time() + 3600))
    alert = [{"labels": {"alertname": "CriticalOne", "instance": "x", "device": "x",
                         "severity": "critical"},
              "annotations": {"summary": "the one that counts"}, "startsAt": stamp, "endsAt": end}]
    connection = http.client.HTTPConnection("127.0.0.1", port)
    done["posted_ms"] = time.time() * 1000
    connection.request("POST", "/api/v2/alerts", json.dumps(alert),
                       {"Content-Type": "application/json"})
    done["status"] = connection.getresponse().status


def critical_arrival(log):
    for line in log.read_text(errors="replace").splitlines():
        if "CriticalOne" in line:
            return float(line.split()[0])
    return None


def measure(name, start, work, sink_program, alerts, by):
    port, sink = free_port(), free_port()
    log = work / (name + ".sink")
    sink_process = subprocess.Popen([str(sink_program), str(sink), str(log)])
    server = None
    try:
        wait_until(lambda: get(sink), 10, "the sink")
        server = start(port, sink)
        wait_until(lambda: get(port, "/-/ready"), 20, name)
        try:
            get(port, "/api/v2/status")
        except OSError as missing:
            return {"system": name, "error": "no API v2: %s" % missing}
        cpu, begin = cpu_of(server.pid), time.time()
        load = subprocess.Popen([sys.executable, str(TOOLS / "amload.py"), str(port), str(alerts),
                                 "64", "100"], stdout=subprocess.PIPE, text=True)
        critical = {}
        threading.Timer(0.5, post_critical, (port, critical)).start()
        posted = json.loads(load.communicate(timeout=300)[0])

        def all_told():  # a grouped alert may be told again with others of its group
            totals = json.loads(get(sink))
            return (totals["alerts"] > alerts and
                    time.time() - totals["last_ms"] / 1000 > (0 if by == "..." else QUIET))

        wait_until(all_told, 300, name)
        seen = json.loads(get(sink))
        arrival = critical_arrival(log)
        return {"system": name, "alerts": alerts, "by": by, "refused": posted["bad"],
                "post_s": posted["post_wall_s"], "cpu_s": round(cpu_of(server.pid) - cpu, 2),
                "wall_s": round(seen["last_ms"] / 1000 - begin, 2), "rss_mib": rss_of(server.pid),
                "requests": seen["requests"],
                "critical_s": round((arrival - critical["posted_ms"]) / 1000, 2)
                if arrival and critical else None}
    finally:
        for process in (server, sink_process):
            if process:
                process.terminate()
                process.wait()


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--alerts", type=int, default=50000)
    parser.add_argument("--systems", default="alertd,alertmanager")
    parser.add_argument("--by", default="...", choices=("...", "alertname"))
    parser.add_argument("--bin", default=str(ROOT / "build" / "release" / "bin"))
    parser.add_argument("--json")
    options = parser.parse_args()
    if not (TOOLS / "amload.py").exists():
        skip("the shared load program is not there: %s" % (TOOLS / "amload.py"))
    binaries = pathlib.Path(options.bin)
    if "alertd" in options.systems and not (binaries / "tocsin-alertd").exists():
        skip("build first: %s" % (binaries / "tocsin-alertd"))
    if "alertmanager" in options.systems and not shutil.which("prometheus-alertmanager"):
        skip("prometheus-alertmanager is not installed")
    results = []
    with tempfile.TemporaryDirectory() as folder:
        work = pathlib.Path(folder)
        sink_program = work / "hooksink"
        subprocess.run(["g++", "-O2", "-std=c++20", "-o", str(sink_program),
                        str(TOOLS / "hooksink.cpp"), "-pthread"], check=True)
        starts = {"alertd": lambda port, sink: start_alertd(work, binaries, port, sink, options.by),
                  "alertmanager": lambda port, sink: start_alertmanager(work, port, sink, options.by)}
        for name in options.systems.split(","):
            results.append(measure(name, starts[name], work, sink_program, options.alerts,
                                   options.by))
            print(json.dumps(results[-1]))
    if options.json:
        pathlib.Path(options.json).write_text(json.dumps(results, indent=1))


if __name__ == "__main__":
    main()

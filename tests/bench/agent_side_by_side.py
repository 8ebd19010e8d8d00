#!/usr/bin/env python3
"""The agent's size: one tocsin-agent beside the four programs that do the same work.

Usage: tests/bench/agent_side_by_side.py [--minutes 5] [--warm-up 60] [--bin build/release/bin] [--json FILE] [--alone]

A PostgreSQL and a Redis with a Dramatiq queue are started, and an endpoint with 500 series. tocsin-agent reads the
host, both servers, the queue and the endpoint every 10 s and pushes to a receiver. At the same time
prometheus-node-exporter, prometheus-postgres-exporter and prometheus-redis-exporter run, and vmagent, which scrapes
them and the endpoint every 10 s and pushes to the same receiver. Each process has the same minutes.

Printed for each, and the peers' sum: resident MB, private dirty MB, CPU seconds a minute, threads, open files.
Linux's /proc is the source: VmRSS, Private_Dirty of smaps_rollup; of CPU time the process's CPU clock. The CPU is that of
the cheapest minute: what else the machine does makes caches colder and never warmer. The mean is printed beside it.

Loopback only; every program is started here and stopped by its pid. Skipped with a message where one is missing.
"""

import argparse
import http.server
import json
import os
import pathlib
import shutil
import sys
import threading
import time
import unittest

ROOT = pathlib.Path(__file__).resolve().parents[2]
os.environ.setdefault("TOCSIN_SOURCE_DIR", str(ROOT))
sys.path.insert(0, str(ROOT / "tests/e2e"))

SKIPPED = 77
INTERVAL = "10s"
SERIES = 500


class Endpoint(http.server.BaseHTTPRequestHandler):
    """Both ends: GET is a page of metrics, POST is a remote write that is taken and forgotten."""

    protocol_version = "HTTP/1.1"

    def do_GET(self):
        lines = ["# TYPE shop_requests_total counter"]
        lines += ['shop_requests_total{route="/r%d"} %d' % (i, time.time() + i) for i in range(SERIES)]
        self.answer(200, ("\n".join(lines) + "\n").encode())

    def do_POST(self):
        self.rfile.read(int(self.headers.get("Content-Length", 0)))
        self.server.writes += 1
        # What a receiver of remote write 2.0 says; without it the agent goes on with 1.0.
        second = self.headers.get("X-Prometheus-Remote-Write-Version", "").startswith("2.")
        self.answer(204, b"", {"X-Prometheus-Remote-Write-Samples-Written": "1"} if second else {})

    def answer(self, status, body, headers={}):
        self.send_response(status)
        for name, value in headers.items():
            self.send_header(name, value)
        self.send_header("Content-Type", "text/plain; version=0.0.4")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_):
        pass


def serve():
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Endpoint)
    server.daemon_threads = True
    server.writes = 0
    threading.Thread(target=server.serve_forever, daemon=True).start()
    return server


class Process:
    def __init__(self, pid):
        self.pid = pid
        self.proc = pathlib.Path("/proc/%d" % pid)

    def cpu_seconds(self):
        return time.clock_gettime((~self.pid << 3) | 2)  # clock_getcpuclockid(3): nanoseconds, where stat has ticks

    def memory_mb(self):
        """(resident, private dirty)."""
        rollup = dict(line.split(":", 1) for line in (self.proc / "smaps_rollup").read_text().splitlines()[1:])
        return tuple(int(rollup[name].split()[0]) / 1024 for name in ("Rss", "Private_Dirty"))

    def counts(self):
        """(threads, open files)."""
        return len(list((self.proc / "task").iterdir())), len(list((self.proc / "fd").iterdir()))


def need(program):
    found = shutil.which(program)
    if found is None:
        raise unittest.SkipTest(program + " is not installed (packaging/install-deps --tests --bench)")
    return found


def start_peers(world, postgres, redis, endpoint):
    """Returns {name: pid}; each pushes or is scraped every INTERVAL."""
    from harness import free_port
    ports = {name: free_port() for name in ("node", "postgres", "redis", "vmagent")}
    world.start("node", need("prometheus-node-exporter"), "--web.listen-address=127.0.0.1:%d" % ports["node"])
    world.start("postgres", need("prometheus-postgres-exporter"), "--web.listen-address=127.0.0.1:%d" % ports["postgres"],
                env={"DATA_SOURCE_NAME": "postgresql://tocsin@127.0.0.1:%d/alerts?sslmode=disable" % postgres.port})
    world.start("redis", need("prometheus-redis-exporter"), "-redis.addr", "redis://127.0.0.1:%d" % redis.port,
                "-web.listen-address", "127.0.0.1:%d" % ports["redis"])
    targets = [ports["node"], ports["postgres"], ports["redis"], endpoint.server_address[1]]
    config = world.write("vmagent.yml", "global: {scrape_interval: %s}\nscrape_configs:\n" % INTERVAL + "".join(
        "- {job_name: j%d, static_configs: [{targets: ['127.0.0.1:%d']}]}\n" % (port, port) for port in targets))
    world.start("vmagent", need("vmagent"), "-promscrape.config=%s" % config,
                "-httpListenAddr=127.0.0.1:%d" % ports["vmagent"],
                "-remoteWrite.tmpDataPath=%s/vmagent" % world.folder,
                "-remoteWrite.url=http://127.0.0.1:%d/api/v1/write" % endpoint.server_address[1])
    return {name: world.processes[name].pid for name in ports}


def start_agent(world, postgres, redis, endpoint):
    port = endpoint.server_address[1]
    world.agent_config('[[postgres]]\nname = "main"\ndsn = "%s"\n[[redis]]\nname = "main"\naddress = "127.0.0.1:%d"\n'
                       '[[scrape]]\njob = "shop"\nurl = "http://127.0.0.1:%d/metrics"\n'
                       % (postgres.dsn, redis.port, port), agent='interval = "%s"' % INTERVAL, port=port)
    world.start_agent()
    return {"tocsin-agent": world.processes["agent"].pid}


def measure(pids, minutes):
    """Returns {name: figures} after that many minutes; the same ones for all."""
    processes = {name: Process(pid) for name, pid in pids.items()}
    spent = {name: [] for name in pids}
    for _ in range(minutes):
        before = {name: process.cpu_seconds() for name, process in processes.items()}
        time.sleep(60)
        for name, process in processes.items():
            spent[name].append(process.cpu_seconds() - before[name])
    figures = {}
    for name, process in processes.items():
        resident, dirty = process.memory_mb()
        threads, files = process.counts()
        figures[name] = {"rss_mb": resident, "private_dirty_mb": dirty, "cpu_s_per_minute": min(spent[name]),
                         "cpu_s_mean": sum(spent[name]) / minutes, "threads": threads, "files": files}
    return figures


def show(figures):
    print("%-14s %8s %14s %13s %6s %8s %6s"
          % ("", "RSS MB", "private dirty", "CPU-s/minute", "mean", "threads", "files"))
    for name, one in figures.items():
        print("%-14s %8.1f %14.1f %13.4f %6.3f %8d %6d" % ((name,) + tuple(one.values())))


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--minutes", type=int, default=5)
    parser.add_argument("--warm-up", type=float, default=60, help="seconds before the measured minutes")
    parser.add_argument("--bin", default=str(ROOT / "build/release/bin"))
    parser.add_argument("--json", help="append the figures to this file")
    parser.add_argument("--alone", action="store_true", help="the agent without its peers")
    arguments = parser.parse_args()
    os.environ["TOCSIN_BIN_DIR"] = str(pathlib.Path(arguments.bin).resolve())

    from harness import World
    from postgres_server import PostgresServer
    from redis_server import RedisServer
    with World() as world:
        postgres = PostgresServer()
        world.cleanups.append(postgres.stop)
        redis = RedisServer()
        world.cleanups.append(redis.stop)
        endpoint = serve()
        for i in range(100):
            redis.run("HSET", "dramatiq:default.msgs", "m%d" % i, json.dumps({"message_timestamp": 1}))
            redis.run("RPUSH", "dramatiq:default", "m%d" % i)
        pids = start_agent(world, postgres, redis, endpoint)
        if not arguments.alone:
            pids.update(start_peers(world, postgres, redis, endpoint))
        time.sleep(arguments.warm_up)
        if endpoint.writes == 0:
            sys.exit("nobody pushed anything:\n" + world.log("agent"))
        figures = measure(pids, arguments.minutes)
    peers = [one for name, one in figures.items() if name != "tocsin-agent"]
    if peers:
        figures["the four peers"] = {key: sum(one[key] for one in peers) for key in peers[0]}
    show(figures)
    if arguments.json:
        with open(arguments.json, "a") as file:
            file.write(json.dumps(figures) + "\n")


if __name__ == "__main__":
    try:
        main()
    except unittest.SkipTest as why:
        print("skipped: %s" % why)
        sys.exit(SKIPPED)

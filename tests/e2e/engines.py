"""Debian's prometheus and victoria-metrics in a World, as engines and as receivers, on ports that they keep."""

import json
import shutil
import unittest
import urllib.parse

from harness import free_port, wait_until
from prometheus_server import ask


class Engine:
    """One engine; may be stopped and started again on the same data."""

    def __init__(self, world, name):
        self.world, self.name, self.port = world, name, free_port()
        self.url = "http://127.0.0.1:%d" % self.port

    def start(self):
        self.world.start(self.name, *self.command())
        wait_until(lambda: ask(self.port, "GET", "/-/healthy")[0] == 200, 30, self.name)
        return self

    def stop(self):
        self.world.stop(self.name, seconds=30)

    def query(self, expr, at=None):
        """Returns the `result` of an instant query."""
        form = {"query": expr, "nocache": "1"}
        if at is not None:
            form["time"] = "%.3f" % at
        status, _, body = ask(self.port, "POST", "/api/v1/query", urllib.parse.urlencode(form),
                              {"Content-Type": "application/x-www-form-urlencoded"})
        return json.loads(body)["data"]["result"] if status == 200 else []

    def samples(self, selector, at, window="10m"):
        """Returns {(label `host`, timestamp_ms): value} of everything stored in the window."""
        found = {}
        for one in self.query("%s[%s]" % (selector, window), at):
            for timestamp, value in one["values"]:
                found[one["metric"].get("host"), round(float(timestamp) * 1000)] = float(value)
        return found


class Prometheus(Engine):
    write_path = "/api/v1/write"

    def command(self):
        if not shutil.which("prometheus"):
            raise unittest.SkipTest("Debian's prometheus is not installed")
        self.world.write(self.name + ".yml", "global: {}\n")
        return ["prometheus", "--config.file=%s.yml" % self.name, "--storage.tsdb.path=%s-data" % self.name,
                "--web.enable-remote-write-receiver", "--web.listen-address=127.0.0.1:%d" % self.port]


class VictoriaMetrics(Engine):
    write_path = "/api/v1/write"

    def command(self):
        program = shutil.which("victoria-metrics")
        if not program:
            raise unittest.SkipTest("Debian's victoria-metrics is not installed")
        return [program, "-httpListenAddr=127.0.0.1:%d" % self.port, "-storageDataPath=%s-data" % self.name,
                "-retentionPeriod=1d"]

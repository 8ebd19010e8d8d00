"""Our Redis collector against Debian's prometheus-redis-exporter, on a server of the test's own: for every name that
both have the same label sets, and values between the exporter's two scrapes around ours."""

import re
import shutil
import subprocess
import unittest
import urllib.request

from harness import BIN, World, free_port, wait_until
from redis_server import RedisServer

EXPORTER = shutil.which("prometheus-redis-exporter")
SAMPLE = re.compile(r"([a-zA-Z_:][a-zA-Z0-9_:]*)(?:\{(.*)\})? (\S+)$")
LABEL = re.compile(r'([a-zA-Z_][a-zA-Z0-9_]*)="((?:[^"\\]|\\.)*)"')

# Names that both have and that are not the same thing, and why.
NOT_COMPARED = {
    "redis_instance_info": "ours has fewer labels: the run's id and the process number are new after each start",
    "redis_mem_fragmentation_ratio": "moves with every allocation",
}
# How far a value may lie outside what the exporter said before and after: the readers themselves.
TOLERANCE = {"redis_connected_clients": 2, "redis_memory_used": 1 << 20, "redis_cpu_": 0.1,
             "redis_uptime_in_seconds": 1}
NAMES_MIN = 35  # that must be shared


def parse(text):
    """Returns {name: {label set: value}} of the redis_ names; `server` left out."""
    families = {}
    for line in text.splitlines():
        found = SAMPLE.match(line)
        if found and found[1].startswith("redis_"):
            labels = frozenset((name, value) for name, value in LABEL.findall(found[2] or "") if name != "server")
            families.setdefault(found[1], {})[labels] = float(found[3])
    return families


@unittest.skipIf(EXPORTER is None, "prometheus-redis-exporter is not installed (packaging/install-deps --tests)")
class RedisExporterParityTest(unittest.TestCase):
    def setUp(self):
        self.world = World()
        self.addCleanup(self.world.__exit__)
        self.redis = RedisServer()
        self.addCleanup(self.redis.stop)

    def scrape(self):
        url = "http://127.0.0.1:%d/metrics" % self.port
        return parse(urllib.request.urlopen(url, timeout=10).read().decode())

    def ours(self):
        config = self.world.write("agent.toml", """
[spool]
path = "%s/spool"
[host]
enabled = ["time"]
[[redis]]
name = "main"
address = "127.0.0.1:%d"
""" % (self.world.folder, self.redis.port))
        done = subprocess.run([BIN / "tocsin-agent", "--config", config, "--once"], capture_output=True, text=True,
                              timeout=60, check=True)
        return parse(done.stdout)

    def test_shared_names_have_the_same_values(self):
        self.redis.run("SET", "a", "1")
        self.redis.run("SETEX", "b", "100", "1")
        self.redis.run("GET", "nothing")
        self.port = free_port()
        self.world.start("exporter", EXPORTER, "-redis.addr", "redis://127.0.0.1:%d" % self.redis.port,
                         "-web.listen-address", "127.0.0.1:%d" % self.port)

        def up():
            try:
                return self.scrape().get("redis_up", {}).get(frozenset()) == 1
            except OSError:
                return False

        wait_until(up, 30, "the exporter")
        before, ours, after = self.scrape(), self.ours(), self.scrape()
        shared = sorted(set(ours) & set(before) - set(NOT_COMPARED))
        self.assertGreaterEqual(len(shared), NAMES_MIN, shared)
        differ = []
        for name in shared:
            if set(ours[name]) != set(before[name]):
                differ.append("%s: labels %s, theirs %s" % (name, sorted(map(sorted, ours[name])),
                                                            sorted(map(sorted, before[name]))))
                continue
            slack = max((value for prefix, value in TOLERANCE.items() if name.startswith(prefix)), default=0)
            for labels, value in ours[name].items():
                ends = sorted((before[name][labels], after[name].get(labels, before[name][labels])))
                if not ends[0] - slack - 1e-6 <= value <= ends[1] + slack + 1e-6:
                    differ.append("%s%s: %s, theirs %s" % (name, sorted(labels), value, ends))
        self.assertEqual(differ, [])


if __name__ == "__main__":
    unittest.main()

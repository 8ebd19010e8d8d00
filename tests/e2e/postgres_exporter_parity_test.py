"""Our PostgreSQL collector against Debian's prometheus-postgres-exporter 0.11, on a server of the test's own.

The exporter is scraped, our agent prints one round, the exporter is scraped again. For every name that both have:
the same label sets; values between the two scrapes, or within a tolerance that is written down here.
"""

import contextlib
import math
import re
import shutil
import subprocess
import unittest
import urllib.request

from harness import BIN, World, free_port, wait_until
from postgres_server import PostgresServer

EXPORTER = shutil.which("prometheus-postgres-exporter")
SAMPLE = re.compile(r"([a-zA-Z_:][a-zA-Z0-9_:]*)(?:\{(.*)\})? (\S+)$")
LABEL = re.compile(r'([a-zA-Z_][a-zA-Z0-9_]*)="((?:[^"\\]|\\.)*)"')

# Names that both have and that are not the same thing, and why.
NOT_COMPARED = {
    "pg_static": "ours has the version's two numbers, theirs its banner",
    "pg_exporter_last_scrape_duration_seconds": "about the reader itself",
    "pg_scrape_collector_success": "about the reader itself: other checks",
    "pg_scrape_collector_duration_seconds": "about the reader itself",
    "pg_stat_activity_max_tx_duration": "of the very instant: whoever reads is in a transaction",
}
# How far a value may lie outside what the exporter said before and after.
TOLERANCE = {
    "pg_stat_activity_count": 2,       # the readers themselves
    "pg_stat_database_numbackends": 2,
    "pg_locks_count": 4,
    "pg_stat_database_": 1e-3,         # milliseconds, rounded
}
NAMES_MIN = 50  # that must be shared


def parse(text):
    """Returns {name: {label set: value}} of the pg_ names; `server` and empty labels left out."""
    families = {}
    for line in text.splitlines():
        found = SAMPLE.match(line)
        if not found or not found[1].startswith("pg_"):
            continue
        labels = frozenset((name, value) for name, value in LABEL.findall(found[2] or "")
                           if name != "server" and value)
        families.setdefault(found[1], {})[labels] = float(found[3])
    return families


def tolerance(name):
    return max((value for prefix, value in TOLERANCE.items() if name.startswith(prefix)), default=0)


@unittest.skipIf(EXPORTER is None, "prometheus-postgres-exporter is not installed (packaging/install-deps --tests)")
class PostgresExporterParityTest(unittest.TestCase):
    def setUp(self):
        self.stack = contextlib.ExitStack()
        self.addCleanup(self.stack.close)
        self.world = self.stack.enter_context(World())
        self.server = PostgresServer()
        self.stack.callback(self.server.stop)

    def scrape(self):
        url = "http://127.0.0.1:%d/metrics" % self.port
        return parse(urllib.request.urlopen(url, timeout=10).read().decode())

    def ours(self):
        config = self.world.write("agent.toml", """
[spool]
path = "%s/spool"
[host]
enabled = ["time"]
[[postgres]]
name = "main"
dsn = "%s"
timeout = "10s"
""" % (self.world.folder, self.server.dsn))
        done = subprocess.run([BIN / "tocsin-agent", "--config", config, "--once"], capture_output=True, text=True,
                              timeout=60, check=True)
        return parse(done.stdout)

    def test_shared_names_have_the_same_values(self):
        self.server.query("CREATE TABLE t (id int); INSERT INTO t SELECT generate_series(1, 1000)")
        self.port = free_port()
        self.world.start("exporter", EXPORTER, "--web.listen-address=127.0.0.1:%d" % self.port,
                         env={"DATA_SOURCE_NAME": "postgresql://tocsin@127.0.0.1:%d/alerts?sslmode=disable"
                                                  % self.server.port})

        def up():
            try:
                return self.scrape().get("pg_up", {}).get(frozenset()) == 1
            except OSError:
                return False

        wait_until(up, 30, "the exporter")
        before, ours, after = self.scrape(), self.ours(), self.scrape()
        shared = sorted(set(ours) & set(before) - set(NOT_COMPARED))
        self.assertGreaterEqual(len(shared), NAMES_MIN, shared)
        differ = []
        for name in shared:
            # NULL is no sample here, NaN there.
            theirs = {labels for labels, value in before[name].items() if not math.isnan(value)}
            templates = {labels for labels in theirs if any(value.startswith("template") for _, value in labels)}
            if theirs - templates != set(ours[name]) - templates:
                differ.append("%s: labels %s, theirs %s" % (name, sorted(map(sorted, ours[name])),
                                                            sorted(map(sorted, theirs))))
                continue
            for labels in theirs - templates:
                ends = sorted((before[name][labels], after[name].get(labels, before[name][labels])))
                slack = tolerance(name) + abs(ends[1]) * 1e-6
                if not ends[0] - slack <= ours[name][labels] <= ends[1] + slack:
                    differ.append("%s%s: %s, theirs %s" % (name, sorted(labels), ours[name][labels], ends))
        self.assertEqual(differ, [])


if __name__ == "__main__":
    unittest.main()

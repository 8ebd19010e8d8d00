"""Our PostgreSQL collector against Debian's prometheus-postgres-exporter 0.11, on a server of the test's own.

The exporter is scraped, our agent prints one round, the exporter is scraped again. For every name that both have:
the same label sets; values between the two scrapes, or within a tolerance that is written down here.
"""

import shutil
import unittest

from exporter import differences, one_round, scrape, wait_for
from harness import World, free_port
from postgres_server import PostgresServer

EXPORTER = shutil.which("prometheus-postgres-exporter")

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


def without_templates(families):
    """The exporter leaves some databases out that nobody uses."""
    return {name: {labels: value for labels, value in samples.items()
                   if not any(text.startswith("template") for _, text in labels)}
            for name, samples in families.items()}


@unittest.skipIf(EXPORTER is None, "prometheus-postgres-exporter is not installed (packaging/install-deps --tests)")
class PostgresExporterParityTest(unittest.TestCase):
    def test_shared_names_have_the_same_values(self):
        world = World()
        self.addCleanup(world.__exit__)
        server = PostgresServer()
        self.addCleanup(server.stop)
        server.query("CREATE TABLE t (id int); INSERT INTO t SELECT generate_series(1, 1000)")
        port = free_port()
        world.start("exporter", EXPORTER, "--web.listen-address=127.0.0.1:%d" % port,
                    env={"DATA_SOURCE_NAME": "postgresql://tocsin@127.0.0.1:%d/alerts?sslmode=disable" % server.port})
        wait_for(port, "pg_")
        tables = '[[postgres]]\nname = "main"\ndsn = "%s"\ntimeout = "10s"\n' % server.dsn
        before, ours, after = map(without_templates, (scrape(port, "pg_"), one_round(world, tables, "pg_"),
                                                      scrape(port, "pg_")))
        shared = sorted(set(ours) & set(before) - set(NOT_COMPARED))
        self.assertGreaterEqual(len(shared), NAMES_MIN, shared)
        self.assertEqual(differences(shared, before, ours, after, TOLERANCE, 1e-6), [])


if __name__ == "__main__":
    unittest.main()

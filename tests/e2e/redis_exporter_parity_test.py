"""Our Redis collector against Debian's prometheus-redis-exporter, on a server of the test's own: for every name that
both have the same label sets, and values between the exporter's two scrapes around ours."""

import shutil
import unittest

from exporter import differences, one_round, scrape, wait_for
from harness import World, free_port
from redis_server import RedisServer

EXPORTER = shutil.which("prometheus-redis-exporter")

# Names that both have and that are not the same thing, and why.
NOT_COMPARED = {
    "redis_instance_info": "ours has fewer labels: the run's id and the process number are new after each start",
    "redis_mem_fragmentation_ratio": "moves with every allocation",
}
# How far a value may lie outside what the exporter said before and after: the readers themselves.
TOLERANCE = {"redis_connected_clients": 2, "redis_memory_used": 1 << 20, "redis_cpu_": 0.1,
             "redis_uptime_in_seconds": 1}
NAMES_MIN = 35  # that must be shared


@unittest.skipIf(EXPORTER is None, "prometheus-redis-exporter is not installed (packaging/install-deps --tests)")
class RedisExporterParityTest(unittest.TestCase):
    def test_shared_names_have_the_same_values(self):
        world = World()
        self.addCleanup(world.__exit__)
        redis = RedisServer()
        self.addCleanup(redis.stop)
        redis.run("SET", "a", "1")
        redis.run("SETEX", "b", "100", "1")
        redis.run("GET", "nothing")
        port = free_port()
        world.start("exporter", EXPORTER, "-redis.addr", "redis://127.0.0.1:%d" % redis.port,
                    "-web.listen-address", "127.0.0.1:%d" % port)
        wait_for(port, "redis_")
        tables = '[[redis]]\nname = "main"\naddress = "127.0.0.1:%d"\n' % redis.port
        before, ours, after = (scrape(port, "redis_"), one_round(world, tables, "redis_"), scrape(port, "redis_"))
        shared = sorted(set(ours) & set(before) - set(NOT_COMPARED))
        self.assertGreaterEqual(len(shared), NAMES_MIN, shared)
        self.assertEqual(differences(shared, before, ours, after, TOLERANCE), [])


if __name__ == "__main__":
    unittest.main()

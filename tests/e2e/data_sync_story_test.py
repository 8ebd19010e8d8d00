#!/usr/bin/env python3
"""Two databases that should agree: the copier stops, and the shipped rules say so (their `for` in seconds); it goes on,
and it is over. The queries are those of docs/business-metrics.md.
"""

import re
import unittest

from harness import SOURCE, HookReceiver, World, route_to, wait_until
from postgres_server import PostgresServer

QUERY = '''
[[postgres]]
name = "%(side)s"
dsn = "%(dsn)s"
timeout = "900ms"
[[postgres.query]]
name = "sync_grades"
query = """SELECT 'grades' AS pair, '%(side)s' AS side, count(*) AS sync_rows,
  extract(epoch FROM max(changed_at)) AS sync_watermark_timestamp_seconds FROM grade"""
labels = ["pair", "side"]
values = { sync_rows = "gauge", sync_watermark_timestamp_seconds = "gauge" }
interval = "1s"
[[postgres.query]]
name = "sync_grades_content"
query = """SELECT 'grades' AS pair, '%(side)s' AS side, id / 10000 AS range,
  ('x' || substr(md5(string_agg(md5(g::text), '' ORDER BY id)), 1, 12))::bit(48)::bigint AS sync_checksum
  FROM grade g GROUP BY range ORDER BY range DESC LIMIT 50"""
labels = ["pair", "side", "range"]
values = { sync_checksum = "gauge" }
interval = "1s"
'''


class DataSyncStoryTest(unittest.TestCase):
    def setUp(self):
        self.server = PostgresServer()
        self.addCleanup(self.server.stop)
        self.server.query("CREATE SCHEMA target")
        for table in ("public.grade", "target.grade"):
            self.server.query("CREATE TABLE %s (id int PRIMARY KEY, changed_at timestamptz NOT NULL)" % table)
        self.world = World()
        self.addCleanup(self.world.__exit__)
        self.hook = HookReceiver()
        self.addCleanup(self.hook.stop)
        rules = (SOURCE / "rules/data.toml").read_text()
        rules = re.sub(r'\bfor = "[^"]+"', 'for = "3s"', rules).replace('interval = "1m"', 'interval = "1s"')
        self.world.alertd_config(rules, route_to(self.hook.url, ["alertname"]))
        for book in ("data-sync", "data-retention"):
            self.world.write("rules/runbooks/%s.md" % book, (SOURCE / "rules/runbooks" / (book + ".md")).read_text())
        sides = "".join(QUERY % {"side": side, "dsn": self.server.dsn + " options='-c search_path=%s'" % schema}
                        for side, schema in (("source", "public"), ("target", "target")))
        self.world.agent_config('[host]\nenabled = ["time"]\n' + sides)

    def insert(self, table, number, age):
        self.server.query("INSERT INTO %s VALUES (%d, now() - interval '%s')" % (table, number, age))

    def copy(self):
        self.server.query("INSERT INTO target.grade SELECT * FROM public.grade ON CONFLICT DO NOTHING")

    def told(self, alert, status="firing"):
        return [request["body"] for request in self.hook.distinct()
                if request["body"]["commonLabels"].get("alertname") == alert and request["body"]["status"] == status]

    def test_the_copier_stops(self):
        self.insert("public.grade", 1, "3 hours")
        self.copy()
        self.world.start_alertd()
        self.world.start_agent()
        wait_until(lambda: len(self.world.query("sync_rows == 1")) == 2, 30, "both sides")
        self.insert("public.grade", 2, "0 hours")
        late = wait_until(lambda: self.told("SyncLate"), 30, "the late copy")
        self.assertEqual(late[0]["incident"]["severity"], "high")
        self.assertIn("grades", late[0]["commonAnnotations"]["summary"])
        wait_until(lambda: self.told("SyncCountDiffers"), 30, "the missing row")
        self.copy()
        wait_until(lambda: self.told("SyncLate", "resolved") and self.told("SyncCountDiffers", "resolved"), 30,
                   "both to be over")
        # As many rows and as young, and one of them is another.
        wait_until(lambda: len(self.world.query('sync_checksum{range="0"}')) == 2, 30, "the checksums")
        # The missing row made the contents differ too; that may have been told of, and must be over.
        wait_until(lambda: not self.world.get_json("/api/v1/alerts")["data"]["alerts"]
                   and len(self.told("SyncContentDiffers")) == len(self.told("SyncContentDiffers", "resolved")), 30,
                   "the contents to agree")
        before = len(self.told("SyncContentDiffers"))
        self.assertLessEqual(before, 1)
        self.server.query("UPDATE target.grade SET changed_at = changed_at - interval '1 minute' WHERE id = 1")
        wait_until(lambda: len(self.told("SyncContentDiffers")) > before, 30, "the row that differs")
        self.assertEqual(self.told("SyncContentDiffers")[-1]["commonLabels"]["range"], "0")
        self.server.query("TRUNCATE target.grade")
        self.copy()
        wait_until(lambda: len(self.told("SyncContentDiffers", "resolved")) > before, 30, "the end")
        self.assertEqual({request["body"]["commonLabels"]["alertname"] for request in self.hook.requests} - {"SyncContentDiffers"},
                         {"SyncLate", "SyncCountDiffers"})


if __name__ == "__main__":
    unittest.main()

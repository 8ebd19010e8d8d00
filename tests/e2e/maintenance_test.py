#!/usr/bin/env python3
"""Maintenance of a real PostgreSQL by the agent: bloated indexes rebuilt with bytes saved, locks that are held, what a
failed rebuild leaves, dead rows vacuumed; dry runs that change nothing; moments that are not good; the audit trail.
"""

import datetime
import json
import subprocess
import threading
import unittest

from harness import BIN, World, wait_until
from postgres_server import PostgresServer

OPTIONS = """
[task.options]
dsn = "%s"
load_max = 0
"""

TASKS = """
[tasks]
inbox = "%s/inbox"
state = "%s/tasks"

[[task]]
name = "reindex"
mode = "run"
work = "reindex_bloated"
enabled = true
dry_run = false
schedule = "0 3 * * Sun"
timezone = "Asia/Phnom_Penh"
expect_every = "7d"
%s
bytes_min = "1MiB"
disk_check = %s

[[task]]
name = "reindex_dry"
mode = "run"
work = "reindex_bloated"
enabled = true
schedule = "0 3 * * Sun"
timezone = "Asia/Phnom_Penh"
expect_every = "7d"
%s
bytes_min = "1MiB"
disk_check = false

[[task]]
name = "vacuum"
mode = "run"
work = "vacuum_analyze"
enabled = true
dry_run = false
schedule = "%s"
timezone = "UTC"
expect_every = "7d"
%s
dead_rows_min = 100
"""


class MaintenanceTest(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.server = PostgresServer(("autovacuum=off",))
        cls.addClassCleanup(cls.server.stop)
        cls.server.query("CREATE ROLE maintenance LOGIN")
        cls.server.query("GRANT pg_monitor TO maintenance")
        cls.server.query("CREATE TABLE shop (id int PRIMARY KEY, name text)")
        cls.server.query("CREATE INDEX shop_name ON shop (name)")
        cls.server.query("INSERT INTO shop SELECT i, md5(i::text) FROM generate_series(1, 60000) i")
        # Nine of ten rows go: the indexes keep their size.
        cls.server.query("DELETE FROM shop WHERE id % 10 <> 0")
        cls.server.query("VACUUM ANALYZE shop")
        cls.server.query("CREATE TABLE log (id int, text text)")
        cls.server.query("INSERT INTO log SELECT i, 'x' FROM generate_series(1, 5000) i")
        cls.server.query("ALTER TABLE shop OWNER TO maintenance")
        cls.server.query("ALTER TABLE log OWNER TO maintenance")

    def setUp(self):
        self.world = World()
        self.addCleanup(self.world.__exit__)
        self.configure()

    def configure(self, user="maintenance", vacuum_at="0 4 * * Sun", disk_check="false"):
        options = OPTIONS % self.server.dsn.replace("user=tocsin", "user=" + user)
        folder = self.world.folder
        self.config = self.world.agent_config(
            '[host]\nenabled = ["time"]\n'
            + TASKS % (folder, folder, options, disk_check, options, vacuum_at, options))

    def task(self, verb, *arguments):
        return subprocess.run([BIN / "tocsin-agent", verb, *arguments, "--config", self.config], capture_output=True,
                              text=True, timeout=60)

    def size(self, index):
        return int(self.server.query("SELECT pg_relation_size('%s')" % index))

    def invalid(self):
        return self.server.query("SELECT c.relname FROM pg_index i JOIN pg_class c ON c.oid = i.indexrelid "
                                 "WHERE NOT indisvalid ORDER BY 1")

    def audit(self):
        text = (self.world.folder / "tasks" / "audit.log").read_text()
        return [json.loads(line) for line in text.splitlines()]

    def in_transaction(self, sql):
        """A session that holds what `sql` takes until it is stopped."""
        session = subprocess.Popen(
            [self.server.programs / "psql", "-h", self.server.folder, "-p", str(self.server.port), "-U", "tocsin", "-d",
             "alerts", "-At", "-q"], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, user=self.server.user,
            cwd=self.server.folder)
        session.stdin.write("BEGIN; %s; SELECT 'held';\n" % sql)
        session.stdin.flush()
        while session.stdout.readline().strip() != "held":
            self.assertIsNone(session.poll())

        def end():
            session.communicate("ROLLBACK;\n")

        self.addCleanup(lambda: session.poll() is None and session.kill())
        return end

    def test_1_a_dry_run_says_what_it_would_do_and_does_nothing(self):
        before = self.size("shop_name")
        done = self.task("task-run", "reindex_dry")
        self.assertEqual(done.returncode, 0, done.stdout + done.stderr)
        self.assertRegex(done.stdout, r"reindex_dry: dry run: would reindex 2 indexes")
        self.assertIn("public.shop_name", done.stdout)
        self.assertEqual(self.size("shop_name"), before)
        self.assertEqual([line["event"] for line in self.audit()], ["start", "dry_run"])

    def test_2_a_held_lock_ends_it_and_only_its_own_leftover_is_dropped(self):
        # An invalid index of somebody else: not ours, so it stays.
        self.server.query("CREATE INDEX shop_name_ccnew ON shop (name)")
        self.server.query("UPDATE pg_index SET indisvalid = false, indisready = false "
                          "WHERE indexrelid = 'shop_name_ccnew'::regclass")
        before = self.size("shop_pkey"), self.size("shop_name")
        # The build waits for writers, and gives up after two seconds. This one ends a little later.
        release = self.in_transaction("UPDATE shop SET name = 'z' WHERE id = 10")
        threading.Timer(4, release).start()
        done = self.task("task-run", "reindex")
        self.assertEqual(done.returncode, 1, done.stdout + done.stderr)
        self.assertIn("lock timeout", done.stdout)
        self.assertIn("dropped its leftover public.shop_name_ccnew1", done.stdout)
        self.assertEqual(self.invalid(), "shop_name_ccnew")
        self.assertEqual(before, (self.size("shop_pkey"), self.size("shop_name")))
        events = self.audit()
        self.assertEqual([line["event"] for line in events], ["start", "failed"])
        self.assertIn("lock timeout", events[-1]["text"])
        # Killed in the middle: what is left is written down.
        release = self.in_transaction("UPDATE shop SET name = 'z' WHERE id = 10")
        killed = subprocess.Popen([BIN / "tocsin-agent", "task-run", "reindex", "--config", self.config],
                                  stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        wait_until(lambda: "shop_name_ccnew1" in self.invalid(), 10, "the build")
        killed.kill()
        killed.wait()
        wait_until(lambda: self.server.query("SELECT count(*) FROM pg_stat_activity "
                                             "WHERE application_name = 'tocsin-maintenance'") == "0", 10,
                   "the server to notice")
        release()
        self.assertEqual(self.invalid().split(), ["shop_name_ccnew", "shop_name_ccnew1"])
        done = self.task("task-run", "reindex")
        self.assertEqual(done.returncode, 0, done.stdout + done.stderr)
        self.assertIn("reindexed 2 of 2 bloated indexes, saved ", done.stdout)
        self.assertEqual(self.invalid(), "shop_name_ccnew")
        self.assertLess(self.size("shop_name"), before[1] / 3)
        self.assertFalse(list((self.world.folder / "tasks").glob("reindex_*.json")))
        # Nothing is left to do.
        self.assertIn("reindexed 0 of 0", self.task("task-run", "reindex").stdout)
        self.assertEqual(self.task("task-audit").returncode, 0)
        log = self.world.folder / "tasks" / "audit.log"
        log.write_text(log.read_text().replace("lock timeout", "no problem!!", 1))
        done = self.task("task-audit")
        self.assertEqual(done.returncode, 1)
        self.assertIn("the audit chain is broken", done.stderr)

    def test_3_moments_that_are_not_good(self):
        release = self.in_transaction("SELECT count(*) FROM log")
        self.config.write_text(self.config.read_text().replace("load_max = 0", 'load_max = 0\ntransaction_max = "0s"'))
        wait_until(lambda: int(self.server.query(
            "SELECT extract(epoch FROM max(now() - xact_start))::int FROM pg_stat_activity "
            "WHERE pid <> pg_backend_pid()")) > 1, 10, "an old transaction")
        done = self.task("task-run", "vacuum")
        self.assertEqual(done.returncode, 3, done.stdout + done.stderr)
        self.assertIn("skipped: long_transaction: a transaction is ", done.stdout)
        release()
        # A role that cannot see the others must not believe that there are none.
        self.server.query("REVOKE pg_monitor FROM maintenance")
        self.addCleanup(self.server.query, "GRANT pg_monitor TO maintenance")
        done = self.task("task-run", "vacuum")
        self.assertEqual(done.returncode, 1)
        self.assertIn("GRANT pg_monitor", done.stdout)

    def test_4_room_for_the_new_index_must_be_known(self):
        self.server.query("INSERT INTO shop SELECT i, md5(i::text) FROM generate_series(100001, 160000) i")
        self.server.query("DELETE FROM shop WHERE id > 100000 AND id % 10 <> 0")
        self.server.query("VACUUM ANALYZE shop")
        self.configure(disk_check="true")
        done = self.task("task-run", "reindex")
        self.assertEqual(done.returncode, 0, done.stdout + done.stderr)  # root and the owner see the folder
        self.assertIn("saved", done.stdout)

    def test_5_the_schedule_vacuums_dead_rows_and_the_agent_tells(self):
        self.world.alertd_config()
        self.world.start_alertd()
        self.server.query("UPDATE log SET text = 'y'")
        self.assertEqual(self.server.query("SELECT n_dead_tup FROM pg_stat_user_tables WHERE relname = 'log'"), "5000")
        now = datetime.datetime.now(datetime.timezone.utc)
        # Known for two minutes, so the last minute is due.
        self.configure(vacuum_at="* * * * *")
        self.world.write("tasks/state.json", json.dumps(
            {"tasks": {"vacuum": {"registered_ms": int((now.timestamp() - 120) * 1000)}}}))
        self.world.start_agent()
        wait_until(lambda: self.world.query('task_last_run_successful{task="vacuum"} == 1'), 30, "the due run")
        self.assertEqual(self.server.query("SELECT n_dead_tup, vacuum_count FROM pg_stat_user_tables "
                                           "WHERE relname = 'log'"), "0|1")
        self.assertGreaterEqual(next(iter(self.world.query(
            'task_evidence{task="vacuum", name="dead_rows_before"}').values())), 5000)
        self.assertEqual(list(self.world.query('task_audit_intact').values()), [1])
        self.assertGreater(next(iter(self.world.query(
            'task_last_success_timestamp_seconds{task="vacuum"}').values())), now.timestamp())
        # The switch: no run begins.
        self.assertEqual(self.task("task-pause").returncode, 0)
        done = self.task("task-run", "vacuum")
        self.assertEqual(done.returncode, 3)
        self.assertIn("paused", done.stdout)
        self.assertEqual(self.task("task-pause", "--off").returncode, 0)
        self.assertNotEqual(self.task("task-run", "vacuum").returncode, 3)


if __name__ == "__main__":
    unittest.main()

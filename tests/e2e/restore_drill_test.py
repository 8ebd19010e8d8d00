#!/usr/bin/env python3
"""Restore drills with real PostgreSQL: from a dump and to a point in time, measured; what cannot be restored is told with
its reason; the scratch server and its folder are gone afterwards, and a folder that is somebody's is left alone.
"""

import json
import os
import pathlib
import re
import shutil
import subprocess
import tempfile
import time
import unittest

from harness import BIN, SOURCE, HookReceiver, World, route_to, wait_until
from postgres_server import PostgresServer


TASK = """
[tasks]
inbox = "%s"
state = "%s"
[[task]]
name = "restore_drill"
mode = "run"
work = "restore_drill"
schedule = "0 3 * * Sun"
timezone = "Europe/Berlin"
expect_every = "30d"
enabled = true
dry_run = false
[task.options]
set = "db"
"""


class RestoreDrillTest(unittest.TestCase):
    def setUp(self):
        self.archive = pathlib.Path(tempfile.mkdtemp(prefix="tocsin-wal-"))
        self.addCleanup(shutil.rmtree, self.archive, True)
        self.server = PostgresServer(("archive_mode=on", "archive_command=cp %%p %s/%%f" % self.archive))
        self.addCleanup(self.server.stop)
        self.world = World()
        self.addCleanup(self.world.__exit__)
        self.folder = pathlib.Path(tempfile.mkdtemp(prefix="tocsin-drill-"))  # short: a socket's path is
        self.addCleanup(shutil.rmtree, self.folder, True)
        self.state = self.world.folder / "backup"
        self.state.mkdir()
        for path in (self.archive, self.folder, self.state):
            if self.server.user:
                shutil.chown(path, self.server.user)
        self.world.folder.chmod(0o755)
        self.scratch = self.folder / "scratch"
        inbox = self.folder / "inbox"
        inbox.mkdir()
        if self.server.user:
            shutil.chown(inbox, self.server.user)
        self.server.query("CREATE TABLE student AS SELECT i AS id, 'name ' || i AS name FROM generate_series(1, 5000) i")
        self.server.query("CREATE TABLE mark (id int)")
        self.server.query("ANALYZE")

    def run_tool(self, program, *arguments):
        connection = ["-h", self.server.folder, "-p", str(self.server.port), "-U", "tocsin"]
        subprocess.run([self.server.programs / program, *connection, *map(str, arguments)], check=True,
                       capture_output=True, user=self.server.user, cwd=self.server.folder)

    def configure(self, kind, path, more="", drill=""):
        self.world.agent_config("""
[host]
enabled = ["time"]
[[backup]]
name = "db"
kind = "%s"
path = "%s"
interval = "1s"
settle = "0s"
%s
[backup.drill]
scratch = "%s"
programs = "%s"
%s
""" % (kind, path, more, self.scratch, self.server.programs, drill))

    def drill(self, *arguments, verb="restore-drill"):
        """Returns (exit status, output); as the server's user, because PostgreSQL does not start as root."""
        what = arguments if verb == "task-run" else ("db", *arguments)
        done = subprocess.run([BIN.resolve() / "tocsin-agent", verb, *what, "--config",
                               self.world.folder / "agent.toml"], capture_output=True, text=True,
                              user=self.server.user, cwd="/", timeout=120)
        left = subprocess.run(["pgrep", "-f", str(self.scratch)], capture_output=True, text=True)
        self.assertEqual(left.stdout, "", "something still runs")
        return done.returncode, done.stdout + done.stderr

    def test_from_a_dump(self):
        self.run_tool("pg_dump", "-Fc", "-f", self.folder / "db.dump", "alerts")
        live = 'live_dsn = "%s"\n' % self.server.dsn
        self.configure("pg_dump", self.folder / "db.dump", drill=live + '[[backup.drill.assertion]]\nname = "students"\n'
                       'query = "SELECT count(*) = 5000 FROM student"\n')
        status, output = self.drill()
        self.assertEqual(status, 0, output)
        self.assertRegex(output, r"2 tables restored")
        seconds = float(re.search(r"restore time ([0-9.]+) s", output)[1])
        self.assertTrue(0 < seconds < 60, output)
        self.assertFalse(self.scratch.exists())

        # Half of the rows are not in the next dump.
        self.server.query("CREATE TABLE kept AS SELECT * FROM student")
        self.server.query("DELETE FROM student WHERE id > 2500")
        self.run_tool("pg_dump", "-Fc", "-f", self.folder / "db.dump", "alerts")
        self.server.query("INSERT INTO student SELECT * FROM kept WHERE id > 2500")
        self.server.query("VACUUM ANALYZE student")
        self.configure("pg_dump", self.folder / "db.dump", drill=live)
        status, output = self.drill()
        self.assertEqual(status, 0, output)
        self.assertIn("public.student: 50 % of the expected rows", output)
        self.check_told()

        # A plain dump, by psql, as the work of a task; and one that was cut.
        self.run_tool("pg_dump", "-f", self.folder / "db.sql", "alerts")
        self.configure("pg_dump", self.folder / "db.sql", drill=TASK % (self.folder / "inbox", self.folder / "tasks"))
        status, output = self.drill("restore_drill", verb="task-run")
        self.assertEqual(status, 0, output)
        self.assertIn("3 tables restored", output)
        whole = (self.folder / "db.dump").read_bytes()
        (self.folder / "db.dump").write_bytes(whole[:len(whole) * 2 // 3])
        self.configure("pg_dump", self.folder / "db.dump")
        status, output = self.drill()
        self.assertEqual(status, 1, output)
        self.assertIn("restore_failed", output)
        self.assertFalse(self.scratch.exists())

        # Somebody's folder is left alone.
        self.scratch.mkdir()
        (self.scratch / "precious").write_text("mine")
        status, output = self.drill()
        self.assertEqual(status, 1, output)
        self.assertRegex(output, "NOT TRIED(.|\n)*scratch_not_empty")
        self.assertEqual((self.scratch / "precious").read_text(), "mine")

    def test_masking_and_another_place(self):
        self.server.query("CREATE EXTENSION citext")
        self.run_tool("pg_dump", "-Fc", "-f", self.folder / "db.dump", "alerts")
        self.server.query("DROP EXTENSION citext")
        masking = self.world.write("masking.sql", "UPDATE student SET name = 'masked ' || id;\n")
        masking.chmod(0o644)
        drill = ('live_dsn = "%s"\nmasking_file = "%s"\n[[backup.drill.assertion]]\nname = "masked"\n'
                 'query = "SELECT count(*) = 5000 FROM student WHERE name LIKE \'masked %%\'"\n' % (self.server.dsn, masking))
        self.configure("pg_dump", self.folder / "db.dump", drill=drill)
        status, output = self.drill()
        self.assertEqual(status, 0, output)
        self.assertIn("masked", output)
        differs = json.loads((self.state / "db.drill.json").read_text())["differs"]
        self.assertEqual(differs, {"version": False, "encoding": False, "locale": False, "extensions": True})
        self.assertEqual(self.server.query("SELECT count(*) FROM student WHERE name LIKE 'masked %'"), "0")  # the live one
        masking.write_text("UPDATE student SET surname = 'masked';\n")
        status, output = self.drill()
        self.assertEqual(status, 1, output)
        self.assertIn("masking_failed", output)
        self.assertIn('column "surname"', output)

    def test_tablespaces(self):
        place = self.server.folder / "fast"
        place.mkdir()
        if self.server.user:
            shutil.chown(place, self.server.user)
        self.server.query("CREATE TABLESPACE fast LOCATION '%s'" % place)
        self.server.query("CREATE TABLE score TABLESPACE fast AS SELECT generate_series(1, 700) AS id")
        question = ('superuser = "tocsin"\ndatabase = "alerts"\n[[backup.drill.assertion]]\nname = "scores"\n'
                    'query = "SELECT count(*) = 700 FROM score"\n')
        self.run_tool("pg_basebackup", "-D", self.folder / "tar", "-F", "t", "-X", "stream", "-c", "fast")
        self.run_tool("pg_basebackup", "-D", self.folder / "plain", "-X", "stream", "-c", "fast",
                      "--tablespace-mapping=%s=%s" % (place, self.folder / "plain-fast"))
        self.run_tool("pg_basebackup", "-D", self.folder / "away", "-X", "stream", "-c", "fast",
                      "--tablespace-mapping=%s=%s" % (place, self.server.folder / "away-fast"))
        self.server.query("DELETE FROM score")  # whoever reads the live one finds nothing
        self.server.query("CHECKPOINT")
        for form in ("tar", "plain"):
            self.configure("base_backup", self.folder / form, drill=question)
            status, output = self.drill()
            self.assertEqual(status, 0, output)
            self.assertFalse(self.scratch.exists())
        self.configure("base_backup", self.folder / "away", drill=question)
        status, output = self.drill()
        self.assertRegex(output, "NOT TRIED(.|\n)*tablespaces")
        self.configure("base_backup", self.folder / "away", drill='tablespaces = ["%s"]\n' % self.server.folder + question)
        status, output = self.drill()
        self.assertEqual(status, 0, output)
        self.assertEqual(self.server.query("SELECT count(*) FROM score"), "0")  # the live one is as it was

    def check_told(self):
        """What the drill found, through agent, daemon and the rules that ship."""
        hook = HookReceiver()
        self.addCleanup(hook.stop)
        for book in (SOURCE / "rules/runbooks").glob("*.md"):
            if book.name.startswith(("backup-", "restore-")):
                self.world.write("rules/runbooks/" + book.name, book.read_text())
        rules = (SOURCE / "rules/backup.toml").read_text().replace('interval = "1m"', 'interval = "1s"')
        self.world.alertd_config(rules, route_to(hook.url, ["alertname"]))
        self.world.start_alertd()
        self.world.start_agent()
        wait_until(lambda: hook.requests, 30, "the alert")
        body = hook.requests[0]["body"]
        self.assertEqual(body["commonLabels"]["alertname"], "RestoreDrillRowsMissing")
        self.assertEqual(body["incident"]["severity"], "critical")
        self.assertIn("public.student", body["commonAnnotations"]["summary"])
        for metric in ("restore_drill_success == 1", "restore_drill_rto_seconds > 0", "restore_drill_rpo_seconds > 0",
                       "restore_drill_duration_seconds > 0", "restore_drill_tables == 3",
                       'time() - backup_verified_timestamp_seconds{level="restore"} < 60'):
            self.assertTrue(self.world.query(metric), metric)
        self.world.stop("agent")
        self.world.stop("alertd")

    def test_to_a_point_in_time(self):
        made = self.server.folder / "base"
        self.run_tool("pg_basebackup", "-D", made, "-X", "none", "-c", "fast")
        target = self.folder / "base"
        shutil.move(made, target)
        self.server.query("INSERT INTO mark SELECT generate_series(1, 20)")
        time.sleep(1.1)
        between = self.server.query("SELECT to_char(now() AT TIME ZONE 'UTC', 'YYYY-MM-DD\"T\"HH24:MI:SS\"Z\"')")
        time.sleep(1.1)
        self.server.query("INSERT INTO mark SELECT generate_series(1, 30)")
        last = self.server.query("SELECT pg_walfile_name(pg_current_wal_lsn())")
        self.server.query("SELECT pg_switch_wal()")
        wait_until(lambda: (self.archive / last).exists(), 30, "the archive")
        time.sleep(1.1)  # what would be committed now would be lost

        def configure(rows):
            self.configure("base_backup", target, 'wal_archive = "%s"' % self.archive,
                           'superuser = "tocsin"\ndatabase = "alerts"\n[[backup.drill.assertion]]\nname = "marks"\n'
                           'query = "SELECT count(*) = %d FROM mark"\n' % rows)

        configure(50)
        status, output = self.drill()
        self.assertEqual(status, 0, output)
        self.assertIn("recovered to latest", output)
        lost = float(re.search(r"data lost ([0-9.]+) s", output)[1])
        self.assertTrue(1 <= lost < 60, output)
        configure(20)
        status, output = self.drill("--target", between)
        self.assertEqual(status, 0, output)
        self.assertFalse(self.scratch.exists())
        self.configure("base_backup", target, 'wal_archive = "%s"' % self.archive, 'superuser = "tocsin"\n')
        status, output = self.drill("--target", "random")
        self.assertEqual(status, 0, output)
        configure(20)
        # The data are as they were then, and not as they are now.
        status, output = self.drill()
        self.assertEqual(status, 1, output)
        self.assertIn("assertion_failed", output)
        # A segment that is missing ends the recovery before the target.
        shutil.move(self.archive / last, self.folder / last)
        future = time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime())
        status, output = self.drill("--target", future)
        self.assertEqual(status, 1, output)
        self.assertRegex(output, "target_not_reached|wal_missing")
        self.assertFalse(self.scratch.exists())
        self.assertEqual(os.listdir(self.state), ["db.drill.json"])


if __name__ == "__main__":
    unittest.main()

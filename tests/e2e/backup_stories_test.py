#!/usr/bin/env python3
"""Backups that are none, made with real PostgreSQL tools: each is told at its severity with its reason, by the rules that
ship (their `for` in seconds), while good ones beside them stay silent; a good one ends it, and a restart forgets nothing.
"""

import gzip
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


def scaled(rules):
    rules = re.sub(r'\bfor = "[^"]+"', 'for = "2s"', rules)
    return rules.replace('interval = "1m"', 'interval = "1s"')


class BackupStoriesTest(unittest.TestCase):
    def setUp(self):
        self.archive = pathlib.Path(tempfile.mkdtemp(prefix="tocsin-wal-"))
        self.addCleanup(shutil.rmtree, self.archive, True)
        self.server = PostgresServer(("archive_mode=on", "archive_command=cp %%p %s/%%f" % self.archive))
        self.addCleanup(self.server.stop)
        if self.server.user:
            shutil.chown(self.archive, self.server.user)
        self.server.query("CREATE TABLE student AS SELECT i AS id, 'name ' || i AS name FROM generate_series(1, 5000) i")
        self.server.query("CREATE DATABASE hollow")
        self.world = World()
        self.addCleanup(self.world.__exit__)
        self.folder = self.world.folder / "backups"

    def run_tool(self, program, *arguments, check=True):
        connection = ["-h", self.server.folder, "-p", str(self.server.port), "-U", "tocsin"]
        done = subprocess.run([self.server.programs / program, *connection, *map(str, arguments)], capture_output=True,
                              user=self.server.user, cwd=self.server.folder)
        if check and done.returncode != 0:
            raise AssertionError("%s: %s" % (program, done.stderr.decode()))
        return done.stdout

    def put(self, name, content):
        path = self.folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content)
        return path

    def base_backup(self, name):
        made = self.server.folder / name
        self.run_tool("pg_basebackup", "-D", made, "-X", "none", "-c", "fast")
        shutil.copytree(made, self.folder / name / "one", symlinks=True)

    def make_backups(self):
        custom = self.run_tool("pg_dump", "-Fc", "alerts")
        plain = self.run_tool("pg_dump", "alerts")
        self.put("good/db.dump", custom)
        self.put("good_plain/db.sql.gz", gzip.compress(plain))
        # What `pg_dump wrong_name | gzip` leaves: gzip finds nothing wrong with it.
        failed = gzip.compress(self.run_tool("pg_dump", "no_such_database", check=False))
        self.assertEqual(len(failed), 20)
        subprocess.run(["gzip", "-t", self.put("twenty/db.sql.gz", failed)], check=True)
        self.put("cut/db.dump", custom[:len(custom) * 2 // 3])
        self.put("cut_plain/db.sql.gz", gzip.compress(plain[:len(plain) // 2]))
        self.put("hollow/db.dump", self.run_tool("pg_dump", "-Fc", "hollow"))
        self.put("older/db.dump", custom.replace(b"15.", b"16.", 1))
        self.put("touched/db-2026-01-02_0300.sql", plain)
        os.utime(self.put("stale/db.dump", custom), times=(time.time() - 3 * 86400,) * 2)
        self.put("clear/db.dump", custom)
        (self.folder / "none").mkdir()
        self.base_backup("base_good")
        self.base_backup("base_flipped")
        victim = max((self.folder / "base_flipped/one/base").rglob("[0-9]*"), key=lambda path: path.stat().st_size)
        with open(victim, "r+b") as file:
            file.seek(1000)
            byte = file.read(2)
            file.seek(1000)
            file.write(bytes(b ^ 0xFF for b in byte))
        for _ in range(3):
            self.server.query("INSERT INTO student SELECT i, 'more' FROM generate_series(1, 1000) i")
            self.server.query("SELECT pg_switch_wal()")
        newest = self.server.query("SELECT pg_walfile_name(pg_current_wal_lsn() - 16 * 1024 * 1024)")
        wait_until(lambda: (self.archive / newest).exists(), 30, "the archive")

    def configure(self):
        def table(name, kind, path, more=""):
            return '[[backup]]\nname = "%s"\nkind = "%s"\npath = "%s"\ninterval = "1s"\nsettle = "0s"\n' \
                'read_rate = "1GiB"\n%s\n' % (name, kind, self.folder / name / path, more)

        gap = self.world.folder / "wal_gap"
        shutil.copytree(self.archive, gap)
        segments = sorted(path for path in gap.iterdir() if len(path.name) == 24)
        segments[-2].unlink()
        dumps = ["good", "good_plain", "twenty", "cut", "cut_plain", "older", "stale", "none"]
        tables = "".join(table(name, "pg_dump", "db*") for name in dumps)
        tables += table("touched", "pg_dump", "db*")
        tables += table("hollow", "pg_dump", "db*", 'size_min = "100"')
        tables += table("clear", "pg_dump", "db*", "encryption_required = true")
        tables += table("no_folder", "files", "*.tar")
        tables += table("base_good", "base_backup", "*", 'wal_archive = "%s"' % self.archive)
        tables += table("base_flipped", "base_backup", "*", 'wal_archive = "%s"' % self.archive)
        tables += '[[backup]]\nname = "wal_gap"\nkind = "base_backup"\npath = "%s/*"\ninterval = "1s"\nsettle = "0s"\n' \
            'wal_archive = "%s"\npitr_window = "7d"\n' % (self.folder / "base_good", gap)
        self.world.agent_config('[host]\nenabled = ["time"]\n' + tables)

    def start(self):
        self.hook = HookReceiver()
        self.addCleanup(self.hook.stop)
        for book in (SOURCE / "rules/runbooks").glob("*.md"):
            if book.name.startswith(("backup-", "restore-")):
                self.world.write("rules/runbooks/" + book.name, book.read_text())
        self.world.alertd_config(scaled((SOURCE / "rules/backup.toml").read_text()),
                                 route_to(self.hook.url, ["alertname", "set", "server", "reason"]))
        self.world.start_alertd()
        self.world.start_agent()

    def told(self, status="firing"):
        """{(alert, set): (severity, reason)}"""
        found = {}
        for request in self.hook.distinct():
            labels = request["body"]["commonLabels"]
            if request["body"]["status"] == status:
                found[labels["alertname"], labels.get("set", labels.get("server"))] = \
                    (request["body"]["incident"]["severity"], labels.get("reason"))
        return found

    def test_every_way_of_having_no_backup(self):
        self.make_backups()
        self.configure()
        self.start()
        wanted = {
            ("BackupVerifyFailed", "twenty"): ("critical", "empty"),
            ("BackupVerifyFailed", "cut"): ("critical", "truncated"),
            ("BackupVerifyFailed", "cut_plain"): ("critical", "truncated"),
            ("BackupVerifyFailed", "hollow"): ("critical", "empty_schema"),
            ("BackupVerifyFailed", "older"): ("critical", "pg_dump_older_than_server"),
            ("BackupVerifyFailed", "base_flipped"): ("critical", "checksum_mismatch"),
            ("BackupTouched", "touched"): ("high", None),
            ("BackupTooOld", "touched"): ("critical", None),
            ("BackupTooOld", "stale"): ("critical", None),
            ("BackupMissing", "none"): ("critical", None),
            ("BackupNotEncrypted", "clear"): ("medium", None),
            ("BackupCheckFailing", "backup no_folder"): ("high", "not_found"),
            ("BackupWalGap", "wal_gap"): ("high", None),
            ("PitrWindowShort", "wal_gap"): ("high", None),
        }
        self.wait_for(wanted)
        self.assertEqual(self.told(), wanted)
        verified = 'backup_verified_timestamp_seconds{level="structure"}'
        good = {name for labels in self.world.query(verified) for key, name in labels if key == "set"}
        self.assertLessEqual({"good", "good_plain", "base_good", "clear"}, good)

        # At night: a sentence, and an exit status.
        done = subprocess.run([BIN / "tocsin-agent", "verify-backup", self.folder / "cut/db.dump"], capture_output=True,
                              text=True)
        self.assertEqual(done.returncode, 1)
        self.assertIn("truncated", done.stdout)
        done = subprocess.run([BIN / "tocsin-agent", "verify-backup", "good", "--level", "2", "--config",
                               self.world.folder / "agent.toml"], capture_output=True, text=True)
        self.assertEqual(done.returncode, 0, done.stdout)
        self.assertIn("tables", done.stdout)

        # A restart does not forget what was verified, and does not read it again.
        verified_good = 'backup_verified_timestamp_seconds{level="structure",set="good"}'
        before = self.world.query(verified_good)
        self.world.stop("agent")
        self.world.start_agent()
        started = time.time()
        wait_until(lambda: self.world.query('timestamp(backup_files{set="good"}) > %f' % started), 30, "the agent")
        self.assertEqual(self.world.query(verified_good), before)
        # And a good one ends the alert.
        shutil.copy(self.folder / "good/db.dump", self.folder / "cut/db.dump")
        wait_until(lambda: ("BackupVerifyFailed", "cut") in self.told("resolved"), 30, "the good backup")
        self.assertEqual(self.told().keys(), wanted.keys())

    def wait_for(self, wanted):
        try:
            wait_until(lambda: wanted.keys() <= self.told().keys(), 60, "the alerts")
        except AssertionError as error:
            raise AssertionError("%s; missing %s" % (error, sorted(wanted.keys() - self.told().keys()))) from None


if __name__ == "__main__":
    unittest.main()

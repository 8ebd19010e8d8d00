#!/usr/bin/env python3
"""Tasks as a shop has them: cron lines in the wrapper, heartbeats of programs, and what must be told when they fail,
hang, or do not happen: also when the host that should say so is gone, and when the daemon was restarted meanwhile.
"""

import json
import os
import re
import signal
import subprocess
import time
import unittest

from harness import BIN, SOURCE, HookReceiver, World, route_to, wait_until

TASKS = """
[host]
enabled = ["time"]

[tasks]
inbox = "%s/inbox"
state = "%s/tasks"

[[task]]
name = "backup_db"
owner = "dba"
expect_every = "3s"
grace = "1s"
on_missed = "Critical"
on_failed = "High"

[[task]]
name = "report"
expect_every = "1h"
on_failed = "Low"
max_duration = "2s"
on_overrun = "High"

[[task]]
name = "access_review"
mode = "attest"
expect_every = "2s"
on_missed = "Low"
"""


class TaskStoriesTest(unittest.TestCase):
    def setUp(self):
        self.world = World()
        self.addCleanup(self.world.__exit__)
        self.hook = HookReceiver()
        self.addCleanup(self.hook.stop)
        rules = re.sub(r'interval = "15s"', 'interval = "1s"', (SOURCE / "rules" / "tasks.toml").read_text())
        self.world.alertd_config(rules, '\n[tasks]\ninterval = "1s"\n'
                                 + route_to(self.hook.url, ["alertname", "task"]))
        self.config = self.world.agent_config(TASKS % (self.world.folder, self.world.folder))
        for book in [*(SOURCE / "rules" / "runbooks").glob("task-*.md"), SOURCE / "rules/runbooks/clock-jump.md"]:
            self.world.write("rules/runbooks/" + book.name, book.read_text())
        (self.world.folder / "inbox").mkdir()  # the package's part
        self.world.start_alertd()

    def start_agent(self):
        self.world.start_agent()
        wait_until(lambda: self.world.query('tocsin_task_age_seconds{task="backup_db"}'), 20, "the task to be known")

    def run_task(self, *arguments):
        """As cron does: a bare environment, no terminal."""
        return subprocess.run([BIN / "tocsin-agent", *map(str, arguments)], capture_output=True, text=True,
                              stdin=subprocess.DEVNULL, timeout=20, cwd="/",
                              env={"PATH": "/usr/bin:/bin", "HOME": "/nonexistent"})

    def wrapped(self, task, *command, options=()):
        return self.run_task("run-task", task, "--config", self.config, *options, "--", *command)

    def told(self, alert, task, status="firing"):
        return [request["body"] for request in self.hook.distinct()
                if request["body"]["commonLabels"].get("alertname") == alert
                and request["body"]["commonLabels"].get("task") == task and request["body"]["status"] == status]

    def value(self, expr):
        return next(iter(self.world.query(expr).values()), None)

    def test_a_backup_that_stops_with_its_host_is_missed_by_the_daemon(self):
        # The wrapper works while no agent runs: the record waits.
        dump = self.world.folder / "db.dump"
        done = self.wrapped("backup_db", "sh", "-c", "echo to-out; echo to-err >&2; echo data > %s" % dump,
                            options=("--evidence-file", dump))
        self.assertEqual((done.returncode, done.stdout, done.stderr), (0, "to-out\n", "to-err\n"))
        self.start_agent()
        wait_until(lambda: self.value('task_last_run_successful{task="backup_db"}') == 1, 10, "the record")
        self.assertEqual(self.value('task_evidence{task="backup_db", name="evidence_bytes"}'), 5)
        self.assertEqual(list((self.world.folder / "inbox").glob("*.run")), [])
        for _ in range(5):
            self.wrapped("backup_db", "true")
            time.sleep(0.8)
        self.assertEqual(self.told("TaskOverdue", "backup_db"), [])
        self.world.stop("agent", signal.SIGKILL)
        wait_until(lambda: self.told("TaskOverdue", "backup_db"), 20, "the overdue backup of a dead host")
        body = self.told("TaskOverdue", "backup_db")[0]
        self.assertEqual(body["incident"]["severity"], "critical")
        self.assertEqual(body["commonLabels"]["owner"], "dba")
        self.assertEqual(body["commonLabels"]["host"], "testhost")
        self.assertIn("is overdue, last success", body["commonAnnotations"]["summary"])
        # A restart of the daemon neither forgets the task nor begins its clock anew.
        self.world.stop("alertd", signal.SIGKILL)
        self.world.start_alertd()
        wait_until(lambda: self.value('tocsin_task_overdue{task="backup_db"}') == 4, 10, "the verdict to be back")
        self.assertEqual(self.told("TaskOverdue", "backup_db", "resolved"), [])
        self.world.start_agent()
        self.wrapped("backup_db", "true")
        wait_until(lambda: self.told("TaskOverdue", "backup_db", "resolved"), 20, "the backup to be back")
        self.assertEqual(len(self.told("TaskOverdue", "backup_db")), 1)

    def test_failing_hanging_and_killed_commands(self):
        self.start_agent()
        done = self.wrapped("report", "sh", "-c", "exit 7")
        self.assertEqual(done.returncode, 7)
        wait_until(lambda: self.told("TaskFailed", "report"), 20, "the failure")
        body = self.told("TaskFailed", "report")[0]
        self.assertEqual(body["incident"]["severity"], "low")
        self.assertIn("(exit_status)", body["commonAnnotations"]["summary"])
        self.assertEqual(self.value('task_last_exit_code{task="report"}'), 7)
        # Exit status 0 without evidence is no success.
        missing = self.world.folder / "report.csv"
        self.assertEqual(self.wrapped("report", "true", options=("--evidence-file", missing)).returncode, 0)
        wait_until(lambda: self.value('task_last_run_successful{task="report", reason="no_evidence"}') == 0, 10,
                   "the lack of evidence")
        # Nor is a report of no rows.
        table = self.world.folder / "report.csv"
        write = "import sys; open(sys.argv[1], 'w').write('id,sum\\n' + sys.argv[2])"
        run = ("--evidence-file", table, "--evidence-rows", "1")
        self.assertEqual(self.wrapped("report", "python3", "-c", write, table, "", options=run).returncode, 0)
        wait_until(lambda: self.value('task_evidence{task="report", name="evidence_rows"}') == 0, 10, "no rows")
        self.assertEqual(self.value('task_last_run_successful{task="report", reason="no_evidence"}'), 0)
        self.assertEqual(self.wrapped("report", "python3", "-c", write, table, "1,2\n3,4\n", options=run).returncode, 0)
        wait_until(lambda: self.value('task_last_run_successful{task="report"}') == 1, 10, "two rows")
        self.assertEqual(self.value('task_evidence{task="report", name="evidence_rows"}'), 2)
        self.assertEqual(self.wrapped("report", "/no/such/program").returncode, 127)
        # It hangs: nobody ends it, somebody is told.
        hanging = subprocess.Popen([BIN / "tocsin-agent", "run-task", "report", "--config", self.config, "--",
                                    "sleep", "60"], stdin=subprocess.DEVNULL)
        wait_until(lambda: self.told("TaskHung", "report"), 20, "the hung task")
        self.assertEqual(self.told("TaskHung", "report")[0]["incident"]["severity"], "high")
        # SIGTERM to the wrapper is for the command.
        hanging.send_signal(signal.SIGTERM)
        self.assertEqual(hanging.wait(10), 128 + signal.SIGTERM)
        wait_until(lambda: self.told("TaskHung", "report", "resolved"), 20, "the end of it")
        wait_until(lambda: self.value('task_last_run_successful{task="report", reason="signal"}') == 0, 10, "the signal")
        # The wrapper itself is killed: the run is lost, not running for ever.
        killed = subprocess.Popen([BIN / "tocsin-agent", "run-task", "report", "--config", self.config, "--",
                                   "sleep", "5"], stdin=subprocess.DEVNULL)
        wait_until(lambda: self.value('task_running{task="report"}') == 1, 10, "the run")
        killed.kill()
        killed.wait()
        wait_until(lambda: self.value('task_last_run_successful{task="report", reason="lost"}') == 0, 10, "the loss")
        self.assertEqual(self.value('task_last_exit_code{task="report"}'), -1)
        self.assertEqual(self.wrapped("report", "true").returncode, 0)
        wait_until(lambda: self.told("TaskFailed", "report", "resolved"), 20, "the success")

    def test_never_done_attested_and_misspelt(self):
        self.start_agent()
        wait_until(lambda: self.told("TaskNeverSucceeded", "access_review"), 20, "what never happened")
        self.assertEqual(self.told("TaskOverdue", "access_review"), [])
        done = self.run_task("task-report", "access_review", "--ok", "--note", "signed by kim", "--config", self.config)
        self.assertEqual(done.returncode, 0, done.stderr)
        wait_until(lambda: self.told("TaskNeverSucceeded", "access_review", "resolved"), 20, "the review")
        self.assertFalse(self.world.query('{__name__=~"task_.*", note!=""}'))
        # The audit trail has it, with the user whose file it was.
        signed = json.loads((self.world.folder / "tasks" / "audit.log").read_text())
        self.assertEqual(signed["event"], "attested")
        self.assertEqual(signed["text"], "ok, by user %d: signed by kim" % os.getuid())
        wait_until(lambda: self.value("task_audit_intact") == 1, 10, "the audit trail to be checked")
        done = self.wrapped("acces_review", "true")
        self.assertEqual(done.returncode, 0)
        self.assertIn("did you mean 'access_review'?", done.stderr)
        wait_until(lambda: self.value("task_records_refused_total") == 1, 10, "the refusal to be counted")
        # Nowhere to write: the command runs all the same, and its exit status is its own.
        done = self.run_task("run-task", "report", "--inbox", "/nonexistent/inbox", "--", "sh", "-c", "echo ran; exit 3")
        self.assertEqual((done.returncode, done.stdout), (3, "ran\n"))
        self.assertIn("the run is not recorded", done.stderr)

    def test_the_calendar_that_ships_is_sound(self):
        done = self.run_task("--check", "--config", SOURCE / "packaging" / "examples" / "calendar.toml")
        self.assertEqual((done.returncode, done.stderr), (0, ""))

    def beat(self, path, token=None):
        headers = {"Authorization": "Bearer " + token} if token else {}
        return self.world.request("POST", "/api/v1/tasks/" + path, b"", headers)

    def test_heartbeats_have_a_sender_and_their_own_clock(self):
        token = next(word for word in self.world.tocsin("agent", "add", "web1").stdout.split()
                     if word.startswith("tca_"))
        status, body = self.beat("sync/success?expect_every=2s&grace=1s&severity=high&owner=web", token)
        self.assertEqual(status, 200, body)
        self.assertEqual(json.loads(body)["data"], {"host": "web1", "task": "sync"})
        # Refused: a wrong token, another's host, another's word. Nothing of it is kept.
        self.assertEqual(self.beat("sync/success", "tca_" + "0" * 64)[0], 401)
        self.assertEqual(self.beat("sync/success?host=db1", token)[0], 403)
        self.assertEqual(self.beat("sync/begin", token)[0], 404)
        self.assertEqual(self.beat("sync/success?severity=worst", token)[0], 400)
        tasks = self.world.get_json("/api/v1/tasks")["data"]["tasks"]
        self.assertEqual([(task["host"], task["task"]) for task in tasks], [("web1", "sync")])
        wait_until(lambda: self.told("TaskOverdue", "sync"), 20, "the missing heartbeat")
        self.assertEqual(self.told("TaskOverdue", "sync")[0]["incident"]["severity"], "high")
        self.assertEqual(self.beat("sync/success", token)[0], 200)
        wait_until(lambda: self.told("TaskOverdue", "sync", "resolved"), 20, "the heartbeat")
        self.assertEqual(self.beat("sync/failure", token)[0], 200)
        wait_until(lambda: self.told("TaskFailed", "sync"), 20, "the failure")
        # kill -9 right after an answer: it was on disk.
        self.assertEqual(self.beat("import/start?max_duration=1s&severity=medium", token)[0], 200)
        self.world.stop("alertd", signal.SIGKILL)
        self.world.start_alertd()
        wait_until(lambda: self.told("TaskHung", "import"), 20, "the start without an end, over a restart")
        # Nobody outside can write the daemon's verdicts.
        now_ms = int(time.time() * 1000)
        self.assertEqual(self.world.send_samples([({"__name__": "tocsin_task_overdue", "task": "sync", "host": "web1"},
                                                   [(now_ms, 0)])])[0], 400)
        # An agent that is removed takes its tasks along.
        self.world.tocsin("agent", "remove", "web1")
        wait_until(lambda: self.world.get_json("/api/v1/tasks")["data"]["tasks"] == [], 10, "the tasks to be forgotten")
        self.assertEqual(self.beat("sync/success", token)[0], 401)
        # From this host without a token, for whom it names; forgotten by name.
        self.assertEqual(self.beat("local/success?host=nas")[0], 200)
        self.assertEqual(self.world.request("DELETE", "/api/v1/tasks/nas/local")[0], 200)
        self.assertEqual(self.world.request("DELETE", "/api/v1/tasks/nas/local")[0], 404)


if __name__ == "__main__":
    unittest.main()

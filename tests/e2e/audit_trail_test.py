#!/usr/bin/env python3
"""Who did what with alertd: commands, reloads, changed files, enrolled agents, refused calls, all in one chain of hashes; a copy of it elsewhere.
Then somebody with the database in hand edits a line, cuts the end off, and at last writes the whole chain anew.
"""

import hashlib
import json
import re
import sqlite3
import unittest
import urllib.error
import urllib.request

from harness import SOURCE, HookReceiver, World, route_to, wait_until

RULES = """
[[group]]
name = "g"
interval = "1s"
[[group.alert]]
name = "Busy"
expr = 'node_time_seconds > 0'
severity = "high"
summary = "busy"
runbook = "alertd-audit"
"""


def hash_of(previous, number, at, texts):
    fields = [previous, str(number), str(at), *texts]
    text = b"".join(b"%d:%s" % (len(field.encode()), field.encode()) for field in fields)
    return hashlib.sha256(text).hexdigest()


class AuditTrailTest(unittest.TestCase):
    def setUp(self):
        self.world = World()
        self.addCleanup(self.world.__exit__)
        self.hook = HookReceiver()
        self.addCleanup(self.hook.stop)
        for book in ("alertd-audit",):
            self.world.write("rules/runbooks/%s.md" % book, (SOURCE / "rules/runbooks" / (book + ".md")).read_text())
        rules = (SOURCE / "rules/alertd.toml").read_text()
        audit = "".join("[[group.alert]]\n" + part for part in rules.split("[[group.alert]]\n")[1:] if "alertd-audit" in part)
        self.world.alertd_config(RULES + audit, route_to(self.hook.url, ["alertname"]))
        self.world.agent_config('[host]\nenabled = ["time"]\n')
        self.world.start_alertd()
        self.world.start_agent()
        self.copy = self.world.folder / "copy.jsonl"

    def audit(self, *words, status=0):
        done = self.world.tocsin("audit", *words, check=False)
        self.assertEqual(done.returncode, status, done.stdout + done.stderr)
        return done.stdout + done.stderr

    def lines(self):
        return json.loads(self.audit("list", "--limit", "1000", "-o", "json"))["lines"]

    def actions(self):
        return [line["action"] for line in reversed(self.lines())]

    def told(self, alert):
        return [request["body"] for request in self.hook.distinct()
                if request["body"]["commonLabels"].get("alertname") == alert and request["body"]["status"] == "firing"]

    def tamper(self, statement, *values):
        """As somebody would who may write the file: the daemon is down meanwhile."""
        self.world.stop("alertd")
        database = sqlite3.connect(self.world.folder / "store/state.db")
        database.execute(statement, values)
        database.commit()
        return database

    def test_it_is_told_kept_copied_and_not_to_be_changed(self):
        incident = wait_until(lambda: json.loads(self.world.tocsin("incidents", "-o", "json").stdout)["incidents"], 30, "it")[0]["id"]
        self.world.tocsin("ack", incident, "--by", "ann", "-m", "looking")
        self.world.tocsin("agent", "add", "db7")
        self.world.tocsin("change", "add", "new checkout", "--service", "shop", "--version", "1.2.3", "--by", "ann")
        marker = 'tocsin_alertd_change_timestamp_seconds{service="shop",version="1.2.3"}'
        rules = self.world.folder / "rules"
        name = next(path for path in rules.glob("*.toml"))
        name.write_text(name.read_text().replace('summary = "busy"', 'summary = "very busy"'))
        urllib.request.urlopen(urllib.request.Request(self.world.url + "/-/reload", method="POST"), timeout=20).read()
        with self.assertRaises(urllib.error.HTTPError):
            urllib.request.urlopen(urllib.request.Request(self.world.url + "/-/reload", method="POST",
                                                          headers={"Authorization": "Bearer guess"}), timeout=20)
        for action in ("daemon.start", "configuration.first", "acknowledge", "agent.enroll", "reload.taken",
                       "configuration.changed", "api.bad_token"):
            wait_until(lambda: action in self.actions(), 15, "%s in %s" % (action, self.actions()))
        ack = next(line for line in self.lines() if line["action"] == "acknowledge")
        self.assertEqual((ack["actor"], ack["object"]), ("ann", incident))
        changed = next(line for line in self.lines() if line["action"] == "configuration.changed")
        self.assertEqual(changed["object"], str(name))
        self.assertIn(hashlib.sha256(name.read_bytes()).hexdigest()[:16], changed["text"])
        self.assertNotIn("guess", json.dumps(self.lines()))
        self.assertIn("whole", self.audit("verify"))
        self.audit("export", str(self.copy))
        self.assertIn("whole", self.audit("verify", str(self.copy)))
        whole = self.copy.read_bytes()

        # One word of one line.
        number = ack["n"]
        self.tamper("UPDATE audit SET actor = 'bob' WHERE number = ?", number).close()
        self.world.start_alertd()
        self.assertIn("line %d was changed" % number, self.audit("verify", status=1))
        wait_until(lambda: marker in self.world.get("/metrics")[1].decode(), 10, "the marker, over the restart")
        wait_until(lambda: self.told("AlertdAuditBroken"), 60, "the alert")
        self.assertEqual(self.told("AlertdAuditBroken")[0]["incident"]["severity"], "critical")

        # Mended so that no hash is wrong: the whole chain anew from there on. The daemon cannot know; the copy does.
        database = self.tamper("SELECT 1")
        rows = database.execute("SELECT number, at_ms, actor, source, action, object, text, hash FROM audit ORDER BY number").fetchall()
        previous = ""
        for row in rows:
            previous = hash_of(previous, row[0], row[1], [str(field) for field in row[2:7]])
            database.execute("UPDATE audit SET hash = ? WHERE number = ?", (previous, row[0]))
        database.commit()
        database.close()
        self.world.start_alertd()
        self.assertIn("whole", self.audit("verify"))
        self.assertIn("does not go on from line", self.audit("export", str(self.copy), status=1))
        self.assertEqual(self.copy.read_bytes(), whole)
        self.assertTrue(re.search('"actor":"ann"', whole.decode()))

        # The end cut off.
        last = self.lines()[0]["n"]
        self.tamper("DELETE FROM audit WHERE number = ?", last).close()
        self.world.start_alertd()
        self.assertIn("missing", self.audit("verify", status=1))


if __name__ == "__main__":
    unittest.main()

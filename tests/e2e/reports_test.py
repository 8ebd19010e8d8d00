#!/usr/bin/env python3
"""Reports of a recorded day: every kind in every format, their values, and their proof; and one that the calendar sends, once,
over restarts, by mail and to a webhook.
"""

import contextlib
import csv
import email
import email.policy
import hashlib
import html.parser
import io
import json
import re
import sqlite3
import time
import unittest
import urllib.parse
import xml.etree.ElementTree

from harness import HookReceiver, World, wait_until

KINDS = ("daily", "weekly", "monthly", "compliance", "capacity")
HOUR, DAY = 3600, 86400
STEP = 120

SENDING = """
[smtp]
host = "localhost"
port = %d
tls = "starttls"
user = "tocsin"
password_file = "%s"
ca_file = "%s"
from = "alerts@example.org"

[[receiver]]
name = "ops"
[[receiver.email]]
name = "mail"
to = ["team@example.org"]
[[receiver.webhook]]
name = "hook"
url = "%s"

[[report.send]]
name = "morning"
kind = "daily"
schedule = "daily 00:00"
timezone = "%s"
receiver = "ops"
"""


class Page(html.parser.HTMLParser):
    """The elements of a page, its text, and whether each was closed."""

    VOID = {"meta"}

    def __init__(self, text):
        super().__init__()
        self.open, self.seen, self.links = [], [], []
        self.feed(text)
        self.close()

    def handle_starttag(self, tag, attributes):
        self.seen.append(tag)
        self.links += [value for name, value in attributes if name in ("href", "src")]
        if tag not in self.VOID:
            self.open.append(tag)

    def handle_startendtag(self, tag, attributes):
        self.seen.append(tag)

    def handle_endtag(self, tag):
        if not self.open or self.open.pop() != tag:
            raise AssertionError("</%s> closes nothing" % tag)


class ReportsTest(unittest.TestCase):
    def setUp(self):
        self.world = World()
        self.addCleanup(self.world.__exit__)
        self.end = int(time.time()) // HOUR * HOUR
        self.begin = self.end - DAY

    def record(self):
        """A day of two hosts, ending at the last full hour."""
        times = range(self.begin, self.end + 1, STEP)

        def curve(name, value, **labels):
            labels = dict({"__name__": name, "host": labels["instance"]}, **labels)
            return labels, [(at * 1000, float(value(at - self.begin) if callable(value) else value)) for at in times]

        series = [
            curve("node_memory_MemTotal_bytes", 1000, instance="db1"),
            curve("node_memory_MemAvailable_bytes", 600, instance="db1"),
            curve("node_memory_MemTotal_bytes", 1000, instance="web1"),
            # 40 % in use, and 88 % in the last four hours.
            curve("node_memory_MemAvailable_bytes", lambda s: 120 if s >= 20 * HOUR else 600, instance="web1"),
            curve("node_filesystem_size_bytes", 100e9, instance="db1", mountpoint="/var", fstype="ext4"),
            # 10 GB a day from 30 GB on: at the end 40, full in 6 days.
            curve("node_filesystem_avail_bytes", lambda s: 70e9 - 10e9 * s / DAY, instance="db1", mountpoint="/var",
                  fstype="ext4"),
            curve("backup_last_success_timestamp_seconds", self.end - 3 * HOUR, instance="db1", set="db"),
            curve("backup_last_success_timestamp_seconds", self.end - 30 * HOUR, instance="db1", set="files"),
            curve("backup_verify_success", 1, instance="db1", set="db"),
            curve("probe_ssl_earliest_cert_expiry", self.end + 10.5 * DAY, instance="web1", probe="login"),
            curve("task_max_age_seconds", 2 * DAY, instance="db1", task="vacuum"),
            curve("task_last_success_timestamp_seconds", self.end - HOUR, instance="db1", task="vacuum"),
            curve("log_errors_total", lambda s: s / 600, instance="web1", log="app"),
            curve("queue_messages", lambda s: 1200 if 6 * HOUR <= s < 7 * HOUR else 3, instance="web1", queue="default"),
            curve("up", lambda s: 0 if 12 * HOUR <= s < 13 * HOUR else 1, instance="web1:8000", job="app"),
            # Everybody could get in for two hours.
            curve("sec_pg_hba_open_rules", lambda s: 1 if 4 * HOUR <= s < 6 * HOUR else 0, instance="db1", server="main"),
            curve("evil_metric", 1, instance="<script>alert(1)</script>"),
        ]
        status, body = self.world.send_samples(series)
        self.assertIn(status, (200, 204), body)

    def report(self, kind, form, **more):
        query = {"format": form, "timezone": "Asia/Phnom_Penh"}
        if kind != "monthly":
            query.update({"from": self.begin, "to": self.end})
        query.update(more)
        path = "/api/v1/reports/%s?%s" % (kind, urllib.parse.urlencode(query))
        status, body = self.world.request("GET", path, timeout=60)
        self.assertEqual(status, 200, body[:500])
        return body.decode()

    def rows(self, text):
        """{(section, subject, measure): (value, verdict)} of the CSV form."""
        return {(row["section"], row["subject"], row["measure"]): (row["value"], row["verdict"])
                for row in csv.DictReader(io.StringIO(text))}

    def proven(self, text):
        """The hash in the last line is that of the lines before."""
        body, last = text[:text[:-1].rindex("\n") + 1], text[text[:-1].rindex("\n") + 1:]
        digest = hashlib.sha256(body.encode()).hexdigest()
        self.assertEqual(last, "sha256,,,of the lines above,%s,\n" % digest)
        return digest

    def test_every_kind_in_every_format(self):
        self.world.alertd_config()
        self.world.start_alertd()
        self.record()
        for kind in KINDS:
            digest = self.proven(self.report(kind, "csv"))
            page = self.report(kind, "html")
            parsed = Page(page)
            self.assertEqual(parsed.open, [])
            self.assertFalse({"script", "link", "img", "iframe", "object"} & set(parsed.seen), kind)
            self.assertTrue(all(link.startswith("#") for link in parsed.links), parsed.links)
            for drawing in re.findall(r"<svg.*?</svg>", page, re.S):
                root = xml.etree.ElementTree.fromstring(drawing)
                self.assertTrue([each for each in root.iter() if each.tag.endswith("path")])
            markdown, text = self.report(kind, "md"), self.report(kind, "text")
            for form in (page, markdown, text):
                self.assertIn(digest, form)
                self.assertNotIn("could not be read", form, kind)
            self.assertTrue(markdown.startswith("# "))
        self.assertEqual(self.report("daily", "html"), self.report("daily", "html"))
        self.the_day()
        self.the_controls()
        self.the_others()

    def the_day(self):
        rows = self.rows(self.report("daily", "csv"))
        for key, expected in {
            ("backups", "db1 db", "Age"): (str(3 * HOUR), ""),
            ("backups", "db1 files", "Age"): (str(30 * HOUR), ""),
            ("certificates", "web1 login", "Days left"): ("10", "BAD"),
            ("resources", "db1", "95th percentile"): ("40", ""),
            ("resources", "web1", "Least"): ("40", ""),
            ("resources", "web1", "95th percentile"): ("88", "ATTENTION"),
            ("queues", "web1 default", "Longest"): ("1200", "ATTENTION"),
            ("queues", "web1 default", "Length at the end"): ("3", ""),
            ("disks", "db1 /var", "Used"): ("40", "OK"),
            ("disks", "db1 /var", "Full in"): ("6", "BAD"),
            ("incidents", "Incidents", "finding"): ("no incident was open in this time", "OK"),
            ("agents", "Agents", "finding"): ("no agent is known", "NO EVIDENCE"),
        }.items():
            value, verdict = rows[key]
            if re.fullmatch(r"[\d.]+", value):
                value = "%g" % round(float(value), 1)
            self.assertEqual((value, verdict), expected, key)
        self.assertEqual(rows["backups", "db1 files", "Last success"][1], "BAD")
        self.assertEqual(rows["tasks", "db1 vacuum", "Last success"][1], "OK")
        errors = float(rows["log_errors", "web1 app", "Errors"][0])
        self.assertAlmostEqual(errors, 144, delta=2)
        markdown = self.report("daily", "md")
        local = time.strftime("%Y-%m-%d %H:%M", time.gmtime(self.end + 7 * HOUR))
        self.assertIn("to %s Asia/Phnom" % local, markdown)
        self.assertRegex(markdown, r"\| BAD \| Backups \| 2 sets; 1 older than it may be; the oldest success is 30\.0 h old \|")
        self.assertRegex(markdown, r"    web1 default ▁+█+▁+ 3 \.\. 1200\n")

    def the_controls(self):
        text = self.report("compliance", "csv")
        rows = self.rows(text)
        control = "AC Only those who may have access have it PostgreSQL: no rule lets everybody in"
        self.assertEqual(rows["controls", control, "Result"], ("FAILED", "BAD"))
        self.assertEqual(rows["controls", "WA Somebody watches, and would be called every known agent is heard", "Result"],
                         ("NO EVIDENCE", "NO EVIDENCE"))
        self.assertEqual(rows["controls", "BK Data can be brought back the last verification passed", "Result"],
                         ("passed", "OK"))
        self.assertIn(",Each day,", text)

    def the_others(self):
        rows = self.rows(self.report("monthly", "csv", **{"from": self.begin, "to": self.end}))
        value, verdict = rows["availability", "up web1:8000 app", "Available"]
        self.assertAlmostEqual(float(value), 100 * 23 / 24, delta=0.3)
        self.assertEqual(verdict, "BAD")
        rows = self.rows(self.report("capacity", "csv", **{"from": self.begin, "to": self.end}))
        self.assertAlmostEqual(float(rows["file_systems", "db1 /var", "In 30 days"][0]), 340e9, delta=340e9 * 0.05)
        done = self.world.tocsin("report", "capacity", "--format", "csv", "--from", "-1d", "--output",
                                 self.world.folder / "capacity.csv")
        self.assertIn("wrote", done.stderr)
        self.proven((self.world.folder / "capacity.csv").read_text())
        wrong = self.world.tocsin("report", "daily", "--timezone", "Mars/Olympus", check=False)
        self.assertNotEqual(wrong.returncode, 0)
        self.assertIn("Mars/Olympus", wrong.stderr)

    def test_sent_by_the_calendar_once(self):
        hook = HookReceiver()
        self.addCleanup(hook.stop)
        smtp, certificate, mails = self.world.start_smtp()
        password = self.world.write("smtp.password", "s3cret-mail\n")
        password.chmod(0o600)
        # Midnight there was within the last hours here, and not within the next minutes.
        west = (time.gmtime().tm_hour - 3 + 11) % 24 - 11
        zone = "Etc/GMT%+d" % west
        self.world.alertd_config(extra=SENDING % (smtp, password, certificate, hook.url, zone))
        self.world.start_alertd()
        wait_until(lambda: self.world.query("report_interval_seconds"), 30, "the report to be known")
        self.assertEqual(hook.requests, [])  # what was due before it was configured is not sent
        self.world.stop("alertd")
        self.configured_long_ago()
        for _ in range(3):
            self.world.start_alertd()
            wait_until(lambda: hook.requests and list(mails.glob("*.eml")), 30, "the report")
            time.sleep(2)
            self.world.stop("alertd")
        self.assertEqual(len(hook.requests), 1)
        body = hook.requests[0]["body"]
        self.assertEqual(body["incident"]["kind"], "report")
        self.assertRegex(body["incident"]["title"], r"^Daily report of .* 00:00 .*: NO EVIDENCE$")
        self.assertIn("NO EVIDENCE: Backups: no backup reported", body["incident"]["text"])
        self.assertIn("/api/v1/reports/daily?from=", body["incident"]["text"])
        self.assertEqual(len(list(mails.glob("*.eml"))), 1)
        mail = email.message_from_bytes(next(mails.glob("*.eml")).read_bytes(), policy=email.policy.default)
        self.assertTrue(mail["Subject"].startswith("Daily report of "))
        self.assertEqual(Page(mail.get_body(("html",)).get_content()).open, [])
        self.assertIn("NO EVIDENCE", mail.get_body(("plain",)).get_content())
        self.world.start_alertd()
        sent = wait_until(lambda: self.world.query('report_last_sent_timestamp_seconds{report="morning"}'), 30, "the series")
        self.assertLess(time.time() - list(sent.values())[0], 120)
        # The link shows what was sent: the same data make the same report.
        link = re.search(r"http://[^/]+(/\S+)", body["incident"]["text"]).group(1)
        status, page = self.world.get(link)
        self.assertEqual(status, 200)
        self.assertIn(b"</html>", page)
        self.world.stop("alertd")
        with contextlib.closing(sqlite3.connect(self.world.folder / "store" / "state.db")) as state:
            audit = state.execute("SELECT text FROM audit WHERE action = 'report.sent'").fetchall()
        self.assertEqual(len(audit), 1)
        self.assertRegex(audit[0][0], r"^daily from .* sha256 [0-9a-f]{64}$")

    def configured_long_ago(self):
        with contextlib.closing(sqlite3.connect(self.world.folder / "store" / "state.db")) as state, state:
            (text,) = state.execute("SELECT body FROM records WHERE kind = 'report_sent'").fetchone()
            record = dict(json.loads(text), since=int((time.time() - 3 * DAY) * 1000))
            state.execute("UPDATE records SET body = ? WHERE kind = 'report_sent'", (json.dumps(record),))


if __name__ == "__main__":
    unittest.main()

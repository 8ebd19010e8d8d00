#!/usr/bin/env python3
"""What logs tell, by the rules that ship (their `for` in seconds): nginx answers 500, and a quiet night stays quiet;
passwords are tried, and one fits; logs are rotated by logrotate in the middle of all that; an endless line; a log
that is cut; deleted files that are held open; the journal.
"""

import os
import pathlib
import re
import shutil
import signal
import subprocess
import time
import unittest
import urllib.error
import urllib.request

from harness import SOURCE, HookReceiver, World, free_port, listening, route_to, wait_until

JOURNAL_REMOTE = "/lib/systemd/systemd-journal-remote"
LOGROTATE = "/usr/sbin/logrotate"


def scaled(rules):
    rules = re.sub(r'\bfor = "[^"]+"', 'for = "2s"', rules)
    rules = re.sub(r'keep_firing_for = "[^"]+"', 'keep_firing_for = "2s"', rules)
    return rules.replace('interval = "15s"', 'interval = "1s"').replace("> 500e6", "> 50e6")


def iso(when):
    return time.strftime("%Y-%m-%dT%H:%M:%S", time.gmtime(when)) + "+00:00"


def counted(world, expr):
    """The value of a query that gives one sample; 0 if it gives none."""
    return sum(world.query(expr).values())


class LogStoriesTest(unittest.TestCase):
    def begin(self, config, rule_files=("web.toml", "logs.toml", "authentication.toml")):
        self.hook = HookReceiver()
        self.addCleanup(self.hook.stop)
        rules = "".join(scaled((SOURCE / "rules" / name).read_text()) for name in rule_files)
        for pattern in ("web-*.md", "log-*.md", "auth-*.md", "audit-*.md", "deleted-*.md"):
            for book in (SOURCE / "rules" / "runbooks").glob(pattern):
                self.world.write("rules/runbooks/" + book.name, book.read_text())
        self.world.alertd_config(rules, route_to(self.hook.url, ["alertname", "instance", "job", "log"]))
        self.world.agent_config('[host]\nenabled = ["time"]\n' + config)
        self.world.start_alertd()
        self.world.start_agent()

    def setUp(self):
        self.world = World()
        self.addCleanup(self.world.__exit__)
        self.folder = self.world.folder

    def told(self, alert, status="firing"):
        return [request["body"] for request in self.hook.distinct()
                if request["body"]["commonLabels"].get("alertname") == alert and request["body"]["status"] == status]

    def others(self, *alerts):
        return sorted({request["body"]["commonLabels"].get("alertname") for request in self.hook.requests}
                      - set(alerts))

    def until(self, expr, what, seconds=30):
        return wait_until(lambda: self.world.query(expr), seconds, what)

    def append(self, name, text):
        with open(self.folder / name, "a") as log:
            log.write(text)

    def rotate(self, name, *lines):
        config = self.world.write("logrotate.conf", "%s {\n  rotate 3\n  missingok\n  %s\n}\n"
                                  % (self.folder / name, "\n  ".join(lines)))
        config.chmod(0o644)
        done = subprocess.run([LOGROTATE, "-f", "-s", str(self.folder / "logrotate.status"), str(config)],
                              capture_output=True, text=True)
        self.assertEqual(done.returncode, 0, done.stderr)

    # --- nginx

    def start_nginx(self):
        if not shutil.which("nginx", path=os.environ["PATH"] + ":/usr/sbin"):
            self.skipTest("nginx is not installed")
        self.web = free_port()
        self.night = free_port()
        config = self.world.write("nginx.conf", """
daemon off; pid %(folder)s/nginx.pid; error_log %(folder)s/nginx.error; worker_processes 1;
events { worker_connections 64; }
http {
  client_body_temp_path %(folder)s/b; proxy_temp_path %(folder)s/p; fastcgi_temp_path %(folder)s/f;
  uwsgi_temp_path %(folder)s/u; scgi_temp_path %(folder)s/s;
  log_format timed '$remote_addr - $remote_user [$time_local] "$request" $status $body_bytes_sent '
                   '"$http_referer" "$http_user_agent" $request_time';
  log_format fields escape=json '{"request_method":"$request_method","request_uri":"$request_uri",'
                                '"status":"$status","body_bytes_sent":"$body_bytes_sent",'
                                '"request_time":"$request_time"}';
  server { listen 127.0.0.1:%(web)d; access_log %(folder)s/access.log timed;
           location /student/ { return 200 "yes"; } location /fail/ { return 500; } }
  server { listen 127.0.0.1:%(night)d; access_log %(folder)s/night.log fields;
           location / { return 200; } location /fail { return 502; } }
}
""" % {"folder": self.folder, "web": self.web, "night": self.night})
        self.world.start("nginx", shutil.which("nginx", path="/usr/sbin:" + os.environ["PATH"]), "-c", config,
                         "-e", self.folder / "nginx.error")
        wait_until(lambda: listening(self.web), 15, "nginx")

    @staticmethod
    def ask(port, path):
        try:
            urllib.request.urlopen("http://127.0.0.1:%d%s" % (port, path), timeout=5).read()
        except urllib.error.HTTPError:
            pass

    def test_nginx_fails_and_a_quiet_night_does_not_count(self):
        self.start_nginx()
        self.begin('[[access_log]]\nname = "shop"\npath = "%s/access.log"\n'
                   '[[access_log]]\nname = "intranet"\npath = "%s/night.log"\nformat = "json"\n'
                   '[log_files]\ndeleted = false\nlogrotate_status = ""\n' % (self.folder, self.folder))
        self.until('access_log_requests_total{job="shop"}', "the first samples")
        self.until('access_log_requests_total{job="intranet"}', "the first samples")
        for i in range(10):
            self.ask(self.night, "/fail" if i % 2 else "/")
        total = 0
        for i in range(150):
            self.ask(self.web, "/student/%d?name=x" % i)
            total += 1
            if i == 70:
                # Renamed, and nginx writes on in the old file until it is told.
                (self.folder / "access.log").rename(self.folder / "access.log.1")
            if i == 90:
                self.world.processes["nginx"].send_signal(signal.SIGUSR1)
        wait_until(lambda: counted(self.world, 'access_log_requests_total{job="shop"}') == total, 15,
                   "every request, over the rotation")
        self.assertEqual(self.hook.requests, [])
        for i in range(60):
            self.ask(self.web, "/fail/%d" % i)
            total += 1
        wait_until(lambda: self.told("HttpErrorsHigh"), 40, "the page")
        wait_until(lambda: [body for body in self.told("HttpErrorsHigh")
                            if body["incident"]["severity"] == "critical"], 20, "it to be critical")
        self.assertEqual(self.told("HttpErrorsHigh")[0]["commonLabels"]["job"], "shop")
        self.assertEqual(counted(self.world, 'access_log_requests_total{job="shop"}'), total)
        self.assertEqual(counted(self.world, 'http_requests_total{job="shop",route="/student/:id",status="200"}'), 150)
        self.assertEqual(counted(self.world, 'http_requests_total{job="intranet",status="502"}'), 5)
        self.assertEqual(counted(self.world,
                                 'http_request_duration_seconds_bucket{job="shop",route="/student/:id",le="+Inf"}'),
                         150)
        self.assertEqual(counted(self.world, 'log_gaps_total{log="shop"}'), 0)
        self.assertEqual(self.others("HttpErrorsHigh"), [])

    # --- log-ins

    def sshd(self, number, text):
        return "%s db1 sshd[%d]: %s\n" % (iso(time.time()), number, text)

    def test_passwords_are_tried_and_one_fits(self):
        self.append("auth.log", self.sshd(1, "Accepted publickey for ada from 10.0.0.5 port 5 ssh2: ED25519 x"))
        self.append("app.log", "")
        self.begin('[[auth_log]]\nname = "auth"\npath = "%s/auth.log"\nservice_accounts = ["backup"]\n'
                   '[[auth_log]]\nname = "app"\npath = "%s/app.log"\ntrusted_proxies = ["127.0.0.1"]\n'
                   'pattern = \'login (?:(?P<ok>ok)|(?P<fail>failed)) user=(?P<user>\\S*) ip=(?P<ip>\\S+) '
                   'xff="(?P<forwarded>[^"]*)"\'\n[log_files]\ndeleted = false\nlogrotate_status = ""\n'
                   % (self.folder, self.folder))
        self.until('sec_auth_failures_total{log="auth"}', "the first samples")
        # Each claims to come from elsewhere; what the proxy appended is the truth.
        for i in range(9):
            self.append("app.log", 'login failed user=ada ip=127.0.0.1 xff="10.1.2.%d, 203.0.113.9"\n' % i)
        writer = open(self.folder / "auth.log", "a")
        for i in range(50):
            writer.write(self.sshd(100 + i, "Failed password for ada from 203.0.113.9 port 5 ssh2"))
            writer.flush()
            if i == 20:
                self.rotate("auth.log", "create")
            if i == 30:
                time.sleep(1.5)  # still in the old file, as rsyslog before its signal
                writer.close()
                writer = open(self.folder / "auth.log", "a")
        for i in range(40):
            writer.write(self.sshd(200 + i, "Failed password for invalid user u%d from 198.51.100.7 port 5 ssh2" % i))
        writer.flush()
        wait_until(lambda: self.told("AuthBruteForce") and self.told("AuthSpray"), 40, "the alerts")
        self.assertEqual(self.told("AuthBruteForce")[0]["incident"]["severity"], "high")
        self.assertEqual(self.told("AuthSpray")[0]["incident"]["severity"], "critical")
        self.assertEqual(self.told("AuthSuccessAfterFailures"), [])
        writer.write(self.sshd(300, "Accepted password for ada from 203.0.113.9 port 5 ssh2"))
        writer.write(self.sshd(301, "Accepted publickey for backup from 10.0.0.5 port 5 ssh2: ED25519 x"))
        writer.close()
        wait_until(lambda: self.told("AuthSuccessAfterFailures") and self.told("AuthServiceAccount"), 40, "the pages")
        self.assertEqual(self.told("AuthSuccessAfterFailures")[0]["incident"]["severity"], "critical")
        self.assertEqual(counted(self.world, 'sec_auth_failures_total{log="auth",service="sshd"}'), 90)
        self.assertEqual(counted(self.world, 'sec_auth_failures_source_max{log="app",window="5m"}'), 9)
        self.assertEqual(counted(self.world, 'log_gaps_total{log="auth"} + log_truncations_total'), 0)
        self.assertEqual(self.others("AuthBruteForce", "AuthSpray", "AuthSuccessAfterFailures", "AuthServiceAccount",
                                     "AuthAccountAttacked"), [])
        # No address and no name leaves the host; the host's own log has them.
        page = subprocess.run([str(self.world.bin("tocsin-agent")), "--config", str(self.folder / "agent.toml"),
                               "--once"], capture_output=True, text=True, timeout=60).stdout
        self.assertIn("sec_auth_failures_total", page)
        for text in (page, str(self.world.query('{__name__=~"sec_.+"}')), str(self.hook.requests)):
            self.assertNotIn("203.0.113", text)
        self.assertIn("got in by sshd from 203.0.113.9 after 5", self.world.log("agent"))

    # --- files

    def test_no_line_is_lost_over_a_kill_and_a_rotation(self):
        self.append("shop.log", "INFO begin\n")
        self.begin('[[log]]\nname = "shop"\npath = "%s/shop.log"\nlearning = "0s"\n'
                   '[[log]]\nname = "missing"\npath = "%s/missing.log"\n'
                   '[log_files]\ndeleted = false\nlogrotate_status = ""\n' % (self.folder, self.folder))
        self.until('log_readable{log="shop"} == 1', "the first samples")
        self.append("shop.log", "".join("ERROR order %d of 'x' failed\n" % i for i in range(100)))
        wait_until(lambda: counted(self.world, 'log_read_lines_total{log="shop"}') == 100, 15, "the lines")
        wait_until(lambda: self.told("LogUnreadable"), 20, "the log that is not there")
        state = self.folder / "logs.state"
        size = (self.folder / "shop.log").stat().st_size
        wait_until(lambda: state.exists() and "\t%d\t0\t" % size in state.read_text(), 15, "the position on disk")
        self.world.stop("agent", signal.SIGKILL)
        self.append("shop.log", "".join("ERROR order %d of 'x' failed\n" % i for i in range(50)))
        self.rotate("shop.log", "copytruncate")
        self.append("shop.log", "".join("ERROR %s of %d failed\n" % (word, i)
                                        for i, word in enumerate("mail print refund export login upload".split())))
        self.world.start_agent()
        wait_until(lambda: counted(self.world, 'log_read_lines_total{log="shop"}') == 56, 15, "the lines")
        self.assertEqual(counted(self.world, 'log_new_fingerprints_total{log="shop"}'), 6)
        self.assertEqual(counted(self.world, 'log_gaps_total{log="shop"}'), 0)
        self.assertEqual(self.told("LogCut"), [])
        # Somebody empties it, and no copy is made; that of the rotation is older than the latest look.
        time.sleep(3)
        (self.folder / "shop.log").write_text("")
        self.append("shop.log", "INFO nothing to see, mail to ada@example.org\n")
        wait_until(lambda: self.told("LogCut") and self.told("LogPersonalData"), 30, "the alerts")
        self.assertEqual(self.told("LogCut")[0]["incident"]["severity"], "high")
        self.assertNotIn("ada@", self.world.log("agent") + str(self.hook.requests))

    def test_an_endless_line_and_deleted_files(self):
        self.append("shop.log", "")
        self.begin('[[log]]\nname = "shop"\npath = "%s/shop.log"\n'
                   '[log_files]\ndeleted_interval = "1s"\nlogrotate_status = ""\n' % self.folder)
        self.until('log_readable{log="shop"} == 1', "the first samples")
        with open(self.folder / "shop.log", "r+b") as log:
            log.truncate(1 << 30)
            log.seek(0, 2)
            log.write(b"\nERROR after it\n")
        held = open(self.folder / "held", "wb")
        os.posix_fallocate(held.fileno(), 0, 60 << 20)
        os.unlink(self.folder / "held")
        wait_until(lambda: counted(self.world, 'log_errors_total{log="shop"}') == 1, 60, "the line after it")
        self.assertEqual(counted(self.world, 'log_lines_too_long_total{log="shop"}'), 1)
        status = pathlib.Path("/proc/%d/status" % self.world.processes["agent"].pid).read_text()
        peak = int(re.search(r"VmHWM:\s+(\d+)", status).group(1))
        self.assertLess(peak, 40 << 10, "kB at the most")
        wait_until(lambda: self.told("DeletedFilesHeldOpen"), 40, "the alert")
        body = self.told("DeletedFilesHeldOpen")[0]
        self.assertEqual(body["incident"]["severity"], "medium")
        self.assertIn("python3", body["commonAnnotations"]["summary"])
        held.close()
        wait_until(lambda: self.told("DeletedFilesHeldOpen", "resolved"), 40, "it to be over")
        self.assertEqual(self.others("DeletedFilesHeldOpen", "LogBehind", "LogFileLarge"), [])

    # --- the journal

    def journal(self, *entries):
        export = b""
        for i, entry in enumerate(entries):
            fields = {"__REALTIME_TIMESTAMP": int(time.time() * 1e6) + i, "__MONOTONIC_TIMESTAMP": 1000000 + i,
                      "_BOOT_ID": "6d2b1b3a4c5d4e6f8a9b0c1d2e3f4a5b", **entry}
            export += "".join("%s=%s\n" % field for field in fields.items()).encode() + b"\n"
        done = subprocess.run([JOURNAL_REMOTE, "-o", str(self.folder / "journal" / "system.journal"), "-"],
                              input=export, capture_output=True)
        self.assertEqual(done.returncode, 0, done.stderr)

    def test_the_journal_goes_on_where_it_was(self):
        if not os.path.exists(JOURNAL_REMOTE):
            self.skipTest("systemd-journal-remote is not installed")
        (self.folder / "journal").mkdir()
        failed = {"SYSLOG_IDENTIFIER": "sshd", "SYSLOG_FACILITY": 10, "_UID": 0, "_PID": 77,
                  "MESSAGE": "Failed password for ada from 203.0.113.9 port 5 ssh2"}
        shop = {"_SYSTEMD_UNIT": "shop.service", "PRIORITY": 3, "MESSAGE": "order refused"}
        self.journal(failed, shop)
        self.begin('[[auth_log]]\nname = "auth"\njournal = true\njournal_directory = "%s/journal"\n'
                   '[[log]]\nname = "shop"\njournal_units = ["shop.service"]\njournal_directory = "%s/journal"\n'
                   '[log_files]\ndeleted = false\nlogrotate_status = ""\n' % (self.folder, self.folder))
        self.until('log_readable{log="shop"} == 1', "the first samples")
        forged = dict(failed, _UID=1000)
        self.journal(*[failed] * 12, *[forged] * 5, shop, dict(shop, PRIORITY=6), dict(shop, _SYSTEMD_UNIT="x"))
        wait_until(lambda: counted(self.world, 'sec_auth_failures_total{log="auth"}') == 12, 15, "the failures")
        wait_until(lambda: counted(self.world, 'log_lines_total{log="shop"}') == 2, 15, "the unit's lines")
        self.assertEqual(counted(self.world, 'log_errors_total{log="shop"}'), 1)
        wait_until(lambda: self.told("AuthBruteForce"), 30, "the alert")
        self.world.stop("agent")
        self.journal(shop, shop, shop)
        self.world.start_agent()
        wait_until(lambda: counted(self.world, 'log_errors_total{log="shop"}') == 3, 15, "what came meanwhile")
        self.assertEqual(counted(self.world, 'sec_auth_failures_total{log="auth"}'), 0)


if __name__ == "__main__":
    unittest.main()

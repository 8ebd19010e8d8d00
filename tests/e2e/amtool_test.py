#!/usr/bin/env python3
"""Debian's amtool, prometheus and vmalert with alertd as their Alertmanager."""

import json
import shutil
import signal
import subprocess
import time
import unittest

from harness import HookReceiver, World, free_port, wait_until

ROUTES = """
[[receiver]]
name = "chat"
[[receiver.webhook]]
name = "hook"
url = "%(url)s"

[[receiver]]
name = "pager"
[[receiver.webhook]]
name = "hook"
url = "%(url)s"

[route]
receiver = "chat"
group_by = ["alertname"]
group_wait = "0s"
group_interval = "1s"

[[route.routes]]
name = "pages"
matchers = ['severity=~"page|critical"', 'team!="\\"quoted\\""']
receiver = "pager"
continue = true

[[route.routes]]
matchers = ['team="dba"']
receiver = "chat"
group_by = ["..."]
"""


class Amtool:
    def __init__(self, test, url):
        self.test = test
        self.url = url

    def __call__(self, *arguments, code=0, stdin=None):
        done = subprocess.run(["amtool", "--no-version-check", "--alertmanager.url=" + self.url,
                               *map(str, arguments)], capture_output=True, text=True, timeout=30,
                              input=stdin, env={"HOME": "/nonexistent", "PATH": "/usr/bin:/bin"})
        self.test.assertEqual(done.returncode, code, "amtool %s\n%s%s" % (arguments, done.stdout,
                                                                        done.stderr))
        return done.stdout + done.stderr

    def json(self, *arguments):
        return json.loads(self(*arguments, "--output=json"))


def needs(test, *programs):
    for program in programs:
        if not shutil.which(program):
            test.skipTest("Debian's %s is not installed" % program)


def hook_world(test, extra=ROUTES):
    world = test.enterContext(World())
    hook = HookReceiver()
    world.cleanups.append(hook.stop)
    world.alertd_config(extra=extra % {"url": hook.url})
    world.start_alertd()
    return world, hook


class AmtoolTest(unittest.TestCase):
    def setUp(self):
        needs(self, "amtool")
        self.world, self.hook = hook_world(self)
        self.amtool = Amtool(self, self.world.url)

    def test_alerts(self):
        self.amtool("alert", "add", "DiskFull", "host=db1", "severity=page",
                    "--annotation=summary=it is full", "--generator-url=http://prometheus/graph")
        self.amtool("alert", "add", "alertname=Load", "host=web1", "team=dba",
                    "--start=2026-01-01T00:00:00Z")
        wait_until(lambda: len(self.amtool.json("alert", "query")) == 2, 5, "both alerts")
        shown = self.amtool.json("alert", "query", "alertname=DiskFull")
        self.assertEqual(len(shown), 1)
        self.assertEqual(shown[0]["labels"], {"alertname": "DiskFull", "host": "db1",
                                              "severity": "page"})
        self.assertEqual(shown[0]["annotations"], {"summary": "it is full"})
        self.assertEqual([one["name"] for one in shown[0]["receivers"]], ["pager"])
        self.assertEqual(shown[0]["status"]["state"], "active")
        self.assertIn("DiskFull", self.amtool("alert", "query", "--receiver=pager"))
        self.assertNotIn("Load", self.amtool("alert", "query", "--receiver=pager"))
        self.assertIn("it is full", self.amtool("alert", "query", "-o", "extended", "host=~db.*"))
        wait_until(lambda: len(self.hook.requests) >= 2, 5, "the messages")
        self.amtool("alert", "add", "DiskFull", "host=db1", "severity=page",
                    "--end=" + time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(time.time() - 1)))
        wait_until(lambda: any(one["body"].get("status") == "resolved" for one in
                               self.hook.requests), 5, "the resolve")
        # While a commit is under way the list is of the commit before.
        wait_until(lambda: len(self.amtool.json("alert", "query")) == 1, 5, "the end in the list")
        self.amtool("alert", "query", "{broken", code=1)

    def test_configuration(self):
        text = self.amtool("config", "show")
        path = self.world.write("exported.yml", text)
        self.assertIn("SUCCESS", self.amtool("check-config", path))
        tree = self.amtool("config", "routes", "show")
        self.assertIn("receiver: pager", tree)
        for labels, receivers in [(["severity=page"], "pager"), (["severity=low"], "chat"),
                                  (["severity=critical", "team=dba"], "pager,chat"),
                                  (["team=dba"], "chat")]:
            got = self.amtool("config", "routes", "test", *labels).strip()
            self.assertEqual(got, receivers)
            self.amtool("config", "routes", "test", "--verify.receivers=" + receivers, *labels)
        self.amtool("config", "routes", "test", "--verify.receivers=pager", "a=b", code=1)
        self.assertRegex(self.amtool("cluster", "show"), r"Cluster Status:\s+disabled")


    def silenced(self):
        alerts = {one["labels"]["alertname"]: one["status"] for one in
                  self.amtool.json("alert", "query", "--silenced", "--active")}
        return sorted(name for name, status in alerts.items() if status["silencedBy"])

    def test_silences(self):
        amtool = self.amtool
        for name in ("Disk", "Load"):
            amtool("alert", "add", name, "host=db1")
        made = amtool("silence", "add", "alertname=Disk", "host=~db.*", "--comment=work",
                      "--author=ada", "--duration=1h").strip()
        self.assertRegex(made, r"^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$")
        wait_until(lambda: self.silenced() == ["Disk"], 5, "the silence to be seen")
        self.assertEqual(amtool("alert", "query").count("Disk"), 0)
        shown = [one for one in amtool.json("silence", "query") if one["id"] == made][0]
        self.assertEqual((shown["createdBy"], shown["comment"], shown["status"]["state"]),
                         ("ada", "work", "active"))
        self.assertEqual(shown["matchers"][1], {"isEqual": True, "isRegex": True, "name": "host",
                                                "value": "db.*"})
        self.assertEqual(amtool("silence", "query", "-q", "alertname=Load"), "")

        # An update of the end keeps the id; of a silence that is over it makes a new one.
        updated = amtool.json("silence", "update", "--duration=2h", made)
        self.assertEqual([one["id"] for one in updated], [made])
        amtool("silence", "expire", made)
        wait_until(lambda: self.silenced() == [], 5, "the end of the silence")
        self.assertEqual(amtool("silence", "query", "-q").strip(), "")
        self.assertEqual(amtool("silence", "query", "-q", "--expired").strip(), made)
        amtool("silence", "expire", "00000000-0000-0000-0000-000000000000", code=1)

        # Export, and import where the ids are not known.
        amtool("silence", "add", "host=web1", "--comment=a", "--author=bob")
        amtool("silence", "add", "alertname=Load", "--comment=b", "--author=bob")
        exported = amtool("silence", "query", "-o", "json", "--created-by=bob")
        self.assertEqual(len(json.loads(exported)), 2)
        for one in json.loads(exported):
            amtool("silence", "expire", one["id"])
        renumbered = json.loads(exported)
        for number, one in enumerate(renumbered):
            one["id"] = "11111111-2222-3333-4444-55555555555%d" % number
        path = self.world.write("silences.json", json.dumps(renumbered))
        amtool("silence", "import", path)
        wait_until(lambda: self.silenced() == ["Load"], 5, "the imported silences")
        self.assertEqual(len(amtool.json("silence", "query", "--created-by=bob")), 2)

        # What was silenced stays so over a restart.
        self.world.stop("alertd")
        self.world.start_alertd()
        self.assertEqual(len(amtool.json("silence", "query", "--created-by=bob")), 2)
        amtool("silence", "add", "host=~.*", "--comment=all", code=1)  # matches the empty label


class ClientsTest(unittest.TestCase):
    """Prometheus and vmalert post what their rules say."""

    RULES = """
groups:
  - name: test
    interval: 1s
    rules:
      - alert: TargetDown
        expr: up == %d
        labels: {severity: page, team: ops}
        annotations: {summary: "{{ $labels.job }} is down"}
"""

    def expect_fire_and_resolve(self, world, hook, change):
        def fired():
            return [one["body"] for one in hook.requests if one["body"].get("status") == "firing"]

        wait_until(fired, 15, "the message\n" + world.log("prometheus")[-2000:])
        alert = fired()[0]["alerts"][0]
        self.assertEqual(alert["labels"]["alertname"], "TargetDown")
        self.assertEqual(alert["annotations"]["summary"], "self is down")
        self.assertEqual(fired()[0]["receiver"], "pager")
        self.assertTrue(alert["generatorURL"].startswith("http"))
        incident = world.get_json("/api/v1/incidents")["data"]["incidents"][0]
        self.assertEqual(incident["severity"], "critical")
        change()
        wait_until(lambda: any(one["body"].get("status") == "resolved" for one in hook.requests),
                   15, "the resolve")

    def prometheus(self, world, rules, alertmanagers=""):
        world.write("rules.yml", rules)
        port = free_port()
        world.write("prometheus.yml", """
global: {scrape_interval: 1s, evaluation_interval: 1s}
rule_files: [rules.yml]
%s
scrape_configs:
  - job_name: self
    static_configs: [{targets: ["127.0.0.1:%d"]}]
""" % (alertmanagers, port))
        process = world.start("prometheus", "prometheus", "--config.file=prometheus.yml",
                              "--storage.tsdb.path=prometheus-data", "--web.enable-lifecycle",
                              "--rules.alert.resend-delay=1s",
                              "--web.listen-address=127.0.0.1:%d" % port)
        return port, process

    def test_prometheus(self):
        needs(self, "prometheus")
        world, hook = hook_world(self)
        port, process = self.prometheus(world, self.RULES % 1, """
alerting:
  alertmanagers:
    - static_configs: [{targets: ["127.0.0.1:%d"]}]
""" % world.port)

        def change():
            world.write("rules.yml", self.RULES % 7)
            process.send_signal(signal.SIGHUP)

        self.expect_fire_and_resolve(world, hook, change)

    def test_vmalert(self):
        needs(self, "prometheus", "vmalert")
        world, hook = hook_world(self)
        port, _ = self.prometheus(world, "groups: []")
        wait_until(lambda: "Server is ready" in world.log("prometheus"), 15, "prometheus")
        # It fires by the series, and is over by the clock: a target that goes leaves `up` for minutes.
        over = "1 and on() (vector(time()) < %d)" % (time.time() + 10)
        world.write("vmrules.yml", self.RULES.replace("up == %d", "up == " + over))
        world.start("vmalert", "vmalert", "-rule=vmrules.yml",
                    "-datasource.url=http://127.0.0.1:%d" % port, "-notifier.url=" + world.url,
                    "-evaluationInterval=1s", "-rule.resendDelay=1s",
                    "-external.url=http://vmalert", "-httpListenAddr=127.0.0.1:%d" % free_port())
        self.expect_fire_and_resolve(world, hook, lambda: None)


if __name__ == "__main__":
    unittest.main()

#!/usr/bin/env python3
"""`tocsin check` and `tocsin inventory` with real programs: agent and alertd running, the shipped rules against what they
send; another server of Prometheus's API; machine-readable output; the pre-commit hook."""

import http.server
import json
import os
import shutil
import subprocess
import threading
import unittest
import urllib.parse
import xml.etree.ElementTree

from harness import BIN, SOURCE, World, free_port, wait_until

RULES = SOURCE / "rules"
SAVED = SOURCE / "tests/data/inventory/agent_and_alertd.json"

# What this host may lack, and why: no rule is wrong because of it.
MAY_BE_MISSING = {
    "node_systemd_unit_state": "needs systemd, which a container does not run",
    "node_nf_conntrack_entries": "needs the kernel module nf_conntrack",
    "node_nf_conntrack_entries_limit": "needs the kernel module nf_conntrack",
    "node_pressure_memory_stalled_seconds_total": "needs a kernel with pressure stall information",
    "node_timex_offset_seconds": "needs the right to read the kernel's clock discipline",
    "node_disk_io_time_seconds_total": "needs a block device, which a container may not show",
}

# Put into the saved inventory where the host that wrote it lacks them: the labels that the agent gives them.
SUPPLEMENT = {
    "node_systemd_unit_state": {"type": "gauge", "labels": {
        "host": {"values": ["testhost"], "complete": True, "always": True},
        "instance": {"values": ["testhost"], "complete": True, "always": True},
        "name": {"values": ["ssh.service"], "complete": False, "always": True},
        "state": {"values": ["activating", "active", "deactivating", "failed", "inactive"],
                  "complete": True, "always": True},
        "type": {"values": ["", "simple"], "complete": False, "always": False}}},
}

# Whatever tells of the host that wrote it is replaced before the inventory is saved.
NEUTRAL = {"address": [], "alertd": ["alerts-a:9464"], "broadcast": [], "clocksource": [], "device": ["/dev/sda", "eth0", "sda"],
           "domainname": [], "file": ["/etc/tocsin/rules/host.toml"], "id": [], "machine": [],
           "host": ["testhost"], "instance": ["testhost"], "mountpoint": ["/"], "nodename": [],
           "pretty_name": [], "release": [], "version": [], "version_codename": [],
           "version_id": []}

BAD_RULES = """
[[group]]
name = "g"
interval = "15s"

[[group.alert]]
name = "Gone"
expr = 'node_laod1 > 4 < 3'
severity = "high"
summary = "ü & <b> {{ $labels.instance }}"
runbook = "https://example.org/gone"
"""


class OtherServer:
    """The few look-ups of Prometheus's API that an inventory needs; nothing of Tocsin's own."""

    METRICS = {"node_load1": ("gauge", {"instance": ["a", "b"]}),
               "jobs_total": ("counter", {"queue": ["q%d" % i for i in range(300)]})}

    def __init__(self):
        metrics = self.METRICS

        class Handler(http.server.BaseHTTPRequestHandler):
            def do_GET(self):
                url = urllib.parse.urlsplit(self.path)
                query = urllib.parse.parse_qs(url.query)
                name = query.get("match[]", ["{__name__=\"\"}"])[0].split('"')[1]
                data = None
                if url.path == "/api/v1/label/__name__/values":
                    data = sorted(metrics)
                elif url.path == "/api/v1/metadata":
                    data = {n: [{"type": t, "help": "", "unit": ""}]
                            for n, (t, _) in metrics.items()}
                elif url.path == "/api/v1/labels":
                    data = ["__name__"] + sorted(metrics[name][1])
                elif url.path.startswith("/api/v1/label/"):
                    values = metrics[name][1][url.path.split("/")[4]]
                    data = values[:int(query.get("limit", ["1000000"])[0])]
                body = json.dumps({"status": "success", "data": data}).encode()
                if data is None:
                    body = b"404 page not found\n"
                self.send_response(200 if data is not None else 404)
                self.send_header("Content-Length", str(len(body)))
                self.end_headers()
                self.wfile.write(body)

            def log_message(self, *_):
                pass

        self.server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.url = "http://127.0.0.1:%d" % self.server.server_address[1]
        threading.Thread(target=self.server.serve_forever, daemon=True).start()

    def stop(self):
        self.server.shutdown()
        self.server.server_close()


class CheckTest(unittest.TestCase):
    def setUp(self):
        self.world = self.enterContext(World())

    def check(self, *arguments):
        return self.world.tocsin("check", *arguments, check=False)

    def test_shipped_rules_against_running_programs(self):
        self.world.alertd_config("", "").write_text(
            self.world.alertd_config().read_text().replace(
                '%s/rules"' % self.world.folder, '%s"' % RULES))
        self.world.start_alertd()
        # Of an agent that sends to several: what it says about sending has its label for each.
        agent = self.world.agent_config()
        one = 'url = "%s"' % self.world.url
        several = 'urls = ["%s", "http://127.0.0.1:%d"]' % (self.world.url, free_port())
        self.assertIn(one, agent.read_text())
        agent.write_text(agent.read_text().replace(one, several))
        self.world.start_agent()
        wait_until(lambda: self.world.query("node_load1"), 20, "the agent's first samples")
        wait_until(lambda: self.world.get_json("/api/v1/metadata")["data"].get("node_load1"), 20,
                   "the agent's metadata")
        wait_until(lambda: self.world.query("node_cpu_seconds_total"), 20, "all collectors")

        done = self.check("-o", "json", "--against", self.world.url, RULES)
        findings = json.loads(done.stdout)
        unknown = [f for f in findings if f["id"] == "metric-unknown"]
        unjustified = [f for f in unknown
                       if not any("'%s'" % name in f["message"] for name in MAY_BE_MISSING)]
        self.assertEqual(unjustified, [])
        others = [f for f in findings
                  if f["severity"] in ("error", "warning") and f["id"] != "metric-unknown"]
        self.assertEqual(others, [])

        # The inventory in a file says the same as the server.
        saved = self.world.write("inventory.json", self.world.tocsin("inventory").stdout)
        document = json.loads(saved.read_text())
        self.assertEqual(document["format"], "tocsin-inventory-1")
        load = document["metrics"]["node_load1"]
        self.assertEqual(load["type"], "gauge")
        self.assertEqual(load["labels"]["host"],
                         {"values": ["testhost"], "complete": True, "always": True})
        own = document["metrics"]["tocsin_alertd_rule_group_rules_failing"]
        self.assertEqual(own["type"], "gauge")
        from_file = json.loads(self.check("-o", "json", "--inventory", saved, RULES).stdout)
        self.assertEqual([f["id"] for f in from_file], [f["id"] for f in findings])
        if os.environ.get("TOCSIN_UPDATE_INVENTORY"):
            SAVED.parent.mkdir(parents=True, exist_ok=True)
            for name, about in SUPPLEMENT.items():
                document["metrics"].setdefault(name, about)
            for metric in document["metrics"].values():
                metric.pop("series", None)
                for label in set(NEUTRAL) & set(metric["labels"]):
                    metric["labels"][label].update(values=NEUTRAL[label], complete=False)
            lines = ["%s: %s" % (json.dumps(name), json.dumps(about, separators=(",", ":")))
                     for name, about in sorted(document["metrics"].items())]
            SAVED.write_text('{\n"format": "tocsin-inventory-1",\n"metrics": {\n%s\n}\n}\n'
                             % ",\n".join(lines))

        # A mistake is found against what runs.
        bad = self.world.write("bad/bad.toml", BAD_RULES.replace(" < 3", ""))
        done = self.check("--against", self.world.url, bad)
        self.assertEqual(done.returncode, 1)
        self.assertIn("did you mean 'node_load1'?", done.stderr)
        self.assertIn("bad.toml:8:9: error:", done.stderr)

    def test_shipped_rules_against_the_saved_inventory(self):
        done = self.check("--strict", "--inventory", SAVED, RULES)
        self.assertEqual(done.returncode, 0, done.stderr)

    def test_another_server(self):
        other = OtherServer()
        self.addCleanup(other.stop)
        rules = self.world.write("r/a.yml", """
groups:
- name: g
  rules:
  - {alert: A, expr: 'node_load1{host="x"} > 1', labels: {severity: high}, annotations: {summary: s, runbook_url: 'http://x'}}
  - {alert: B, expr: 'node_load1{instance="c"} > 1', labels: {severity: high}, annotations: {summary: s, runbook_url: 'http://x'}}
  - {alert: C, expr: 'increase(node_load1[5m]) > 1', labels: {severity: high}, annotations: {summary: s, runbook_url: 'http://x'}}
  - {alert: D, expr: 'jobs_total{queue="new"} > 1', labels: {severity: high}, annotations: {summary: s, runbook_url: 'http://x'}}
""")
        findings = json.loads(self.check("-o", "json", "--against", other.url, rules).stdout)
        self.assertEqual([(f["rule"], f["id"]) for f in findings],
                         [("A", "label-unknown"), ("B", "value-unseen"),
                          ("C", "gauge-under-counter-function")])  # D: too many queues to know all
        done = subprocess.run([BIN / "tocsin", "--server", other.url, "inventory", "--values", "2"],
                              capture_output=True, text=True, check=True)
        metrics = json.loads(done.stdout)["metrics"]
        self.assertEqual(metrics["jobs_total"]["labels"]["queue"],
                         {"values": ["q0", "q1"], "complete": False, "always": False})
        other.stop()
        self.assertEqual(self.check("--against", other.url, rules).returncode, 2)

    def test_exit_status_and_formats(self):
        bad = self.world.write("r/bad.toml", BAD_RULES)
        good = self.world.write("r/good.toml", BAD_RULES.replace("node_laod1 > 4 < 3", "x > 1"))
        warned = self.world.write("r/warned.toml", BAD_RULES.replace("node_laod1 > 4 < 3", "x"))
        self.assertEqual(self.check(good).returncode, 0)
        self.assertEqual(self.check(warned).returncode, 0)
        self.assertEqual(self.check("--strict", warned).returncode, 1)
        self.assertEqual(self.check("--strict", "--allow", "alert-without-condition",
                                    warned).returncode, 0)
        self.assertEqual(self.check(bad).returncode, 1)
        self.assertEqual(self.check("--load-only", bad).returncode, 0)
        self.assertEqual(self.check(self.world.folder / "none").returncode, 2)
        self.assertEqual(self.check("--inventory", bad, good).returncode, 2)
        self.assertEqual(self.check().returncode, 64)
        self.assertEqual(self.check("-o", "xml", good).returncode, 64)
        self.assertIn("metric-unknown", self.check("--list").stdout)

        finding = json.loads(self.check("-o", "json", bad).stdout)[0]
        self.assertEqual((finding["id"], finding["line"], finding["column"]),
                         ("comparison-never", 8, 9))

        self.check_sarif(json.loads(self.check("-o", "sarif", bad).stdout))
        tree = xml.etree.ElementTree.fromstring(self.check("-o", "junit", bad).stdout)
        self.assertEqual(tree.tag, "testsuites")
        self.assertEqual(tree.get("failures"), "1")
        failure = tree.find("./testsuite/testcase[@name='Gone']/failure")
        self.assertEqual(failure.get("type"), "comparison-never")
        self.assertIn("bad.toml:8:9", failure.text)
        empty = xml.etree.ElementTree.fromstring(self.check("-o", "junit", good).stdout)
        self.assertEqual(empty.get("failures"), "0")
        self.assertIsNotNone(empty.find("./testsuite/testcase[@name='Gone']"))

    def check_sarif(self, document):
        """The properties that SARIF 2.1.0 requires, and those that its readers need."""
        self.assertEqual(document["version"], "2.1.0")
        self.assertIn("sarif-schema-2.1.0", document["$schema"])
        run, = document["runs"]
        driver = run["tool"]["driver"]
        self.assertEqual(driver["name"], "tocsin check")
        rules = driver["rules"]
        self.assertEqual(len(rules), len({rule["id"] for rule in rules}))
        for rule in rules:
            self.assertTrue(rule["shortDescription"]["text"])
            self.assertIn(rule["defaultConfiguration"]["level"], ("error", "warning", "note"))
        result, = run["results"]
        self.assertEqual(rules[result["ruleIndex"]]["id"], result["ruleId"])
        self.assertIn(result["level"], ("error", "warning", "note", "none"))
        self.assertTrue(result["message"]["text"])
        place = result["locations"][0]["physicalLocation"]
        self.assertTrue(place["artifactLocation"]["uri"].endswith("bad.toml"))
        region = place["region"]
        self.assertEqual((region["startLine"], region["startColumn"]), (8, 9))
        self.assertGreater(region["endColumn"], region["startColumn"])

    def test_pre_commit_hook(self):
        repository = self.world.folder / "repository"
        rules = repository / "rules"
        rules.mkdir(parents=True)
        environment = dict(os.environ, TOCSIN=str(BIN / "tocsin"), HOME=str(self.world.folder),
                           GIT_CONFIG_NOSYSTEM="1")

        def git(*arguments):
            return subprocess.run(
                ["git", "-c", "user.name=a", "-c", "user.email=a@example.org", *arguments],
                cwd=repository, env=environment, capture_output=True, text=True)

        self.assertEqual(git("init", "-q").returncode, 0)
        shutil.copy(SOURCE / "packaging/hooks/pre-commit", repository / ".git/hooks/pre-commit")
        (rules / "a.toml").write_text(BAD_RULES)
        (repository / "other.toml").write_text("not = 'rules'\n")
        git("add", ".")
        refused = git("commit", "-m", "bad")
        self.assertNotEqual(refused.returncode, 0)
        self.assertIn("rules/a.toml:8:9: error:", refused.stderr + refused.stdout)
        # What is staged counts, not what lies in the folder.
        (rules / "a.toml").write_text(BAD_RULES.replace("node_laod1 > 4 < 3", "x > 1"))
        self.assertNotEqual(git("commit", "-m", "still bad").returncode, 0)
        git("add", ".")
        taken = git("commit", "-m", "good")
        self.assertEqual(taken.returncode, 0, taken.stderr + taken.stdout)


if __name__ == "__main__":
    unittest.main()

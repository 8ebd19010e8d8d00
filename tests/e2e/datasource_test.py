"""Rule groups evaluated by prometheus and victoria-metrics: the same alerts as our own engine gives."""

import json
import subprocess
import threading
import time
import unittest

from engines import Prometheus, VictoriaMetrics
from harness import BIN, WRITE_HEADERS, World, wait_until, write_request
from prometheus_server import ask

GROUP = """
[[group]]
name = "%(where)s"
interval = "1s"
datasource = "%(where)s"
query_offset = "2s"
labels = { where = "%(where)s" }

[[group.record]]
name = "load:max"
expr = 'max by (site) (load1)'

[[group.alert]]
name = "High"
expr = 'load1 > 4'
severity = "high"
for = "2s"
no_data = "ok"
summary = '{{ $labels.host }} of {{ with query "count(load1)" }}{{ . | first | value }}{{ end }}'
runbook = "https://example.org"

[[group.alert]]
name = "Levels"
value = 'load1'
medium = { above = 2 }
critical = { above = 8, for = "1s" }
clear = { below = 1 }
no_data = "keep"
summary = "load"
runbook = "https://example.org"
"""

ENGINES = ("prometheus", "vm")


class Loads(threading.Thread):
    def __init__(self, world, values):
        super().__init__(daemon=True)
        self.world, self.values, self.ending = world, values, threading.Event()

    def run(self):
        while not self.ending.wait(0.3):
            now = int(time.time() * 1000)
            self.world.send_samples([({"__name__": "load1", "host": host, "site": "x"}, [(now, value)])
                                     for host, value in self.values.items()])


class Datasources(unittest.TestCase):
    def start(self, world):
        engines = {"prometheus": Prometheus(world, "prometheus").start(),
                   "vm": VictoriaMetrics(world, "vm").start()}
        config = "".join("""
[[forward]]
name = "%(name)s"
url = "%(url)s/api/v1/write"
timeout = "5s"
[[datasource]]
name = "%(name)s"
url = "%(url)s"
timeout = "3s"
""" % {"name": name, "url": engine.url} for name, engine in engines.items())
        rules = "".join(GROUP % {"where": where} for where in ("local",) + ENGINES)
        # Series of alerts end at once, instead of when a restart is over.
        world.alertd_config(rules, 'restart_window = "2s"\n' + config)
        world.start_alertd()
        return engines

    def firing(self, world, where):
        """Returns {(alert, host, severity)} that fire."""
        found = set()
        for labels, _ in world.query('ALERTS{alertstate="firing",where="%s"}' % where).items():
            labels = dict(labels)
            found.add((labels["alertname"], labels["host"], labels["severity"]))
        return found

    def wait_for(self, world, wanted, wheres=("local",) + ENGINES, seconds=25):
        for where in wheres:
            try:
                wait_until(lambda: self.firing(world, where) == wanted, seconds, "%s" % wanted)
            except AssertionError:
                self.fail("%s is to fire %s; it fires %s" % (where, wanted, self.firing(world, where)))

    def test_the_same_alerts_as_our_own_engine(self):
        with World() as world:
            engines = self.start(world)
            loads = Loads(world, {"a": 0.5, "b": 0.5})
            loads.start()
            self.wait_for(world, set())
            loads.values = {"a": 5, "b": 0.5}
            self.wait_for(world, {("High", "a", "high"), ("Levels", "a", "medium")})
            loads.values = {"a": 9, "b": 3}
            both = {("High", "a", "high"), ("Levels", "a", "critical"), ("Levels", "b", "medium")}
            self.wait_for(world, both)
            for where in ("local",) + ENGINES:
                self.assertTrue(world.query('load:max{where="%s"}' % where), where)
            alerts = world.get_json("/api/v1/alerts")["data"]["alerts"]
            summaries = {(one["labels"]["where"], one["annotations"]["summary"]) for one in alerts
                         if one["labels"]["alertname"] == "High"}
            self.assertEqual(summaries, {(where, "a of 2") for where in ("local",) + ENGINES})

            # What `tocsin explain` asks: the engine, through us.
            form = "query=load1%%3E4&time=%f" % time.time()
            headers = {"Content-Type": "application/x-www-form-urlencoded"}
            status, body = world.request("POST", "/api/v1/datasource/vm/query", form, headers)
            self.assertEqual((status, [one["value"][1] for one in json.loads(body)["data"]["result"]]), (200, ["9"]))
            self.assertEqual(world.request("POST", "/api/v1/datasource/none/query", form, headers)[0], 404)

            # An engine that is gone ends nothing; the others go on.
            engines["vm"].stop()
            loads.values = {"a": 0.5, "b": 0.5}
            self.wait_for(world, set(), ("local", "prometheus"))
            wait_until(lambda: list(world.query('tocsin_alertd_datasource_up{datasource="vm"}').values()) == [0],
                       25, "the self metric to name the dead engine")
            rules = world.get_json("/api/v1/rules")["data"]["groups"]
            stuck = [group for group in rules if group["name"] == "vm"][0]["rules"]
            self.assertTrue(all("datasource 'vm'" in rule["lastError"] for rule in stuck), stuck)
            firing = {rule["name"] for rule in stuck
                      if any(alert["state"] == "firing" for alert in rule.get("alerts", []))}
            self.assertEqual(firing, {"High", "Levels"})

            engines["vm"].start()
            self.wait_for(world, set(), ("vm",))

            # `for` and firing go on after a restart.
            loads.values = {"a": 9, "b": 0.5}
            self.wait_for(world, {("High", "a", "high"), ("Levels", "a", "critical")})
            began = {}
            for labels, value in world.query('ALERTS_FOR_STATE{alertname="High"}').items():
                began[dict(labels)["where"]] = value
            world.stop("alertd")
            world.start_alertd()
            time.sleep(4)
            for labels, value in world.query('ALERTS_FOR_STATE{alertname="High"}').items():
                self.assertAlmostEqual(began[dict(labels)["where"]], value, delta=0.01)
            self.assertEqual(len(began), 3)
            loads.ending.set()
            loads.join(10)

    def test_explain_check_and_backtest_over_data_that_only_the_engine_has(self):
        with World() as world:
            engines = {"prometheus": Prometheus(world, "prometheus").start(),
                       "vm": VictoriaMetrics(world, "vm").start()}
            config = "".join('[[datasource]]\nname = "%s"\nurl = "%s"\n' % (name, engine.url)
                             for name, engine in engines.items())
            rules = "".join(GROUP % {"where": where} for where in ("local",) + ENGINES)
            world.alertd_config(rules, 'restart_window = "2s"\n' + config)
            world.start_alertd()
            now = time.time()
            times = [int((now - 120 + 5 * i) * 1000) for i in range(25)]
            series = [({"__name__": "load1", "host": host, "site": "x"},
                       [(at, value if at > (now - 60) * 1000 else 0.5) for at in times])
                      for host, value in (("a", 9), ("b", 0.5))]
            for engine in engines.values():
                status, _, _ = ask(engine.port, "POST", engine.write_path, write_request(series), WRITE_HEADERS)
                self.assertIn(status, (200, 204))
            self.wait_for(world, {("High", "a", "high"), ("Levels", "a", "critical")}, ENGINES)
            self.assertEqual(self.firing(world, "local"), set())
            for where, engine in engines.items():
                with self.subTest(where):
                    self.explain(world, where)
                    self.backtest(world, where, engine, now)
            self.check(world, engines)

            # The engine's own words when it is gone.
            engines["vm"].stop()
            gone = world.tocsin("explain", "High", "--group", "vm", check=False)
            self.assertIn("datasource 'vm'", gone.stdout + gone.stderr)
            self.assertNotIn("Is tocsin-alertd running", gone.stdout + gone.stderr)

    def explain(self, world, where):
        report = json.loads(world.tocsin("-o", "json", "explain", "High", "host=a", "--group", where).stdout)
        rule = report["rules"][0]
        self.assertEqual((rule["group"], len(report["rules"])), (where, 1))
        self.assertIn("firing", rule["state"])
        self.assertEqual({alert["labels"]["where"] for alert in rule["alerts"]}, {where})
        text = world.tocsin("explain", "High", "host=b", "--group", where).stdout
        self.assertIn("not firing", text)
        self.assertIn("3.5 too low", text)
        text = world.tocsin("explain", "Levels", "host=a", "--group", where).stdout
        self.assertIn("critical > 8 for 1s: holds by 1", text)
        self.assertIn("records", world.tocsin("explain", "load:max", "--group", where).stdout)
        local = world.tocsin("explain", "High", "--group", "local").stdout
        self.assertIn("no data: load1", local)

    def backtest(self, world, where, engine, now):
        rules = world.write("candidate/%s.toml" % where, GROUP % {"where": where})
        report = json.loads(world.tocsin("-o", "json", "backtest", rules, "--from", "%.3f" % (now - 110), "--to",
                                         "%.3f" % now, "--against", engine.url, "--baseline", "none").stdout)
        fired = {(one["rule"], one["labels"]["host"], one["severities"][-1]["severity"])
                 for one in report["firings"]}
        self.assertEqual(fired, {("High", "a", "high"), ("Levels", "a", "critical")})
        # Without --against it is our own history, where nothing of this is, and that is said.
        report = json.loads(world.tocsin("-o", "json", "backtest", rules, "--from", "%.3f" % (now - 110), "--to",
                                         "%.3f" % now).stdout)
        self.assertEqual(report["firings"], [])
        self.assertTrue(any("datasource '%s'" % where in note and "--against" in note for note in report["notes"]),
                        report["notes"])

    def check(self, world, engines):
        done = world.tocsin("check", str(world.folder / "alertd.toml"), check=False)
        self.assertEqual(done.returncode, 0, done.stdout + done.stderr)
        # What the groups of an engine read is looked for there, not here.
        rules = str(world.folder / "rules")
        done = world.tocsin("check", "-o", "json", rules, "--against", world.url, check=False)
        unknown = {one["group"] for one in json.loads(done.stdout) if one["id"] == "metric-unknown"}
        self.assertEqual(unknown, {"local"}, done.stdout)
        for engine in engines.values():
            done = world.tocsin("check", rules, "--against", engine.url, check=False)
            self.assertNotIn("metric-unknown", done.stdout + done.stderr)

    def test_check_names_an_unknown_datasource(self):
        with World() as world:
            world.alertd_config(GROUP % {"where": "nowhere"}, """
[[datasource]]
name = "vm"
url = "http://127.0.0.1:1"
""")
            done = subprocess.run([str(BIN / "tocsin-alertd"), "--check", "--config",
                                   str(world.folder / "alertd.toml")], capture_output=True, text=True, timeout=60)
            said = done.stdout + done.stderr
            self.assertNotEqual(done.returncode, 0, said)
            self.assertIn("there is no datasource 'nowhere'", said)
            self.assertRegex(said, r"test\.toml:5:\d+")
            self.assertIn('there is "local", "vm"', said)


if __name__ == "__main__":
    unittest.main()

"""tocsin backtest and tocsin explain, against a real alertd and against Debian's Prometheus."""

import json
import shutil
import time
import unittest
import urllib.request

import harness

IN_FORCE = """
[[group]]
name = "disk"
interval = "1s"

[[group.alert]]
name = "DiskFull"
value = "disk_used_percent"
medium = { above = 80 }
critical = { above = 95, for = "15s" }
clear = { below = 70 }
no_data = "keep"
summary = "{{ $labels.host }} is full"

[[group.alert]]
name = "Never"
expr = 'disk_used_percent{host="nobody"} > 1'
severity = "low"
no_data = "ok"
"""

# The same, but critical comes sooner, and a recording with an alert that reads it.
CANDIDATE = IN_FORCE.replace("above = 95", "above = 90").replace("above = 80", "above = 75") + """
[[group.record]]
name = "disk:worst"
expr = "max(disk_used_percent)"

[[group.alert]]
name = "WorstDisk"
expr = "disk:worst > 96"
severity = "high"
no_data = "ok"
"""

# Every five seconds for five minutes: quiet for one, 85 for one, 97 for two, 10 for one.
VALUES = [10] * 12 + [85] * 12 + [97] * 24 + [10] * 12


def samples(now):
    begin = int((now - 5 * len(VALUES)) * 1000)
    series = []
    for host, factor in (("db1", 1.0), ("db2", 0.5)):
        labels = {"__name__": "disk_used_percent", "host": host}
        series.append((labels, [(begin + 5000 * i, value * factor) for i, value in enumerate(VALUES)]))
    return begin / 1000, series


def shape(report):
    """What fired: rule, host, seconds, severities."""
    return sorted((one["rule"], one["labels"].get("host", ""),
                   [step["severity"] for step in one["severities"]],
                   one["begin"], one["end"]) for one in report["firings"])


class BacktestAndExplain(unittest.TestCase):
    def test_against_alertd_and_prometheus(self):
        with harness.World() as world:
            world.alertd_config(rules=IN_FORCE)
            world.start_alertd()
            now = time.time()
            begin, series = samples(now)
            self.assertIn(world.send_samples(series)[0], (200, 204))
            candidate = world.write("candidate/test.toml", CANDIDATE)
            times = ["--from", "%.3f" % begin, "--to", "%.3f" % now, "--warm-up", "1s"]

            done = world.tocsin("-o", "json", "backtest", candidate, *times)
            self.assertNotIn("evaluations", done.stderr, "no progress bar beside a terminal")
            report = json.loads(done.stdout)
            fired = {one["rule"]: one for one in report["firings"]}
            self.assertEqual(set(fired), {"DiskFull", "WorstDisk"})
            self.assertEqual([step["severity"] for step in fired["DiskFull"]["severities"]],
                             ["medium", "critical"])
            self.assertEqual(fired["DiskFull"]["summary"], "db1 is full")
            # Against the rules in force: the recording's alert is new. The disk's alert is the same
            # but for its bounds, and 85, 97 lie beyond both.
            changes = {(one["change"], (one.get("now") or one["before"])["rule"])
                       for one in report["changes"]}
            self.assertEqual(changes, {("new", "WorstDisk")})
            self.assertGreater(report["pages"]["total"], report["pagesBefore"]["total"])

            text = world.tocsin("backtest", candidate, *times).stdout
            self.assertIn("compared with the rules in force", text)
            self.assertIn("UTC", text)
            self.assertRegex(text, r"DiskFull +critical +1 ")
            self.assertRegex(text, r"medium>critical +DiskFull")

            # Wrong input.
            self.assertEqual(world.tocsin("backtest", candidate, "--from", "tomorrow",
                                          check=False).returncode, 64)
            bad = world.write("bad.toml", CANDIDATE.replace("max(", "maxx("))
            wrong = world.tocsin("backtest", bad, check=False)
            self.assertEqual(wrong.returncode, 1)
            self.assertIn("maxx", wrong.stderr)

            self.explain(world)
            self.against_prometheus(world, candidate, times, series, report)

    def explain(self, world):
        # Something that holds now.
        now = time.time()
        world.send_samples([({"__name__": "disk_used_percent", "host": "db3"},
                             [(int(now * 1000), 85.0)])])
        harness.wait_until(lambda: "db3" in world.tocsin("alerts").stdout, 10, "the alert")
        report = json.loads(world.tocsin("-o", "json", "explain", "DiskFull", "host=db3").stdout)
        rule = report["rules"][0]
        self.assertIn("firing", rule["state"])
        self.assertIn("medium > 80: holds by 5", rule["levels"][0]["levels"])
        self.assertTrue(any("critical > 95 for 15s: 10 too low" in one for one in rule["reasons"]))

        text = world.tocsin("explain", "Never").stdout
        self.assertIn("not firing", text)
        self.assertIn('host="nobody" removes all', text)
        self.assertIn('there host is "db', text)

        expr = world.tocsin("explain", "--expr", "disk_used_percent / on (nothing) foo > 2").stdout
        self.assertIn("no data: foo", expr)

        wrong = world.tocsin("explain", "DiskFul", check=False)
        self.assertEqual(wrong.returncode, 1)
        self.assertIn("did you mean 'DiskFull'?", wrong.stderr)
        self.assertEqual(world.tocsin("explain", check=False).returncode, 64)
        broken = world.tocsin("explain", "--expr", "foo >", check=False)
        self.assertEqual(broken.returncode, 1)
        self.assertIn("^", broken.stderr)

    def against_prometheus(self, world, candidate, times, series, report):
        if shutil.which("prometheus") is None:
            print("prometheus is not installed: --against is not tested")
            return
        port = harness.free_port()
        url = "http://127.0.0.1:%d" % port
        config = world.write("prometheus.yml", "global:\n  scrape_interval: 1h\n")
        world.start("prometheus", "prometheus", "--config.file", config,
                    "--storage.tsdb.path", world.folder / "prometheus",
                    "--web.listen-address", "127.0.0.1:%d" % port,
                    "--web.enable-remote-write-receiver", "--log.level", "warn")

        def ready():
            try:
                with urllib.request.urlopen(url + "/-/ready", timeout=2) as answer:
                    return answer.status == 200
            except OSError:
                return False

        harness.wait_until(ready, 30, "prometheus")
        request = urllib.request.Request(url + "/api/v1/write", harness.write_request(series),
                                         dict(harness.WRITE_HEADERS))
        with urllib.request.urlopen(request, timeout=10) as answer:
            self.assertEqual(answer.status, 204)
        done = world.tocsin("-o", "json", "backtest", candidate, *times, "--against", url)
        other = json.loads(done.stdout)
        self.assertEqual(other["history"], url)
        self.assertEqual(shape(other), shape(report))
        world.url = url
        expr = world.tocsin("explain", "--at", "%.3f" % (float(times[3]) - 90),
                            "--expr", "disk_used_percent > 96").stdout
        self.assertIn("holds by 1", expr)


if __name__ == "__main__":
    unittest.main()

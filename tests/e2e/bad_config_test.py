#!/usr/bin/env python3
"""Thirty broken configuration and rule files: `tocsin check` says where and why, and a running daemon that is
told to reload each of them refuses it whole and goes on with what it has."""

import json
import unittest

from harness import World, wait_until

GOOD_RULES = """
[[group]]
name = "good"
interval = "1s"
[[group.record]]
name = "good:one"
expr = "vector(1)"
"""


def rule(body, group="name = \"g\""):
    return "[[group]]\n%s\n%s" % (group, body)


def alert(expr="up == 0", more=""):
    return rule('[[group.alert]]\nname = "A"\nexpr = \'%s\'\nseverity = "high"\n%s' % (expr, more))


# (what, text of the rule file, "line:column" or "line:", word of the message)
RULE_FILES = [
    ("TOML syntax", "[[group]\nname = 1\n", "1:", "syntax"),
    ("unknown function", alert("avg_over_tim(up[5m])"), "5:", "avg_over_time"),
    ("unclosed parenthesis", alert("sum(up"), "5:15", "unexpected end"),
    ("range where a vector is needed", alert("up[5m]"), "5:", "range"),
    ("rate without a range", alert("rate(up)"), "5:", "range"),
    ("bad matcher", alert('up{job=~"("}'), "5:", "regular"),
    ("bad aggregation", alert("sum by (up"), "5:", ""),
    ("bad duration in a range", alert("rate(up[5x])"), "5:", "5x"),
    ("comparison of scalars", alert("1 > 2"), "5:", "bool"),
    ("empty expression", alert(""), "5:", "expr"),
    ("unknown key", rule('[[group.alert]]\nname = "A"\nexpr = "up"\nseverty = "high"\n'), "6:1",
     "severity"),
    ("unknown severity", rule('[[group.alert]]\nname = "A"\nexpr = "up"\nseverity = "urgent"\n'),
     "6:", "critical"),
    ("no expression", rule('[[group.alert]]\nname = "A"\nseverity = "high"\n'), "3:", "expr"),
    ("bad for", alert(more='for = "5 minutes"\n'), "7:", "duration"),
    ("template syntax", alert(more='summary = "{{ $value | humanizeBytes }}"\n'), "7:",
     "humanizeBytes"),
    ("template not closed", alert(more='summary = "{{ $value "\n'), "7:", ""),
    ("template variable", alert(more='summary = "{{ $vaule }}"\n'), "7:", "vaule"),
    ("threshold twice", rule('[[group.alert]]\nname = "A"\nvalue = "up"\n'
                             'high = { above = 1, below = 2 }\n'), "6:", ""),
    ("levels out of order", rule('[[group.alert]]\nname = "A"\nvalue = "up"\n'
                                 'high = { above = 90 }\ncritical = { above = 80 }\n'), "", "critical"),
    ("missing runbook", alert(more='runbook = "no-such-file"\n'), "7:", "no-such-file"),
    ("duplicate group", GOOD_RULES.replace('"good"', '"x"') + GOOD_RULES.replace('"good"', '"x"'),
     "", "already"),
    ("bad metric name to record", rule('[[group.record]]\nname = "a b"\nexpr = "up"\n'), "4:", "a b"),
    ("no group name", '[[group]]\ninterval = "1m"\n', "1:", "name"),
    ("NUL byte", "[[group]]\nname = \"a\x00b\"\n", "2:", "NUL"),
    ("nested too deep", alert("(" * 500 + "up" + ")" * 500), "5:", "128"),
]

# (what, what alertd.toml has besides the good part, word of the message)
CONFIG_FILES = [
    ("unknown table", "[sevrer]\nlisten = \"127.0.0.1:1\"\n", "server"),
    ("unknown key", "[ingest]\nloopback_without_tokn = true\n", "loopback_without_token"),
    ("wrong type", "[ingest]\nbody_limit = true\n", "body_limit"),
    ("unknown receiver", "[[receiver]]\nname = \"ops\"\n[route]\nreceiver = \"opps\"\n", "opps"),
    ("bad matcher", "[[receiver]]\nname = \"ops\"\n[route]\nreceiver = \"ops\"\n"
     "[[route.routes]]\nmatchers = ['severity=~\"(\"']\n", "matcher"),
    ("receiver without name", "[[receiver]]\n", "name"),
    ("secret file that is not there", "[[receiver]]\nname = \"ops\"\n[[receiver.webhook]]\n"
     "url = \"http://127.0.0.1:1/\"\nsecret_file = \"/no/such/file\"\n", "/no/such/file"),
    ("bad URL", "[[receiver]]\nname = \"ops\"\n[[receiver.webhook]]\nurl = \"ftp://x\"\n", "http"),
    ("plain HTTP on all addresses", None, "TLS"),
    ("bad duration", "[incident]\nreopen_window = \"soon\"\n", "duration"),
]


class BadConfigTest(unittest.TestCase):
    def setUp(self):
        self.world = self.enterContext(World())
        self.config = self.world.alertd_config(GOOD_RULES)
        self.good_config = self.config.read_text()
        self.rules = self.world.folder / "rules" / "test.toml"
        self.world.start_alertd()
        wait_until(lambda: self.world.query("good:one"), 10, "the good rule")

    def evaluations(self):
        return self.world.query("count_over_time(good:one[1h])")

    def assert_refused(self, what, path, place, word):
        with self.subTest(what=what):
            check = self.world.tocsin("check", path, check=False)
            self.assertEqual(check.returncode, 1, check.stdout + check.stderr)
            self.assertIn("%s:%s" % (path, place), check.stderr)
            self.assertIn("error: ", check.stderr)
            self.assertIn(word.lower(), check.stderr.lower())
            status, answer = self.world.request("POST", "/-/reload")
            self.assertEqual(status, 400, answer)
            self.assertIn(word.lower(), answer.decode().lower())

    def test_each_is_refused_with_its_place_and_the_good_one_runs_on(self):
        self.assertGreaterEqual(len(RULE_FILES) + len(CONFIG_FILES), 30)
        before = self.evaluations()
        for what, text, place, word in RULE_FILES:
            self.rules.write_text(text)
            self.assert_refused(what, self.rules, place, word)
        self.rules.write_text(GOOD_RULES)
        for what, more, word in CONFIG_FILES:
            text = self.good_config + more if more else self.good_config.replace(
                'listen = "127.0.0.1', 'listen = "0.0.0.0')
            self.config.write_text(text)
            self.assert_refused(what, self.config, "", word)
        self.config.write_text(self.good_config)
        self.assertEqual(self.world.request("POST", "/-/reload")[0], 200)
        wait_until(lambda: self.evaluations() != before, 10, "the good rule to go on")
        self.assertIn("tocsin_alertd_last_reload_successful 1",
                      self.world.get("/metrics")[1].decode())

    def test_check_tells_its_outcomes_apart(self):
        self.assertEqual(self.world.tocsin("check", self.config, self.rules).returncode, 0)
        missing = self.world.tocsin("check", self.world.folder / "none.toml", check=False)
        self.assertEqual(missing.returncode, 2)
        self.assertIn("none.toml", missing.stderr)
        self.rules.write_text(alert("sum(up"))
        as_json = self.world.tocsin("check", "-o", "json", self.rules, check=False)
        self.assertEqual(as_json.returncode, 1)
        errors = [d for d in json.loads(as_json.stdout) if d["severity"] == "error"]
        self.assertEqual([(d["line"], d["column"]) for d in errors], [(5, 15)])

    def test_bad_configuration_never_starts(self):
        self.world.stop("alertd")
        for text, word in ((self.good_config + "[nonsense]\n", "nonsense"),
                           (self.good_config.replace("[rules]", "[rules"), "syntax")):
            self.config.write_text(text)
            self.world.start_alertd_expecting_exit(2)
            self.assertIn(word, self.world.log("alertd"))
        self.config.write_text(self.good_config)
        self.rules.write_text(alert("sum(up"))
        self.world.start_alertd_expecting_exit(2)
        self.assertIn("test.toml:5:", self.world.log("alertd"))


if __name__ == "__main__":
    unittest.main()

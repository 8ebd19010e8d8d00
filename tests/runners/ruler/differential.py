#!/usr/bin/env python3
"""Plays random rules over random series here and with `promtool test rules`: the same alerts must fire.

Usage: differential.py RULER_DATA [SEED [ROUNDS]]. Each round writes one scenario in both notations, asks our
player which alerts fire after each minute, and lets promtool check exactly that. Skips without promtool.
"""

import pathlib
import random
import re
import subprocess
import sys
import tempfile

PROMTOOL = "/usr/bin/promtool"
MINUTES = 40


def make_series(rng):
    """Values that cross the thresholds, with gaps and ends, in the notation both sides read.

    No gap is as long as the lookback of five minutes: promtool 2.42 counts a sample that is exactly that
    old, Prometheus 3 and we do not. After a stale marker the gap may be of any length.
    """
    items = ["_x%d" % rng.randint(1, 3)] if rng.random() < 0.3 else []
    minutes = 3
    gap = False
    ended = False
    while minutes <= MINUTES + 3:
        count = rng.randint(1, 6)
        kind = rng.random()
        if kind < 0.12 and not gap and not ended:
            items.append("stale")
            ended, count = True, 1
        elif kind < 0.3 and not gap:
            count = count if ended else min(count, 4)
            items.append("_x%d" % count)
            gap = True
        else:
            items.append("%dx%d" % (rng.choice([0, 1, 5, 9]), count - 1))
            gap = ended = False
        minutes += count
    return " ".join(items)


def make_rules(rng):
    rules = [{"name": "rec:sum", "record": True,
              "expr": rng.choice(["sum by (host) (m)", "max by (host) (m)", "m * 2"])}]
    expressions = ["m > 4", "m == 9", "sum by (host) (m) > 8", "rec:sum > 6", "m > 4 unless m == 9",
                   "count(m > 0) >= 2", "absent(m{host=\"a\"})",
                   "count by (host) (ALERTS{alertname=\"A0\", alertstate=\"firing\"})"]
    for i in range(4):
        rules.append({"name": "A%d" % i, "record": False, "expr": rng.choice(expressions[:-1] if i == 0
                                                                             else expressions),
                      "for": rng.choice(["0s", "1m", "3m", "7m"]),
                      "keep": rng.choice(["0s", "0s", "2m", "5m"])})
    return rules


def our_text(rules, series):
    lines = []
    for rule in rules:
        if rule["record"]:
            lines.append("record %(name)s: %(expr)s" % rule)
        else:
            lines.append("rule %(name)s: %(expr)s for %(for)s keep_firing_for %(keep)s" % rule)
    lines += ["load 1m"] + ["    %s %s" % item for item in series.items()] + [""]
    return "\n".join(lines) + "\n"


def promtool_rules(rules):
    lines = ["groups:", "- name: g", "  interval: 1m", "  rules:"]
    for rule in rules:
        if rule["record"]:
            lines += ["  - record: %s" % rule["name"], "    expr: '%s'" % rule["expr"]]
            if "m * 2" in rule["expr"]:
                lines[-1] = "    expr: 'm * 2'"
        else:
            lines += ["  - alert: %s" % rule["name"], "    expr: '%s'" % rule["expr"],
                      "    for: %s" % rule["for"], "    keep_firing_for: %s" % rule["keep"],
                      "    labels: {severity: medium}"]
    return "\n".join(lines) + "\n"


def promtool_test(rules, series, trace):
    fired = {}
    for line in trace.splitlines():
        minute, alert = line.split("\t")
        name, labels = re.match(r"(\w+)\{(.*)\}$", alert).groups()
        pairs = re.findall(r'(\w+)="([^"]*)"', labels)
        fired.setdefault((int(minute), name), []).append(pairs)
    lines = ["rule_files: [rules.yml]", "evaluation_interval: 1m", "tests:", "- interval: 1m",
             "  input_series:"]
    for name, values in series.items():
        lines += ["  - series: '%s'" % name, "    values: '%s'" % values]
    lines.append("  alert_rule_test:")
    for minute in range(MINUTES + 1):
        for rule in rules:
            if rule["record"]:
                continue
            lines += ["  - eval_time: %dm" % minute, "    alertname: %s" % rule["name"],
                      "    exp_alerts:"]
            alerts = fired.get((minute, rule["name"]), [])
            if not alerts:
                lines[-1] += " []"
            for pairs in alerts:
                lines += ["    - exp_labels: {%s}" % ", ".join("%s: '%s'" % pair for pair in pairs)]
    return "\n".join(lines) + "\n"


def play(program, rng, folder):
    rules = make_rules(rng)
    series = {'m{host="a", disk="x"}': make_series(rng), 'm{host="a", disk="y"}': make_series(rng),
              'm{host="b", disk="x"}': make_series(rng)}
    (folder / "ours.test").write_text(our_text(rules, series))
    ours = subprocess.run([program, "--trace", str(MINUTES), str(folder / "ours.test")],
                          stdout=subprocess.PIPE, text=True)
    if ours.returncode != 0:
        return "our player failed: " + ours.stdout, 0
    (folder / "rules.yml").write_text(promtool_rules(rules))
    (folder / "test.yml").write_text(promtool_test(rules, series, ours.stdout))
    theirs = subprocess.run([PROMTOOL, "test", "rules", "test.yml"], cwd=folder, text=True,
                            stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
    if theirs.returncode == 0:
        return "", len(ours.stdout.splitlines())
    return our_text(rules, series) + theirs.stdout[:4000], 0


def main():
    program = str(pathlib.Path(sys.argv[1]).resolve())
    seed = int(sys.argv[2]) if len(sys.argv) > 2 else 1
    rounds = int(sys.argv[3]) if len(sys.argv) > 3 else 25
    if not pathlib.Path(PROMTOOL).exists():
        print("skipped: needs " + PROMTOOL)
        return 0
    compared = 0
    for number in range(seed, seed + rounds):
        with tempfile.TemporaryDirectory() as folder:
            failure, alerts = play(program, random.Random(number), pathlib.Path(folder))
        if failure:
            print("seed %d differs:\n%s" % (number, failure))
            return 1
        compared += alerts
    print("%d rounds, %d firing alerts, all as promtool has them" % (rounds, compared))
    return 0 if compared else 1


if __name__ == "__main__":
    sys.exit(main())

#!/usr/bin/env python3
"""`tocsin test` on Prometheus's own unit-test files, and beside Debian's promtool on small ones.

Usage: conformance.py TOCSIN FOLDER

FOLDER holds promtool's test data; WANTED is the exit status that Prometheus's own test wants of each.
Every file that promtool 2.42 understands must get the same verdict from both. cases.py has small files,
each about one corner, that both must judge as noted there. Exit status 1 if anything differs.
"""

import pathlib
import shutil
import subprocess
import sys
import tempfile

from cases import BROKEN_RULES, CASES, FAILING_RULES, RULES

# (file, arguments) -> wanted exit status.
WANTED = {
    ("unittest.yml",): 0,
    ("long-period.yml",): 0,
    ("no-test-group-interval.yml",): 0,
    ("start-time-test.yml",): 0,
    ("at-modifier-test.yml",): 0,
    ("negative-offset-test.yml",): 0,
    ("failing.yml",): 1,
    ("bad-input-series.yml",): 1,
    ("bad-promql.yml",): 1,
    ("bad-rules-error-test.yml",): 1,
    ("bad-rules-syntax-test.yml",): 1,
    ("rules_run.yml",): 1,
    ("rules_run.yml", "--run", "correct"): 0,
    ("rules_run.yml", "--run", "wrong"): 1,
    ("rules_run_fuzzy.yml",): 1,
    ("rules_run_fuzzy.yml", "--run", "correct"): 0,
    ("rules_run_no_fuzzy.yml",): 1,
    ("rules_run_extrafields.yml", "--ignore-unknown-fields"): 0,
    ("rules_run_extrafields.yml",): 1,
}
# What promtool 2.42 cannot judge, and why.
TOO_NEW = {
    "unittest.yml": "the field `histogram`",
    "start-time-test.yml": "the field `start_timestamp`",
    "rules_run.yml": "no option --run",
    "rules_run_fuzzy.yml": "the field `fuzzy_compare`",
    "rules_run_no_fuzzy.yml": "the field `fuzzy_compare`",
    "rules_run_extrafields.yml": "no option --ignore-unknown-fields",
    "no-test-group-interval.yml": "it fails in 2.42 and passes in 3",
}
# Small cases that promtool 2.42 fails and we do not, and why.
ONLY_OURS = {
    "value Inf": "we read every spelling of infinity that PromQL has",
    "value +Inf": "we read every spelling of infinity that PromQL has",
    "value quoted": "a quoted number is a number",
    "steps of subqueries": "2.42 has windows that are closed on the left",
    "an alert": "externalURL in a template fails in promtool with a null pointer",
    "between, the evaluation before": "externalURL in a template fails in promtool with a null pointer",
    "labels with no value": "an empty label is no label",
}
NOT_SUPPORTED_MAX = 3  # native histograms in unittest.yml


def run(command):
    done = subprocess.run(command, capture_output=True, text=True, timeout=120)
    return done.returncode, done.stdout + done.stderr


def main():
    tocsin, folder = sys.argv[1], pathlib.Path(sys.argv[2])
    promtool = shutil.which("promtool")
    if promtool is None:
        print("promtool is not installed: its verdicts are not compared")
    wrong = []

    if folder.is_dir():
        compared = 0
        for (name, *arguments), wanted in WANTED.items():
            status, text = run([tocsin, "test", *arguments, str(folder / name)])
            if status != wanted:
                wrong.append("%s %s: exit %d, wanted %d\n%s" % (name, arguments, status, wanted, text))
            if name == "unittest.yml" and "%d assertions not supported" % NOT_SUPPORTED_MAX not in text:
                wrong.append("unittest.yml: wanted exactly three assertions not supported\n" + text)
            if promtool and not arguments and name not in TOO_NEW:
                compared += 1
                theirs, text = run([promtool, "test", "rules", str(folder / name)])
                if theirs != status:
                    wrong.append("%s: exit %d, promtool %d\n%s" % (name, status, theirs, text))
        print("%d runs of promtool's files; %d files judged by promtool too" % (len(WANTED), compared))
    else:
        print("%s is not there: promtool's own files are skipped" % folder)

    with tempfile.TemporaryDirectory(prefix="tocsin-promtool-") as scratch:
        scratch = pathlib.Path(scratch)
        for name, text in (("rules", RULES), ("broken", BROKEN_RULES), ("failing", FAILING_RULES)):
            (scratch / (name + ".yml")).write_text(text)
        for name, (wanted, text) in CASES.items():
            path = scratch / "case.test.yaml"
            path.write_text(text)
            status, output = run([tocsin, "test", str(path)])
            if status != wanted:
                wrong.append("case %r: exit %d, wanted %d\n%s" % (name, status, wanted, output))
            if promtool:
                theirs, output = run([promtool, "test", "rules", str(path)])
                expected = 1 if name in ONLY_OURS else wanted
                if theirs != expected:
                    wrong.append("case %r: promtool gives %d, noted is %d\n%s" % (
                        name, theirs, expected, output))
    print("%d small cases, %d of which promtool fails for reasons listed here" % (
        len(CASES), len(ONLY_OURS)))
    for text in wrong:
        print("WRONG", text)
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main())

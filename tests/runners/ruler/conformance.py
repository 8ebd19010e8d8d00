#!/usr/bin/env python3
"""Compares our reading of rule files with promtool's: what it takes must load, what it refuses must not.

Usage: conformance.py RULER_DATA FOLDER. Skips with a message if promtool or the folder is not there.
"""

import pathlib
import subprocess
import sys

# What we take and promtool 2.42 does not, with the reason.
NEWER_THAN_2_42 = {
    "slok+sloth/examples/_gen/contrib-slo-plugins.yml":
        "label names with '-': any UTF-8 name is valid since Prometheus 3",
}

PROMTOOL = "/usr/bin/promtool"


def run(command):
    done = subprocess.run(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
    return done.returncode == 0, done.stdout


def main():
    program, folder = sys.argv[1], pathlib.Path(sys.argv[2])
    if not folder.is_dir() or not pathlib.Path(PROMTOOL).exists():
        print("skipped: needs %s and %s" % (PROMTOOL, folder))
        return 0
    failures = 0
    files = sorted(folder.rglob("*.yml")) + sorted(folder.rglob("*.yaml"))
    for file in files:
        name = str(file.relative_to(folder))
        theirs, their_text = run([PROMTOOL, "check", "rules", str(file)])
        ours, our_text = run([program, "--check", str(file)])
        if theirs and not ours:
            print("%s: promtool takes it, we do not:\n%s" % (name, our_text))
        elif ours and not theirs and name not in NEWER_THAN_2_42:
            print("%s: we take it, promtool does not:\n%s" % (name, their_text))
        elif not ours and ("%s:" % file) not in our_text:
            print("%s: refused without a place:\n%s" % (name, our_text))
        else:
            continue
        failures += 1
    print("%d files, %d differ, %d known exceptions" % (len(files), failures, len(NEWER_THAN_2_42)))
    return 1 if failures or not files else 0


if __name__ == "__main__":
    sys.exit(main())

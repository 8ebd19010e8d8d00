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


def output_of(command):
    done = subprocess.run(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
    return done.stdout


def read_theirs(files):
    """Returns {file: (taken, text)} from one run of promtool: "Checking FILE", then what it thinks."""
    result = {}
    text = output_of([PROMTOOL, "check", "rules"] + files)
    for part in text.split("Checking ")[1:]:
        name, _, rest = part.partition("\n")
        # Duplicate rules are a lint message there (exit status 0), and a warning with us.
        result[name] = ("FAILED" not in rest or "lint error" in rest, rest)
    return result


def read_ours(program, files):
    """Returns {file: (taken, text)} from one run of our reader: messages, then "ok FILE"."""
    result = {}
    text = ""
    for line in output_of([program, "--check"] + files).splitlines():
        verdict, _, name = line.partition(" ")
        if verdict in ("ok", "refused") and name in files:
            result[name] = (verdict == "ok", text)
            text = ""
        else:
            text += line + "\n"
    return result


def main():
    program, folder = sys.argv[1], pathlib.Path(sys.argv[2])
    if not folder.is_dir() or not pathlib.Path(PROMTOOL).exists():
        print("skipped: needs %s and %s" % (PROMTOOL, folder))
        return 0
    failures = 0
    files = [str(file) for file in sorted(folder.rglob("*.yml")) + sorted(folder.rglob("*.yaml"))]
    all_theirs, all_ours = read_theirs(files), read_ours(program, files)
    for file in files:
        name = str(pathlib.Path(file).relative_to(folder))
        if file not in all_theirs or file not in all_ours:
            print("%s: no verdict" % name)
            failures += 1
            continue
        (theirs, their_text), (ours, our_text) = all_theirs[file], all_ours[file]
        if theirs and not ours:
            print("%s: promtool takes it, we do not:\n%s" % (name, our_text))
        elif ours and not theirs and name not in NEWER_THAN_2_42:
            print("%s: we take it, promtool does not:\n%s" % (name, their_text))
        elif not ours and ("%s:" % file) not in our_text:
            print("%s: refused without a place:\n%s" % (name, our_text))
        else:
            continue
        failures += 1
    taken = sum(1 for taken, _ in all_ours.values() if taken)
    print("%d files, %d taken, %d differ, %d known exceptions" % (
        len(files), taken, failures, len(NEWER_THAN_2_42)))
    return 1 if failures or not files else 0


if __name__ == "__main__":
    sys.exit(main())

#!/usr/bin/env python3
"""Which receivers an alert goes to: our walk of the tree beside `amtool config routes test`.

Usage: routes.py PLAYER [--sets N] [--seed N]

One configuration of many routes for each hundred label sets; amtool takes one set a call. Skips with a message
where amtool is not installed.
"""

import argparse
import concurrent.futures
import json
import pathlib
import random
import shutil
import subprocess
import sys
import tempfile

VALUES = ["a", "b", "ab", "a.b", "x y", "ä", "1", ""]
NAMES = ["alertname", "host", "team", "env", "severity"]
PATTERNS = ["a", "a|b", "a.*", ".+", ".*", "[ab]", "x.y", "(a|1)", "ä?"]


def matcher(rng):
    operator = rng.choice(["=", "!=", "=~", "!~"])
    value = rng.choice(PATTERNS if "~" in operator else VALUES)
    return '%s%s"%s"' % (rng.choice(NAMES), operator, value)


def route(rng, depth):
    node = {"receiver": "r%d" % rng.randrange(8), "continue": rng.random() < 0.35}
    style = rng.random()
    if style < 0.2:
        node["match"] = {rng.choice(NAMES): rng.choice(VALUES)}
    elif style < 0.4:
        node["match_re"] = {rng.choice(NAMES): rng.choice(PATTERNS)}
    else:
        node["matchers"] = [matcher(rng) for _ in range(rng.choice([1, 1, 2]))]
    if depth < 3:
        node["routes"] = [route(rng, depth + 1) for _ in range(rng.choice([0, 1, 3, 5]))]
    return node


def configuration(rng):
    return {"receivers": [{"name": "r%d" % i} for i in range(8)],
            "route": {"receiver": "r0", "routes": [route(rng, 1) for _ in range(12)]}}


def label_set(rng):
    labels = {name: rng.choice(VALUES) for name in NAMES if rng.random() < 0.8}
    return {name: value for name, value in labels.items() if value} or {"alertname": "a"}


def amtool(path, labels):
    words = ["%s=%s" % pair for pair in sorted(labels.items())]
    answer = subprocess.run(["amtool", "config", "routes", "test", "--config.file=" + path] + words,
                            capture_output=True, text=True, check=False)
    if answer.returncode != 0:
        raise AssertionError("amtool %s: %s" % (words, answer.stderr))
    return answer.stdout.strip()


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("player")
    parser.add_argument("--sets", type=int, default=300)
    parser.add_argument("--seed", type=int, default=1)
    options = parser.parse_args()
    if shutil.which("amtool") is None:
        print("skipped: amtool is not installed")
        return 0
    rng = random.Random(options.seed)
    differ = checked = several = 0
    with tempfile.TemporaryDirectory() as folder, concurrent.futures.ThreadPoolExecutor(2) as pool:
        path = str(pathlib.Path(folder) / "am.json")
        while checked < options.sets:
            pathlib.Path(path).write_text(json.dumps(configuration(rng)), encoding="utf-8")
            sets = [label_set(rng) for _ in range(min(100, options.sets - checked))]
            ours = subprocess.run([options.player, "--routes", path], capture_output=True, text=True, check=True,
                                  input="".join(json.dumps(one) + "\n" for one in sets)).stdout.split("\n")
            theirs = list(pool.map(lambda one: amtool(path, one), sets))
            checked += len(sets)
            several += sum("," in text for text in theirs)
            for labels, mine, other in zip(sets, ours, theirs):
                if mine != other:
                    differ += 1
                    print("%s: ours %s, amtool %s" % (labels, mine, other))
    print("%d label sets, %d of them to several receivers, %d differ" % (checked, several, differ))
    return 1 if differ else 0


if __name__ == "__main__":
    sys.exit(main())

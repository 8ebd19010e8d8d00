#!/usr/bin/env python3
"""Published rules over an hour of real scrapes: no internal error, the alerts of promtool, and the same after import.

Usage: replay.py RULES_REPLAY TOCSIN CONFORMANCE [FILE...]

For each rule file below CONFORMANCE/rules:
  1. it is evaluated over the recording (recording.py) every 15 s; errors are listed and must be those that
     Prometheus has too (EXPECTED_ERRORS);
  2. promtool evaluates the same, and after each minute ALERTS and ALERTS_FOR_STATE must be the same there: names,
     labels, pending or firing, and since when;
  3. `tocsin import prometheus` converts it, `tocsin check` takes the output, and over the same hour the imported
     rules give the same alerts (but for the label severity, which becomes one of ours).
Skips with a message where the folder is not there; part 2 without promtool, part 3 without tocsin.
"""

import concurrent.futures
import pathlib
import re
import shutil
import subprocess
import sys
import tempfile

import recording

PROMTOOL = "/usr/bin/promtool"
MINUTES = recording.MINUTES
# What promtool 2.42 cannot do here: its words, and the reason. Such a file is listed, not compared.
PROMTOOL_CANNOT = [
    ("invalid label name: plug-", "label names with '-': any UTF-8 name is valid since Prometheus 3"),
    ("query processing would load too many samples", "promtool evaluates with 10,000 samples at most"),
]
# What a rule may fail with: Prometheus fails with the same.
EXPECTED_ERRORS = re.compile(
    r"duplicate series for the match group|multiple matches for labels|same labelset|have the same labels", re.I)


class Played:
    """What rules_replay printed."""

    def __init__(self, text):
        self.series = {}  # second -> {series text: value}
        self.errors = []  # (group, rule, message)
        self.other = []
        for line in text.splitlines():
            kind, _, rest = line.partition("\t")
            if kind == "at":
                seconds, series, value = rest.split("\t")
                self.series.setdefault(int(seconds), {})[series] = value
            elif kind in ("error", "template"):
                self.errors.append((kind,) + tuple(rest.split("\t")))
            else:
                self.other.append(line)


def play(program, lines_file, rules):
    done = subprocess.run([program, str(lines_file)] + [str(file) for file in rules], text=True,
                          stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
    if done.returncode != 0:
        return None, done.stdout[-2000:]
    return Played(done.stdout), ""


def lines_for(text, lines):
    """The series whose metric the file names; all of them if it selects names by pattern."""
    words = set(re.findall(r"[a-zA-Z_:][\w:]*", text))
    everything = "__name__" in words
    return [line for name, line in lines if everything or name in words]


def quoted(text):
    return "'" + text.replace("'", "''") + "'"


def promtool_test(rules, lines, played):
    """The unit test that asks promtool for exactly what we had after each minute."""
    out = ["rule_files: [%s]" % quoted(str(rules)), "evaluation_interval: 15s", "tests:", "- interval: 5s",
           "  input_series:"]
    for line in lines:
        series, _, values = re.match(r'((?:[^"]|"(?:[^"\\]|\\.)*")*?\}) ()(.*)', line).groups()
        out += ["  - series: " + quoted(series), "    values: " + quoted(values)]
    out.append("  promql_expr_test:")
    for minute in range(MINUTES + 1):
        at = played.series.get(minute * 60, {})
        for name in ("ALERTS", "ALERTS_FOR_STATE"):
            # A name of its own for each moment: promtool prints the expression with a difference.
            out += ["  - expr: %s" % name, "    eval_time: %dm" % minute, "    exp_samples:"]
            mine = [(series, value) for series, value in at.items() if series.startswith(name + "{")]
            if not mine:
                out[-1] += " []"
            for series, value in mine:
                out += ["    - labels: " + quoted(series), "      value: " + value]
    return "\n".join(out) + "\n"


def groups_of(text):
    """The rule file as promtool wants it: a manifest's groups without the manifest."""
    match = re.search(r"^(\s+)groups:", text, re.M)
    if not match or re.search(r"^groups:", text, re.M):
        return text
    indent = len(match[1].replace("\n", ""))
    lines = text[match.start():].lstrip("\n").splitlines()
    return "\n".join(line[indent:] for line in lines) + "\n"


def against_promtool(folder, rules, lines, played):
    """Returns what promtool says against our alerts; empty if nothing."""
    (folder / "rules.yml").write_text(groups_of(rules.read_text()))
    (folder / "test.yml").write_text(promtool_test("rules.yml", lines, played))
    done = subprocess.run([PROMTOOL, "test", "rules", "test.yml"], cwd=folder, text=True,
                          stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
    return "" if done.returncode == 0 else done.stdout


def differences(text):
    """promtool's answer, made short: {(side, alert): times} of what only one side has."""
    found = {}
    for time, wanted, got in re.findall(
            r"time: (\w+),\s*exp:(.*?)\s*got:(.*?)(?=\n\s*expr:|\Z)", text, re.S):
        sides = [set(re.findall(r"(?:ALERTS\w*)?\{.*?\} [-+.\deInfNa]+", side)) for side in (wanted, got)]
        for elements, side in ((sides[0] - sides[1], "only here"), (sides[1] - sides[0], "only there")):
            for element in elements:
                found.setdefault((side, element), []).append(time)
    return found


def incomparable(outcome):
    """Why promtool's answer is no difference; empty if it is one."""
    text = outcome.promtool
    for words, reason in PROMTOOL_CANNOT:
        if words in text:
            return reason
    failed = re.findall(r"rule: (\S+), time: \S+, err: (.*)", text)
    if failed and all(any(error[2] == rule for error in outcome.errors) for rule, _ in failed):
        return "the same rule fails there: %s: %s" % failed[0]
    return ""


def refused_there_too(rules):
    """Whether promtool refuses the file as well."""
    done = subprocess.run([PROMTOOL, "check", "rules", str(rules)], text=True, stdout=subprocess.PIPE,
                          stderr=subprocess.STDOUT)
    return "FAILED" in done.stdout and "lint error" not in done.stdout


def without_severity(played):
    """Our alerts at each evaluation, severity left out: import maps it to one of four."""
    strip = re.compile(r'(?:imported_)?severity="(?:[^"\\]|\\.)*"(?:, )?')
    return {second: sorted((strip.sub("", series).replace(", }", "}"), value) for series, value in at.items())
            for second, at in played.series.items()}


def check_errors(tocsin, files):
    """The errors that `tocsin check` finds, without places and names of files; mistakes that published rules have
    are no fault of the import."""
    check = subprocess.run([tocsin, "check"] + [str(file) for file in files], text=True,
                           stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
    return set(re.findall(r":\d+:\d+: error: (.*)", check.stdout))


def imported(program, tocsin, folder, rules, lines_file, played):
    """Returns what is wrong with the imported file, or ""."""
    output = folder / "imported"
    done = subprocess.run([tocsin, "import", "prometheus", str(rules), "--to", str(output)], text=True,
                          stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
    files = sorted(output.glob("*.toml")) if output.is_dir() else []
    if done.returncode != 0 or not files:
        return "import: exit %d\n%s" % (done.returncode, done.stdout[-1500:])
    more = check_errors(tocsin, files) - check_errors(tocsin, [rules])
    if more:
        return "check of the imported file finds what it does not find in the original: %s" % sorted(more)
    again, failure = play(program, lines_file, files)
    if again is None:
        return "imported rules do not load:\n" + failure
    mine, theirs = without_severity(again), without_severity(played)
    for second in sorted(set(mine) | set(theirs)):
        a, b = set(mine.get(second, [])), set(theirs.get(second, []))
        if a != b:
            return "imported rules differ at %d s:\n  only imported: %s\n  only original: %s" % (
                second, sorted(a - b)[:5], sorted(b - a)[:5])
    return ""


class Outcome:
    def __init__(self, name):
        self.name = name
        self.failures = []
        self.errors = []
        self.notes = []
        self.alerts = self.firing = 0
        self.promtool = self.importing = "skipped"


def examine(program, tocsin, rules, name, lines):
    outcome = Outcome(name)
    with tempfile.TemporaryDirectory() as temporary:
        folder = pathlib.Path(temporary)
        mine = lines_for(rules.read_text(), lines)
        (folder / "recording.txt").write_text("\n".join(mine) + "\n")
        played, failure = play(program, folder / "recording.txt", [rules])
        if played is None:
            if pathlib.Path(PROMTOOL).exists() and refused_there_too(rules):
                outcome.notes.append("refused here and by promtool")
            else:
                outcome.failures.append("does not load or play:\n" + failure)
            return outcome
        outcome.errors = played.errors
        outcome.failures += ["%s of %s/%s: %s" % error for error in played.errors
                             if not EXPECTED_ERRORS.search(error[3])]
        outcome.failures += ["unexpected output: " + line for line in played.other]
        alerts = {re.sub(r', alertstate="\w+"', "", s) for at in played.series.values() for s in at
                  if s.startswith("ALERTS{")}
        outcome.alerts = len(alerts)
        outcome.firing = len({s for at in played.series.values() for s in at if 'alertstate="firing"' in s})
        if pathlib.Path(PROMTOOL).exists():
            outcome.promtool = against_promtool(folder, rules, mine, played)
            reason = incomparable(outcome) if outcome.promtool else ""
            if reason:
                outcome.promtool = "skipped"
                outcome.notes.append("not comparable with promtool: " + reason)
        if tocsin:
            outcome.importing = imported(program, tocsin, folder, rules, folder / "recording.txt", played)
    return outcome


def report(outcome):
    """Prints what is wrong; returns whether something is."""
    wrong = list(outcome.failures)
    if outcome.promtool not in ("", "skipped"):
        short = differences(outcome.promtool)
        wrong.append("promtool differs:\n" + ("\n".join(
            "    %s: %s at %s" % (side, element, " ".join(times[:8]))
            for (side, element), times in sorted(short.items())[:12]) or outcome.promtool[:1500]))
    if outcome.importing not in ("", "skipped"):
        wrong.append(outcome.importing)
    for text in wrong:
        print("%s: %s" % (outcome.name, text), flush=True)
    for text in outcome.notes + ["%s of %s/%s: %s" % error for error in outcome.errors]:
        print("%s: note: %s" % (outcome.name, text))
    return bool(wrong)


def name_of(file, folder):
    return str(file.resolve().relative_to(folder.resolve()))


def main():
    program, tocsin, conformance = sys.argv[1], sys.argv[2], pathlib.Path(sys.argv[3])
    if not (conformance / "rules").is_dir() or not (conformance / "scrapes").is_dir():
        print("skipped: needs %s with rules and scrapes" % conformance)
        return 0
    tocsin = tocsin if shutil.which(tocsin) else ""
    folder = conformance / "rules"
    files = [pathlib.Path(f) for f in sys.argv[4:]] or sorted(folder.rglob("*.yml")) + sorted(folder.rglob("*.yaml"))
    lines = recording.make(conformance / "scrapes")
    with concurrent.futures.ThreadPoolExecutor(2) as pool:
        outcomes, failed = [], 0
        for outcome in pool.map(lambda file: examine(program, tocsin, file, name_of(file, folder), lines), files):
            outcomes.append(outcome)
            failed += report(outcome)
    print("%d rule files over %d series for %d minutes: %d alerts, %d of them fired, %d rules with errors" % (
        len(files), len(lines), MINUTES, sum(o.alerts for o in outcomes), sum(o.firing for o in outcomes),
        sum(len(o.errors) for o in outcomes)))
    print("%d files as promtool has them, %d the same after import, %d wrong" % (
        sum(o.promtool == "" for o in outcomes), sum(o.importing == "" for o in outcomes), failed))
    return 1 if failed or not files else 0


if __name__ == "__main__":
    sys.exit(main())

#!/usr/bin/env python3
"""Checks docs/coverage.md: what it names exists, no line of the handbook and no shipped alert is left out.

Usage: coverage.py ROOT        prints each mistake as file:line: message; exit status 1 if there is one

A row of the page's tables is `| lines | what | metrics | alerts | runbooks | tests | open |`; what is named stands in backticks.
"""

import pathlib
import re
import sys

PAGE = "docs/coverage.md"

# The lines of the operations handbook that ask for something.
HANDBOOK = {10, 11, 14, *range(19, 23), *range(25, 29), *range(31, 35), *range(39, 43),
            *range(45, 49), *range(53, 57), *range(59, 63), *range(67, 71), *range(73, 77),
            *range(81, 85), *range(87, 91), *range(93, 97), *range(101, 105), *range(107, 111),
            *range(113, 117), *range(119, 122)}

COLUMNS = ("lines", "what", "metrics", "alerts", "runbooks", "tests", "open")


def rows(text):
    """Yields (line number, {column: cell}) of each row whose first cell is numbers."""
    for number, line in enumerate(text.splitlines(), 1):
        if not re.match(r"\|\s*\d", line):
            continue
        cells = [cell.strip() for cell in line.strip().strip("|").split("|")]
        yield number, dict(zip(COLUMNS, cells)) if len(cells) == len(COLUMNS) else None


def named(cell):
    return re.findall(r"`([^`]+)`", cell)


def lines_of(cell):
    found = set()
    for first, last in re.findall(r"(\d+)(?:-(\d+))?", cell):
        found.update(range(int(first), int(last or first) + 1))
    return found


class Project:
    """What there is to be named."""

    def __init__(self, root):
        self.root = pathlib.Path(root)
        sources = [path for folder in ("agent", "alertd", "common") for kind in ("*.cc", "*.h")
                   for path in (self.root / folder).rglob(kind) if not path.stem.endswith("_test")]
        # Queries of one's own give metrics, too.
        sources += [*(self.root / "packaging/examples").glob("*.toml"),
                    *(self.root / "docs").glob("business-metrics.md")]
        # Names that the code spells out, and beginnings that it completes with what the kernel says.
        words = set(re.findall(r"[a-z][a-z0-9_]+", "\n".join(read(path) for path in sources)))
        self.words = words
        self.beginnings = tuple(word for word in words if re.fullmatch(r"[a-z]+_[a-z_]+_", word))
        self.alerts = set()
        for path in (self.root / "rules").rglob("*.toml"):
            self.alerts.update(re.findall(r'^name = "([A-Z]\w+)"', read(path), re.MULTILINE))
            self.words.update(re.findall(r'^name = "([a-z]\w+)"', read(path), re.MULTILINE))
        self.runbooks = {path.stem for path in (self.root / "rules").rglob("runbooks/**/*.md")}

    def has_metric(self, name):
        return name in self.words or name.startswith(self.beginnings)

    def test_problem(self, name):
        path = self.root / name
        if not path.is_file():
            return "there is no such file"
        # What ctest finds: programs by this ending, and the text files of the runners.
        if path.suffix != ".test" and not path.stem.endswith("_test"):
            return "nothing runs it"
        return None


def read(path):
    return path.read_text(encoding="utf-8", errors="replace")


def check(text, project):
    """Returns [(line, message)]."""
    found = []
    told_lines, told_alerts = set(), set()
    for number, row in rows(text):
        if row is None:
            found.append((number, f"a row has {len(COLUMNS)} cells: {', '.join(COLUMNS)}"))
            continue
        told_lines |= lines_of(row["lines"])
        told_alerts.update(named(row["alerts"]))
        found += [(number, f"no source gives the metric '{name}'")
                  for name in named(row["metrics"]) if not project.has_metric(name)]
        found += [(number, f"no rule file has the alert '{name}'")
                  for name in named(row["alerts"]) if name not in project.alerts]
        found += [(number, f"rules/runbooks has no '{name}.md'")
                  for name in named(row["runbooks"]) if name not in project.runbooks]
        tests = named(row["tests"])
        claims = any(named(row[column]) for column in ("metrics", "alerts", "runbooks"))
        if not tests and (claims or row["open"] == "-"):
            found.append((number, "no test is named"))
        found += [(number, f"{name}: {problem}") for name in tests
                  if (problem := project.test_problem(name))]
    found += [(0, f"line {line} of the handbook has no row") for line in sorted(HANDBOOK - told_lines)]
    found += [(0, f"the alert '{name}' is in no row")
              for name in sorted(project.alerts - told_alerts)]
    return found


def main(root):
    text = (pathlib.Path(root) / PAGE).read_text(encoding="utf-8")
    found = check(text, Project(root))
    for line, message in found:
        print(f"{PAGE}:{line}: {message}")
    return 1 if found else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1] if len(sys.argv) > 1 else "."))

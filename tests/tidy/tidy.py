#!/usr/bin/env python3
"""Checks what the house style can check by machine; style is then not discussed in reviews.

Usage: tidy.py ROOT      prints file:line: message for each violation; exit status 1 if there is one.

Checked: who includes whom (the table below is the design's), file and line sizes, identifiers that reach
around the injected world (clock, threads, files, randomness), words of unfinished work, and a README.md
in each folder of sources. tidy_test.py proves that each check can fail.
"""

import pathlib
import re
import sys

BASE_MODEL = ["common/base", "common/model"]

# Folder -> what it may include besides itself. The longest matching folder name counts.
MAY_INCLUDE = {
    "common/base": [],
    "common/model": ["common/base"],
    "common/net": BASE_MODEL,
    "common/compression": ["common/base"],
    "common/postgres": ["common/base"],
    "common/config": BASE_MODEL,
    "common/gotemplate": BASE_MODEL,
    "common/relabel": BASE_MODEL + ["common/config"],
    "common/endpoint": BASE_MODEL + ["common/config", "common/net"],
    "common/spool": BASE_MODEL,
    "common/remote_write": BASE_MODEL + ["common/net", "common/spool", "proto"],
    "common/timezone": ["common/base"],
    "common/sim": BASE_MODEL,
    "proto": BASE_MODEL,
    "agent": ["common", "proto", "agent"],
    "alertd/tsdb": BASE_MODEL,
    "alertd/promql": BASE_MODEL,
    "alertd/ingest": ["common", "proto"],
    "alertd/ruler": ["common", "alertd/promql"],
    "alertd/forward": ["common", "proto", "alertd/promql"],
    "alertd/datasource": ["common", "alertd/promql", "alertd/ruler"],
    "alertd/rulegit": ["common", "alertd/ruler/provenance.h"],
    "alertd/routing": ["common"],
    "alertd/oncall": ["common"],
    "alertd/incident": ["common", "alertd/routing", "alertd/oncall"],
    "alertd/heartbeat": ["common"],
    "alertd/tasks": BASE_MODEL,
    "alertd/backup": ["common/base"],
    "alertd/story": ["common", "alertd/routing", "alertd/incident"],
    "alertd/report": ["common", "alertd/incident", "alertd/routing", "alertd/oncall"],
    "alertd/bulletin": ["common", "alertd/report/sheet.h", "alertd/report/redact.h"],
    "alertd/sharing": ["common"],
    "alertd/state": ["common", "alertd/incident/state_", "alertd/incident/notification.h",
                     "alertd/incident/incident.h", "alertd/routing", "alertd/sharing/group_store.h"],
    "alertd/notify": ["common", "alertd/incident"],
    "alertd/api": ["common", "proto", "alertd/promql", "alertd/routing/matcher_text.h",
                   "alertd/story/story.h"],
    "alertd/cluster": ["common"],
    "alertd/app": [""],
    "alertd/sim": [""],
    "cli": [""],
    "tests": [""],
}

# A module's tests may also use the fakes of tests/ and, where named, a neighbour's test helper.
TESTS_MAY_INCLUDE = ["tests/", "common/sim/"]

SIZE_MAX = {".cc": 600, ".h": 250}
COLUMNS_MAX = 100

# Identifier -> what to use instead. common/base implements the replacements and is exempt.
BANNED = {
    r"system_clock::now": "base::Clock",
    r"steady_clock::now": "base::Clock",
    r"\bsleep_for\b": "base::Executor::post_after",
    r"\bstd::thread\b": "base::AsioExecutor",
    r"\bstd::rand\b": "base::Random",
    r"\brandom_device\b": "base::Random",
    r"\bgetenv\b": "base::environment",
    r"\bfopen\b": "base::FileSystem",
    r"\bifstream\b": "base::FileSystem",
    r"\bstd::mutex\b": "base::Mutex",
}
# Nobody may use these, the floor neither.
BANNED_EVERYWHERE = {
    r"\bstd::regex\b": "RE2 (std::regex overflows the stack on long input)",
    r"(?<![\w:.>])system\(": "no shell anywhere",
    r"\bpopen\(": "no shell anywhere",
    r"\b(TODO|FIXME|XXX|HACK)\b": "finish it, or open an issue",
}
ASIO_ALLOWED = ("common/base/asio_executor.", "common/net/http_server")

SOURCE_SUFFIXES = (".cc", ".h")
FOLDERS = ("common", "proto", "agent", "alertd", "cli", "tests")


def is_test(path):
    return path.endswith(("_test.cc", "_bench.cc", "_fuzz.cc")) or path.startswith("tests/")


def row_of(path):
    rows = [folder for folder in MAY_INCLUDE if path.startswith(folder + "/")]
    return max(rows, key=len) if rows else None


def strip_strings_and_comments(line):
    line = re.sub(r'"(\\.|[^"\\])*"', '""', line)
    return re.sub(r"//.*", "", line)


def check_includes(path, number, line):
    match = re.match(r'\s*#\s*include\s+"([^"]+)"', line)
    if not match:
        asio = re.match(r"\s*#\s*include\s+<boost/(asio|beast)[/.]", line)
        if asio and not path.startswith(ASIO_ALLOWED):
            yield number, "boost/asio and boost/beast belong to %s only" % " and ".join(ASIO_ALLOWED)
        return
    target = match.group(1)
    if not target.startswith(tuple(folder + "/" for folder in FOLDERS)):
        return  # generated or beside the file
    row = row_of(path)
    if row is None:
        yield number, "no row in the table of tests/tidy/tidy.py for this folder"
        return
    allowed = [row] + MAY_INCLUDE[row] + (TESTS_MAY_INCLUDE if is_test(path) else [])
    if not any(target.startswith(folder) for folder in allowed):
        yield number, "%s may not use %s (allowed: %s)" % (
            row, target, ", ".join(MAY_INCLUDE[row]) or "nothing")


def check_words(path, number, line):
    # Words of unfinished work count in comments too; identifiers only in code.
    for pattern, instead in BANNED_EVERYWHERE.items():
        text = line if "TODO" in pattern else strip_strings_and_comments(line)
        if re.search(pattern, text):
            yield number, "'%s' is banned: %s" % (re.search(pattern, text).group(0), instead)
    if path.startswith("common/base/") or is_test(path):
        return
    code = strip_strings_and_comments(line)
    for pattern, instead in BANNED.items():
        if re.search(pattern, code):
            yield number, "'%s' is banned outside common/base: use %s" % (
                re.search(pattern, code).group(0), instead)


def check_file(path, text):
    """Yields (line, message) for one source file; `path` is relative, with slashes."""
    lines = text.split("\n")
    if text.endswith("\n"):
        lines.pop()
    limit = SIZE_MAX[pathlib.PurePosixPath(path).suffix]
    if len(lines) > limit:
        yield len(lines), "%d lines, limit %d: is it one thing?" % (len(lines), limit)
    if path.endswith(".h") and "#pragma once" not in text:
        yield 1, "header without #pragma once"
    if text and not text.endswith("\n"):
        yield len(lines), "no line end at the end of the file"
    for number, line in enumerate(lines, 1):
        if len(line) > COLUMNS_MAX and "http" not in line and 'R"' not in line:
            yield number, "%d columns, limit %d" % (len(line), COLUMNS_MAX)
        yield from check_includes(path, number, line)
        yield from check_words(path, number, line)


def check_tree(root):
    violations = []
    folders = set()
    for top in FOLDERS:
        for file in sorted((root / top).rglob("*")):
            path = file.relative_to(root).as_posix()
            if file.suffix not in SOURCE_SUFFIXES or not file.is_file():
                continue
            folders.add(file.parent)
            for line, message in check_file(path, file.read_text(encoding="utf-8")):
                violations.append("%s:%d: %s" % (path, line, message))
    for folder in sorted(folders):
        path = folder.relative_to(root).as_posix()
        if not path.startswith("tests") and not (folder / "README.md").exists():
            violations.append("%s: no README.md" % path)
    if not folders:
        violations.append("%s: no sources found: wrong folder?" % root)
    return violations


def main():
    violations = check_tree(pathlib.Path(sys.argv[1] if len(sys.argv) > 1 else "."))
    print("\n".join(violations) or "tidy: no violations")
    return 1 if violations else 0


if __name__ == "__main__":
    sys.exit(main())

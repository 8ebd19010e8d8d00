#!/usr/bin/env python3
"""Runs every fuzzer for a while over seeds taken from the repository; fails if one finds something.

Usage: run.py BUILD [--seconds N] [--keep FOLDER] [NAME...]

BUILD is the folder of the preset fuzz (cmake --preset fuzz && ninja -C build/fuzz). Seeds are the cases of
tests/data, the shipped rules and, if it is there, the published rules beside the checkout. A finding is written to
the folder of --keep, else to the current one, as crash-*, timeout-* or oom-*; give that file to the fuzzer
to see it again.
"""

import argparse
import pathlib
import re
import subprocess
import sys
import tempfile

HERE = pathlib.Path(__file__).resolve().parent
ROOT = HERE.parents[1]
RULES = [ROOT / "rules", ROOT / "tests/data", ROOT / "../shared/conformance/rules"]


def expressions():
    for file in sorted((ROOT / "tests/data/promql").glob("*.test")):
        for match in re.finditer(r"^eval(?:_\w+)? (?:instant at \S+|range from \S+ to \S+ step \S+) (.*)", file.read_text(),
                                 re.M):
            yield match[1].encode()


def rule_files():
    """The first byte says which reader: even is TOML."""
    for folder in RULES:
        for pattern, first in (("*.toml", b"\0"), ("*.yml", b"\1"), ("*.yaml", b"\1")):
            for file in sorted(folder.rglob(pattern)) if folder.is_dir() else []:
                yield first + file.read_bytes()


def config_files():
    for text in rule_files():
        yield text[1:]


def templates():
    seen = set()
    for text in rule_files():
        for match in re.finditer(rb"[^\n\"']*\{\{[^\n]*", text):
            line = match[0].strip().rstrip(b"\"'")
            if line not in seen:
                seen.add(line)
                yield line


def decisions():
    """Bytes of all kinds for the fuzzers that make decisions of them."""
    for i in range(256):
        yield bytes((i * k + k * k) % 256 for k in range(1, 40))


def answers():
    """The first byte says how they arrive."""
    for text in (b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nhi", b"HTTP/1.0 200 OK\r\n\r\nto the end",
                 b"HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 204 None\nConnection: close\n\n",
                 b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2;a=b\r\nhi\r\n0\r\nA: b\r\n\r\nrest"):
        for first in (b"\0", b"\1", b"\6"):
            yield first + text


# Name -> (seeds, dictionary, longest input).
FUZZERS = {
    "promql_fuzz": (expressions, "promql.dict", 4096),
    "evaluation_fuzz": (decisions, None, 256),
    "rule_file_fuzz": (rule_files, "rules.dict", 16384),
    "rule_template_fuzz": (templates, "template.dict", 4096),
    "gotemplate_fuzz": (templates, "template.dict", 4096),
    "config_fuzz": (config_files, "rules.dict", 16384),
    "remote_write_fuzz": (decisions, None, 65536),
    "remote_read_fuzz": (decisions, None, 65536),
    "http_answer_fuzz": (answers, "http.dict", 4096),
    "wal_fuzz": (decisions, None, 65536),
    "segment_fuzz": (decisions, None, 65536),
}


def run(program, name, seconds, keep):
    """Returns (executions, whether it found nothing, the end of its log)."""
    seeds, dictionary, longest = FUZZERS[name]
    with tempfile.TemporaryDirectory() as corpus:
        for number, seed in enumerate(seeds()):
            if len(seed) <= longest:
                (pathlib.Path(corpus) / str(number)).write_bytes(seed)
        command = [str(program), corpus, "-max_total_time=%d" % seconds, "-max_len=%d" % longest, "-timeout=20",
                   "-rss_limit_mb=2048", "-print_final_stats=1", "-artifact_prefix=%s/" % keep]
        if dictionary:
            command.append("-dict=%s" % (HERE / "dictionaries" / dictionary))
        done = subprocess.run(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
    log = done.stdout.decode(errors="replace")
    executions = re.search(r"stat::number_of_executed_units:\s*(\d+)", log)
    return int(executions[1]) if executions else 0, done.returncode == 0, log


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("build", type=pathlib.Path)
    parser.add_argument("names", nargs="*", help="default: all")
    parser.add_argument("--seconds", type=int, default=60, help="for each fuzzer")
    parser.add_argument("--keep", type=pathlib.Path, default=pathlib.Path("."), help="folder for findings")
    options = parser.parse_intermixed_args()
    options.keep.mkdir(parents=True, exist_ok=True)
    failed = 0
    for name in options.names or FUZZERS:
        program = options.build / "tests/fuzz" / name
        if not program.exists():
            print("%-20s not built" % name, flush=True)
            failed += 1
            continue
        executions, good, log = run(program, name, options.seconds, options.keep)
        print("%-20s %9d executions, %s" % (name, executions, "no finding" if good else "FOUND"), flush=True)
        if not good:
            print(log[-6000:])
            failed += 1
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())

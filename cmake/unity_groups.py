"""Says which source files of a folder may be compiled as one.

Usage: unity_groups.py ROOT     prints "FILE<TAB>GROUP", relative to ROOT, for each file that may

Reading the headers of a file takes the compiler three seconds, so files compiled together take a fourth of the
time. Two files of a folder that use one name in their anonymous namespaces cannot be one: they go into
different groups, and so do tests and what they test. The same files make the same groups.
"""

import pathlib
import re
import sys

LINES_MAX = 2500  # of a group: a change of one line compiles them all
ALONE = ("_bench.cc", "_fuzz.cc", "main.cc")
BLOCK = re.compile(r"^namespace \{\n(.*?)^\}  // namespace$", re.M | re.S)
NAME = re.compile(r"^(?:(?:struct|class|enum class|enum|union|using) (\w+)"
                  r"|[\w:<>,&*\[\] ]*?\b(\w+)(?:\[\w*\])*\s*[({=;])")
NOT_NAMED = (" ", "}", "#", "/", "TEST_CASE", "namespace ", "using namespace ")


def names_in(text):
    matches = [NAME.match(line) for line in text.split("\n") if not line.startswith(NOT_NAMED)]
    return {match[1] or match[2] for match in matches if match}


def own_names(text):
    """The names of a file's anonymous namespaces, and its macros."""
    return set(re.findall(r"^#define (\w+)", text, re.M)).union(*map(names_in, BLOCK.findall(text)))


def seen_names(root, text):
    """The names that using-declarations and the shared headers of tests bring."""
    headers = re.findall(r'^#include "(\S+test\w*\.h)"', text, re.M)
    used = set(re.findall(r"^using [\w:]+::(\w+);", text, re.M))
    return used.union(*(names_in((root / header).read_text(encoding="utf-8")) for header in headers))


class Group:
    def __init__(self):
        self.own, self.seen, self.lines, self.files = set(), set(), 0, []

    def takes(self, own, seen, lines):
        clash = self.own & (own | seen) or self.seen & own
        return not clash and (not self.files or self.lines + lines <= LINES_MAX)

    def add(self, file, own, seen, lines):
        self.own |= own
        self.seen |= seen
        self.lines += lines
        self.files.append(file)


def groups_of(root, files):
    groups = []
    for file in files:
        text = file.read_text(encoding="utf-8")
        facts = own_names(text), seen_names(root, text), text.count("\n")
        if not any(group.takes(*facts) for group in groups):
            groups.append(Group())
        next(group for group in groups if group.takes(*facts)).add(file, *facts)
    return [group.files for group in groups if len(group.files) > 1]


def main():
    root = pathlib.Path(sys.argv[1])
    folders = {}
    for top in ("common", "proto", "agent", "alertd", "cli", "tests"):
        for file in sorted((root / top).rglob("*.cc")):
            if not file.name.endswith(ALONE):
                folders.setdefault((file.parent, file.name.endswith("_test.cc")), []).append(file)
    for files in folders.values():
        for number, group in enumerate(groups_of(root, files)):
            for file in group:
                print("%s\tgroup%d" % (file.relative_to(root), number))


if __name__ == "__main__":
    main()

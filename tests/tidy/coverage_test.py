#!/usr/bin/env python3
"""Proves that every check of coverage.py can fail, and that a true page passes."""

import pathlib
import tempfile
import unittest

import coverage

GOOD = "| {lines} | backups | `backup_age_seconds` | `BackupOld` | `backup-old` | `rules/backup.test` | - |\n"


class CoverageTest(unittest.TestCase):
    def setUp(self):
        folder = tempfile.TemporaryDirectory()
        self.addCleanup(folder.cleanup)
        root = pathlib.Path(folder.name)
        files = {
            "agent/collectors/backup/backup.cc": 'kAge{"backup_age_seconds", "Age."} "node_memory_"',
            "rules/backup.toml": '[[group]]\nname = "backup"\n[[group.alert]]\nname = "BackupOld"\n',
            "rules/backup.test": "",
            "rules/runbooks/backup-old.md": "",
            "tests/e2e/good_test.py": "",
            "tests/e2e/idle.py": "",
        }
        for name, text in files.items():
            path = root / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(text)
        self.project = coverage.Project(root)
        self.every_line = ", ".join(map(str, sorted(coverage.HANDBOOK)))

    def messages(self, text):
        return [message for _, message in coverage.check(text, self.project)]

    def whole(self, **changes):
        row = GOOD.format(lines=self.every_line)
        for old, new in changes.items():
            row = row.replace(old, new)
        return row

    def assert_violation(self, text, words):
        found = self.messages(text)
        self.assertTrue(any(words in message for message in found), (words, found))

    def test_a_true_page_passes(self):
        self.assertEqual(self.messages(self.whole()), [])

    def test_what_does_not_exist_is_found(self):
        self.assert_violation(self.whole(backup_age_seconds="backup_age_days"), "no source gives")
        self.assert_violation(self.whole(BackupOld="BackupAncient"), "no rule file has")
        row = GOOD.format(lines=self.every_line)
        self.assert_violation(row.replace("`backup-old`", "`backup-lost`"), "has no 'backup-lost.md'")
        self.assert_violation(row.replace("rules/backup.test", "rules/none.test"), "no such file")
        self.assert_violation(row.replace("rules/backup.test", "tests/e2e/idle.py"), "nothing runs it")
        self.assertEqual(
            self.messages(row.replace("rules/backup.test", "tests/e2e/good_test.py")), [])

    def test_a_name_may_be_completed_from_what_the_kernel_says(self):
        self.assertEqual(self.messages(self.whole(backup_age_seconds="node_memory_Mem_bytes")), [])
        self.assert_violation(self.whole(backup_age_seconds="node_memoryless"), "no source gives")

    def test_a_row_that_claims_nothing_says_what_is_open(self):
        nothing = "| 110 | forensics | - | - | - | - | %s |\n"
        self.assertEqual(self.messages(self.whole() + nothing % "no snapshot of a host"), [])
        self.assert_violation(self.whole() + nothing % "-", "no test is named")

    def test_what_is_left_out_is_found(self):
        self.assert_violation(GOOD.format(lines="19"), "line 20 of the handbook has no row")
        self.assert_violation(self.whole(BackupOld="x").replace("`x`", "-"),
                              "'BackupOld' is in no row")
        row = GOOD.format(lines=self.every_line)
        self.assert_violation(row.replace("`rules/backup.test`", "-"), "no test is named")
        self.assert_violation("| 19 | too few |\n", "a row has 7 cells")

    def test_ranges_of_lines(self):
        self.assertEqual(coverage.lines_of("19-22, 25"), {19, 20, 21, 22, 25})


if __name__ == "__main__":
    unittest.main()

#!/usr/bin/env python3
"""Proves that every check of tidy.py can fail, and that good code passes."""

import unittest

import tidy


def messages(path, text):
    return [message for _, message in tidy.check_file(path, text)]


class TidyTest(unittest.TestCase):
    def assert_violation(self, path, text, word):
        found = messages(path, text)
        self.assertTrue(any(word in message for message in found), (word, found))

    def test_good_file_passes(self):
        self.assertEqual(messages("alertd/tsdb/head.h",
                                  '#pragma once\n#include "common/model/labels.h"\n'), [])

    def test_includes_follow_the_table(self):
        self.assert_violation("alertd/promql/a.cc", '#include "alertd/tsdb/store.h"\n', "may not use")
        self.assert_violation("alertd/ingest/a.cc", '#include "alertd/tsdb/store.h"\n', "may not use")
        self.assert_violation("alertd/routing/a.cc", '#include "alertd/promql/engine.h"\n',
                              "may not use")
        self.assert_violation("common/base/a.cc", '#include "common/model/labels.h"\n', "may not use")
        self.assert_violation("agent/spool/a.cc", '#include "alertd/tsdb/store.h"\n', "may not use")
        self.assertEqual(messages("alertd/app/a.cc", '#include "alertd/tsdb/store.h"\n'), [])

    def test_asio_stays_in_its_place(self):
        self.assert_violation("alertd/api/a.cc", "#include <boost/asio/post.hpp>\n", "belong to")
        self.assertEqual(messages("common/net/http_server.cc", "#include <boost/beast/http.hpp>\n"), [])

    def test_sizes(self):
        self.assert_violation("cli/a.cc", "int x;\n" * 601, "601 lines")
        self.assert_violation("cli/a.h", "#pragma once\n" + "int x;\n" * 250, "251 lines")
        self.assert_violation("cli/a.cc", "//" + "x" * 99 + "\n", "101 columns")

    def test_banned_words(self):
        for code in ("auto t = std::chrono::system_clock::now();", "std::thread t;",
                     "std::mutex m;", "std::ifstream f;", "getenv(name);"):
            self.assert_violation("agent/spool/a.cc", code + "\n", "banned outside common/base")
            self.assertEqual(messages("common/base/a.cc", code + "\n"), [])
        for code in ("std::regex r;", "  system(command);", "popen(command);",
                     "// TODO later", "// FIXME"):
            self.assert_violation("common/base/a.cc", code + "\n", "is banned")
        self.assertEqual(messages("agent/spool/a.cc", "// never std::thread here\n"), [])
        self.assertEqual(messages("agent/spool/a.cc", 'log("system(x)");\n'), [])

    def test_headers_are_guarded(self):
        self.assert_violation("cli/a.h", "int x;\n", "pragma once")


if __name__ == "__main__":
    unittest.main()

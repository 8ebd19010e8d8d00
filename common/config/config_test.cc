#include <doctest/doctest.h>
#include <fmt/core.h>
#include <stdlib.h>
#include <sys/stat.h>

#include "common/config/source.h"
#include "common/config/table.h"
#include "common/config/toml.h"
#include "common/config/yaml.h"
#include "common/sim/test_folder.h"

namespace tocsin::config {
namespace {

std::string at(base::Position position) {
  return fmt::format("{}:{}", position.line, position.column);
}

Node toml(const Source& source) {
  base::Diagnostics diagnostics;
  Node root = parse_toml(source, diagnostics);
  const std::vector<Source> sources{source};
  REQUIRE_MESSAGE(diagnostics.empty(), render_all(diagnostics, sources));
  return root;
}

Node yaml(const Source& source) {
  base::Diagnostics diagnostics;
  Node root = parse_yaml(source, diagnostics);
  const std::vector<Source> sources{source};
  REQUIRE_MESSAGE(diagnostics.empty(), render_all(diagnostics, sources));
  return root;
}

std::string yaml_error(const std::string& text) {
  base::Diagnostics diagnostics;
  parse_yaml({"f.yml", text}, diagnostics);
  return diagnostics.empty() ? "none"
                             : fmt::format("{}:{}: {}", diagnostics[0].line, diagnostics[0].column,
                                           diagnostics[0].message);
}

// Where the first 'X' of the string value is, which must be where the file has its first 'X'.
void check_position(const Node& node, const Source& source) {
  const std::size_t offset = node.text.find('X');
  REQUIRE(offset != std::string::npos);
  CHECK(at(position_in(node, offset, source)) ==
        at(base::position_of(source.text, source.text.find('X'))));
}

TEST_CASE("toml keeps kinds, order and places") {
  const Source source{"f.toml",
                      "zeta = 1\n[server]\nb = \"text\"\na = 2.5\n[[list]]\nx = true\n"
                      "[[list]]\nwhen = 2026-11-23\n"};
  const Node root = toml(source);
  REQUIRE(root.fields.size() == 3);
  CHECK(root.fields[0].name == "zeta");
  CHECK(root.fields[1].name == "server");
  const Node& server = root.fields[1].value;
  CHECK(server.fields[0].name == "b");
  CHECK(at(server.fields[0].at) == "3:1");
  CHECK(at(server.fields[0].value.at) == "3:5");
  CHECK(at(server.fields[0].value.text_at) == "3:6");
  CHECK(server.find("a")->number == 2.5);
  CHECK(server.find("a")->text == "2.5");
  const Node& list = *root.find("list");
  REQUIRE(list.items.size() == 2);
  CHECK(list.items[0].find("x")->boolean);
  CHECK(list.items[1].find("when")->text == "2026-11-23");
  CHECK(at(list.items[1].at) == "7:1");
}

TEST_CASE("positions inside toml strings") {
  for (const char* text :
       {"k = \"abXc\"\n", "k = 'abXc'\n", "k = \"a\\tb\\\"\\u00fcX\"\n", "k = \"Zürich X\"\n",
        "k = \"\"\"\nfirst\n  second X\n\"\"\"\n", "k = \"\"\"a\\\n     bX\"\"\"\n",
        "k = '''\nfirst\r\n  second X'''\n", "k = \"\"\"\r\nsecond\r\nX\"\"\"\n"}) {
    CAPTURE(text);
    const Source source{"f.toml", text};
    check_position(toml(source).fields.at(0).value, source);
  }
}

TEST_CASE("positions inside yaml scalars") {
  for (const char* text :
       {"k: abXc\n", "k: \"a\\tb\\u00fcX\"\n", "k: 'it''s X'\n", "k: &a plain X\n",
        "k: |\n  first\n  second X\n", "k: |-\n  first\n\n    more\n  X\n",
        "k: >\n  folded\n  text X\n", "k: >\n  one\n\n  two\n  X\n", "k: plain\n  over lines X\n",
        "k: \"quoted\n  over X\"\n", "l:\n  - k: |\n      a\n      bX\n"}) {
    CAPTURE(text);
    const Source source{"f.yml", text};
    const Node root = yaml(source);
    const Node* node = root.find("k");
    if (node == nullptr) node = root.find("l")->items.at(0).find("k");
    check_position(*node, source);
  }
}

TEST_CASE("position of the end and beyond") {
  const Source source{"f.toml", "k = \"ab\"\n"};
  const Node root = toml(source);
  CHECK(at(position_in(root.fields[0].value, 2, source)) == "1:8");
  CHECK(at(position_in(root.fields[0].value, 99, source)) == "1:6");
}

TEST_CASE("yaml: nulls, anchors, merge keys") {
  const Node root = yaml({"f.yml",
                          "base: &b {a: 1, c: 2}\nnone: ~\nempty:\ncopy: *b\n"
                          "merged:\n  <<: *b\n  a: 9\n"});
  CHECK(root.find("none")->kind == Kind::Null);
  CHECK(root.find("empty")->kind == Kind::Null);
  CHECK(root.find("copy")->find("c")->text == "2");
  CHECK(root.find("merged")->find("a")->text == "9");
  CHECK(root.find("merged")->find("c")->text == "2");
}

TEST_CASE("yaml: what is refused") {
  CHECK(yaml_error("a: 1\na: 2\n") == "2:1: key 'a' is given twice");
  CHECK(yaml_error("a: 1\n---\nb: 2\n") == "3:1: a second document begins here");
  CHECK(yaml_error("a: [1\n").find("syntax error") != std::string::npos);
  CHECK(yaml_error("? [a]\n: 1\n").find("a key must be plain text") != std::string::npos);
  std::string deep;
  for (int i = 0; i < 40; ++i) deep += "[";
  deep += "x" + std::string(40, ']');
  CHECK(yaml_error("a: " + deep + "\n").find("nested deeper than 32") != std::string::npos);
  // Nine levels of nine: 9^7 values once expanded.
  std::string bomb = "a0: &a0 [x, x, x, x, x, x, x, x, x]\n";
  for (int i = 1; i < 9; ++i) {
    bomb += fmt::format(
        "a{0}: &a{0} [*a{1}, *a{1}, *a{1}, *a{1}, *a{1}, *a{1}, *a{1}, *a{1}, *a{1}]\n", i, i - 1);
  }
  CHECK(yaml_error(bomb).find("more than 1000000 values") != std::string::npos);
}

TEST_CASE("toml: hostile input ends in an error") {
  base::Diagnostics diagnostics;
  std::string dots(1'000'000, 'a');
  for (std::size_t i = 1; i < dots.size(); i += 2) dots[i] = '.';
  parse_toml({"f.toml", dots + " = 1"}, diagnostics);
  CHECK(diagnostics.size() == 1);
  parse_toml({"f.toml", "a = " + std::string(100'000, '[')}, diagnostics);
  CHECK(diagnostics.size() == 2);
  parse_toml({"f.toml", std::string(100'000, '[')}, diagnostics);
  CHECK(diagnostics.size() == 3);
}

TEST_CASE("secrets: environment, file, credential") {
  const auto files = base::make_real_file_system();
  const sim::TestFolder folder;
  REQUIRE(files->write_atomic(folder.file("secret"), "hunter2\n", 0640));
  ::setenv("TOCSIN_TEST_SECRET", "from-env", 1);
  ::setenv("CREDENTIALS_DIRECTORY", folder.path().c_str(), 1);
  const Source source{folder.file("conf"),
                      "a = \"${TOCSIN_TEST_SECRET}\"\nb_file = \"secret\"\n"
                      "c_credential = \"secret\"\nd = \"inline\"\ne_credential = \"../x\"\n"};
  const Node root = toml(source);
  base::Diagnostics diagnostics;
  Context context{source, diagnostics, *files};
  Table table(context, &root);
  CHECK(table.secret("a")->reveal() == "from-env");
  CHECK(table.secret("b")->reveal() == "hunter2");
  CHECK(table.secret("c")->reveal() == "hunter2");
  CHECK(!table.secret("none"));
  CHECK(diagnostics.empty());
  CHECK(table.secret("d")->reveal() == "inline");
  REQUIRE(diagnostics.size() == 1);
  CHECK(diagnostics[0].severity == base::DiagnosticSeverity::Warning);
  CHECK(diagnostics[0].message.find("inline") == std::string::npos);
  CHECK(!table.secret("e"));
  table.finish();
  CHECK(diagnostics.size() == 2);
  REQUIRE(::chmod(folder.file("secret").c_str(), 0644) == 0);
  Table again(context, &root);
  CHECK(!again.secret("b"));
  CHECK(diagnostics.back().message.find("may be used by everybody (mode 0644)") !=
        std::string::npos);
  ::unsetenv("CREDENTIALS_DIRECTORY");
  CHECK(!again.secret("c"));
  CHECK(diagnostics.back().hint.find("LoadCredential=") != std::string::npos);
}

TEST_CASE("yaml scalars are converted when read") {
  const auto files = base::make_real_file_system();
  const Source source{"f.yml", "i: 5\nb: yes\nf: 1e3\nd: 1m\nq: \"5\"\ns: 7\nempty:\n"};
  const Node root = yaml(source);
  base::Diagnostics diagnostics;
  Context context{source, diagnostics, *files};
  Table table(context, &root);
  CHECK(table.integer("i", 0, 0, 9) == 5);
  CHECK(table.boolean("b", false));
  CHECK(table.number("f", 0) == 1000);
  CHECK(table.duration("d", {}) == base::Duration{60000});
  CHECK(table.string("s", "") == "7");
  CHECK(table.string("empty", "default") == "default");
  CHECK(diagnostics.empty());
  CHECK(table.integer("q", 3, 0, 9) == 3);
  CHECK(diagnostics.size() == 1);
}

TEST_CASE("load_source refuses what is not text") {
  const auto files = base::make_real_file_system();
  const sim::TestFolder folder;
  const std::string path = folder.file("conf");
  const auto message = [&](std::string_view content) {
    REQUIRE(files->write_atomic(path, content, 0600));
    const auto source = load_source(*files, path, 100);
    return source ? "none" : source.error().message.substr(folder.path().size() + 1);
  };
  CHECK(message("a = 1\n") == "none");
  CHECK(message("\xEF\xBB\xBF"
                "a = 1") ==
        "conf:1:1: file starts with a byte order mark; save it as UTF-8 without BOM");
  CHECK(message(std::string_view("a\nb\0c", 5)) == "conf:2:2: NUL byte; this is not a text file");
  CHECK(message("ok\n\xC3\xBC \xFF") ==
        "conf:2:4: byte is not valid UTF-8; save the file as UTF-8");
  REQUIRE(files->write_atomic(path, std::string(101, 'a'), 0600));
  CHECK(load_source(*files, path, 100).error().code == base::ErrorCode::LimitExceeded);
}

TEST_CASE("render_all sorts, shows the line and drops repetitions") {
  const std::vector<Source> sources{{"a.toml", "x = 1\ny = 2\n"}};
  const base::Diagnostic second{base::DiagnosticSeverity::Error, "a.toml", 2, 5, "bad y", "fix y"};
  const base::Diagnostic first{base::DiagnosticSeverity::Warning, "a.toml", 1, 1, "odd x", ""};
  CHECK(render_all({second, first, second}, sources) ==
        "a.toml:1:1: warning: odd x\n    x = 1\n    ^\n"
        "a.toml:2:5: error: bad y\n    y = 2\n        ^\n    hint: fix y\n");
}

}  // namespace
}  // namespace tocsin::config

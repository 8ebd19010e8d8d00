// The ten mistakes of a real shop's rules: each is caught, at its place, with what to do.
//
// Data-driven: see tests/data/lint/README.md.
#include <map>
#include <set>

#include "cli/lint/lint_test_support.h"

namespace tocsin::lint {
namespace {

constexpr std::size_t kBytesMax = 1 << 20;

struct Expected {
  std::string line;
  std::string level, id, place, text;
};

std::vector<Expected> read_expected(const std::string& text) {
  std::vector<Expected> all;
  base::for_each_line(text, [&](std::string_view line) {
    if (line.empty()) return;
    Expected expected;
    expected.line = std::string(line);
    const std::size_t first = line.find(' ');
    const std::size_t second = line.find(' ', first + 1);
    const std::size_t third = line.find(": ", second + 1);
    REQUIRE_MESSAGE(third != std::string_view::npos, expected.line);
    expected.level = std::string(line.substr(0, first));
    expected.id = std::string(line.substr(first + 1, second - first - 1));
    expected.place = std::string(line.substr(second + 1, third - second - 1));
    expected.text = std::string(line.substr(third + 2));
    all.push_back(std::move(expected));
  });
  return all;
}

std::string place_of(const Finding& finding) {
  return finding.file + ":" + std::to_string(finding.line) + ":" + std::to_string(finding.column);
}

/// Copies the folder into the simulated disk, one level of folders deep.
void copy(const base::FileSystem& from, const std::string& source, const std::string& target,
          test::World& world) {
  REQUIRE(world.files.create_folders(target));
  const auto names = from.list(source);
  REQUIRE(names);
  for (const std::string& name : *names) {
    const std::string path = base::join_path(source, name);
    if (from.is_folder(path)) {
      copy(from, path, base::join_path(target, name), world);
    } else {
      const auto text = from.read(path, kBytesMax);
      REQUIRE(text);
      world.write(base::join_path(target, name), *text);
    }
  }
}

void run_case(const base::FileSystem& disk, const std::string& folder, const std::string& name) {
  test::World world;
  copy(disk, folder, "/t", world);
  const auto expected = read_expected(*world.files.read("/t/expected.txt", kBytesMax));
  REQUIRE_FALSE(expected.empty());
  const bool configured = world.files.exists("/t/alertd.toml");
  const auto inventory = world.files.read("/t/inventory.json", kBytesMax);
  const test::Outcome outcome = world.check({configured ? "/t/alertd.toml" : "/t/rules"}, {},
                                            inventory ? inventory->c_str() : nullptr);
  std::set<std::string> named;
  for (const Expected& one : expected) {
    named.insert(one.id + one.place);
    const bool found = std::any_of(
        outcome.result.findings.begin(), outcome.result.findings.end(), [&](const Finding& f) {
          return f.id == one.id && to_string(f.level) == one.level && place_of(f) == one.place &&
                 (f.message + " | " + f.hint).find(one.text) != std::string::npos;
        });
    CHECK_MESSAGE(found, name << ": not said: " << one.line << "\nbut:\n" << outcome.text());
  }
  for (const Finding& finding : outcome.result.findings) {
    CHECK_MESSAGE(!finding.hint.empty(), name << ": does not say what to do: " << finding.message);
    if (finding.level != Level::Error) continue;
    CHECK_MESSAGE(named.contains(finding.id + place_of(finding)),
                  name << ": not expected: " << finding.id << " " << place_of(finding) << " "
                       << finding.message);
  }
}

TEST_CASE("the ten mistakes are caught") {
  const auto disk = base::make_real_file_system();
  const std::string root = std::string(TOCSIN_SOURCE_DIR) + "/tests/data/lint";
  const auto names = disk->list(root);
  REQUIRE(names);
  std::set<std::string> cases;
  for (const std::string& name : *names) {
    const std::string folder = base::join_path(root, name);
    if (!disk->is_folder(folder)) continue;
    cases.insert(name);
    run_case(*disk, folder, name);
  }
  for (const char* wanted :
       {"metric-never-produced", "join-that-never-matches", "ratio-divided-by-itself",
        "gauge-under-increase", "unknown-template-function", "unreachable-receiver", "wrong-field",
        "empty-rules-folder", "label-not-there", "severity-no-route-takes"}) {
    CHECK_MESSAGE(cases.contains(wanted), wanted);
  }
}

}  // namespace
}  // namespace tocsin::lint

// The frame of a test file: what all its tests share, and what each is made of. The lists of
// assertions and events are read in check_reader.cc.

#include "cli/ruletest/scenario_reader.h"

#include <fmt/core.h>

#include <algorithm>

#include "common/base/strings.h"
#include "common/config/toml.h"

namespace tocsin::ruletest {
namespace {

constexpr base::Duration kEndMax = std::chrono::hours(24 * 366);

std::string beside(const std::string& file, const std::string& path) {
  if (path.starts_with('/')) return path;
  const std::size_t slash = file.rfind('/');
  return slash == std::string::npos ? path : base::join_path(file.substr(0, slash), path);
}

/// One line of input and where it is written.
struct InputLine {
  std::string_view text;
  const config::Node* node = nullptr;
  std::size_t offset = 0;  ///< In the node's text.
};

struct InputBlock {
  InputGrid grid;
  std::vector<InputLine> lines;
};

class Reader {
 public:
  Reader(TestFile& file, const base::FileSystem& files, base::Diagnostics& diagnostics)
      : file_(file), context_{file.source, diagnostics, files} {}

  void read() {
    config::Table root(context_, &file_.root);
    file_.interval_default = root.duration("interval", file_.interval_default);
    TestCase shared;
    read_shared(root, shared);
    std::vector<InputBlock> shared_input = input_blocks(root);
    std::vector<config::Table> tests = root.tables("test");
    if (tests.empty() && !root.has("test")) {
      root.error("", "the file has no [[test]]", "a test file has at least one [[test]]");
    }
    for (config::Table& table : tests) read_case(table, shared, shared_input);
    root.finish();
  }

 private:
  /// What a file may say for all of its tests, and each test for itself.
  void read_shared(config::Table& table, TestCase& test) {
    if (table.has("rules")) {
      test.rule_paths.clear();
      for (const std::string& path : table.strings("rules")) {
        test.rule_paths.push_back(beside(file_.source.file, path));
        if (!context_.files.exists(test.rule_paths.back())) {
          table.error("rules", fmt::format("'{}' does not exist", test.rule_paths.back()),
                      "paths are relative to the test file");
        }
      }
    }
    if (const auto zone = table.optional_string("time_zone")) {
      const auto known = check_zone(*zone);
      if (known) test.clock.zone = *zone;
      if (!known) table.error("time_zone", known.error().message);
    }
    if (const auto start = table.optional_string("start")) {
      const auto instant = parse_date(*start, test.clock.zone);
      if (instant) test.clock.start = *instant;
      if (!instant) table.error("start", instant.error().message);
    }
    if (table.has("external_labels")) {
      model::LabelsBuilder labels;
      for (const auto& [name, value] : table.string_map("external_labels")) labels.set(name, value);
      test.external_labels = labels.build();
    }
    test.external_url = table.string("external_url", test.external_url);
    if (const auto alertd = table.optional_string("alertd")) {
      const config::Node* node = table.node("alertd");
      const bool text = alertd->find('\n') != std::string::npos;
      test.alertd_text = text ? node : nullptr;
      test.alertd_path.reset();
      if (!text) test.alertd_path = beside(file_.source.file, *alertd);
      if (!text && !context_.files.exists(*test.alertd_path)) {
        table.error("alertd", fmt::format("'{}' does not exist", *test.alertd_path),
                    "the path of an alertd.toml, or its text between '''");
      }
    }
  }

  std::vector<InputBlock> input_blocks(config::Table& table) {
    std::vector<InputBlock> blocks;
    const base::Duration step = positive(table, "step", step_default_);
    if (step_at_top_) step_default_ = step;
    step_at_top_ = false;
    const config::Node* node = table.node("input");
    if (node == nullptr) return blocks;
    if (node->kind == config::Kind::String ||
        (node->kind == config::Kind::Array && !node->items.empty() &&
         node->items.front().kind == config::Kind::String)) {
      blocks.push_back({{step, base::Duration{0}, base::Duration{0}}, {}});
      add_lines(*node, blocks.back());
      return blocks;
    }
    for (config::Table& block : table.tables("input")) {
      InputGrid grid;
      grid.step = positive(block, "step", step);
      grid.from = block.duration("from", base::Duration{0});
      blocks.push_back({grid, {}});
      if (const config::Node* series = block.node("series")) {
        add_lines(*series, blocks.back());
      } else {
        block.error("", "the input has no series", "series = '''...''', one a line");
      }
      block.finish();
    }
    return blocks;
  }

  base::Duration positive(config::Table& table, std::string_view key, base::Duration otherwise) {
    const base::Duration value = table.duration(key, otherwise);
    if (value > base::Duration{0}) return value;
    table.error(key, fmt::format("{} must be greater than 0s", key));
    return otherwise;
  }

  void add_lines(const config::Node& node, InputBlock& block) {
    if (node.kind == config::Kind::Array) {
      for (const config::Node& item : node.items) add_lines(item, block);
      return;
    }
    if (node.kind != config::Kind::String) {
      error_at(node.at, "expected series as text, one a line");
      return;
    }
    std::string_view text = node.text;
    std::size_t offset = 0;
    while (offset <= text.size()) {
      const std::size_t end = std::min(text.find('\n', offset), text.size());
      std::size_t begin = text.find_first_not_of(" \t\r", offset);
      if (begin != std::string_view::npos && begin < end && text[begin] != '#') {
        block.lines.push_back({base::trim(text.substr(begin, end - begin)), &node, begin});
      }
      offset = end + 1;
    }
  }

  void read_case(config::Table& table, const TestCase& shared,
                 const std::vector<InputBlock>& shared_input) {
    TestCase test = shared;
    test.place = table.position();
    test.name = table.required_string("name");
    read_shared(table, test);
    std::vector<InputBlock> blocks = shared_input;
    for (InputBlock& block : input_blocks(table)) blocks.push_back(std::move(block));
    CheckReader(context_).read(table, test);
    const auto end = end_of(table, test.clock);
    if (end && *end > kEndMax) {
      table.error("end", "a test may play a year at most");
      return;
    }
    if (test.rule_paths.empty() && !test.live()) {
      table.error("", fmt::format("test '{}' has no rules", test.name),
                  "rules = [\"host.toml\"], relative to this file, at the top or in the test");
    }
    const bool asserts = test.assertions() > 0;
    if (!asserts) {
      table.warning("", fmt::format("test '{}' asserts nothing", test.name),
                    "add alerts, timelines, never_fires, queries, incidents or notifications");
    }
    table.finish();
    set_end(test, end, blocks);
    read_input(test, blocks);
    warn_short_input(test);
    file_.cases.push_back(std::move(test));
  }

  /// As the times of assertions: since the start, a time of the day, or a date.
  static std::optional<base::Duration> end_of(config::Table& table, const TestClock& clock) {
    const auto text = table.optional_string("end");
    if (!text) return std::nullopt;
    const auto end = parse_test_time(*text, clock);
    if (end) return *end;
    table.error("end", fmt::format("end: {}", end.error().message));
    return std::nullopt;
  }

  /// The test ends with its last assertion, and with its input if something is said of all time.
  void set_end(TestCase& test, std::optional<base::Duration> given,
               const std::vector<InputBlock>& blocks) {
    base::Duration last{0};
    const auto take = [&](base::Duration at) { last = std::max(last, at); };
    for (const auto& check : test.alerts) take(check.at);
    for (const auto& check : test.queries) take(check.at);
    for (const auto& check : test.incidents) take(check.at);
    for (const auto& check : test.notifications) take(check.end);
    for (const auto& event : test.events) take(event.at + event.length);
    for (const auto& check : test.timelines) {
      for (const auto& entry : check.entries) take(entry.at);
    }
    if (!test.never_fires.empty() || !test.timelines.empty() || !test.errors.empty()) {
      for (const InputBlock& block : blocks) {
        for (const InputLine& line : block.lines) {
          const auto series = parse_input(line.text, block.grid);
          if (series) take(series->end);
        }
      }
    }
    test.end = given.value_or(last);
    if (given && *given < last) {
      error_at(test.place, fmt::format("test '{}' ends at {}, but speaks of {}", test.name,
                                       base::format_duration(*given), base::format_duration(last)));
    }
    if (last > kEndMax) {
      error_at(test.place, fmt::format("test '{}' plays {}, a year is the limit", test.name,
                                       base::format_duration(last)));
      test.end = kEndMax;
    }
  }

  void read_input(TestCase& test, const std::vector<InputBlock>& blocks) {
    std::size_t samples = 0;
    for (const InputBlock& block : blocks) {
      InputGrid grid = block.grid;
      grid.until = test.end;
      for (const InputLine& line : block.lines) {
        auto series = parse_input(line.text, grid);
        if (!series) {
          error_at(config::position_in(*line.node, line.offset, context_.source),
                   series.error().message);
          continue;
        }
        drop_gaps(test, *series);
        samples += series->samples.size();
        test.input_end = std::max(test.input_end, series->end);
        test.input.push_back(std::move(*series));
      }
    }
    if (samples > kInputSamplesMax) {
      error_at(test.place,
               fmt::format("the input has {} samples, limit {}", samples, kInputSamplesMax));
    }
  }

  static void drop_gaps(const TestCase& test, InputSeries& series) {
    for (const TestEvent& event : test.events) {
      if (event.kind != TestEvent::Kind::Gap) continue;
      std::erase_if(series.samples, [&](const model::Sample& sample) {
        return sample.timestamp_ms >= event.at.count() &&
               sample.timestamp_ms < (event.at + event.length).count();
      });
    }
  }

  /// An assertion about a time that the input does not reach passes for the wrong reason.
  void warn_short_input(const TestCase& test) {
    if (test.input.empty()) return;
    const auto look = [&](base::Position place, base::Duration at) {
      if (at <= test.input_end) return;
      context_.diagnostics.push_back(
          {base::DiagnosticSeverity::Warning, context_.source.file, place.line, place.column,
           fmt::format("this looks at {}, but the input ends at {}", base::format_duration(at),
                       base::format_duration(test.input_end)),
           "lengthen the input; leave it only if the end of all series is what you test"});
    };
    for (const auto& check : test.alerts) look(check.place, check.at);
    for (const auto& check : test.queries) look(check.place, check.at);
  }

  void error_at(base::Position at, std::string message, std::string hint = {}) {
    context_.diagnostics.push_back({base::DiagnosticSeverity::Error, context_.source.file, at.line,
                                    at.column, std::move(message), std::move(hint)});
  }

  TestFile& file_;
  config::Context context_;
  base::Duration step_default_{15'000};
  bool step_at_top_ = true;
};

}  // namespace

bool TestCase::live() const {
  const bool people = std::any_of(events.begin(), events.end(), [](const TestEvent& event) {
    return event.kind == TestEvent::Kind::Acknowledge || event.kind == TestEvent::Kind::Resolve;
  });
  return people || alertd_path || alertd_text != nullptr || !incidents.empty() ||
         !notifications.empty();
}

std::size_t TestCase::assertions() const {
  return alerts.size() + timelines.size() + never_fires.size() + queries.size() + errors.size() +
         incidents.size() + notifications.size();
}

std::unique_ptr<TestFile> read_test_file(config::Source source, const base::FileSystem& files,
                                         base::Diagnostics& diagnostics) {
  auto file = std::make_unique<TestFile>();
  file->source = std::move(source);
  const std::size_t before = diagnostics.size();
  file->root = config::parse_toml(file->source, diagnostics);
  if (diagnostics.size() == before) Reader(*file, files, diagnostics).read();
  return file;
}

}  // namespace tocsin::ruletest

// Reading a test file of ours: TOML, strictly.
#pragma once

#include <memory>

#include "cli/ruletest/scenario.h"
#include "common/base/diagnostic.h"
#include "common/base/file_system.h"
#include "common/config/table.h"

namespace tocsin::ruletest {

/// Reads the file whose text is `source`; everything that is wrong goes to `diagnostics`.
std::unique_ptr<TestFile> read_test_file(config::Source source, const base::FileSystem& files,
                                         base::Diagnostics& diagnostics);

/// Reads the lists of one test that say what is expected and what happens. Internal.
class CheckReader {
 public:
  explicit CheckReader(config::Context& context) : context_(context) {}

  void read(config::Table& table, TestCase& test);

 private:
  using Table = config::Table;

  void alerts(Table& table, TestCase& test);
  void annotations(Table& table, AlertCheck& check);
  void condition(const config::Field& field, TextConditions& conditions);
  void timelines(Table& table, TestCase& test);
  void timeline_entries(Table& table, const TestCase& test, TimelineCheck& check);
  void never_fires(Table& table, TestCase& test);
  void queries(Table& table, TestCase& test);
  void query_result(Table& table, QueryCheck& check);
  void errors(Table& table, TestCase& test);
  void incidents(Table& table, TestCase& test);
  void notifications(Table& table, TestCase& test);
  void events(Table& table, TestCase& test);

  std::optional<AlertSelector> selector(Table& table, std::string_view key);
  std::optional<AlertSelector> selector(const config::Node& node);
  std::optional<base::Duration> time(Table& table, std::string_view key, const TestCase& test);
  std::optional<model::Severity> severity(Table& table, std::string_view key);
  void error_at(base::Position at, std::string message, std::string hint = {});

  config::Context& context_;
};

/// Refuses a name that is none of `allowed` with a "did you mean". Internal.
std::string choice(config::Table& table, std::string_view key,
                   const std::vector<std::string>& allowed);

}  // namespace tocsin::ruletest

#include <doctest/doctest.h>
#include <unistd.h>

#include <boost/json.hpp>

#include "agent/collectors/kept/glob.h"
#include "agent/collectors/kept/kept_round.h"
#include "agent/collectors/kept/slow_settings.h"
#include "agent/collectors/kept/slow_source.h"
#include "agent/collectors/kept/state_file.h"
#include "agent/collectors/kept/test_source.h"
#include "common/config/source.h"
#include "common/config/toml.h"
#include "common/sim/test_folder.h"

namespace tocsin::agent {
namespace {

constexpr MetricInfo kCount{"count", "Readings."};

TEST_CASE("a slow source reads at its interval and tells every round") {
  TestSource test;
  auto readings = std::make_shared<std::atomic<int>>(0);
  SlowReading reading;
  reading.key = "slow";
  reading.interval = base::Duration{3'600'000};
  reading.read = [readings, &failures = test.failures]() -> Fill {
    KeptRound round("slow", failures);
    round.add(kCount, {{"of", "readings"}}, ++*readings);
    round.failed("half", base::error(base::ErrorCode::PermissionDenied, "no"));
    return std::move(round).fill();
  };
  test.restart(make_slow_source(reading, test.world()));
  for (int i = 0; i < 3; ++i) {
    const RecordingRound round = test.round();
    CHECK(round.value("count,of=readings") == 1);
    CHECK(round.value("tocsin_agent_check_failed,check=half,reason=permission_denied") == 1);
  }
  reading.interval = base::Duration{0};
  test.restart(make_slow_source(reading, test.world()));
  CHECK(test.round().value("count,of=readings") == 2);
  CHECK(test.round().value("count,of=readings") == 3);
}

TEST_CASE("labels are text, whatever a process calls itself") {
  base::FailureLog failures{"test"};
  KeptRound round("slow", failures);
  round.add(kCount, {{"process", "b\xff\x01"}}, 1);
  round.add(kCount, {{"process", "grün"}}, 2);
  RecordingRound told;
  std::move(round).fill()(told);
  CHECK(told.value("count,process=b?\\x01") == 1);
  CHECK(told.value("count,process=grün") == 2);
}

TEST_CASE("a reading that takes too long is told as failed, beside what was found before") {
  TestSource test;
  std::promise<void> go_on;
  SlowReading reading;
  reading.key = "slow";
  reading.interval = base::Duration{0};
  reading.timeout = base::Duration{50};
  reading.read = [count = 0, waits = std::make_shared<std::shared_future<void>>(
                                 go_on.get_future().share())]() mutable -> Fill {
    if (++count == 2) waits->wait();
    return [count](RoundSink& sink) { sink.add(kCount, count); };
  };
  test.restart(make_slow_source(reading, test.world()));
  CHECK(test.round().value("count") == 1);
  const RecordingRound late = test.round();
  CHECK(late.value("count") == 1);
  CHECK(late.value("tocsin_agent_check_failed,check=reading,reason=timeout") == 1);
  go_on.set_value();
  double last = 0;
  for (int i = 0; i < 100 && last < 3; ++i) last = test.round().value("count").value_or(0);
  CHECK(last >= 3);
}

TEST_CASE("state: kept, unreadable, damaged, and not written by who only looks") {
  const sim::TestFolder folder;
  const auto files = base::make_real_file_system();
  const std::string path = folder.file("deep/state.json");
  StateFile state(*files, {path});
  CHECK(state.load().value().empty());
  boost::json::object object;
  object["since"] = 17;
  REQUIRE(state.save(object));
  CHECK(files->mode(path).value() == 0600);
  CHECK(integer_of(StateFile(*files, {path}).load().value(), "since", 0) == 17);
  StateFile looker(*files, {path, true});
  object["since"] = 18;
  REQUIRE(looker.save(object));
  CHECK(integer_of(looker.load().value(), "since", 0) == 17);
  // Anybody may give a process a name that is no text.
  object["\xff"] = "a\x80\n";
  REQUIRE(state.save(object));
  CHECK(StateFile(*files, {path}).load().value() == object);
  folder.write("cut.json", "{\"since\": 1");
  const auto cut = StateFile(*files, {folder.file("cut.json")}).load();
  REQUIRE(!cut);
  CHECK(cut.error().code == base::ErrorCode::Corruption);
}

TEST_CASE("glob: components, dots, limits, and folders that hide what is in them") {
  const sim::TestFolder folder;
  for (const char* name :
       {"etc/a/one.conf", "etc/a/two.conf", "etc/b/one.conf", "etc/a/.one.conf"}) {
    folder.write(name, "x");
  }
  const auto files = base::make_real_file_system();
  const std::string root = folder.path();
  CHECK(glob(*files, root, "/etc/*/one.conf", 10).paths ==
        std::vector<std::string>{"/etc/a/one.conf", "/etc/b/one.conf"});
  CHECK(glob(*files, root, "/etc/a/*", 10).paths ==
        std::vector<std::string>{"/etc/a/one.conf", "/etc/a/two.conf"});
  CHECK(glob(*files, root, "/etc/a/one.conf", 10).paths.size() == 1);
  CHECK(glob(*files, root, "/etc/c/*", 10).paths.empty());
  CHECK(!glob(*files, root, "/etc/c/*", 10).denied);
  const Globbed cut = glob(*files, root, "/etc/*/*", 2);
  CHECK(cut.paths.size() == 2);
  REQUIRE(cut.denied);
  CHECK(cut.denied->code == base::ErrorCode::LimitExceeded);
  CHECK(cut.hidden == std::vector<std::string>{""});
  if (::geteuid() != 0) {
    std::filesystem::permissions(folder.file("etc/a"), std::filesystem::perms::none);
    const Globbed hidden = glob(*files, root, "/etc/*/one.conf", 10);
    std::filesystem::permissions(folder.file("etc/a"), std::filesystem::perms::owner_all);
    REQUIRE(hidden.denied);
    CHECK(hidden.denied->code == base::ErrorCode::PermissionDenied);
    CHECK(hidden.paths == std::vector<std::string>{"/etc/b/one.conf"});
  }
}

TEST_CASE("settings: intervals, paths, checks") {
  constexpr const char* kAll[] = {"one", "two"};
  const auto files = base::make_real_file_system();
  config::Source source{"agent.toml",
                        "interval = \"2s\"\nchecks_disabled = [\"two\", \"tow\"]\n"
                        "state = \"x\"\n"};
  base::Diagnostics diagnostics;
  config::Context context{source, diagnostics, *files};
  const config::Node node = config::parse_toml(source, diagnostics);
  config::Table table(context, &node);
  CHECK(read_slow_interval(table, base::Duration{5'000}) == base::Duration{2'000});
  CHECK(read_checks(table, kAll) == std::set<std::string>{"one"});
  CHECK(read_absolute(table, "state", "/var") == "x");
  REQUIRE(diagnostics.size() == 2);
  CHECK(diagnostics[0].message == "'tow' is no check of this table");
  CHECK(diagnostics[1].message == "'x' is not an absolute path");
}

}  // namespace
}  // namespace tocsin::agent

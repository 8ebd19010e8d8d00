// Plugins' output, good and odd; and plugins that are run, hang, crash and are not there.
#include <doctest/doctest.h>
#include <fmt/format.h>
#include <unistd.h>

#include "agent/collectors/nagios/nagios_source.h"
#include "agent/collectors/nagios/perfdata.h"
#include "common/base/file_system.h"
#include "common/base/sim_executor.h"
#include "common/config/source.h"
#include "common/config/table.h"
#include "common/config/toml.h"

namespace tocsin::agent {
namespace {

using namespace std::chrono_literals;

struct CheckSink final : RoundSink {
  void add(const MetricInfo& metric, std::span<const model::LabelView> labels,
           double value) override {
    std::string line(metric.name);
    for (const model::LabelView label : labels) {
      if (label.name != "check") line += fmt::format(" {}={}", label.name, label.value);
    }
    samples[line] = value;
  }
  void add_at(const MetricInfo&, std::span<const model::LabelView>, double, std::int64_t) override {
  }
  void describe(const model::MetricMetadata&) override {}
  std::size_t series_added() const override { return 0; }

  std::map<std::string, double> samples;
};

/// Runs nothing: says what it is told to, after a while.
class FakeRunner final : public base::CommandRunner {
 public:
  void run(base::Command command, base::Executor& reply_on, base::CommandDone done) override {
    commands.push_back(std::move(command));
    reply_on.post_after(delay, [done = std::move(done), result = answer] { done(result); });
  }

  base::Result<base::CommandResult> answer = base::CommandResult{};
  base::Duration delay{10};
  std::vector<base::Command> commands;
};

struct Plugin {
  Plugin() {
    settings.name = "disk";
    settings.command = {"/bin/check", "-w", "20%"};
    settings.every = 60s;
    source = make_nagios_source(settings, 12s, {executor, runner});
  }
  /// One round, and what it tells; empty if it told nothing within its time.
  std::map<std::string, double> round() {
    CheckSink sink;
    bool told = false;
    source->start(clock.wall(), [&](const Fill& fill) {
      fill(sink);
      told = true;
    });
    executor.run_for(15s);
    CHECK(told);
    return sink.samples;
  }

  base::SimClock clock{base::wall_time(1'700'000'000'000)};
  base::SimExecutor executor{clock};
  std::shared_ptr<FakeRunner> runner = std::make_shared<FakeRunner>();
  NagiosCheckSettings settings;
  std::unique_ptr<AsyncSource> source;
};

std::vector<NagiosNumber> numbers(std::string_view perfdata) {
  return parse_nagios_output("OK|" + std::string(perfdata), 50).numbers;
}

}  // namespace

TEST_CASE("numbers of plugins in base units") {
  const auto disk = numbers("/=2643MB;5948;5958;0;5968 '/var log'=80%;@10:20;~:90");
  REQUIRE(disk.size() == 2);
  CHECK(disk[0].label == "/");
  CHECK(disk[0].unit == "bytes");
  CHECK(disk[0].value == 2643.0 * 1048576);
  CHECK(disk[0].warning->high == 5948.0 * 1048576);
  CHECK(disk[0].warning->low == 0.0);
  CHECK(disk[0].max == 5968.0 * 1048576);
  CHECK(disk[1].label == "/var log");
  CHECK(disk[1].unit == "ratio");
  CHECK(disk[1].value == doctest::Approx(0.8));
  CHECK(disk[1].warning->inverted);
  CHECK_FALSE(disk[1].critical->low);
  CHECK(disk[1].critical->high == doctest::Approx(0.9));
  CHECK(numbers("time=0.012s;;;0.000")[0].unit == "seconds");
  CHECK(numbers("time=250ms")[0].value == doctest::Approx(0.25));
  CHECK(numbers("load=0,52")[0].value == doctest::Approx(0.52));
  CHECK(numbers("'it''s'=1c")[0].label == "it's");
  CHECK(numbers("'it''s'=1c")[0].unit == "total");
  CHECK(numbers("a=-3.5e2 b=1").size() == 2);
}

TEST_CASE("odd output: no numbers, further lines, nonsense, too many") {
  CHECK(parse_nagios_output("", 50).first_line.empty());
  CHECK(parse_nagios_output("DISK OK - fine", 50).first_line == "DISK OK - fine");
  const NagiosOutput lines =
      parse_nagios_output("OK - all | a=1\nmore text\nlast text | b=2\nc=3\n", 50);
  CHECK(lines.first_line == "OK - all");
  CHECK(lines.numbers.size() == 3);
  const NagiosOutput bad = parse_nagios_output("X | a=U b c= =4 'open=5 d=1;x;y", 50);
  CHECK(bad.numbers.size() == 1);
  CHECK(bad.unreadable >= 4);
  CHECK_FALSE(bad.numbers[0].warning);
  const NagiosOutput many = parse_nagios_output("X | a=1 b=2 c=3", 2);
  CHECK(many.numbers.size() == 2);
  CHECK(many.unreadable == 1);
  CHECK(numbers("\xff=1 a=nan a=inf").empty());
}

TEST_CASE("ranges") {
  CHECK(parse_nagios_range("10")->high == 10.0);
  CHECK(parse_nagios_range("10:")->low == 10.0);
  CHECK_FALSE(parse_nagios_range("10:")->high);
  CHECK_FALSE(parse_nagios_range("~:5")->low);
  for (const char* bad : {"", "x", "1:x", "@"}) CHECK_FALSE(parse_nagios_range(bad));
}

TEST_CASE("a plugin runs at its interval and is told of in every round") {
  Plugin plugin;
  base::CommandResult result;
  result.exit_status = 1;
  result.output = "DISK WARNING | /=80%;75;90\n";
  plugin.runner->answer = result;
  auto told = plugin.round();
  CHECK(told["nagios_check_status"] == 1);
  CHECK(told["nagios_check_last_run_timestamp_seconds"] == 1'700'000'000);
  CHECK(told["nagios_perfdata_ratio label=/"] == doctest::Approx(0.8));
  CHECK(told["nagios_perfdata_threshold label=/ level=critical bound=high"] ==
        doctest::Approx(0.9));
  for (int i = 0; i < 3; ++i) CHECK(plugin.round()["nagios_check_status"] == 1);
  CHECK(plugin.runner->commands.size() == 1);
  static_cast<void>(plugin.round());
  CHECK(plugin.runner->commands.size() == 2);
  CHECK(plugin.runner->commands[0].arguments == plugin.settings.command);
  CHECK(plugin.runner->commands[0].environment.contains("PATH"));
}

TEST_CASE("what is killed, crashes, ends oddly or is not there is unknown, never ok") {
  const auto status_of = [](const base::Result<base::CommandResult>& answer) {
    Plugin plugin;
    plugin.runner->answer = answer;
    return plugin.round();
  };
  base::CommandResult killed;
  killed.timed_out = true;
  auto told = status_of(killed);
  CHECK(told["nagios_check_status"] == 3);
  CHECK(told["nagios_check_timed_out"] == 1);
  base::CommandResult crashed;
  crashed.signal = 11;
  CHECK(status_of(crashed)["nagios_check_status"] == 3);
  base::CommandResult odd;
  odd.exit_status = 127;
  CHECK(status_of(odd)["nagios_check_status"] == 3);
  told = status_of(base::error(base::ErrorCode::NotFound, "cannot start /bin/check"));
  CHECK(told["nagios_check_status"] == 3);
  CHECK(told["tocsin_agent_check_failed server=disk reason=not_found"] == 1);
}

TEST_CASE("a plugin that takes long holds up no round and is not started twice") {
  Plugin plugin;
  plugin.runner->delay = 40s;
  CHECK_FALSE(plugin.round().contains("nagios_check_status"));
  CHECK_FALSE(plugin.round().contains("nagios_check_status"));
  CHECK(plugin.runner->commands.size() == 1);
  CHECK(plugin.round()["nagios_check_status"] == 0);  // it ended in this one
  CHECK(plugin.round()["nagios_check_status"] == 0);
}

TEST_CASE("a real program, by the real runner") {
  const base::RealClock clock;
  base::SimClock sim;
  base::SimExecutor executor(sim);
  NagiosCheckSettings settings;
  settings.name = "echo";
  settings.command = {"/bin/echo", "OK | a=1"};
  const std::shared_ptr<base::CommandRunner> runner = base::make_command_runner(clock, 1, 4);
  const auto source = make_nagios_source(settings, 12s, {executor, runner});
  CheckSink sink;
  bool told = false;
  source->start(sim.wall(), [&](const Fill& fill) {
    fill(sink);
    told = true;
  });
  for (int i = 0; i < 500 && !told; ++i) {
    executor.run_ready();
    ::usleep(10'000);
  }
  CHECK(sink.samples["nagios_check_status"] == 0);
  CHECK(sink.samples["nagios_perfdata_value label=a"] == 1);
}

TEST_CASE("settings of checks") {
  const auto read = [](const std::string& text, base::Diagnostics& said) {
    const auto files = base::make_real_file_system();
    const config::Source origin{"agent.toml", text};
    config::Context context{origin, said, *files};
    const config::Node node = config::parse_toml(origin, said);
    config::Table root(context, &node);
    return read_nagios_settings(root, 15s);
  };
  base::Diagnostics none;
  const auto good =
      read("[[check]]\nname = \"a\"\ncommand = [\"/bin/true\"]\nevery = \"5m\"\n", none);
  CHECK(none.empty());
  REQUIRE(good.size() == 1);
  CHECK(good[0].every == 5min);
  for (const char* bad : {"[[check]]\nname = \"a\"\ncommand = [\"true\"]\n",
                          "[[check]]\ncommand = [\"/bin/true\"]\n", "[[check]]\nname = \"a\"\n",
                          "[[check]]\nname = \"a\"\ncommand = [\"/x\"]\nevery = \"1s\"\n",
                          "[[check]]\nname = \"a\"\ncommand = [\"/x\"]\ntimeout = \"2m\"\n"}) {
    CAPTURE(bad);
    base::Diagnostics said;
    static_cast<void>(read(bad, said));
    CHECK(base::has_errors(said));
  }
}

}  // namespace tocsin::agent

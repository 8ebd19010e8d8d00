#include <doctest/doctest.h>

#include <boost/json.hpp>

#include "agent/emergency/emergency_caller.h"
#include "common/base/sim_executor.h"
#include "common/config/source.h"
#include "common/config/toml.h"

using namespace tocsin;
using namespace tocsin::agent;
using namespace std::chrono_literals;

namespace {

constexpr BellTimes kTimes{5min, 1h, 10s, 5min};

base::MonotonicTime at(base::Duration since_start) {
  return base::MonotonicTime{} + since_start;
}

// A receiver of calls: keeps them, and answers with `status`, or not at all if that is 0.
class Phone final : public net::HttpClient {
 public:
  void send(net::HttpRequest request, base::Executor& reply_on, net::HttpDone done) override {
    calls.push_back(std::move(request));
    reply_on.post([done = std::move(done), status = status] {
      if (status == 0) return done(base::error(base::ErrorCode::Unavailable, "cannot connect"));
      net::HttpResponse response;
      response.status = status;
      done(response);
    });
  }
  std::vector<net::HttpRequest> calls;
  int status = 200;
};

struct World {
  base::SimClock clock{base::wall_time(1'700'000'000'000)};
  base::SimExecutor executor{clock};
  base::Metrics metrics;
  Phone phone;
  EmergencyCaller caller{{executor, phone, metrics}};

  explicit World(EmergencyFormat format = EmergencyFormat::Webhook) {
    EmergencySettings settings;
    settings.url = "https://hooks.example.org/secret/path";
    settings.format = format;
    settings.times = kTimes;
    caller.configure(settings, {"db1", "https://alerts:9464"});
  }
  // alertd answers every 15 s for that long, or refuses to.
  void live(base::Duration duration, bool answers) {
    for (base::Duration passed{0}; passed < duration; passed += 15s) {
      if (answers) {
        caller.alive();
      } else {
        caller.silent("cannot connect to alerts:9464");
      }
      executor.run_for(15s);
    }
  }
  std::string body(std::size_t number) const { return phone.calls.at(number).body; }
};

std::optional<EmergencySettings> read(const std::string& text, base::Diagnostics& diagnostics) {
  const config::Source source{"agent.toml", text};
  const auto files = base::make_real_file_system();
  config::Context context{source, diagnostics, *files};
  const config::Node node = config::parse_toml(source, diagnostics);
  return read_emergency_settings(config::Table(context, &node).table("emergency"), 15s);
}

}  // namespace

TEST_CASE("the bell rings after the time without a sign of life, and again, and at the end") {
  Bell bell(kTimes, at(0s));
  CHECK_FALSE(bell.due(at(4min + 59s)));
  bell.alive(at(2min));
  CHECK_FALSE(bell.due(at(6min)));
  const auto first = bell.due(at(7min));
  REQUIRE(first);
  CHECK(first->firing);
  CHECK(first->since == at(2min));
  bell.said(*first, true, at(7min));
  CHECK_FALSE(bell.due(at(66min)));
  const auto second = bell.due(at(67min));
  REQUIRE(second);
  CHECK(second->number == 2);
  bell.said(*second, true, at(67min));
  bell.alive(at(70min));
  const auto over = bell.due(at(70min));
  REQUIRE(over);
  CHECK_FALSE(over->firing);
  bell.said(*over, true, at(70min));
  CHECK_FALSE(bell.ringing());
  CHECK_FALSE(bell.due(at(74min)));
  CHECK(bell.due(at(75min)));  // a new outage, told as its first
}

TEST_CASE("what nobody took is due again under its number, with growing pauses") {
  Bell bell(kTimes, at(0s));
  base::Duration now = 5min;
  for (const base::Duration pause : {10s, 20s, 40s, 80s, 160s, 300s, 300s}) {
    const auto ring = bell.due(at(now));
    REQUIRE(ring);
    CHECK(ring->number == 1);
    bell.said(*ring, false, at(now));
    CHECK_FALSE(bell.due(at(now + pause - 1ms)));
    now += pause;
  }
  bell.alive(at(now));
  CHECK_FALSE(bell.due(at(now)));  // nobody was told that it began
}

TEST_CASE("an outage that ends while its message is on its way is told as over") {
  Bell bell(kTimes, at(0s));
  const auto ring = bell.due(at(5min));
  REQUIRE(ring);
  bell.alive(at(5min + 1s));
  bell.said(*ring, true, at(5min + 2s));
  const auto over = bell.due(at(5min + 2s));
  REQUIRE(over);
  CHECK_FALSE(over->firing);
}

TEST_CASE("the end is told also when the receiver was down meanwhile") {
  Bell bell(kTimes, at(0s));
  bell.said(*bell.due(at(5min)), true, at(5min));
  bell.alive(at(6min));
  bell.said(*bell.due(at(6min)), false, at(6min));
  bell.alive(at(6min + 5s));  // further signs of life do not hurry it
  CHECK_FALSE(bell.due(at(6min + 9s)));
  CHECK(bell.due(at(6min + 10s)));
}

TEST_CASE("the caller says what happened, once, and when it is over") {
  World world;
  world.live(10min, true);
  CHECK(world.phone.calls.empty());
  world.live(10min, false);
  REQUIRE(world.phone.calls.size() == 1);
  const auto message = boost::json::parse(world.body(0)).as_object();
  CHECK(message.at("status").as_string() == "firing");
  CHECK(message.at("commonLabels").at("alertname").as_string() == "AlertdUnreachable");
  CHECK(message.at("commonLabels").at("severity").as_string() == "critical");
  CHECK(message.at("commonLabels").at("host").as_string() == "db1");
  CHECK(world.body(0).find("cannot connect to alerts:9464") != std::string::npos);
  world.live(1min, true);
  REQUIRE(world.phone.calls.size() == 2);
  CHECK(boost::json::parse(world.body(1)).at("status").as_string() == "resolved");
  CHECK(boost::json::parse(world.body(1)).at("groupKey") == message.at("groupKey"));
  world.live(10min, true);
  CHECK(world.phone.calls.size() == 2);
}

TEST_CASE("a receiver that is down is tried again with the same key") {
  World world;
  world.phone.status = 0;
  world.live(7min, false);
  REQUIRE(world.phone.calls.size() >= 2);
  CHECK(world.phone.calls[0].headers == world.phone.calls[1].headers);
  world.phone.status = 200;
  world.live(10min, false);
  const std::size_t calls = world.phone.calls.size();
  world.live(30min, false);
  CHECK(world.phone.calls.size() == calls);
}

TEST_CASE("other formats are a sentence") {
  World slack(EmergencyFormat::Slack);
  slack.live(6min, false);
  CHECK(boost::json::parse(slack.body(0)).at("text").as_string().starts_with("[CRITICAL] db1: "));
  World text(EmergencyFormat::Text);
  text.live(6min, false);
  CHECK(text.body(0).starts_with("[CRITICAL] db1: alertd at https://alerts:9464 has not answered"));
}

TEST_CASE("settings: off without a url, and wrong ones are told") {
  base::Diagnostics diagnostics;
  CHECK_FALSE(read("", diagnostics));
  const auto some =
      read("[emergency]\nurl = \"https://ntfy.example.org/x\"\nformat = \"text\"\n", diagnostics);
  REQUIRE(some);
  CHECK(some->format == EmergencyFormat::Text);
  CHECK(some->times.after == 5min);
  CHECK(diagnostics.empty());
  read("[emergency]\nurl = \"ntfy/secret\"\nafter = \"30s\"\nrepeat = \"1s\"\n", diagnostics);
  REQUIRE(diagnostics.size() == 3);
  for (const auto& each : diagnostics) CHECK(each.message.find("secret") == std::string::npos);
}

#include "alertd/ingest/agent_registry.h"

#include <doctest/doctest.h>

#include "common/base/hash.h"
#include "common/base/sim_executor.h"
#include "common/sim/sim_file_system.h"

namespace tocsin::ingest {
namespace {

using base::ErrorCode;

const char* const kPath = "/data/agents.json";

struct World {
  sim::SimFileSystem files;
  base::SimClock clock{base::wall_time(1'700'000'000'000)};
  std::unique_ptr<base::Random> random = base::make_seeded_random(5);
  AgentRegistry registry{files, clock, *random, kPath};
};

TEST_CASE("a token is shown once and only its hash is kept") {
  World w;
  REQUIRE(w.registry.load());
  CHECK(w.registry.list().empty());
  const auto token = w.registry.add({"db1", model::Labels{{"env", "prod"}}, {"web-*"}});
  REQUIRE(token);
  CHECK(token->reveal().size() == 4 + 64);
  CHECK(token->reveal().starts_with("tca_"));
  const std::string file = w.files.content(kPath);
  CHECK(file.find(token->reveal()) == std::string::npos);
  CHECK(file.find(base::sha256_hex(token->reveal())) != std::string::npos);
  CHECK(*w.files.mode(kPath) == 0600);

  AgentRegistry again(w.files, w.clock, *w.random, kPath);
  REQUIRE(again.load());
  const auto agent = again.authenticate(token->reveal());
  REQUIRE(agent != nullptr);
  CHECK(agent->name == "db1");
  CHECK(agent->labels.get("env") == "prod");
  CHECK(agent->created == base::wall_time(1'700'000'000'000));
  CHECK(again.authenticate("tca_" + std::string(64, '0')) == nullptr);
  CHECK(again.authenticate("") == nullptr);
  // The hash itself is no token.
  CHECK(again.authenticate(base::sha256_hex(token->reveal())) == nullptr);
}

TEST_CASE("names are checked, and given once") {
  World w;
  REQUIRE(w.registry.add({"db1", {}, {}}));
  const auto twice = w.registry.add({"db1", {}, {}});
  REQUIRE(!twice);
  CHECK(twice.error().message.find("agent 'db1' exists") != std::string::npos);
  for (const char* name : {"", "a b", "a/b", "x\n", "ä"}) {
    CHECK(w.registry.add({name, {}, {}}).error().code == ErrorCode::InvalidArgument);
  }
  CHECK(!w.registry.add({std::string(129, 'a'), {}, {}}));
  CHECK(!w.registry.add({"x", model::Labels{{"host", "y"}}, {}}));
  CHECK(!w.registry.add({"x", model::Labels{{"__name__", "y"}}, {}}));
  CHECK(w.registry.list().size() == 1);
}

TEST_CASE("removal takes the token away") {
  World w;
  const auto token = w.registry.add({"db1", {}, {}});
  REQUIRE(w.registry.remove("db1"));
  CHECK(w.registry.authenticate(token->reveal()) == nullptr);
  CHECK(w.registry.remove("db1").error().code == ErrorCode::NotFound);
}

TEST_CASE("a change by another process is taken up, and not overwritten") {
  World w;
  REQUIRE(w.registry.load());
  AgentRegistry other(w.files, w.clock, *w.random, kPath);
  const auto token = other.add({"web1", {}, {}});
  CHECK(w.registry.authenticate(token->reveal()) == nullptr);
  CHECK(*w.registry.reload_if_changed());
  CHECK(w.registry.authenticate(token->reveal()) != nullptr);
  CHECK(!*w.registry.reload_if_changed());
  REQUIRE(other.add({"web2", {}, {}}));
  REQUIRE(w.registry.add({"web3", {}, {}}));
  CHECK(w.registry.list().size() == 3);
}

TEST_CASE("a broken file keeps what was loaded and says what is wrong") {
  World w;
  const auto token = w.registry.add({"db1", {}, {}});
  const auto message = [&](const std::string& content) {
    w.files.set_content(kPath, content);
    const auto changed = w.registry.reload_if_changed();
    REQUIRE(!changed);
    CHECK(changed.error().code == ErrorCode::InvalidArgument);
    CHECK(w.registry.authenticate(token->reveal()) != nullptr);
    return changed.error().message;
  };
  CHECK(message("{").find("not JSON") != std::string::npos);
  CHECK(message("{}").find("no list 'agents'") != std::string::npos);
  CHECK(message(R"({"agents":[3]})").find("not an object") != std::string::npos);
  const std::string hash(64, 'a');
  CHECK(message(R"({"agents":[{"name":"a","created":"2026-01-01T00:00:00Z"}]})")
            .find("agent 'a': token_sha256") != std::string::npos);
  CHECK(
      message(R"({"agents":[{"name":"a","token_sha256":")" + hash + R"(","created":"yesterday"}]})")
          .find("yesterday") != std::string::npos);
  const std::string entry =
      R"({"name":"a","token_sha256":")" + hash + R"(","created":"2026-01-01T00:00:00Z"})";
  CHECK(message(R"({"agents":[)" + entry + "," + entry + "]}").find("'a' is there twice") !=
        std::string::npos);
  CHECK(message(std::string(2000, '[')).find("not JSON") != std::string::npos);
}

TEST_CASE("a disk that fails adds nobody") {
  World w;
  w.files.fail_at(1, false);
  CHECK(w.registry.add({"db1", {}, {}}).error().code == ErrorCode::Io);
  CHECK(w.registry.list().empty());
  // The file may be replaced all the same, if it was its folder that could not be synced: then the
  // entry is there, and nobody has its token.
  if (!w.registry.add({"db1", {}, {}})) {
    REQUIRE(w.registry.remove("db1"));
    CHECK(w.registry.add({"db1", {}, {}}));
  }
}

TEST_CASE("relay patterns") {
  const Agent agent{"jump", "", {}, {}, {"web-*", "db1", "*.eu.example"}};
  CHECK(agent.may_send_for("jump"));
  CHECK(agent.may_send_for("web-"));
  CHECK(agent.may_send_for("web-17"));
  CHECK(agent.may_send_for("db1"));
  CHECK(agent.may_send_for("x.y.eu.example"));
  CHECK(!agent.may_send_for("db10"));
  CHECK(!agent.may_send_for("eu.example"));
  CHECK(!agent.may_send_for(""));
  CHECK(!agent.may_send_for("myweb-1"));
}

}  // namespace
}  // namespace tocsin::ingest

// Acknowledge tokens, the page behind a link, and the buttons of chats.
#include <doctest/doctest.h>
#include <fmt/format.h>

#include "alertd/api/ack_handlers.h"
#include "alertd/api/chat_buttons.h"
#include "alertd/api/mail_reply.h"
#include "alertd/api/test_support.h"
#include "common/base/hash.h"
#include "common/sim/sim_file_system.h"

namespace tocsin::api {
namespace {

const base::WallTime kNow = base::wall_time(1'700'000'000'000);
const AckSigner kSigner(base::Secret(std::string(64, 'k')));

AckClaim claim_for(const char* id) {
  return {id, AckAction::Acknowledge, kNow + std::chrono::hours(24), "ada"};
}

TEST_CASE("a token says what was signed, and nothing else is believed") {
  const std::string token = kSigner.sign(claim_for("T-1042"));
  const auto claim = kSigner.verify(token, kNow);
  REQUIRE(claim);
  CHECK(claim->incident_id == "T-1042");
  CHECK(claim->person == "ada");
  CHECK(claim->action == AckAction::Acknowledge);
  CHECK(claim->expires >= kNow + std::chrono::hours(24));
  for (std::size_t i = 0; i < token.size(); ++i) {
    std::string changed = token;
    changed[i] = changed[i] == 'A' ? 'B' : 'A';
    CHECK_FALSE(kSigner.verify(changed, kNow));
  }
  CHECK_FALSE(kSigner.verify("", kNow));
  CHECK_FALSE(kSigner.verify(std::string(1000, 'A'), kNow));
  CHECK_FALSE(AckSigner(base::Secret(std::string(64, 'x'))).verify(token, kNow));
  CHECK(kSigner.verify(token, kNow + std::chrono::hours(25)).error().code ==
        base::ErrorCode::Timeout);
  AckClaim button = claim_for("T-4294967295");
  button.person.clear();
  CHECK(kSigner.sign(button).size() <= 64);  // Telegram's callback_data
  CHECK(kSigner.sign(claim_for("")).empty());
}

TEST_CASE("the key is made once, kept to ourselves, and refused if others may read it") {
  sim::SimFileSystem files;
  const auto random = base::make_seeded_random(1);
  REQUIRE(files.create_folders("/data"));
  const auto first = AckSigner::load("/data/ack.key", files, *random);
  REQUIRE(first);
  CHECK(*files.mode("/data/ack.key") == 0600);
  const std::string token = first->sign(claim_for("T-1"));
  const auto second = AckSigner::load("/data/ack.key", files, *random);
  REQUIRE(second);
  CHECK(second->verify(token, kNow));
  REQUIRE(files.write_atomic("/data/ack.key", std::string(64, 'a'), 0644));
  CHECK_FALSE(AckSigner::load("/data/ack.key", files, *random));
  REQUIRE(files.write_atomic("/data/ack.key", "short", 0600));
  CHECK_FALSE(AckSigner::load("/data/ack.key", files, *random));
}

struct AckWorld {
  base::SimClock clock{kNow};
  base::Metrics metrics;
  test::FakeDaemon daemon;
  AckDesk desk{{kSigner, daemon, clock, metrics}};
  AckHandlers pages{desk, daemon};
  ChatButtons buttons;
  Router router;

  explicit AckWorld(ChatSecrets secrets = {})
      : buttons(desk, std::move(secrets)), router(table(), base::Secret(), metrics, {}) {
    IncidentInfo incident;
    incident.id = "T-7";
    incident.title = "<b>Disk</b> full";
    incident.state = "open";
    daemon.incident_list = {incident};
  }
  std::vector<Route> table() const {
    std::vector<Route> routes = pages.routes();
    for (Route& route : buttons.routes()) routes.push_back(std::move(route));
    return routes;
  }
  net::ServerResponse ask(net::ServerRequest request) {
    request.peer_is_loopback = false;  // none of this needs to come from this host
    request.peer_address = "192.0.2.7";
    net::ServerResponse answer;
    router.handle(std::move(request), [&](net::ServerResponse got) { answer = std::move(got); });
    return answer;
  }
};

TEST_CASE("GET shows and does nothing; POST acts, once") {
  AckWorld world;
  const std::string path = "/ack/" + kSigner.sign(claim_for("T-7"));
  const auto page = world.ask(test::World::request("GET", path));
  CHECK(page.status == 200);
  CHECK(page.body.find("&lt;b&gt;Disk&lt;/b&gt; full") != std::string::npos);
  CHECK(page.body.find("value=\"ada\"") != std::string::npos);
  CHECK(page.body.find("<script") == std::string::npos);
  CHECK(page.headers[0].second.starts_with("default-src 'none'; style-src 'sha256-"));
  CHECK(world.daemon.command.id.empty());

  net::ServerRequest press = test::World::request("POST", path);
  press.query = {{"by", "Ada L."}, {"for", "2h"}};
  CHECK(world.ask(press).status == 200);
  CHECK(world.daemon.command.id == "T-7");
  CHECK(world.daemon.command.by == "Ada L.");
  CHECK(world.daemon.command.hold == base::Duration(std::chrono::hours(2)));
  CHECK(world.daemon.command.source == "link 192.0.2.7");
  CHECK(world.ask(press).status == 409);
}

TEST_CASE("what does not work says why, and a failure does not use the token up") {
  AckWorld world;
  CHECK(world.ask(test::World::request("GET", "/ack/AAAA")).status == 403);
  const std::string gone = "/ack/" + kSigner.sign(claim_for("T-8"));
  CHECK(world.ask(test::World::request("GET", gone)).status == 404);
  net::ServerRequest press = test::World::request("POST", gone);
  CHECK(world.ask(press).status == 404);
  CHECK(world.ask(press).status == 404);  // not 409
  press.query = {{"for", "400d"}};
  CHECK(world.ask(press).status == 400);
  world.clock.advance(std::chrono::hours(30));
  CHECK(world.ask(test::World::request("GET", gone)).status == 410);
}

net::ServerRequest slack_press(const std::string& token, std::int64_t seconds,
                               const std::string& secret) {
  net::ServerRequest request = test::World::request("POST", "/api/v1/chat/slack");
  const std::string payload =
      fmt::format(R"({{"user":{{"username":"ada"}},"actions":[{{"value":"{}"}}]}})", token);
  request.body = "payload=" + payload;  // as sent it is percent-encoded; the signature is over that
  request.query = {{"payload", payload}};
  request.headers.emplace_back("x-slack-request-timestamp", std::to_string(seconds));
  request.headers.emplace_back(
      "x-slack-signature",
      "v0=" + base::hmac_sha256_hex(secret, fmt::format("v0:{}:{}", seconds, request.body)));
  return request;
}

TEST_CASE("Slack: signed, and not a recording") {
  AckWorld world({base::Secret("slacksecret"), "", base::Secret()});
  const std::string token = kSigner.sign(claim_for("T-7"));
  CHECK(world.ask(slack_press(token, 1'700'000'000, "wrong")).status == 401);
  CHECK(world.ask(slack_press(token, 1'700'000'000 - 301, "slacksecret")).status == 401);
  CHECK(world.daemon.command.id.empty());
  const auto done = world.ask(slack_press(token, 1'700'000'000 - 299, "slacksecret"));
  CHECK(done.status == 200);
  CHECK(done.body.find("T-7 is acknowledged by ada") != std::string::npos);
  CHECK(world.daemon.command.by == "ada");
}

TEST_CASE("Mattermost: the token in the button is the right") {
  AckWorld world;
  CHECK(world
            .ask(test::World::json("/api/v1/chat/mattermost",
                                   R"({"user_name":"ada","context":{"token":"AAAA"}})"))
            .body.find("not one of ours") != std::string::npos);
  CHECK(world.daemon.command.id.empty());
  const std::string body = fmt::format(R"({{"user_name":"ada","context":{{"token":"{}"}}}})",
                                       kSigner.sign(claim_for("T-7")));
  CHECK(world.ask(test::World::json("/api/v1/chat/mattermost", body)).body ==
        R"({"ephemeral_text":"T-7 is acknowledged by ada"})");
  CHECK(world.ask(test::World::json("/api/v1/chat/slack", "{}")).status == 404);  // not configured
}

TEST_CASE("Telegram: the secret we gave it") {
  AckWorld world({base::Secret(), "", base::Secret("tgsecret")});
  AckClaim claim = claim_for("T-7");
  claim.person.clear();
  auto request = test::World::json(
      "/api/v1/chat/telegram",
      fmt::format(R"({{"callback_query":{{"id":"9","from":{{"first_name":"Ada"}},"data":"{}"}}}})",
                  kSigner.sign(claim)));
  CHECK(world.ask(request).status == 401);
  request.headers.emplace_back("x-telegram-bot-api-secret-token", "tgsecret");
  CHECK(world.ask(request).body ==
        R"({"method":"answerCallbackQuery","callback_query_id":"9","text":)"
        R"("T-7 is acknowledged by Ada"})");
}

TEST_CASE("answers to mails: the first line that is ours, and the token in the thread") {
  const auto reply = read_reply("\n> quoted\n ACK 2h on my way\n--\nAda");
  REQUIRE(reply);
  CHECK(reply->action == AckAction::Acknowledge);
  CHECK(reply->hold == base::Duration(std::chrono::hours(2)));
  CHECK(reply->comment == "on my way");
  CHECK(read_reply("Resolved: disk replaced")->comment == "disk replaced");
  CHECK(read_reply("Resolved: disk replaced")->action == AckAction::Resolve);
  CHECK(read_reply("ack")->comment.empty());
  CHECK(read_reply("ack 999d")->comment == "999d");
  CHECK_FALSE(read_reply("acking it"));
  CHECK_FALSE(read_reply("thanks, ack"));
  CHECK_FALSE(read_reply("> ack"));
  CHECK_FALSE(read_reply(""));
  CHECK(reply_token("<0123.ack-AB-c_9@host.example>") == "AB-c_9");
  CHECK(reply_token("<a@b> <k.ack-OLD@h> <k.ack-NEW@h> <x@y>") == "NEW");
  CHECK(reply_token("<a@b>").empty());
}

TEST_CASE("Discord: signed with Ed25519") {
  // Signed with the key of RFC 8032, 7.1, test 2: the message is one byte, "r".
  AckWorld world({base::Secret(),
                  "3d4017c3e843895a92b70aa74d1b7ebc9c982ccf2ec4968cc0cd55f12af4660c",
                  base::Secret()});
  auto request = test::World::json("/api/v1/chat/discord", R"({"type":1})");
  CHECK(world.ask(request).status == 401);
  request.headers.emplace_back("x-signature-ed25519",
                               "92a009a9f0d4cab8720e820b5f642540a2b27b5416503f8fb3762223ebdb69da"
                               "085ac1e43e15996e458f3613d0f11d8c387b2eaeb4302aeeb00d291612bb0c00");
  CHECK(world.ask(request).status == 401);
  request.headers.emplace_back("x-signature-timestamp", "r");
  request.body.clear();
  CHECK(world.ask(request).status == 200);  // believed; there is no token in it
  CHECK(world.daemon.command.id.empty());
}

}  // namespace
}  // namespace tocsin::api

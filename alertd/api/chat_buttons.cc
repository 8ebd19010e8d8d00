#include "alertd/api/chat_buttons.h"

#include <fmt/core.h>

#include <boost/json.hpp>

#include "alertd/api/json.h"
#include "common/base/hash.h"
#include "common/base/strings.h"
#include "common/net/http_text.h"

namespace tocsin::api {
namespace {

namespace json = boost::json;

/// A press older than this may be a recording. Source: Slack, "Verifying requests".
constexpr base::Duration kSlackWindow = std::chrono::minutes(5);

net::ServerResponse json_response(const json::value& value) {
  net::ServerResponse response;
  response.body = json::serialize(value);
  return response;
}

json::value parse(std::string_view text) {
  json::parse_options options;
  options.max_depth = 16;
  json::error_code failure;
  json::value value = json::parse(json::string_view(text.data(), text.size()), failure,
                                  json::storage_ptr(), options);
  return failure ? json::value() : value;
}

/// Returns the text at the JSON pointer, or "".
std::string text_at(const json::value& value, std::string_view pointer) {
  json::error_code failure;
  const json::value* found =
      value.find_pointer(json::string_view(pointer.data(), pointer.size()), failure);
  const json::string* text = found ? found->if_string() : nullptr;
  return text ? std::string(text->data(), text->size()) : std::string();
}

std::string first_of(std::initializer_list<std::string> texts) {
  for (const std::string& text : texts) {
    if (!text.empty()) return text;
  }
  return "";
}

void refuse(const ApiCall& call, std::string_view why) {
  call.respond(net::error_response(401, "unauthorized", why));
}

}  // namespace

std::vector<Route> ChatButtons::routes() const {
  const auto to = [this](auto method) {
    return [this, method](ApiCall call) { (this->*method)(std::move(call)); };
  };
  using C = ChatButtons;
  std::vector<Route> routes{
      {"POST", "/api/v1/chat/mattermost", Access::Ingest, to(&C::mattermost)}};
  if (!secrets_.slack_signing_secret.empty()) {
    routes.push_back({"POST", "/api/v1/chat/slack", Access::Ingest, to(&C::slack)});
  }
  if (!secrets_.discord_public_key.empty()) {
    routes.push_back({"POST", "/api/v1/chat/discord", Access::Ingest, to(&C::discord)});
  }
  if (!secrets_.telegram_secret.empty()) {
    routes.push_back({"POST", "/api/v1/chat/telegram", Access::Ingest, to(&C::telegram)});
  }
  return routes;
}

void ChatButtons::press(const ApiCall& call, std::string_view chat, std::string token,
                        std::string by,
                        std::function<net::ServerResponse(const AckResult&)> answer) const {
  AckDesk::Act act;
  act.token = std::move(token);
  act.by = by.empty() ? fmt::format("somebody on {}", chat) : std::move(by);
  act.source = fmt::format("{} {}", chat, call.request.peer_address);
  desk_.act(std::move(act), [respond = call.respond, answer = std::move(answer)](
                                const AckResult& result) { respond(answer(result)); });
}

// Source: Slack, "Verifying requests from Slack" and "block_actions" payloads.
void ChatButtons::slack(ApiCall call) const {
  const std::string_view stamp = call.request.header("x-slack-request-timestamp");
  const auto seconds = base::parse_i64(stamp);
  const base::WallTime now = desk_.parts().clock.wall();
  if (!seconds || *seconds < 0 || *seconds > 100'000'000'000 ||
      std::chrono::abs(now - base::wall_time(*seconds * 1000)) > kSlackWindow) {
    return refuse(call, "the request's time is missing or not of these five minutes");
  }
  const std::string expected =
      "v0=" + base::hmac_sha256_hex(secrets_.slack_signing_secret.reveal(),
                                    fmt::format("v0:{}:{}", stamp, call.request.body));
  if (!base::equals_constant_time(call.request.header("x-slack-signature"), expected)) {
    return refuse(call, "the signature is not Slack's");
  }
  const json::value payload = parse(call.request.parameter("payload"));
  press(call, "slack", text_at(payload, "/actions/0/value"),
        first_of({text_at(payload, "/user/username"), text_at(payload, "/user/name"),
                  text_at(payload, "/user/id")}),
        [](const AckResult& result) {
          return json_response(
              {{"response_type", "ephemeral"}, {"replace_original", false}, {"text", result.text}});
        });
}

// Source: Mattermost, "Interactive messages".
void ChatButtons::mattermost(ApiCall call) const {
  const json::value payload = parse(call.request.body);
  press(call, "mattermost", text_at(payload, "/context/token"),
        first_of({text_at(payload, "/user_name"), text_at(payload, "/user_id")}),
        [](const AckResult& result) {
          return json_response({{"ephemeral_text", result.text}});
        });
}

// Source: Discord, "Interactions": PING is type 1, a pressed component type 3; 64 is "only you".
void ChatButtons::discord(ApiCall call) const {
  const std::string signed_text =
      std::string(call.request.header("x-signature-timestamp")) + call.request.body;
  if (!base::ed25519_verify(secrets_.discord_public_key, call.request.header("x-signature-ed25519"),
                            signed_text)) {
    return refuse(call, "the signature is not Discord's");
  }
  const json::value payload = parse(call.request.body);
  json::error_code failure;
  const json::value* type = payload.find_pointer("/type", failure);
  if (type && type->is_int64() && type->get_int64() == 1) {
    return call.respond(json_response({{"type", 1}}));
  }
  press(call, "discord", text_at(payload, "/data/custom_id"),
        first_of({text_at(payload, "/member/user/username"), text_at(payload, "/user/username")}),
        [](const AckResult& result) {
          return json_response({{"type", 4}, {"data", {{"content", result.text}, {"flags", 64}}}});
        });
}

// Source: Telegram Bot API, setWebhook's secret_token, CallbackQuery, answerCallbackQuery.
void ChatButtons::telegram(ApiCall call) const {
  const std::string given =
      base::sha256_hex(call.request.header("x-telegram-bot-api-secret-token"));
  if (!base::equals_constant_time(given, base::sha256_hex(secrets_.telegram_secret.reveal()))) {
    return refuse(call, "the secret token is not the one of our webhook");
  }
  const json::value payload = parse(call.request.body);
  const std::string id = text_at(payload, "/callback_query/id");
  if (id.empty()) return call.respond(json_response(json::object()));  // some other update
  press(call, "telegram", text_at(payload, "/callback_query/data"),
        first_of({text_at(payload, "/callback_query/from/username"),
                  text_at(payload, "/callback_query/from/first_name")}),
        [id](const AckResult& result) {
          return json_response({{"method", "answerCallbackQuery"},
                                {"callback_query_id", id},
                                {"text", result.text.substr(0, 200)}});
        });
}

}  // namespace tocsin::api

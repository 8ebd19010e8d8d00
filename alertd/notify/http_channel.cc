#include "alertd/notify/http_channel.h"

#include "common/base/base64.h"
#include "common/base/strings.h"
#include "common/net/url.h"

namespace tocsin::notify {
namespace {

constexpr std::size_t kAnswerBytesMax = 64 << 10;

bool continues_character(char c) {
  return (static_cast<unsigned char>(c) & 0xc0U) == 0x80U;
}

}  // namespace

struct HttpChannel::Chain {
  std::vector<net::HttpRequest> requests;
  std::size_t at = 0;
  std::string note;  ///< Of a template that failed.
  SendDone done;
};

HttpChannel::HttpChannel(const ChannelParts& parts, Service service)
    : service_(service),
      timeout_(parts.settings.timeout),
      external_url_(parts.notify.external_url),
      writer_(parts.settings, parts.notify, parts.world.executor.clock()),
      executor_(parts.world.executor),
      client_(parts.world.http),
      failures_(parts.world.metrics, parts.settings) {}

Outcome HttpChannel::judge(const base::Result<net::HttpResponse>& response) const {
  return service_outcome(service_, response, executor_.clock().wall());
}

void HttpChannel::send(const incident::Notification& notification, const DeliveryKey& key,
                       SendDone done) {
  Message message = writer_.write(notification, Escaping::None, false);
  failures_.note(message.template_failure);
  auto chain = std::make_shared<Chain>();
  auto made = requests(notification, key, message);
  chain->note = std::move(message.template_failure);
  chain->done = std::move(done);
  if (!made || made->empty()) {
    Outcome outcome;
    outcome.verdict = Verdict::Permanent;
    outcome.reason = FailureReason::Refused;
    outcome.text = made ? "nothing to send" : base::escape_control(made.error().message);
    executor_.post([chain, outcome] { chain->done(outcome); });
    return;
  }
  chain->requests = std::move(*made);
  next(chain);
}

// The notifier keeps the channel until `done` was called, so `this` outlives the answer.
void HttpChannel::next(const std::shared_ptr<Chain>& chain) {
  net::HttpRequest& request = chain->requests[chain->at];
  request.timeout = timeout_ / static_cast<std::int64_t>(chain->requests.size());
  request.response_bytes_max = kAnswerBytesMax;
  client_.send(
      std::move(request), executor_,
      [this, chain](const base::Result<net::HttpResponse>& response) {
        Outcome outcome = judge(response);
        if (outcome.verdict == Verdict::Delivered && ++chain->at < chain->requests.size()) {
          next(chain);
          return;
        }
        if (!chain->note.empty()) outcome.text += "; " + chain->note;
        chain->done(std::move(outcome));
      });
}

std::string basic_auth(std::string_view user, std::string_view password) {
  return "Basic " + base::base64(std::string(user) + ':' + std::string(password));
}

void add_access(net::HttpRequest& request, const HttpAccess& access) {
  request.tls = access.tls;
  request.bearer_token = access.bearer_token;
  if (!access.user.empty()) {
    request.headers.emplace_back("Authorization",
                                 basic_auth(access.user, access.password.reveal()));
  }
  request.headers.insert(request.headers.end(), access.headers.begin(), access.headers.end());
}

net::HttpRequest json_post(std::string url, std::string body, const HttpAccess& access) {
  net::HttpRequest request;
  request.method = "POST";
  request.url = std::move(url);
  request.body = std::move(body);
  request.headers.emplace_back("Content-Type", "application/json");
  add_access(request, access);
  return request;
}

std::string form(const std::vector<std::pair<std::string, std::string>>& pairs) {
  std::string out;
  for (const auto& [name, value] : pairs) {
    if (!out.empty()) out += '&';
    out += net::percent_encode(name) + '=' + net::percent_encode(value);
  }
  return out;
}

std::string cut_bytes(std::string_view text, std::size_t bytes_max) {
  if (text.size() <= bytes_max) return std::string(text);
  std::size_t end = bytes_max < 3 ? 0 : bytes_max - 3;
  while (end > 0 && continues_character(text[end])) --end;
  return std::string(text.substr(0, end)) + "...";
}

std::string cut_characters(std::string_view text, std::size_t characters_max) {
  std::size_t characters = 0;
  std::size_t kept = 0;  // end of what stays if the text is too long
  for (std::size_t i = 0; i < text.size(); ++i) {
    if (continues_character(text[i])) continue;
    if (characters + 3 == characters_max) kept = i;
    if (characters == characters_max) return std::string(text.substr(0, kept)) + "...";
    ++characters;
  }
  return std::string(text);
}

}  // namespace tocsin::notify

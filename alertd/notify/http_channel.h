// What most HTTP channels share: the words are written, one or a few requests sent in order, the
// answers judged.
#pragma once

#include <string>
#include <vector>

#include "alertd/notify/channels.h"
#include "alertd/notify/message.h"
#include "alertd/notify/pager_settings.h"
#include "alertd/notify/retry_rules.h"

namespace tocsin::notify {

/// What a channel is made from; lives as long as the call.
struct ChannelParts {
  const ChannelSettings& settings;
  const NotifySettings& notify;
  const ChannelWorld& world;
};

/// A channel of requests: each is sent when the one before was delivered; the first that was not
/// decides the outcome. All must be such that a repetition of the whole does no harm.
class HttpChannel : public Channel {
 public:
  void send(const incident::Notification& notification, const DeliveryKey& key,
            SendDone done) override;

 protected:
  HttpChannel(const ChannelParts& parts, Service service);

  /// Returns the requests of one message, at least one; time-out and answer limit are set after.
  /// An error ends the delivery for good.
  virtual base::Result<std::vector<net::HttpRequest>> requests(
      const incident::Notification& notification, const DeliveryKey& key,
      const Message& message) = 0;
  /// Judges one answer.
  virtual Outcome judge(const base::Result<net::HttpResponse>& response) const;

  const std::string& external_url() const { return external_url_; }
  base::Executor& executor() const { return executor_; }

 private:
  struct Chain;
  void next(const std::shared_ptr<Chain>& chain);

  Service service_;
  base::Duration timeout_;
  std::string external_url_;
  MessageWriter writer_;
  base::Executor& executor_;
  net::HttpClient& client_;
  TemplateFailures failures_;
};

/// Returns a POST of JSON with what `access` says.
net::HttpRequest json_post(std::string url, std::string body, const HttpAccess& access);
/// Adds TLS, credentials and headers.
void add_access(net::HttpRequest& request, const HttpAccess& access);
/// Returns "Basic " and the two in base64.
std::string basic_auth(std::string_view user, std::string_view password);
/// Returns name=value pairs, percent-encoded and joined by '&'.
std::string form(const std::vector<std::pair<std::string, std::string>>& pairs);

/// Cuts at a character's start, with "..." if anything was cut. Characters are code points.
std::string cut_characters(std::string_view text, std::size_t characters_max);
/// As cut_characters, in bytes.
std::string cut_bytes(std::string_view text, std::size_t bytes_max);

}  // namespace tocsin::notify

// The channels there are. make_channel lists them all; nothing registers itself.
#pragma once

#include <memory>
#include <string>

#include "alertd/notify/channel.h"
#include "alertd/notify/receivers.h"
#include "common/base/command_runner.h"
#include "common/base/executor.h"
#include "common/base/metrics.h"
#include "common/net/http_client.h"
#include "common/net/mail_client.h"

namespace tocsin::notify {

/// What channels work with. All of it outlives them.
struct ChannelWorld {
  base::Executor& executor;
  net::HttpClient& http;
  net::MailClient& mail;
  base::Metrics& metrics;
  std::string host_name;  ///< For Message-IDs when the sender's address has no domain.
  base::CommandRunner* commands = nullptr;  ///< For channels of the kind "command"; may be none.
};

std::unique_ptr<Channel> make_channel(const ChannelSettings& settings, const NotifySettings& notify,
                                      const ChannelWorld& world);

std::unique_ptr<Channel> make_channel_of(const EmailSettings& kind, const ChannelSettings& settings,
                                         const NotifySettings& notify, const ChannelWorld& world);
std::unique_ptr<Channel> make_channel_of(const WebhookSettings& kind,
                                         const ChannelSettings& settings,
                                         const NotifySettings& notify, const ChannelWorld& world);
std::unique_ptr<Channel> make_channel_of(const SlackSettings& kind, const ChannelSettings& settings,
                                         const NotifySettings& notify, const ChannelWorld& world);

/// Counts a template that failed.
base::Counter template_failures(base::Metrics& metrics, const ChannelSettings& settings);

/// Counts and logs the templates of one channel that failed; what went out is the built-in text.
class TemplateFailures {
 public:
  TemplateFailures(base::Metrics& metrics, const ChannelSettings& settings);
  /// `failure` is what was wrong; empty: nothing.
  void note(const std::string& failure);

 private:
  std::string channel_;
  base::Counter counter_;
};

/// Returns "receiver/channel": the channel's name in metrics and logs.
std::string full_name(const ChannelSettings& settings);

/// Returns the Message-ID of a delivery, "<key@host>".
std::string mail_message_id(const std::string& key, const std::string& host);
/// Returns the id that all mails of one incident refer to, so that they form a thread.
std::string mail_thread_id(const std::string& thread_key, const std::string& host);

/// Returns the webhook body: Alertmanager's version 4 and, as "incident", what we know beyond it.
/// `alerts_max` 0: all. `as_alertmanager`: nothing beyond it, and its order of alerts.
std::string webhook_body(const incident::Notification& notification,
                         const std::string& external_url, std::size_t alerts_max,
                         bool as_alertmanager = false);

/// Returns "sha256=" and the HMAC-SHA-256 of "timestamp.body" in hexadecimal. Source: RFC 2104.
std::string webhook_signature(const base::Secret& secret, std::string_view timestamp,
                              std::string_view body);

/// Returns Slack's payload; also what Mattermost and Rocket.Chat take.
std::string slack_body(const incident::Notification& notification, const SlackSettings& settings,
                       const std::string& title, const std::string& text, const std::string& link);

}  // namespace tocsin::notify

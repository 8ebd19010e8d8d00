// SMS: by Twilio's API, or by a kannel gateway of one's own.
//
// The text is what a lock screen shows: the first line, who to ask further. Neither service knows a
// key by which it could drop a repetition, so a message whose outcome was lost says so when it is
// sent again: two SMS are better than none.

#include <fmt/core.h>

#include "alertd/notify/http_channel.h"
#include "alertd/notify/pager_channels.h"
#include "alertd/notify/sms_text.h"
#include "common/base/strings.h"

namespace tocsin::notify {
namespace {

using incident::Notification;

constexpr std::string_view kDuplicate = "(possibly duplicate) ";

Sms sms_of(const Notification& notification, const DeliveryKey& key, const Message& message,
           const SmsText& settings, const std::string& external_url) {
  std::string text = message.text.substr(0, message.text.find('\n'));
  const std::string link = incident_url(notification, external_url);
  if (message.own_text) {
    text = message.text;
  } else if (!link.empty()) {
    text += '\n' + link;
  }
  return fit_sms((key.maybe_repeated ? std::string(kDuplicate) : std::string()) + text,
                 settings.segments_max);
}

class TwilioChannel final : public HttpChannel {
 public:
  TwilioChannel(const TwilioSettings& kind, const ChannelParts& parts)
      : HttpChannel(parts, Service::Twilio), twilio_(kind) {}

 protected:
  base::Result<std::vector<net::HttpRequest>> requests(const Notification& notification,
                                                       const DeliveryKey& key,
                                                       const Message& message) override {
    const bool service = twilio_.from.starts_with("MG");
    net::HttpRequest request;
    request.method = "POST";
    request.url =
        fmt::format("{}/2010-04-01/Accounts/{}/Messages.json", twilio_.url, twilio_.account_sid);
    request.body =
        form({{"To", twilio_.to},
              {service ? "MessagingServiceSid" : "From", twilio_.from},
              {"Body", sms_of(notification, key, message, twilio_.sms, external_url()).text}});
    request.headers.emplace_back("Content-Type", "application/x-www-form-urlencoded");
    request.headers.emplace_back("Authorization",
                                 basic_auth(twilio_.account_sid, twilio_.auth_token.reveal()));
    request.tls = twilio_.tls;
    return std::vector{std::move(request)};
  }

 private:
  TwilioSettings twilio_;
};

class KannelChannel final : public HttpChannel {
 public:
  KannelChannel(const KannelSettings& kind, const ChannelParts& parts)
      : HttpChannel(parts, Service::Kannel), kannel_(kind) {}

 protected:
  base::Result<std::vector<net::HttpRequest>> requests(const Notification& notification,
                                                       const DeliveryKey& key,
                                                       const Message& message) override {
    const Sms sms = sms_of(notification, key, message, kannel_.sms, external_url());
    std::vector<std::pair<std::string, std::string>> query{{"username", kannel_.user},
                                                           {"password", kannel_.password.reveal()},
                                                           {"to", base::join(kannel_.to, " ")},
                                                           {"text", sms.text},
                                                           {"charset", "UTF-8"},
                                                           {"coding", sms.gsm ? "0" : "2"}};
    if (!kannel_.from.empty()) query.emplace_back("from", kannel_.from);
    if (!kannel_.smsc.empty()) query.emplace_back("smsc", kannel_.smsc);
    net::HttpRequest request;
    request.url = kannel_.url + '?' + form(query);
    request.tls = kannel_.tls;
    return std::vector{std::move(request)};
  }

 private:
  KannelSettings kannel_;
};

}  // namespace

std::unique_ptr<Channel> make_channel_of(const TwilioSettings& kind,
                                         const ChannelSettings& settings,
                                         const NotifySettings& notify, const ChannelWorld& world) {
  return std::make_unique<TwilioChannel>(kind, ChannelParts{settings, notify, world});
}

std::unique_ptr<Channel> make_channel_of(const KannelSettings& kind,
                                         const ChannelSettings& settings,
                                         const NotifySettings& notify, const ChannelWorld& world) {
  return std::make_unique<KannelChannel>(kind, ChannelParts{settings, notify, world});
}

}  // namespace tocsin::notify

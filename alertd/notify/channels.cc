#include "alertd/notify/channels.h"

namespace tocsin::notify {

std::unique_ptr<Channel> make_channel(const ChannelSettings& settings, const NotifySettings& notify,
                                      const ChannelWorld& world) {
  if (std::holds_alternative<EmailSettings>(settings.kind)) {
    return make_email_channel(settings, notify, world);
  }
  if (std::holds_alternative<WebhookSettings>(settings.kind)) {
    return make_webhook_channel(settings, notify, world);
  }
  return make_slack_channel(settings, notify, world);
}

base::Counter template_failures(base::Metrics& metrics, const ChannelSettings& settings) {
  return metrics.counter("tocsin_alertd_notify_template_failures_total",
                         "Messages whose template failed; the built-in text went out instead.",
                         {{"channel", full_name(settings)}});
}

std::string full_name(const ChannelSettings& settings) {
  return settings.receiver + "/" + settings.name;
}

}  // namespace tocsin::notify

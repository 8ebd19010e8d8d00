#include "alertd/notify/channels.h"

#include "alertd/notify/chat_channels.h"
#include "alertd/notify/pager_channels.h"
#include "common/base/log.h"

namespace tocsin::notify {

std::unique_ptr<Channel> make_channel(const ChannelSettings& settings, const NotifySettings& notify,
                                      const ChannelWorld& world) {
  // The overload set is the list of all channels; a kind without one does not compile.
  return std::visit(
      [&](const auto& kind) { return make_channel_of(kind, settings, notify, world); },
      settings.kind);
}

base::Counter template_failures(base::Metrics& metrics, const ChannelSettings& settings) {
  return metrics.counter("tocsin_alertd_notify_template_failures_total",
                         "Messages whose template failed; the built-in text went out instead.",
                         {{"channel", full_name(settings)}});
}

TemplateFailures::TemplateFailures(base::Metrics& metrics, const ChannelSettings& settings)
    : channel_(full_name(settings)), counter_(template_failures(metrics, settings)) {}

void TemplateFailures::note(const std::string& failure) {
  if (failure.empty()) return;
  counter_.increment();
  base::log_warning("alertd/notify", "{}: {}", channel_, failure);
}

std::string full_name(const ChannelSettings& settings) {
  return settings.receiver + "/" + settings.name;
}

}  // namespace tocsin::notify

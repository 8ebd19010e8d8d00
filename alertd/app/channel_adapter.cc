#include "alertd/app/channel_adapter.h"

#include "common/base/log.h"

namespace tocsin::alertd {
namespace {

/// After this the drill is over by itself.
constexpr base::Duration kDrillLasts = std::chrono::minutes(5);

}  // namespace

void ChannelAdapter::list(api::Done<std::vector<api::ChannelStatus>> done) {
  notifier_.channels([done = std::move(done)](std::vector<notify::ChannelInfo> all) {
    std::vector<api::ChannelStatus> shown;
    for (notify::ChannelInfo& one : all) {
      api::ChannelStatus status;
      status.name = std::move(one.name);
      status.state = std::move(one.state);
      status.waiting = one.waiting;
      status.in_flight = one.in_flight;
      status.failover = std::move(one.failover);
      status.last_proven = one.last_delivered;
      status.last_failed = one.last_failed;
      status.last_error = std::move(one.last_error);
      status.delivered = one.delivered;
      status.failed = one.failed;
      shown.push_back(std::move(status));
    }
    done(std::move(shown));
  });
}

void ChannelAdapter::preview(api::PreviewRequest request, api::Done<api::MessagePreview> done) {
  notifier_.preview(
      {std::move(request.channel), std::move(request.incident), std::move(request.text)},
      [done = std::move(done)](base::Result<notify::Preview> preview) {
        if (!preview) return done(preview.error());
        done(api::MessagePreview{preview->of, preview->message.title, preview->message.text,
                                 preview->message.html, preview->message.template_failure});
      });
}

base::Result<model::Labels> ChannelAdapter::drill(api::DrillRequest request) {
  const base::WallTime now = clock_.wall();
  model::LabelsBuilder labels;
  labels.set(std::string(model::kAlertName), "FireDrill");
  for (const model::LabelView label : request.labels) {
    labels.set(std::string(label.name), std::string(label.value));
  }
  labels.set("severity", request.severity).set("drill", "true");
  model::Alert alert;
  alert.labels = labels.build();
  alert.annotations =
      model::LabelsBuilder()
          .set("summary", "This is a drill: nothing is wrong")
          .set("description", "Started by " + request.source + "; it is over after five minutes.")
          .build();
  alert.severity = model::parse_severity(request.severity).value_or(model::Severity::High);
  alert.starts_at = alert.updated_at = now;
  alert.valid_until = now + kDrillLasts;
  base::log_info("alertd/audit", "fire drill of severity {} ({})", request.severity,
                 request.source);
  model::Labels shown = alert.labels;
  std::vector<model::Alert> alerts;
  alerts.push_back(std::move(alert));
  alerts_.post(std::move(alerts));
  return shown;
}

}  // namespace tocsin::alertd

// The notifier's channels as the API sees them, and fire drills.
#pragma once

#include "alertd/api/channel_views.h"
#include "alertd/notify/notifier.h"
#include "common/base/clock.h"
#include "common/model/alert.h"

namespace tocsin::alertd {

/// Thread: any.
class ChannelAdapter final : public api::ChannelDirectory {
 public:
  /// Drills go to `alerts`, as every alert does.
  ChannelAdapter(notify::Notifier& notifier, model::AlertSink& alerts, const base::Clock& clock)
      : notifier_(notifier), alerts_(alerts), clock_(clock) {}

  void list(api::Done<std::vector<api::ChannelStatus>> done) override;
  void preview(api::PreviewRequest request, api::Done<api::MessagePreview> done) override;
  base::Result<model::Labels> drill(api::DrillRequest request) override;

 private:
  notify::Notifier& notifier_;
  model::AlertSink& alerts_;
  const base::Clock& clock_;
};

}  // namespace tocsin::alertd

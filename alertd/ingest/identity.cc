#include "alertd/ingest/identity.h"

#include <fmt/core.h>

#include <algorithm>
#include <vector>

#include "common/base/strings.h"

namespace tocsin::ingest {
namespace {

using model::LabelView;

std::string shown(std::string_view text) {
  return base::escape_control(text.size() > 100 ? text.substr(0, 100) : text);
}

std::string_view value_of(std::span<const LabelView> labels, std::string_view name) {
  for (const LabelView& label : labels) {
    if (label.name == name) return label.value;
  }
  return {};
}

/// The labels to force, in the batch's own memory, sorted by name. Without host and instance.
std::vector<LabelView> copy_forced(model::WriteBatch& batch, const Agent& agent) {
  std::vector<LabelView> forced;
  for (const LabelView label : agent.labels) {
    forced.push_back({batch.text().copy(label.name), batch.text().copy(label.value)});
  }
  return forced;
}

class Stamper {
 public:
  Stamper(model::WriteBatch& batch, const Agent& agent)
      : batch_(batch),
        agent_(agent),
        name_(batch.text().copy(agent.name)),
        forced_(copy_forced(batch, agent)) {}

  IdentityVerdict stamp(std::size_t series) {
    const auto labels = std::as_const(batch_).labels(batch_.series()[series]);
    missing_.clear();
    std::string_view host = value_of(labels, kHostLabel);
    if (host.empty()) {
      host = name_;
      missing_.push_back({kHostLabel, host});
    } else if (!agent_.may_send_for(host)) {
      return {IdentityFault::ForeignHost,
              fmt::format("agent '{}' sent series '{}' with host '{}': not its own, and no "
                          "may_relay pattern allows it",
                          agent_.name, shown(value_of(labels, model::kMetricName)), shown(host))};
    }
    if (value_of(labels, kInstanceLabel).empty()) missing_.push_back({kInstanceLabel, host});
    for (const LabelView& label : forced_) {
      const std::string_view sent = value_of(labels, label.name);
      if (sent.empty()) {
        if (label.name != kInstanceLabel) {
          missing_.push_back(label);
        } else {
          missing_.back().value = label.value;
        }
      } else if (sent != label.value) {
        return {IdentityFault::ForeignLabel,
                fmt::format("agent '{}' sent label {}='{}', but is held to '{}'", agent_.name,
                            label.name, shown(sent), label.value)};
      }
    }
    if (missing_.empty()) return {};
    merged_.assign(labels.begin(), labels.end());
    merged_.insert(merged_.end(), missing_.begin(), missing_.end());
    std::sort(merged_.begin(), merged_.end(),
              [](const LabelView& a, const LabelView& b) { return a.name < b.name; });
    batch_.replace_labels(series, merged_);
    return {};
  }

 private:
  model::WriteBatch& batch_;
  const Agent& agent_;
  std::string_view name_;
  std::vector<LabelView> forced_;
  std::vector<LabelView> missing_;
  std::vector<LabelView> merged_;
};

}  // namespace

const char* to_string(IdentityFault fault) {
  switch (fault) {
    case IdentityFault::None:
      return "none";
    case IdentityFault::ReservedName:
      return "reserved_name";
    case IdentityFault::ForeignHost:
      return "foreign_host";
    case IdentityFault::ForeignLabel:
      return "foreign_label";
  }
  return "none";
}

bool is_reserved_metric(std::string_view name) {
  return name.starts_with("tocsin_alertd_") || name.starts_with("tocsin_task_") ||
         name == "ALERTS" || name == "ALERTS_FOR_STATE";
}

IdentityVerdict check_and_stamp(model::WriteBatch& batch, const Agent* agent) {
  IdentityVerdict verdict;
  std::string first;
  verdict.reserved_samples = batch.remove_series_if([&](std::span<const LabelView> labels) {
    const std::string_view metric = value_of(labels, model::kMetricName);
    if (!is_reserved_metric(metric)) return false;
    if (first.empty()) first = shown(metric);
    return true;
  });
  if (!first.empty() && batch.empty()) {
    verdict.fault = IdentityFault::ReservedName;
    verdict.message = fmt::format("metric '{}' is reserved for the daemon itself", first);
    return verdict;
  }
  if (agent == nullptr) return verdict;
  Stamper stamper(batch, *agent);
  for (std::size_t i = 0; i < batch.series_count(); ++i) {
    if (batch.series()[i].known != nullptr) continue;  // as it was found right before
    if (IdentityVerdict wrong = stamper.stamp(i); wrong.fault != IdentityFault::None) return wrong;
  }
  return verdict;
}

}  // namespace tocsin::ingest

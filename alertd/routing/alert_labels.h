// An alert's labels as matchers see them.
//
// With our own configuration `severity` means Alert::severity: a rule with several levels is one
// alert whose severity rises and falls beside its labels. With an Alertmanager configuration only
// what the sender wrote counts.
#pragma once

#include <span>
#include <string_view>

#include "common/model/alert.h"
#include "common/model/matcher.h"

namespace tocsin::routing {

/// The pseudo label: Alert::severity as text, whatever the label of that name says.
inline constexpr std::string_view kSeverityLabel = "severity";

/// Whose word `severity` is.
enum class SeverityLabel { OfAlert, AsWritten };

/// A view; the alert must outlive it. A label that is not there reads as "".
class AlertLabels {
 public:
  // Not explicit: an alert without more is read as ours.
  AlertLabels(const model::Alert& alert, SeverityLabel severity = SeverityLabel::OfAlert)
      : alert_(alert), severity_(severity) {}

  std::string_view get(std::string_view name) const {
    return severity_ == SeverityLabel::OfAlert && name == kSeverityLabel
               ? model::to_string(alert_.severity)
               : alert_.labels.get(name);
  }

  /// Returns the first matcher that does not match, or nullptr if all do.
  const model::Matcher* first_mismatch(std::span<const model::Matcher> matchers) const {
    for (const model::Matcher& matcher : matchers) {
      if (!matcher.matches(get(matcher.name()))) return &matcher;
    }
    return nullptr;
  }
  /// Returns all labels.
  model::Labels all() const {
    const std::string_view severity = model::to_string(alert_.severity);
    if (severity_ == SeverityLabel::AsWritten || alert_.labels.get(kSeverityLabel) == severity) {
      return alert_.labels;
    }
    return model::LabelsBuilder(alert_.labels).set(kSeverityLabel, severity).build();
  }
  bool match(std::span<const model::Matcher> matchers) const { return !first_mismatch(matchers); }

 private:
  const model::Alert& alert_;
  SeverityLabel severity_;
};

}  // namespace tocsin::routing

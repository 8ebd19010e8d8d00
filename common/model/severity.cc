#include "common/model/severity.h"

#include <utility>

#include "common/base/strings.h"

namespace tocsin::model {

std::string_view to_string(Severity severity) {
  switch (severity) {
    case Severity::Critical:
      return "critical";
    case Severity::High:
      return "high";
    case Severity::Medium:
      return "medium";
    case Severity::Low:
      return "low";
  }
  return "low";
}

std::optional<Severity> parse_severity(std::string_view text) {
  for (const Severity severity : kSeverities) {
    if (to_string(severity) == text) return severity;
  }
  return std::nullopt;
}

std::optional<Severity> import_severity(std::string_view text) {
  static constexpr std::array<std::pair<std::string_view, Severity>, 16> kNames{
      {{"critical", Severity::Critical},
       {"page", Severity::Critical},
       {"emergency", Severity::Critical},
       {"fatal", Severity::Critical},
       {"error", Severity::High},
       {"high", Severity::High},
       {"major", Severity::High},
       {"warning", Severity::Medium},
       {"warn", Severity::Medium},
       {"medium", Severity::Medium},
       {"minor", Severity::Medium},
       {"info", Severity::Low},
       {"none", Severity::Low},
       {"low", Severity::Low},
       {"notice", Severity::Low},
       {"debug", Severity::Low}}};
  const std::string lower = base::to_lower(text);
  for (const auto& [name, severity] : kNames) {
    if (name == lower) return severity;
  }
  return std::nullopt;
}

}  // namespace tocsin::model

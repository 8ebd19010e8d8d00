// The register of controls that the compliance report gives evidence for.
#pragma once

#include <span>
#include <string_view>

namespace tocsin::bulletin {

/// One check of a control. `expr` gives 1 (holds) or 0 (does not) for each thing it is about; it
/// holds if all are 1. No series: no evidence.
struct ControlCheck {
  std::string_view control;  ///< "BK-1"
  std::string_view aim;      ///< Of the control: "Backups are taken".
  std::string_view name;     ///< Of the check.
  std::string_view expr;
};

/// In the order of the report; checks of one control stand together.
std::span<const ControlCheck> control_checks();

}  // namespace tocsin::bulletin

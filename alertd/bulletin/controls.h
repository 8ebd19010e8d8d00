// The register of controls that the compliance report gives evidence for.
//
// Own ones are recording rules: series control_check{control="HR-1", check="leavers of the payroll
// are blocked"}, 1 or 0, with the label `aim` if they like; they are told behind those that ship.
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

/// The metric of own controls.
inline constexpr std::string_view kOwnControls = "control_check";

/// In the order of the report; checks of one control stand together.
std::span<const ControlCheck> control_checks();

}  // namespace tocsin::bulletin

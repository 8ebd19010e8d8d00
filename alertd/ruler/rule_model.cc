#include "alertd/ruler/rule_model.h"

#include "common/base/strings.h"

namespace tocsin::ruler {

std::string_view to_string(NoData no_data) {
  switch (no_data) {
    case NoData::Ok:
      return "ok";
    case NoData::Keep:
      return "keep";
    case NoData::Alert:
      return "alert";
  }
  return "ok";
}

bool Bound::holds(double observed) const {
  switch (side) {
    case Side::Above:
      return observed > value;
    case Side::AtLeast:
      return observed >= value;
    case Side::Below:
      return observed < value;
    case Side::AtMost:
      return observed <= value;
  }
  return false;
}

std::string Bound::to_string() const {
  static constexpr std::string_view kSigns[] = {"> ", ">= ", "< ", "<= "};
  return std::string(kSigns[static_cast<std::size_t>(side)]) + base::format_double(value);
}

}  // namespace tocsin::ruler

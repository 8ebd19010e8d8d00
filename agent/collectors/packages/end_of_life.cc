#include "agent/collectors/packages/end_of_life.h"

#include <fmt/format.h>

#include "common/base/check.h"
#include "common/base/strings.h"

namespace tocsin::agent {
namespace {

std::string unquoted(std::string_view text) {
  text = base::trim(text);
  const bool quoted =
      text.size() >= 2 && (text[0] == '"' || text[0] == '\'') && text.back() == text[0];
  return std::string(quoted ? text.substr(1, text.size() - 2) : text);
}

}  // namespace

OsRelease parse_os_release(std::string_view text) {
  OsRelease release;
  base::for_each_line(text, [&](std::string_view line) {
    const std::size_t equals = line.find('=');
    if (equals == std::string_view::npos) return;
    const std::string_view name = base::trim(line.substr(0, equals));
    const std::string value = unquoted(line.substr(equals + 1));
    if (name == "ID") release.id = value;
    if (name == "VERSION_ID") release.version = value;
    if (name == "ID_LIKE") release.id_like = value;
  });
  return release;
}

EndOfLife EndOfLife::shipped() {
  EndOfLife table;
  base::for_each_line(end_of_life_data(), [&](std::string_view line) {
    const std::size_t space = line.rfind(' ');
    const bool good =
        space != std::string_view::npos && table.set(line.substr(0, space), line.substr(space + 1));
    TC_CHECK(good, "a line of end_of_life_data.cc is wrong");
  });
  return table;
}

base::Result<void> EndOfLife::set(std::string_view release, std::string_view day) {
  const auto time = base::parse_rfc3339(std::string(day) + "T00:00:00Z");
  if (!time) {
    return base::error(base::ErrorCode::InvalidArgument,
                       fmt::format("'{}' is no day such as 2028-06-30", day));
  }
  days_[base::to_lower(release)] = *time;
  return base::ok();
}

std::optional<base::WallTime> EndOfLife::of(std::string_view product,
                                            std::string_view version) const {
  const std::string head = base::to_lower(product) + " ";
  while (!version.empty()) {
    const auto it = days_.find(head + std::string(version));
    if (it != days_.end()) return it->second;
    const std::size_t dot = version.rfind('.');
    version = version.substr(0, dot == std::string_view::npos ? 0 : dot);
  }
  return std::nullopt;
}

}  // namespace tocsin::agent

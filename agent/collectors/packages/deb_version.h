// The order of Debian's version numbers. Pure.
#pragma once

#include <string_view>

namespace tocsin::agent {

/// Returns < 0, 0 or > 0 as `a` is older than, as new as, or newer than `b`.
///
/// "[epoch:]upstream[-revision]"; `~` sorts before the end, letters before other signs, runs of
/// digits as numbers of any length. Source: deb-version(7).
int compare_deb_versions(std::string_view a, std::string_view b);

}  // namespace tocsin::agent

// gzip, with a bound.
#pragma once

#include <string>
#include <string_view>

#include "common/base/result.h"

namespace tocsin::agent {

/// Unpacks a gzip stream. Errors: InvalidArgument (damaged, cut, something behind it),
/// LimitExceeded (more than `bytes_max`, found before the memory is taken).
base::Result<std::string> inflate_gzip(std::string_view packed, std::size_t bytes_max);

}  // namespace tocsin::agent

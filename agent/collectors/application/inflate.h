// gzip, with a bound.
#pragma once

#include <string>
#include <string_view>

#include "common/base/result.h"

namespace tocsin::agent {

/// Unpacks gzip, of one or more members. Errors: InvalidArgument (damaged, cut, something behind),
/// LimitExceeded (more than `bytes_max`, found before the memory is taken).
base::Result<std::string> inflate_gzip(std::string_view packed, std::size_t bytes_max);

}  // namespace tocsin::agent

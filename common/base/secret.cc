#include "common/base/secret.h"

#include <cstring>

namespace tocsin::base {

void Secret::wipe() {
  ::explicit_bzero(value_.data(), value_.size());
}

}  // namespace tocsin::base

// A choice of the operator's about messages that were never sent; see superseding.h.
#pragma once

namespace tocsin::notify {

/// What becomes of an incident that is over before its first message could be sent.
enum class UnsentResolved {
  Drop,  ///< Both messages are dropped, and that is recorded.
  Send,  ///< The resolved message goes, in place of both.
};

}  // namespace tocsin::notify

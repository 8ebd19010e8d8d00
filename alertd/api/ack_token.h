// Signed acknowledge tokens: who holds one may do one thing to one incident, until it expires.
//
// They travel in links (mail, SMS), in buttons of chats and in the subjects of mails; the shortest
// of those places, Telegram's button, holds 64 bytes. So a token is binary and compact: version,
// action, expiry in minutes, incident, person, and 128 bits of HMAC-SHA-256, in base64url. A
// token says nothing secret; whoever has it may act, as with any link to reset a password.
// Source: shared/reference/routing.md, section 6, "Ack links".
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

#include "common/base/file_system.h"
#include "common/base/random.h"
#include "common/base/result.h"
#include "common/base/secret.h"
#include "common/base/time.h"

namespace tocsin::api {

enum class AckAction { Acknowledge, Resolve };

/// What a token allows.
struct AckClaim {
  std::string incident_id;  ///< "T-1042"
  AckAction action = AckAction::Acknowledge;
  base::WallTime expires;  ///< Rounded up to a minute.
  std::string person;      ///< Whom it was sent to; at most 100 bytes; may be empty.
};

/// Makes and checks tokens with one key. Thread: any; immutable.
class AckSigner {
 public:
  /// `key` has at least 32 bytes.
  explicit AckSigner(base::Secret key) : key_(std::move(key)) {}

  /// Reads the key from `path`, or makes one there with mode 0600.
  /// Errors: Io; InvalidArgument (a file others may read, or no key in it).
  static base::Result<AckSigner> load(const std::string& path, base::FileSystem& files,
                                      base::Random& random);

  /// Returns the token; "" for an incident without a number (a test message). A person that is too
  /// long is cut.
  std::string sign(const AckClaim& claim) const;

  /// Errors: PermissionDenied (not ours, or changed), Timeout (expired).
  base::Result<AckClaim> verify(std::string_view token, base::WallTime now) const;

 private:
  std::string mac(std::string_view payload) const;

  base::Secret key_;
};

}  // namespace tocsin::api

// Where a rule comes from, when its files are in version control.
//
// The ruler knows nothing of version control: whoever follows a repository gives it a source of
// provenance, and every rule, alert and incident then shows which commit made it what it is.
#pragma once

#include <optional>
#include <string>

#include "alertd/ruler/rule_model.h"
#include "common/base/time.h"

namespace tocsin::ruler {

/// The last commit that changed a rule's lines.
struct Provenance {
  std::string commit;   ///< Hexadecimal, whole.
  std::string author;   ///< Name, without address.
  std::string subject;  ///< First line of the message.
  base::WallTime at;    ///< When it was committed.
};

/// Thread: any.
class ProvenanceSource {
 public:
  virtual ~ProvenanceSource() = default;

  /// Returns who last changed the lines [place.line, last_line] of place.file; nullopt if that is
  /// not known (the file is not in the repository, or was changed beside it).
  virtual std::optional<Provenance> of(const Place& place, std::size_t last_line) const = 0;
};

}  // namespace tocsin::ruler

// Debian's control files, read in pieces of any size: a package list has tens of megabytes, of
// which no more than one paragraph is kept. Pure.
#pragma once

#include <functional>
#include <map>
#include <string>
#include <string_view>

#include "common/base/result.h"

namespace tocsin::agent {

/// Calls back for each paragraph with the fields that were asked for.
class StanzaReader {
 public:
  using Fields = std::map<std::string_view, std::string, std::less<>>;  ///< Name -> first line.

  /// `names` are literals.
  StanzaReader(std::initializer_list<std::string_view> names,
               std::function<void(const Fields&)> stanza)
      : names_(names), stanza_(std::move(stanza)) {}

  /// Takes the next piece. Errors: LimitExceeded (a line of more than 1 MiB: this is no such file).
  base::Result<void> take(std::string_view piece);
  /// Says that this was all.
  void end();

 private:
  void line(std::string_view text);

  std::vector<std::string_view> names_;
  std::function<void(const Fields&)> stanza_;
  Fields fields_;
  std::string rest_;  // of a line that a piece cut
  bool in_stanza_ = false;
};

}  // namespace tocsin::agent

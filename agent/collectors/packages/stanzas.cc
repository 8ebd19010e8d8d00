#include "agent/collectors/packages/stanzas.h"

#include <algorithm>

#include "common/base/strings.h"

namespace tocsin::agent {
namespace {

constexpr std::size_t kLineBytesMax = std::size_t{1} << 20U;

}  // namespace

base::Result<void> StanzaReader::take(std::string_view piece) {
  while (!piece.empty()) {
    const std::size_t end = piece.find('\n');
    if (end == std::string_view::npos) {
      rest_.append(piece);
      if (rest_.size() > kLineBytesMax) {
        return base::error(base::ErrorCode::LimitExceeded, "a line of more than 1 MiB");
      }
      return base::ok();
    }
    if (rest_.empty()) {
      line(piece.substr(0, end));
    } else {
      rest_.append(piece.substr(0, end));
      line(rest_);
      rest_.clear();
    }
    piece.remove_prefix(end + 1);
  }
  return base::ok();
}

void StanzaReader::end() {
  if (!rest_.empty()) line(rest_);
  rest_.clear();
  line("");
}

void StanzaReader::line(std::string_view text) {
  if (base::trim(text).empty()) {
    if (in_stanza_) stanza_(fields_);
    fields_.clear();
    in_stanza_ = false;
    return;
  }
  in_stanza_ = true;
  if (text[0] == ' ' || text[0] == '\t' || text[0] == '#') return;  // continues, or says nothing
  const std::size_t colon = text.find(':');
  if (colon == std::string_view::npos) return;
  const auto name = std::find(names_.begin(), names_.end(), text.substr(0, colon));
  if (name != names_.end()) fields_[*name] = std::string(base::trim(text.substr(colon + 1)));
}

}  // namespace tocsin::agent

#include "agent/collectors/packages/deb_version.h"

#include <utility>

namespace tocsin::agent {
namespace {

bool is_digit(char c) {
  return c >= '0' && c <= '9';
}

// The weight of the character at `at` outside of numbers; the end is between `~` and all others.
int weight(std::string_view text, std::size_t at) {
  if (at >= text.size() || is_digit(text[at])) return 0;
  const char c = text[at];
  if (c == '~') return -1;
  const bool letter = (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z');
  return letter ? c : static_cast<unsigned char>(c) + 256;
}

std::string_view take_number(std::string_view& text) {
  std::size_t end = 0;
  while (end < text.size() && is_digit(text[end])) ++end;
  std::string_view number = text.substr(0, end);
  text.remove_prefix(end);
  while (!number.empty() && number[0] == '0') number.remove_prefix(1);
  return number;
}

int compare_part(std::string_view a, std::string_view b) {
  while (!a.empty() || !b.empty()) {
    while ((!a.empty() && !is_digit(a[0])) || (!b.empty() && !is_digit(b[0]))) {
      if (const int order = weight(a, 0) - weight(b, 0); order != 0) return order;
      if (!a.empty()) a.remove_prefix(1);
      if (!b.empty()) b.remove_prefix(1);
    }
    const std::string_view left = take_number(a);
    const std::string_view right = take_number(b);
    if (left.size() != right.size()) return left.size() < right.size() ? -1 : 1;
    if (const int order = left.compare(right); order != 0) return order;
  }
  return 0;
}

std::string_view take_epoch(std::string_view& version) {
  const std::size_t colon = version.find(':');
  if (colon == std::string_view::npos) return {};
  const std::string_view epoch = version.substr(0, colon);
  version.remove_prefix(colon + 1);
  return epoch;
}

std::pair<std::string_view, std::string_view> split_revision(std::string_view version) {
  const std::size_t dash = version.rfind('-');
  if (dash == std::string_view::npos) return {version, {}};
  return {version.substr(0, dash), version.substr(dash + 1)};
}

}  // namespace

int compare_deb_versions(std::string_view a, std::string_view b) {
  const std::string_view epoch_a = take_epoch(a);
  const std::string_view epoch_b = take_epoch(b);
  if (const int order = compare_part(epoch_a, epoch_b); order != 0) return order;
  const auto [upstream_a, revision_a] = split_revision(a);
  const auto [upstream_b, revision_b] = split_revision(b);
  if (const int order = compare_part(upstream_a, upstream_b); order != 0) return order;
  return compare_part(revision_a, revision_b);
}

}  // namespace tocsin::agent

#include "agent/collectors/mail/canary_files.h"

#include <fmt/format.h>

#include <algorithm>

#include "common/base/strings.h"

namespace tocsin::agent {

using base::ErrorCode;
using base::Result;

namespace {

constexpr std::size_t kHeaderBytesMax = 8 << 10;
constexpr std::size_t kFilesMax = 500;
constexpr std::uint64_t kTailBytes = 1 << 20;
constexpr std::int64_t kNanosecondsPerMs = 1'000'000;

bool is_one_of(const std::vector<std::string>& words, std::string_view word) {
  return std::find(words.begin(), words.end(), word) != words.end();
}

Result<void> search_folder(base::FileSystem& files, const std::string& folder,
                           const net::MailSearch& search, net::MailFound& found) {
  TC_TRY(const std::vector<std::string> names, files.list(folder));
  // Names begin with the second of delivery.
  const std::size_t first = names.size() - std::min(names.size(), kFilesMax);
  for (std::size_t i = names.size(); i > first; --i) {
    const std::string path = base::join_path(folder, names[i - 1]);
    auto file = files.open_read(path);
    if (!file && file.error().code == ErrorCode::NotFound) continue;  // moved from new/ to cur/
    if (!file) return file.error();
    const auto begin = (*file)->read_at(0, kHeaderBytesMax);
    if (!begin) return begin.error();
    const std::string mark = canary_mark(*begin);
    if (!mark.starts_with(search.common + "-")) continue;
    const bool wanted = is_one_of(search.words, mark);
    if (wanted) found.words.push_back(mark);
    if (!search.remove_before) continue;
    const auto changed = files.modified_ns(path);
    const bool old = changed && *changed / kNanosecondsPerMs < base::to_ms(*search.remove_before);
    if (!wanted && !old) continue;
    TC_TRY(files.remove(path));
    ++found.removed;
  }
  return base::ok();
}

}  // namespace

std::string canary_mark(std::string_view message) {
  std::string mark;
  bool over = false;
  base::for_each_line(message, [&](std::string_view line) {
    const std::string_view text = base::trim(line);
    if (text.empty()) over = true;
    const std::size_t colon = text.find(':');
    if (over || colon == text.npos || !mark.empty()) return;
    if (base::to_lower(text.substr(0, colon)) == base::to_lower(kCanaryHeader)) {
      mark = base::trim(text.substr(colon + 1));
    }
  });
  return mark;
}

Result<net::MailFound> search_maildir(base::FileSystem& files, const std::string& folder,
                                      const net::MailSearch& search) {
  net::MailFound found;
  for (const char* part : {"new", "cur"}) {
    auto searched = search_folder(files, base::join_path(folder, part), search, found);
    if (!searched) return searched.error();
  }
  return found;
}

Result<net::MailFound> search_mbox(const base::FileSystem& files, const std::string& path,
                                   const net::MailSearch& search) {
  net::MailFound found;
  auto file = files.open_read(path);
  if (!file && file.error().code == ErrorCode::NotFound) return found;
  if (!file) return file.error();
  const std::uint64_t size = (*file)->size();
  const std::uint64_t from = size - std::min(size, kTailBytes);
  TC_TRY(const std::string tail, (*file)->read_at(from, kTailBytes));
  const std::string name = fmt::format("{}:", base::to_lower(kCanaryHeader));
  base::for_each_line(tail, [&](std::string_view line) {
    if (line.size() > 256 || !base::to_lower(line).starts_with(name)) return;
    const std::string mark(base::trim(line.substr(name.size())));
    if (is_one_of(search.words, mark)) found.words.push_back(mark);
  });
  return found;
}

}  // namespace tocsin::agent

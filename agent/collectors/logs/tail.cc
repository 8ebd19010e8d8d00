#include "agent/collectors/logs/tail.h"

#include <fmt/format.h>

#include <algorithm>
#include <cstring>
#include <utility>

#include "common/base/hash.h"

namespace tocsin::agent {

using base::ErrorCode;

namespace {

constexpr std::uint32_t kHeadBytes = 256;
/// How long a file that was renamed away is read on after its last line.
constexpr base::Duration kLinger{30'000};
constexpr std::size_t kOlderMax = 4;
constexpr std::ptrdiff_t kFinishedMax = 64;
/// Passing over a line costs less than reading one.
constexpr std::int64_t kSkippingCheaper = 16;
constexpr base::Duration kRotationsEvery{60'000};
/// The copy of a log that is cut may be finished a moment before we looked.
constexpr base::Duration kCopyMargin{2'000};

std::uint64_t head_hash_of(std::string_view head) {
  return base::fnv1a(head);
}

}  // namespace

Tail::Tail(TailOptions options, const base::FileSystem& files, const base::Clock& clock)
    : options_(std::move(options)), files_(files), clock_(clock) {}

void Tail::restore(std::vector<TailPosition> saved, base::WallTime saved_at) {
  saved_ = std::move(saved);
  known_ = true;
  looked_at_ = saved_at;
}

void Tail::read(const LineSink& line, base::MonotonicTime deadline) {
  errors_.clear();
  budget_ = static_cast<std::int64_t>(options_.bytes_per_round);
  deadline_ = deadline;
  buffer_.resize(std::max<std::size_t>(options_.line_bytes_max * 2, 64U << 10U));
  const std::vector<std::string> paths = find_paths();
  for (const std::string& path : paths) look_at(path);
  for (auto& [path, followed] : followed_) {
    if (followed.current && std::find(paths.begin(), paths.end(), path) == paths.end()) {
      retire(followed);
    }
  }
  looked_at_ = clock_.wall();
  for (auto& [path, followed] : followed_) {
    for (Part& part : followed.older) drain(part, line);
    finish_older(followed, line);
    if (followed.current) drain(*followed.current, line);
  }
  std::erase_if(followed_, [](const auto& entry) {
    return !entry.second.current && entry.second.older.empty();
  });
  measure();
  first_ = false;
  // Between rounds the memory belongs to others.
  std::vector<char>().swap(buffer_);
}

std::vector<std::string> Tail::find_paths() {
  std::vector<std::string> paths;
  for (const std::string& pattern : options_.patterns) {
    auto found = expand_pattern(files_, pattern, options_.files_max + 1);
    if (!found) {
      errors_.insert_or_assign(pattern, found.error());
      continue;
    }
    if (found->empty()) {
      errors_.insert_or_assign(
          pattern, base::error(ErrorCode::NotFound, fmt::format("no file matches '{}'", pattern)));
    }
    for (std::string& path : *found) {
      if (std::find(paths.begin(), paths.end(), path) != paths.end()) continue;
      if (paths.size() >= options_.files_max) {
        errors_.insert_or_assign(
            pattern,
            base::error(ErrorCode::LimitExceeded,
                        fmt::format("more than files_max = {} files match", options_.files_max)));
        break;
      }
      paths.push_back(std::move(path));
    }
  }
  return paths;
}

void Tail::look_at(const std::string& path) {
  auto status = log_file_status(path);
  const auto known = followed_.find(path);
  if (!status) {
    // Between the rename and the first line of the new file a log has no file for a moment.
    if (known != followed_.end() && known->second.current &&
        status.error().code == ErrorCode::NotFound) {
      retire(known->second);
    }
    const bool rotating = known != followed_.end() && !known->second.older.empty() &&
                          status.error().code == ErrorCode::NotFound;
    if (!rotating) errors_.insert_or_assign(path, status.error());
    return;
  }
  if (known != followed_.end() && known->second.current &&
      known->second.current->file.identity() == status->identity) {
    check_rewritten(path, known->second);
    return;
  }
  auto file = LogFile::open(path);
  if (!file) {
    if (known != followed_.end() && known->second.current) retire(known->second);
    errors_.insert_or_assign(path, file.error());
    return;
  }
  begin(path, std::move(*file), followed_[path]);
}

void Tail::begin(const std::string& path, LogFile file, Followed& followed) {
  if (followed.current) retire(followed);
  // Renamed away and back.
  for (auto part = followed.older.begin(); part != followed.older.end(); ++part) {
    if (part->file.identity() != file.identity()) continue;
    followed.current = std::move(*part);
    followed.older.erase(part);
    check_rewritten(path, followed);
    return;
  }
  // A pattern that matches the older parts as well.
  if (followed_already(file.identity())) return;
  if (!followed.older.empty()) ++stats_.rotations;
  TailPosition position = start_of(path, file, followed);
  position.identity = file.identity();
  position.path = path;
  Part part{std::move(file), std::move(position), 0, clock_.monotonic()};
  update_head(part);
  followed.current = std::move(part);
}

TailPosition Tail::start_of(const std::string& path, const LogFile& file, Followed& followed) {
  const auto status = file.status();
  const std::uint64_t size = status ? status->size : 0;
  if (auto saved = take_saved(file.identity())) {
    static_cast<void>(resume_all_older(path, followed));
    if (size >= saved->offset && head_matches(file, *saved)) return *saved;
    if (saved->path == path) {
      rewritten(path, *saved, followed);
      return {};
    }
  }
  const bool rotated_away = resume_all_older(path, followed);
  if (rotated_away) return {};
  if (!first_ || options_.from_start || size == 0) return {};
  // Began while we were away; an older one is a path that is new in the configuration.
  if (known_ && (!status->born || *status->born >= looked_at_)) return {};
  TailPosition end;
  end.offset = size;
  // Its last line may be half written; the half that comes is no line.
  char last = '\n';
  if (file.read_at(size - 1, std::span(&last, 1))) end.skipping = last != '\n';
  return end;
}

// Parts of the run before that have another name now. Returns whether there was one.
bool Tail::resume_all_older(const std::string& path, Followed& followed) {
  const auto begin = std::stable_partition(saved_.begin(), saved_.end(), [&](const auto& saved) {
    return saved.path != path || saved.role == TailPosition::Role::Finished;
  });
  const std::vector<TailPosition> parts(begin, saved_.end());
  saved_.erase(begin, saved_.end());
  for (const TailPosition& part : parts) {
    const bool found = resume_older(path, part, followed);
    if (part.role != TailPosition::Role::Current) continue;
    ++stats_.rotations;
    if (!found) ++stats_.gaps;
  }
  return !parts.empty();
}

bool Tail::resume_older(const std::string& path, const TailPosition& saved, Followed& followed) {
  for (const std::string& sibling : rotated_siblings(files_, path)) {
    const auto status = log_file_status(sibling);
    if (!status || status->identity != saved.identity || status->size < saved.offset) continue;
    auto file = LogFile::open(sibling);
    if (!file || !head_matches(*file, saved)) continue;
    followed.older.push_back(Part{std::move(*file), saved, 0, clock_.monotonic()});
    return true;
  }
  return continue_in_copy(path, saved, followed);
}

void Tail::check_rewritten(const std::string& path, Followed& followed) {
  Part& part = *followed.current;
  const auto status = part.file.status();
  if (!status) return;
  if (status->size >= part.position.offset && head_matches(part.file, part.position)) return;
  const TailPosition before = part.position;
  part.position = TailPosition{before.identity, 0, false, 0, 0, path};
  rewritten(path, before, followed);
}

void Tail::rewritten(const std::string& path, const TailPosition& before, Followed& followed) {
  if (continue_in_copy(path, before, followed)) {
    ++stats_.rotations;
    return;
  }
  // Compressed at once: there was a copy, and we cannot read it.
  for (const std::string& sibling : rotated_siblings(files_, path)) {
    const auto status = log_file_status(sibling);
    if (!status || status->modified < looked_at_ - kCopyMargin) continue;
    ++stats_.rotations;
    ++stats_.gaps;
    return;
  }
  ++stats_.truncations;
}

bool Tail::continue_in_copy(const std::string& path, const TailPosition& before,
                            Followed& followed) {
  if (before.head_bytes == 0) return false;
  for (const std::string& sibling : rotated_siblings(files_, path)) {
    const auto status = log_file_status(sibling);
    if (!status || status->size < before.offset || followed_already(status->identity)) continue;
    auto file = LogFile::open(sibling);
    if (!file || !head_matches(*file, before)) continue;
    TailPosition position = before;
    position.identity = file->identity();
    followed.older.push_back(Part{std::move(*file), position, 0, clock_.monotonic()});
    return true;
  }
  return false;
}

void Tail::retire(Followed& followed) {
  followed.current->grew = clock_.monotonic();
  followed.older.push_back(std::move(*followed.current));
  followed.current.reset();
  if (followed.older.size() <= kOlderMax) return;
  const Part& oldest = followed.older.front();
  const auto status = oldest.file.status();
  if (!status || status->size > oldest.position.offset) ++stats_.gaps;
  followed.older.erase(followed.older.begin());
}

bool Tail::followed_already(const FileIdentity& identity) const {
  for (const auto& [path, followed] : followed_) {
    if (followed.current && followed.current->file.identity() == identity) return true;
    for (const Part& part : followed.older) {
      if (part.file.identity() == identity) return true;
    }
  }
  return false;
}

std::optional<TailPosition> Tail::take_saved(const FileIdentity& identity) {
  const auto at = std::find_if(saved_.begin(), saved_.end(), [&](const TailPosition& saved) {
    return saved.identity == identity;
  });
  if (at == saved_.end()) return std::nullopt;
  TailPosition found = std::move(*at);
  saved_.erase(at);
  found.role = TailPosition::Role::Current;
  return found;
}

void Tail::remember_finished(TailPosition position) {
  position.role = TailPosition::Role::Finished;
  saved_.push_back(std::move(position));
  const auto is_finished = [](const TailPosition& saved) {
    return saved.role == TailPosition::Role::Finished;
  };
  if (std::count_if(saved_.begin(), saved_.end(), is_finished) > kFinishedMax) {
    saved_.erase(std::find_if(saved_.begin(), saved_.end(), is_finished));
  }
}

void Tail::drain(Part& part, const LineSink& line) {
  TailPosition& position = part.position;
  while (budget_ > 0 && clock_.monotonic() < deadline_) {
    const auto data = part.file.read_at(position.offset, buffer_);
    if (!data) {
      errors_.insert_or_assign(position.path, data.error());
      return;
    }
    if (data->empty()) break;
    const bool skipped = position.skipping;
    const std::size_t used = split(position, *data, line);
    if (used == 0) break;  // a line that is not whole yet
    position.offset += used;
    stats_.bytes += static_cast<double>(used);
    const auto cost = static_cast<std::int64_t>(used);
    budget_ -= skipped && position.skipping ? cost / kSkippingCheaper : cost;
  }
  update_head(part);
}

std::size_t Tail::split(TailPosition& position, std::string_view data, const LineSink& line) {
  std::size_t used = 0;
  while (used < data.size()) {
    const std::size_t end = data.find('\n', used);
    if (end == std::string_view::npos) break;
    const std::string_view text = data.substr(used, end - used);
    used = end + 1;
    if (std::exchange(position.skipping, false)) continue;
    if (text.size() > options_.line_bytes_max) {
      ++stats_.lines_too_long;
    } else {
      emit(text, line);
    }
  }
  if (position.skipping) return data.size();
  if (data.size() - used > options_.line_bytes_max) {
    ++stats_.lines_too_long;
    position.skipping = true;
    return data.size();
  }
  return used;
}

void Tail::emit(std::string_view text, const LineSink& line) {
  if (text.ends_with('\r')) text.remove_suffix(1);
  // Whoever writes on at his old position into a file that was cut leaves a hole before it.
  const std::size_t begin = text.empty() ? 0 : text.find_first_not_of('\0');
  if (begin == std::string_view::npos) return;
  ++stats_.lines;
  line(text.substr(begin));
}

void Tail::finish_older(Followed& followed, const LineSink& line) {
  const base::MonotonicTime now = clock_.monotonic();
  std::erase_if(followed.older, [&](Part& part) {
    const auto status = part.file.status();
    const std::uint64_t size = status ? status->size : part.size;
    if (size != part.size) part.grew = now;
    part.size = size;
    const bool whole = size - std::min(size, part.position.offset) <= options_.line_bytes_max;
    if (!whole || now - part.grew < kLinger) return false;
    finish(part, line);
    remember_finished(part.position);
    return true;
  });
}

void Tail::finish(Part& part, const LineSink& line) {
  const auto rest = part.file.read_at(part.position.offset, buffer_);
  if (!rest || rest->empty()) return;
  const std::size_t used = split(part.position, *rest, line);
  if (used < rest->size()) emit(rest->substr(used), line);
  part.position.offset += rest->size();
}

void Tail::update_head(Part& part) {
  TailPosition& position = part.position;
  if (position.head_bytes >= kHeadBytes || position.offset <= position.head_bytes) return;
  char head[kHeadBytes];
  const std::size_t length = std::min<std::uint64_t>(kHeadBytes, position.offset);
  const auto bytes = part.file.read_at(0, std::span(head, length));
  if (!bytes || bytes->size() != length) return;
  position.head_bytes = static_cast<std::uint32_t>(length);
  position.head_hash = head_hash_of(*bytes);
}

bool Tail::head_matches(const LogFile& file, const TailPosition& position) {
  if (position.head_bytes == 0) return true;
  char head[kHeadBytes];
  const auto bytes =
      file.read_at(0, std::span(head, std::min<std::size_t>(kHeadBytes, position.head_bytes)));
  return bytes && bytes->size() == position.head_bytes &&
         head_hash_of(*bytes) == position.head_hash;
}

void Tail::measure() {
  stats_.lag_bytes = 0;
  const base::MonotonicTime now = clock_.monotonic();
  const bool look = first_ || now - rotations_looked_ >= kRotationsEvery;
  if (look) rotations_looked_ = now;
  std::map<std::string, TailStats::File> files;
  const auto lag = [&](const Part& part) {
    const auto status = part.file.status();
    if (!status) return;
    stats_.lag_bytes += status->size - std::min(status->size, part.position.offset);
    if (status->size > 0 && (!stats_.last_line || *stats_.last_line < status->modified)) {
      stats_.last_line = status->modified;
    }
  };
  for (const auto& [path, followed] : followed_) {
    for (const Part& part : followed.older) lag(part);
    if (!followed.current) continue;
    lag(*followed.current);
    TailStats::File& file = files[path];
    const auto status = followed.current->file.status();
    file.size = status ? status->size : 0;
    const auto before = stats_.files.find(path);
    if (before != stats_.files.end()) {
      const std::uint64_t size = file.size;
      file = before->second;
      file.size = size;
    }
    if (!look) continue;
    file.rotated.reset();
    file.archives = file.archive_bytes = 0;
    for (const std::string& sibling : rotated_siblings(files_, path)) {
      const auto older = log_file_status(sibling);
      if (!older) continue;
      ++file.archives;
      file.archive_bytes += older->size;
      if (!file.rotated || *file.rotated < older->modified) file.rotated = older->modified;
    }
    if (!file.rotated && status) file.rotated = status->born;
  }
  stats_.files = std::move(files);
}

std::vector<TailPosition> Tail::positions() const {
  std::vector<TailPosition> all;
  for (const auto& [path, followed] : followed_) {
    for (const Part& part : followed.older) {
      all.push_back(part.position);
      all.back().role = TailPosition::Role::Older;
    }
    if (followed.current) all.push_back(followed.current->position);
  }
  all.insert(all.end(), saved_.begin(), saved_.end());
  return all;
}

}  // namespace tocsin::agent

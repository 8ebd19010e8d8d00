#include "agent/backup/wal_archive.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <charconv>

#include "agent/backup/base_manifest.h"
#include "common/base/strings.h"

namespace tocsin::agent {
namespace {

constexpr std::size_t kDigits = 24;
constexpr std::size_t kRunsMax = 1'000;
constexpr std::array<std::string_view, 9> kEndings = {".gz",  ".zst", ".lz4", ".xz", ".bz2",
                                                      ".lzo", ".br",  ".age", ".gpg"};

std::optional<std::uint32_t> hexadecimal(std::string_view text) {
  // Upper-case digits only, as PostgreSQL writes them: "-1", "0x" and the like are no names.
  if (text.find_first_not_of("0123456789ABCDEF") != std::string_view::npos) return std::nullopt;
  std::uint32_t value = 0;
  const auto [at, failure] = std::from_chars(text.data(), text.data() + text.size(), value, 16);
  if (failure != std::errc() || at != text.data() + text.size()) return std::nullopt;
  return value;
}

std::string_view without_compressor(std::string_view name) {
  for (bool found = true; found;) {
    found = false;
    for (const std::string_view ending : kEndings) {
      if (!name.ends_with(ending)) continue;
      name.remove_suffix(ending.size());
      found = true;
    }
  }
  // pgBackRest puts a checksum behind the name: 24 digits, "-", 40 digits.
  if (name.size() == kDigits + 1 + 40 && name[kDigits] == '-') return name.substr(0, kDigits);
  return name;
}

void add_gap(WalTimeline& line, std::uint32_t timeline, std::uint64_t from, std::uint64_t to,
             std::uint64_t segment_bytes) {
  if (to <= from) return;
  if (line.missing == 0) line.first_missing = wal_segment_name(timeline, from, segment_bytes);
  line.missing += to - from;
}

WalTimeline timeline_of(std::uint32_t timeline, std::vector<std::uint64_t> numbers,
                        std::uint64_t segment_bytes) {
  std::sort(numbers.begin(), numbers.end());
  numbers.erase(std::unique(numbers.begin(), numbers.end()), numbers.end());
  WalTimeline line;
  line.first = numbers.front();
  line.last = numbers.back();
  line.segments = numbers.size();
  line.runs.emplace_back(line.first, line.first);
  for (const std::uint64_t number : numbers) {
    if (number <= line.runs.back().second + 1) {
      line.runs.back().second = number;
      continue;
    }
    add_gap(line, timeline, line.runs.back().second + 1, number, segment_bytes);
    // With a thousand gaps the oldest runs are of no interest any more.
    if (line.runs.size() >= kRunsMax) line.runs.erase(line.runs.begin());
    line.runs.emplace_back(number, number);
  }
  return line;
}

}  // namespace

std::uint64_t WalName::number(std::uint64_t segment_bytes) const {
  const std::uint64_t of_a_log = (std::uint64_t{1} << 32U) / segment_bytes;
  return std::uint64_t{log} * of_a_log + segment;
}

std::optional<WalName> parse_wal_name(std::string_view name) {
  name = without_compressor(name);
  WalName parsed;
  if (name.ends_with(".history") && name.size() == 8 + 8) {
    const auto timeline = hexadecimal(name.substr(0, 8));
    if (!timeline) return std::nullopt;
    parsed.kind = WalName::Kind::History;
    parsed.timeline = *timeline;
    return parsed;
  }
  if (name.size() < kDigits) return std::nullopt;
  const auto timeline = hexadecimal(name.substr(0, 8));
  const auto log = hexadecimal(name.substr(8, 8));
  const auto segment = hexadecimal(name.substr(16, 8));
  if (!timeline || !log || !segment || *timeline == 0) return std::nullopt;
  parsed.timeline = *timeline;
  parsed.log = *log;
  parsed.segment = *segment;
  const std::string_view rest = name.substr(kDigits);
  if (rest.empty()) return parsed;
  parsed.kind = WalName::Kind::Partial;
  if (rest == ".partial") return parsed;
  parsed.kind = WalName::Kind::BackupLabel;
  if (rest.size() == 1 + 8 + 7 && rest.ends_with(".backup")) return parsed;
  return std::nullopt;
}

std::string wal_segment_name(std::uint32_t timeline, std::uint64_t number,
                             std::uint64_t segment_bytes) {
  const std::uint64_t of_a_log = (std::uint64_t{1} << 32U) / segment_bytes;
  return fmt::format("{:08X}{:08X}{:08X}", timeline, number / of_a_log, number % of_a_log);
}

std::optional<WalSwitch> parse_wal_history(std::string_view text) {
  std::optional<WalSwitch> last;
  base::for_each_line(text, [&last](std::string_view line) {
    const std::vector<std::string_view> fields = base::split_fields(line);
    if (fields.size() < 2 || fields[0].starts_with('#')) return;
    const auto parent = base::parse_u64(fields[0]);
    const auto position = parse_lsn(fields[1]);
    if (parent && position) last = WalSwitch{static_cast<std::uint32_t>(*parent), *position};
  });
  return last;
}

std::map<std::uint32_t, WalTimeline> look_through_wal(
    std::span<const std::string> names, std::uint64_t segment_bytes,
    const std::map<std::uint32_t, WalSwitch>& switches) {
  std::map<std::uint32_t, std::vector<std::uint64_t>> numbers;
  const std::uint64_t of_a_log = (std::uint64_t{1} << 32U) / segment_bytes;
  for (const std::string& name : names) {
    const auto parsed = parse_wal_name(name);
    if (!parsed || parsed->kind != WalName::Kind::Segment || parsed->segment >= of_a_log) continue;
    numbers[parsed->timeline].push_back(parsed->number(segment_bytes));
  }
  std::map<std::uint32_t, WalTimeline> timelines;
  for (auto& [timeline, list] : numbers) {
    timelines[timeline] = timeline_of(timeline, std::move(list), segment_bytes);
  }
  for (const auto& [timeline, where] : switches) {
    const auto child = timelines.find(timeline);
    const auto parent = timelines.find(where.parent);
    if (child == timelines.end() || parent == timelines.end()) continue;
    // The segment of the switch is on the new timeline; on the old one it may be partial.
    const std::uint64_t at = where.position / segment_bytes;
    add_gap(child->second, timeline, at, child->second.first, segment_bytes);
    if (parent->second.last < at) {
      add_gap(parent->second, where.parent, parent->second.last + 1, at, segment_bytes);
    }
  }
  return timelines;
}

bool wal_reaches_end(const std::map<std::uint32_t, WalTimeline>& timelines,
                     const std::map<std::uint32_t, WalSwitch>& switches, std::uint32_t timeline,
                     std::uint64_t from, std::uint64_t segment_bytes) {
  for (;;) {
    const auto line = timelines.find(timeline);
    if (line == timelines.end()) return false;
    const auto run = std::find_if(
        line->second.runs.begin(), line->second.runs.end(),
        [from](const auto& each) { return each.first <= from && from <= each.second; });
    // A child that left within this run goes on; else the run must be the timeline's last.
    const auto child = std::find_if(switches.begin(), switches.end(), [&](const auto& each) {
      return each.second.parent == timeline && each.first > timeline &&
             timelines.contains(each.first) && each.second.position / segment_bytes >= from;
    });
    if (child == switches.end()) {
      return run != line->second.runs.end() && run->second == line->second.last;
    }
    const std::uint64_t at = child->second.position / segment_bytes;
    if (from < at && (run == line->second.runs.end() || run->second + 1 < at)) return false;
    timeline = child->first;
    from = at;
  }
}

}  // namespace tocsin::agent

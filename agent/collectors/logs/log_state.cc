#include "agent/collectors/logs/log_state.h"

#include <fmt/format.h>

#include "common/base/strings.h"

namespace tocsin::agent {

namespace {

constexpr std::string_view kStateHeader = "tocsin-logs 1";
/// More are of files that are long gone.
constexpr std::size_t kPositionsMax = 512;

bool clean_for_state(std::string_view text) {
  return text.find_first_of("\t\n\r") == std::string_view::npos;
}

std::optional<TailPosition> parse_position(const std::vector<std::string_view>& fields) {
  if (fields.size() != 10) return std::nullopt;
  std::uint64_t numbers[7];
  for (std::size_t i = 0; i < 7; ++i) {
    const auto number = base::parse_u64(fields[i + 2]);
    if (!number) return std::nullopt;
    numbers[i] = *number;
  }
  TailPosition position;
  position.identity = {numbers[0], numbers[1]};
  position.offset = numbers[2];
  position.skipping = numbers[3] != 0;
  position.head_bytes = static_cast<std::uint32_t>(numbers[4]);
  position.head_hash = numbers[5];
  if (numbers[4] > 4096 || numbers[6] > 2) return std::nullopt;
  position.role = static_cast<TailPosition::Role>(numbers[6]);
  position.path = fields[9];
  return position;
}

}  // namespace

std::string format_log_states(const LogStates& states) {
  std::string text = fmt::format("{}\n", kStateHeader);
  for (const auto& [log, state] : states) {
    for (const TailPosition& at : state.positions) {
      if (!clean_for_state(at.path)) continue;
      text += fmt::format("file\t{}\t{}\t{}\t{}\t{}\t{}\t{}\t{}\t{}\n", log, at.identity.device,
                          at.identity.inode, at.offset, at.skipping ? 1 : 0, at.head_bytes,
                          at.head_hash, static_cast<int>(at.role), at.path);
    }
    // A log without any file yet is known all the same.
    text += fmt::format("cursor\t{}\t{}\n", log, state.cursor);
    for (const std::vector<std::string>& fields : state.data) {
      text += fmt::format("data\t{}\t{}\n", log, base::join(fields, "\t"));
    }
  }
  return text;
}

base::Result<LogStates> parse_log_states(std::string_view text) {
  if (!text.starts_with(kStateHeader)) {
    return base::error(base::ErrorCode::Corruption, "no state of logs that is known here");
  }
  LogStates states;
  base::for_each_line(text, [&](std::string_view line) {
    const std::vector<std::string_view> fields = base::split(line, '\t');
    if (fields.size() < 3) return;
    const std::string log(fields[1]);
    if (fields[0] == "file") {
      auto position = parse_position(fields);
      auto& positions = states[log].positions;
      if (position && positions.size() < kPositionsMax) positions.push_back(std::move(*position));
    } else if (fields[0] == "cursor") {
      states[log].cursor = fields[2];
    } else if (fields[0] == "data") {
      states[log].data.emplace_back(fields.begin() + 2, fields.end());
    }
  });
  return states;
}

}  // namespace tocsin::agent

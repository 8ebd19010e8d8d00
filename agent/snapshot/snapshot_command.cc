#include "agent/snapshot/snapshot_command.h"

#include <fmt/format.h>

#include "agent/snapshot/snapshot_store.h"

namespace tocsin::agent {

using base::ErrorCode;

namespace {

base::Error mistake(std::string text) {
  return base::error(ErrorCode::InvalidArgument, "snapshot: " + std::move(text));
}

}  // namespace

base::Result<SnapshotCommand> parse_snapshot_command(const std::vector<std::string>& words) {
  SnapshotCommand command;
  for (std::size_t i = 0; i < words.size(); ++i) {
    const std::string& word = words[i];
    if (word == "--help" || word == "-h") {
      command.help = true;
      return command;
    }
    if (word != "--to" && word != "--config") {
      return mistake(fmt::format("unknown argument '{}'", word));
    }
    if (i + 1 == words.size()) return mistake(word + " needs a file");
    (word == "--to" ? command.to : command.config) = words[++i];
  }
  if (command.to.empty()) return mistake("--to FILE.json or FILE.json.zst is missing");
  if (!command.to.ends_with(".json") && !command.to.ends_with(".json.zst")) {
    return mistake(fmt::format("'{}' ends neither in .json nor in .json.zst", command.to));
  }
  return command;
}

base::Result<void> write_snapshot(const SnapshotCommand& command, const SnapshotRequest& request,
                                  base::FileSystem& files, const base::Clock& clock) {
  if (files.exists(command.to)) {
    return mistake(fmt::format("'{}' exists: a snapshot overwrites nothing", command.to));
  }
  std::string text = take_snapshot(request, files, clock);
  if (command.to.ends_with(".zst")) text = compress_snapshot(text);
  return files.write_atomic(command.to, text, kSnapshotMode);
}

}  // namespace tocsin::agent

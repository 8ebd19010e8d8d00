#include "alertd/tsdb/wal_files.h"

#include <fmt/core.h>

#include "common/base/strings.h"

namespace tocsin::tsdb {
namespace {

std::optional<std::uint64_t> number_between(std::string_view name, std::string_view prefix,
                                            std::string_view suffix) {
  if (!name.starts_with(prefix) || !name.ends_with(suffix)) return std::nullopt;
  if (name.size() < prefix.size() + suffix.size()) return std::nullopt;
  name.remove_prefix(prefix.size());
  name.remove_suffix(suffix.size());
  return base::parse_u64(name);
}

}  // namespace

std::string log_name(std::uint64_t number) {
  return fmt::format("wal-{:08}.log", number);
}
std::string checkpoint_name(std::uint64_t number) {
  return fmt::format("checkpoint-{:08}.ckpt", number);
}
std::string segment_name(std::uint64_t number) {
  return fmt::format("chunks-{:08}.seg", number);
}
std::optional<std::uint64_t> log_number(std::string_view name) {
  return number_between(name, "wal-", ".log");
}
std::optional<std::uint64_t> checkpoint_number(std::string_view name) {
  return number_between(name, "checkpoint-", ".ckpt");
}
std::optional<std::uint64_t> segment_number(std::string_view name) {
  return number_between(name, "chunks-", ".seg");
}

}  // namespace tocsin::tsdb

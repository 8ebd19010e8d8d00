#include "agent/backup/plain_dump.h"

#include <fmt/format.h>

#include <algorithm>

namespace tocsin::agent {
namespace {

constexpr std::size_t kLineBytesMax = 512;
constexpr std::uint64_t kTailBytes = 4096;
constexpr std::string_view kDatabase = "-- PostgreSQL database dump complete";
constexpr std::string_view kCluster = "-- PostgreSQL database cluster dump complete";

bool take_prefix(std::string_view& text, std::string_view prefix) {
  if (!text.starts_with(prefix)) return false;
  text.remove_prefix(prefix.size());
  return true;
}

}  // namespace

bool PlainDump::looks_like(std::string_view begin) {
  return begin.starts_with("--\n-- PostgreSQL database dump") ||
         begin.starts_with("--\n-- PostgreSQL database cluster dump") ||
         begin.find("\n-- PostgreSQL database dump\n") != std::string_view::npos;
}

void PlainDump::feed(std::string_view text) {
  while (!text.empty()) {
    const std::size_t end = text.find('\n');
    const std::string_view part = text.substr(0, end);
    line_.append(part.substr(0, kLineBytesMax - std::min(kLineBytesMax, line_.size())));
    if (end == std::string_view::npos) {
      offset_ += text.size();
      return;
    }
    offset_ += end + 1;
    line();
    line_.clear();
    text.remove_prefix(end + 1);
  }
}

void PlainDump::line() {
  const std::string_view text = line_;
  if (in_copy_) {
    if (text == "\\.") {
      in_copy_ = false;
    } else {
      ++facts_.rows;
    }
    return;
  }
  if (text.starts_with("--")) {
    if (text == kDatabase || text == kCluster) complete_at_ = offset_;
    std::string_view rest = text;
    if (take_prefix(rest, "-- Dumped from database version ")) facts_.server_version = rest;
    if (take_prefix(rest, "-- Dumped by pg_dump version ")) facts_.dump_version = rest;
    return;
  }
  statement(text);
}

void PlainDump::statement(std::string_view text) {
  if (text.starts_with("COPY ") && text.ends_with(" FROM stdin;")) {
    in_copy_ = true;
  } else if (text.starts_with("COPY ") && line_.size() >= kLineBytesMax) {
    in_copy_ = true;  // so many columns that the line was cut
  } else if (text.starts_with("INSERT INTO ")) {
    ++facts_.rows;
  } else if (text.starts_with("SELECT pg_catalog.lo_create(")) {
    facts_.has_large_data = true;
  } else if (take_prefix(text, "CREATE TABLE ") || take_prefix(text, "CREATE UNLOGGED TABLE ")) {
    ++facts_.tables;
    const std::string name(text.substr(0, text.find(" (")));
    if (rules_.expects(name)) facts_.expected_seen.insert(name);
  }
}

Found PlainDump::finish() {
  if (!line_.empty()) line();
  if (complete_at_ && offset_ - *complete_at_ <= kTailBytes) return {};
  return finding("truncated",
                 fmt::format("the dump ends after {} bytes without 'dump complete'", offset_));
}

bool has_completion_mark(std::string_view tail) {
  return tail.find(kDatabase) != std::string_view::npos ||
         tail.find(kCluster) != std::string_view::npos;
}

}  // namespace tocsin::agent

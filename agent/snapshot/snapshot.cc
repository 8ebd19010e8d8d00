#include "agent/snapshot/snapshot.h"

#include <fmt/format.h>

#include <boost/json/serialize.hpp>

#include "agent/snapshot/scrub.h"
#include "agent/snapshot/sections.h"
#include "common/base/strings.h"
#include "common/base/time.h"

namespace tocsin::agent {
namespace {

constexpr std::size_t kNameBytesMax = 4096;

}  // namespace

void SnapshotWork::lacks(const std::string& what, const base::Error& error) {
  missing[what] = scrub(error.message);
}

std::optional<std::string> SnapshotWork::end_of_file(const std::string& path) {
  const auto file = files.open_read(path);
  if (!file) {
    if (file.error().code != base::ErrorCode::NotFound) lacks(path, file.error());
    return std::nullopt;
  }
  const std::size_t most = request.limits.text_bytes_max;
  const std::uint64_t size = (*file)->size();
  auto text = (*file)->read_at(size > most ? size - most : 0, most);
  if (!text) {
    lacks(path, text.error());
    return std::nullopt;
  }
  return std::move(*text);
}

std::string take_snapshot(const SnapshotRequest& request, const base::FileSystem& files,
                          const base::Clock& clock) {
  boost::json::object document;
  document["format"] = "tocsin-snapshot-1";
  document["reason"] = request.reason;
  document["began"] = base::format_rfc3339(clock.wall());
  document["agent_version"] = TOCSIN_VERSION;
  SnapshotWork work{.request = request, .files = files, .document = document};
  const auto host = files.read(work.proc("/sys/kernel/hostname"), kNameBytesMax);
  document["host"] = host ? scrub(base::trim(*host)) : std::string();
  add_processes(work);  // first: what is short-lived
  add_sockets(work);
  add_logins(work);
  add_texts(work);
  add_logs(work);
  if (request.journal) add_journal(work);
  if (!request.samples.empty()) document["samples"] = request.samples;
  document["missing"] = std::move(work.missing);
  document["ended"] = base::format_rfc3339(clock.wall());
  return boost::json::serialize(document) + "\n";
}

}  // namespace tocsin::agent

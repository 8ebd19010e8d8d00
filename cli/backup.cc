// tocsin backup: asks alertd to put itself together, fetches the files, says when all is safe.
#include <fmt/core.h>

#include <boost/json.hpp>
#include <ostream>

#include "alertd/backup/archive.h"
#include "alertd/backup/restore.h"
#include "alertd/state/sqlite_state_store.h"
#include "cli/backup.h"
#include "cli/json_view.h"
#include "common/base/hash.h"

namespace tocsin::cli {
namespace {

namespace json = boost::json;
using backup::FileEntry;
using backup::Manifest;

int complain(std::ostream& err, const std::string& what) {
  err << "tocsin: " << printable(what) << '\n';
  return kNegative;
}

int complain(std::ostream& err, const base::Error& error) {
  const int code = complain(err, error.message);
  return error.code == base::ErrorCode::NotFound ? kUnreachable : code;
}

std::string size_text(std::uint64_t bytes) {
  return bytes < 10'000'000 ? fmt::format("{} kB", (bytes + 999) / 1000)
                            : fmt::format("{:.1f} MB", static_cast<double>(bytes) / 1e6);
}

ApiRequest asking(std::string method, std::string path) {
  ApiRequest request;
  request.method = std::move(method);
  request.path = std::move(path);
  return request;
}

/// Talks with alertd about one backup; gives it up if it is not finished.
class Session {
 public:
  explicit Session(ApiClient& api) : api_(api) {}
  ~Session() {
    if (!id_.empty()) api_.call(asking("DELETE", path("")));
  }
  Session(const Session&) = delete;
  Session& operator=(const Session&) = delete;

  /// An answer without a good exit code says why.
  ApiAnswer begin() {
    ApiAnswer answer = api_.call(asking("POST", "/api/v1/backup"));
    if (answer.exit_code == kOk) id_ = text_of(parse_json(answer.data), "id");
    return answer;
  }
  /// Waits until it is ready; alertd answers each few seconds.
  ApiAnswer wait() {
    for (;;) {
      ApiAnswer answer = api_.call(asking("GET", path("")));
      if (answer.exit_code != kOk) return answer;
      if (text_of(parse_json(answer.data), "state") == "ready") return answer;
    }
  }
  ApiAnswer part(std::size_t file, std::uint64_t offset) {
    ApiRequest request = asking("GET", path(fmt::format("/files/{}", file)));
    request.query = {{"offset", std::to_string(offset)}};
    request.whole = true;
    return api_.call(request);
  }
  ApiAnswer done() {
    ApiAnswer answer = api_.call(asking("POST", path("/done")));
    if (answer.exit_code == kOk) id_.clear();
    return answer;
  }

 private:
  std::string path(const std::string& more) const { return "/api/v1/backup/" + id_ + more; }

  ApiClient& api_;
  std::string id_;
};

/// Errors of alertd and of the disk are the same to whoever waits for a backup.
base::Error error_of(const ApiAnswer& answer) {
  const auto code = answer.exit_code == kUnreachable ? base::ErrorCode::NotFound
                                                     : base::ErrorCode::InvalidArgument;
  return base::error(code, answer.error);
}

base::Result<void> fetch_file(Session& session, std::size_t number, const FileEntry& entry,
                              backup::ArchiveWriter& writer) {
  TC_TRY(writer.begin_file(entry));
  base::Sha256 sum;
  for (std::uint64_t offset = 0; offset < entry.bytes;) {
    const ApiAnswer answer = session.part(number, offset);
    if (answer.exit_code != kOk) return error_of(answer);
    if (answer.data.empty() || answer.data.size() > entry.bytes - offset) break;
    sum.add(answer.data);
    TC_TRY(writer.append(answer.data));
    offset += answer.data.size();
  }
  if (sum.finish_hex() != entry.sha256) {
    return base::error(base::ErrorCode::Corruption,
                       fmt::format("'{}' arrived with another checksum than alertd computed; "
                                   "nothing was kept as a backup: try again",
                                   entry.path));
  }
  return writer.end_file();
}

base::Result<Manifest> fetch(Session& session, const std::string& to, base::FileSystem& files) {
  const ApiAnswer ready = session.wait();
  if (ready.exit_code != kOk) return error_of(ready);
  TC_TRY(Manifest manifest,
         backup::parse_manifest(json::serialize(object_of(parse_json(ready.data), "manifest"))));
  TC_TRY(const auto writer, backup::ArchiveWriter::make(files, to, manifest));
  for (std::size_t i = 0; i < manifest.files.size(); ++i) {
    TC_TRY(fetch_file(session, i, manifest.files[i], *writer));
  }
  TC_TRY(writer->finish());
  // What the disk gives back is what counts.
  TC_TRY(const auto reader, backup::ArchiveReader::open(files, to));
  TC_TRY(reader->verify());
  return manifest;
}

void show(const Manifest& manifest, const std::string& path, const char* what,
          const BackupWorld& world) {
  if (world.output == OutputFormat::Json) {
    world.out << backup::to_json(manifest) << '\n';
    return;
  }
  world.out << fmt::format("{} '{}': {} files, {}, of {} at {}\n", what, printable(path),
                           manifest.files.size(), size_text(manifest.bytes()),
                           printable(manifest.host), base::format_rfc3339(manifest.created_at));
  for (const std::string& missing : manifest.missing) {
    world.err << "not in it: " << printable(missing) << '\n';
  }
}

}  // namespace

int run_backup(const BackupOptions& options, Context& context, base::FileSystem& files) {
  Session session(context.api);
  if (const ApiAnswer begun = session.begin(); begun.exit_code != kOk) {
    complain(context.err, begun.error);
    return begun.exit_code;
  }
  const auto manifest = fetch(session, options.path, files);
  if (!manifest) return complain(context.err, manifest.error());
  if (const ApiAnswer done = session.done(); done.exit_code != kOk) {
    complain(context.err, "the backup is whole, but alertd was not told: " + done.error);
    return done.exit_code;
  }
  show(*manifest, options.path, "backed up to", {files, context.output, context.out, context.err});
  return kOk;
}

int run_backup_verify(const BackupOptions& options, const BackupWorld& world) {
  const auto reader = backup::ArchiveReader::open(world.files, options.path);
  if (!reader) return complain(world.err, reader.error());
  if (const auto good = (*reader)->verify(); !good) return complain(world.err, good.error());
  show((*reader)->manifest(), options.path, "as it was made:", world);
  return kOk;
}

int run_restore(const RestoreOptions& options, const BackupWorld& world) {
  const std::string state = base::join_path(options.to, "state.db");
  if (const auto process = state::process_that_holds(state)) {
    return complain(world.err, fmt::format("process {} has '{}' open: stop tocsin-alertd first",
                                           *process, state));
  }
  const auto reader = backup::ArchiveReader::open(world.files, options.from);
  if (!reader) return complain(world.err, reader.error());
  const auto restored = backup::restore(**reader, world.files, options.to);
  if (!restored) return complain(world.err, restored.error());
  world.out << fmt::format("restored {} files, {}, into '{}'\n", restored->files,
                           size_text(restored->bytes), printable(options.to));
  if (restored->configuration) {
    world.err << fmt::format(
        "configuration and rules are in '{}': put them where alertd reads them\n",
        printable(base::join_path(options.to, backup::kRestoredConfiguration)));
  }
  for (const std::string& missing : (*reader)->manifest().missing) {
    world.err << "not in the backup: " << printable(missing) << '\n';
  }
  return kOk;
}

}  // namespace tocsin::cli

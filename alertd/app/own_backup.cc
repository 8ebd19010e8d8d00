#include "alertd/app/own_backup.h"

#include <fmt/core.h>

#include <algorithm>
#include <boost/json.hpp>
#include <utility>

#include "alertd/api/json.h"
#include "common/base/log.h"
#include "common/base/strings.h"

namespace tocsin::alertd {
namespace {

namespace json = boost::json;
using backup::FileEntry;

constexpr std::string_view kComponent = "alertd/backup";
constexpr std::string_view kStaging = "backup-staging";
constexpr std::string_view kLastBackup = "last_backup";
constexpr std::string_view kExpectedName = "tocsin_alertd_own_backup_expected_seconds";
constexpr base::Duration kForgottenAfter{15 * 60'000};
constexpr base::Duration kWaitMax{5'000};  ///< Of an answer to "is it ready?".
constexpr std::size_t kPartBytes = 4 << 20;
constexpr std::size_t kHashBytes = 32 << 20;  ///< In one task.
constexpr std::size_t kSmallBytesMax = 256 << 20;
constexpr std::size_t kTextBytesMax = 64;
/// What else is in the data folder. Not `instance`: two daemons must not share a lease.
constexpr std::string_view kSmallFiles[] = {"agents.json", "tasks.json", "ack.key", "watched_since",
                                            "cluster.name"};

/// "/etc/tocsin/alertd.toml" -> "etc/tocsin/alertd.toml"; nothing leaves the backup's folder.
std::string inside(std::string_view path) {
  std::string result;
  for (std::size_t begin = 0; begin <= path.size();) {
    const std::size_t end = std::min(path.find('/', begin), path.size());
    std::string_view part = path.substr(begin, end - begin);
    begin = end + 1;
    if (part.empty() || part == ".") continue;
    if (part == "..") part = "up";
    if (!result.empty()) result += '/';
    result += part;
  }
  return result;
}

std::string folder_of(const std::string& path) {
  const std::size_t slash = path.rfind('/');
  return slash == std::string::npos ? "." : path.substr(0, slash);
}

base::Result<void> remove_tree(base::FileSystem& files, const std::string& folder) {
  if (!files.exists(folder)) return base::ok();
  TC_TRY(const auto names, files.list(folder));
  for (const std::string& name : names) {
    const std::string path = base::join_path(folder, name);
    if (files.is_folder(path)) {
      TC_TRY(remove_tree(files, path));
    } else {
      TC_TRY(files.remove(path));
    }
  }
  return files.remove(folder);
}

net::ServerResponse no_such() {
  return api::failure(base::error(base::ErrorCode::NotFound,
                                  "there is no such backup here; it goes after 15 minutes"),
                      404);
}

}  // namespace

/// One that is being made or fetched.
struct OwnBackup::Making {
  std::string id;
  std::string folder;
  std::string source;
  backup::Manifest manifest;
  std::size_t hashed = 0;  ///< Files of the manifest whose checksum is known.
  bool ready = false;
  bool at_work = true;    ///< A step elsewhere may write in the folder.
  bool given_up = false;  ///< Not to be found any more; it goes when the step is over.
  std::optional<base::Error> error;
  std::vector<net::Respond> waiting;  ///< Want to know whether it is ready.

  // Of the file that is being hashed.
  std::shared_ptr<const base::ReadFile> file;
  std::uint64_t offset = 0;
  base::Sha256 sum;
};

OwnBackup::OwnBackup(const OwnBackupWorld& world, OwnBackupSettings settings)
    : world_(world),
      settings_(std::move(settings)),
      staging_(base::join_path(settings_.data_folder, kStaging)),
      last_success_(
          world.metrics.gauge("tocsin_alertd_own_backup_last_success_timestamp_seconds",
                              "When the last backup of alertd was fetched whole; 0: never.")),
      bytes_(world.metrics.gauge("tocsin_alertd_own_backup_bytes",
                                 "Size of the last backup of alertd.")),
      failures_(world.metrics.counter("tocsin_alertd_own_backup_failures_total",
                                      "Backups of alertd that could not be made.")) {}

OwnBackup::~OwnBackup() = default;

void OwnBackup::start() {
  world_.executor.post([this] {
    expect(settings_.expected);
    if (const auto removed = remove_tree(world_.files, staging_); !removed) {
      base::log_warning(kComponent, "{}", removed.error().message);
    }
    const std::string path = base::join_path(settings_.data_folder, kLastBackup);
    if (!world_.files.exists(path)) return;
    const auto text = world_.files.read(path, kTextBytesMax);
    if (!text) return base::log_warning(kComponent, "{}", text.error().message);
    if (const auto at = base::parse_rfc3339(base::trim(*text)))
      last_success_.set(static_cast<double>(base::to_ms(*at)) / 1000);
  });
}

void OwnBackup::reload(base::Duration expected) {
  world_.executor.post([this, expected] { expect(expected); });
}

// Without an expectation there is no such series, and the alert that compares with it is silent.
void OwnBackup::expect(base::Duration every) {
  const std::string name(kExpectedName);
  if (every > base::Duration{0}) {
    world_.metrics.gauge(name, "How old the last backup of alertd may be: [backup] expect_every.")
        .set(static_cast<double>(every.count()) / 1000);
  } else if (settings_.expected > base::Duration{0}) {
    world_.metrics.remove_gauge(name, {});
  }
  settings_.expected = every;
}

std::vector<api::Route> OwnBackup::routes() {
  // On the executor, which owns the state.
  const auto on_executor = [this](void (OwnBackup::*handler)(api::ApiCall)) {
    return [this, handler](api::ApiCall call) {
      world_.executor.post(
          [this, handler, call = std::move(call)]() mutable { (this->*handler)(std::move(call)); });
    };
  };
  const auto ending = [this](bool success) {
    return [this, success](api::ApiCall call) {
      world_.executor.post([this, success, call = std::move(call)] { end(call, success); });
    };
  };
  return {
      {"POST", "/api/v1/backup", api::Access::Write, on_executor(&OwnBackup::begin), "backup"},
      {"GET", "/api/v1/backup/<id>", api::Access::Write, on_executor(&OwnBackup::show)},
      {"GET", "/api/v1/backup/<id>/files/<n>", api::Access::Write,
       [this](api::ApiCall call) {
         world_.executor.post([this, call = std::move(call)] { send_part(call); });
       }},
      {"POST", "/api/v1/backup/<id>/done", api::Access::Write, ending(true)},
      {"DELETE", "/api/v1/backup/<id>", api::Access::Write, ending(false)},
  };
}

void OwnBackup::begin(api::ApiCall call) {
  if (making_ && (making_->at_work || !making_->error)) {
    const std::string_view what = making_->given_up
                                      ? "a backup that was given up is still being cleared away"
                                      : "a backup is being made or fetched";
    call.respond(api::failure(
        base::error(base::ErrorCode::Unavailable,
                    fmt::format("{} ({}); try again when it is done", what, making_->source)),
        400));
    return;
  }
  if (const auto removed = remove_tree(world_.files, staging_); !removed) {
    call.respond(api::failure(removed.error(), 400));
    return;
  }
  const auto making = std::make_shared<Making>();
  making->id = world_.random.hex(16);
  making->folder = base::join_path(staging_, making->id);
  making->source = call.source;
  making->manifest.version = TOCSIN_VERSION;
  making->manifest.host = world_.host_name;
  making->manifest.created_at = world_.executor.clock().wall();
  const std::string data = base::join_path(making->folder, backup::kDataPrefix);
  if (const auto made = world_.files.create_folders(data.substr(0, data.size() - 1)); !made) {
    call.respond(api::failure(made.error(), 400));
    return;
  }
  making_ = making;
  keep_alive();
  base::log_info("alertd/audit", "backup of alertd begun ({})", call.source);
  call.respond(api::success(json::object{{"id", making->id}}));
  // The samples first: what the state knows must not be older than what the rules see.
  world_.store.snapshot_to(
      data + "tsdb", [this, making](base::Result<tsdb::SnapshotReport> report) {
        world_.executor.post([this, making, report = std::move(report)] {
          stepped(making, report ? base::ok() : base::Result<void>(report.error()),
                  &OwnBackup::copy_state);
        });
      });
}

// What was given up goes only here: until now the step may have written in its folder.
void OwnBackup::stepped(const MakingPtr& making, const base::Result<void>& done,
                        void (OwnBackup::*next)(const MakingPtr&)) {
  if (making->given_up) {
    making->at_work = false;
    return forget();
  }
  if (!done) return failed(making, done.error());
  (this->*next)(making);
}

void OwnBackup::copy_state(const MakingPtr& making) {
  if (!settings_.state_in_file) {
    making->manifest.missing.emplace_back(
        "incidents, silences and messages: they are in PostgreSQL; back that up with its own "
        "means");
    return copy_small(making);
  }
  const std::string path =
      base::join_path(making->folder, std::string(backup::kDataPrefix) + "state.db");
  world_.state.copy_to(path, world_.executor, [this, making](base::Result<void> copied) {
    stepped(making, copied, &OwnBackup::copy_small);
  });
}

void OwnBackup::copy_small(const MakingPtr& making) {
  making->manifest.missing.emplace_back(
      "files that the configuration only names: passwords, tokens, private keys of TLS");
  base::Result<void> done = base::ok();
  for (const std::string_view name : kSmallFiles) {
    const std::string from = base::join_path(settings_.data_folder, name);
    if (!done || !world_.files.exists(from)) continue;
    done = copy_file(*making, from, std::string(backup::kDataPrefix) + std::string(name), 0600);
  }
  if (done) done = copy_configuration(*making);
  if (done) done = find_files(*making, "");
  if (!done) return failed(making, done.error());
  hash_next(making);
}

base::Result<void> OwnBackup::copy_configuration(const Making& making) {
  for (const std::string& path : settings_.configuration()) {
    const std::string to = std::string(backup::kConfigurationPrefix) + inside(path);
    TC_TRY(const mode_t mode, world_.files.mode(path));
    TC_TRY(copy_file(making, path, to, mode & 0777U));
  }
  return base::ok();
}

base::Result<void> OwnBackup::copy_file(const Making& making, const std::string& from,
                                        const std::string& to, mode_t mode) {
  const std::string path = base::join_path(making.folder, to);
  TC_TRY(const std::string bytes, world_.files.read(from, kSmallBytesMax));
  TC_TRY(world_.files.create_folders(folder_of(path)));
  return world_.files.write_atomic(path, bytes, mode);
}

// The store's own list of checksums is not needed beside the manifest.
base::Result<void> OwnBackup::find_files(Making& making, const std::string& path) {
  const std::string folder = path.empty() ? making.folder : base::join_path(making.folder, path);
  TC_TRY(const auto names, world_.files.list(folder));
  for (const std::string& name : names) {
    const std::string inner = path.empty() ? name : path + "/" + name;
    const std::string whole = base::join_path(making.folder, inner);
    if (world_.files.is_folder(whole)) {
      TC_TRY(find_files(making, inner));
    } else if (inner != "data/tsdb/SHA256SUMS") {
      TC_TRY(const std::uint64_t bytes, world_.files.size(whole));
      TC_TRY(const mode_t mode, world_.files.mode(whole));
      making.manifest.files.push_back({inner, bytes, "", static_cast<std::uint32_t>(mode & 0777U)});
    }
  }
  return base::ok();
}

// A slice a task: nothing waits long for the workers.
void OwnBackup::hash_next(const MakingPtr& making) {
  if (making->hashed == making->manifest.files.size()) {
    making->ready = true;
    making->at_work = false;
    return answer(*making);
  }
  world_.workers.post([this, making, &entry = making->manifest.files[making->hashed]] {
    const auto step = [&]() -> base::Result<void> {
      if (making->file == nullptr) {
        TC_TRY(making->file, world_.files.open_read(base::join_path(making->folder, entry.path)));
        making->offset = 0;
      }
      for (std::size_t done = 0; done < kHashBytes && making->offset < entry.bytes;) {
        TC_TRY(const std::string bytes, making->file->read_at(making->offset, kPartBytes));
        if (bytes.empty()) {
          return base::error(base::ErrorCode::Io, fmt::format("'{}' became shorter", entry.path));
        }
        making->sum.add(bytes);
        making->offset += bytes.size();
        done += bytes.size();
      }
      return base::ok();
    };
    auto read = step();
    const bool complete = read && making->offset >= entry.bytes;
    if (complete) {
      entry.sha256 = making->sum.finish_hex();
      making->file.reset();
    }
    world_.executor.post([this, making, complete, read = std::move(read)] {
      if (complete) ++making->hashed;
      stepped(making, read, &OwnBackup::hash_next);
    });
  });
}

void OwnBackup::failed(const MakingPtr& making, const base::Error& error) {
  failures_.increment();
  base::log_error(kComponent, "no backup could be made: {}", error.message);
  making->error = error;
  making->at_work = false;
  answer(*making);
}

// To all who wait. What failed is kept until somebody has read why.
void OwnBackup::answer(Making& making) {
  json::object object{{"id", making.id},
                      {"state", making.ready ? "ready" : "making"},
                      {"filesHashed", making.hashed},
                      {"files", making.manifest.files.size()}};
  if (making.ready) object["manifest"] = json::parse(backup::to_json(making.manifest));
  const bool told = !making.waiting.empty();
  for (net::Respond& respond : std::exchange(making.waiting, {})) {
    respond(making.error ? api::failure(*making.error, 400) : api::success(object));
  }
  if (making.error && told) forget();
}

OwnBackup::MakingPtr OwnBackup::find(const api::ApiCall& call) const {
  const bool ours =
      making_ && !making_->given_up && !call.path.empty() && call.path.front() == making_->id;
  return ours ? making_ : nullptr;
}

void OwnBackup::show(api::ApiCall call) {
  const MakingPtr making = find(call);
  if (!making) return call.respond(no_such());
  keep_alive();
  making->waiting.push_back(std::move(call.respond));
  if (making->ready || making->error) return answer(*making);
  world_.executor.post_after(kWaitMax, [this, making] {
    if (!making->ready && !making->error) answer(*making);
  });
}

void OwnBackup::send_part(const api::ApiCall& call) {
  const MakingPtr making = find(call);
  if (!making || !making->ready) return call.respond(no_such());
  keep_alive();
  const auto number = base::parse_u64(call.path.back());
  const auto offset = base::parse_u64(call.request.parameter("offset"));
  if (!number || *number >= making->manifest.files.size()) {
    return call.respond(api::bad_data("the backup has no file of this number"));
  }
  const std::string path = base::join_path(making->folder, making->manifest.files[*number].path);
  world_.workers.post([this, path, from = offset.value_or(0), respond = call.respond] {
    const auto read = [&]() -> base::Result<std::string> {
      TC_TRY(const auto file, world_.files.open_read(path));
      return file->read_at(from, kPartBytes);
    };
    auto bytes = read();
    if (!bytes) return respond(api::failure(bytes.error(), 400));
    net::ServerResponse response;
    response.content_type = "application/octet-stream";
    response.headers.emplace_back("Cache-Control", "no-store");
    response.body = std::move(*bytes);
    respond(std::move(response));
  });
}

void OwnBackup::end(const api::ApiCall& call, bool success) {
  const MakingPtr making = find(call);
  if (!making || (success && !making->ready)) return call.respond(no_such());
  if (success) {
    const base::WallTime at = making->manifest.created_at;
    last_success_.set(static_cast<double>(base::to_ms(at)) / 1000);
    bytes_.set(static_cast<double>(making->manifest.bytes()));
    const auto kept = world_.files.write_atomic(base::join_path(settings_.data_folder, kLastBackup),
                                                base::format_rfc3339(at) + "\n", 0600);
    if (!kept) base::log_warning(kComponent, "{}", kept.error().message);
  }
  base::log_info("alertd/audit", "backup of alertd {} ({})", success ? "fetched whole" : "given up",
                 call.source);
  if (!success) {
    making->error = base::error(base::ErrorCode::Cancelled, "the backup was given up");
    answer(*making);
  }
  forget();
  call.respond(api::success(json::object{{"done", success}}));
}

void OwnBackup::keep_alive() {
  world_.executor.cancel(timer_);
  timer_ = world_.executor.post_after(kForgottenAfter, [this] {
    base::log_warning(kComponent, "nobody fetched the backup; it is cleared away");
    making_->error = base::error(base::ErrorCode::Timeout, "the backup took too long");
    answer(*making_);
    forget();
  });
}

void OwnBackup::forget() {
  world_.executor.cancel(timer_);
  if (!making_) return;
  making_->given_up = making_->at_work;
  if (making_->at_work) return;
  making_.reset();
  if (const auto removed = remove_tree(world_.files, staging_); !removed) {
    base::log_warning(kComponent, "{}", removed.error().message);
  }
}

}  // namespace tocsin::alertd

#include "agent/backup/scratch_cluster.h"

#include <fmt/format.h>
#include <signal.h>
#include <unistd.h>

#include <algorithm>

#include "agent/backup/paced_file.h"
#include "common/base/strings.h"

namespace tocsin::agent {

using base::Result;

namespace {

constexpr const char* kMark = "tocsin-drill";     // in a folder that is a drill's to remove
constexpr std::size_t kSocketPathMax = 107 - 18;  // "/s/.s.PGSQL.5432" goes behind it
constexpr base::Duration kForCleaning{15'000};
constexpr base::Duration kStopMax{10'000};
constexpr base::Duration kPoll{100};
constexpr std::size_t kOutputMax = 256 << 10;
constexpr std::size_t kLogTail = 16 << 10;
constexpr int kDepthMax = 64;

constexpr std::string_view kConfiguration = R"(# Of a restore drill; thrown away with it.
listen_addresses = ''
port = 5432
max_connections = 20
shared_buffers = '16MB'
maintenance_work_mem = '16MB'
archive_mode = off
fsync = off
full_page_writes = off
synchronous_commit = off
hot_standby = off
max_wal_senders = 0
max_logical_replication_workers = 0
max_prepared_transactions = 200
max_locks_per_transaction = 256
shared_preload_libraries = ''
autovacuum = off
jit = off
ssl = off
logging_collector = off
lc_messages = 'C'
)";

/// Letters of paths that need no quoting in a configuration or by a shell of PostgreSQL's.
bool is_plain_path(std::string_view path) {
  return path.starts_with('/') && std::all_of(path.begin(), path.end(), [](char c) {
           return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') ||
                  c == '/' || c == '_' || c == '-' || c == '.';
         });
}

/// The process that runs on a data folder; 0: none. A number in a file may be another's by now.
pid_t postmaster_of(const base::FileSystem& files, const std::string& data) {
  const auto text = files.read(base::join_path(data, "postmaster.pid"), 4096);
  if (!text) return 0;
  const auto pid = base::parse_i64(base::trim(text->substr(0, text->find('\n'))));
  if (!pid || *pid <= 1) return 0;
  const auto cwd = files.read_link(fmt::format("/proc/{}/cwd", *pid));
  return cwd && *cwd == data ? static_cast<pid_t>(*pid) : 0;
}

std::string parent_of(const std::string& path) {
  return path.substr(0, std::max<std::size_t>(path.rfind('/'), 1));
}

Result<void> remove_below(base::FileSystem& files, const std::string& path, int depth) {
  if (files.read_link(path) || !files.is_folder(path)) return files.remove(path);
  if (depth > kDepthMax) {
    return base::error(base::ErrorCode::LimitExceeded, fmt::format("'{}' is too deep", path));
  }
  TC_TRY(const auto names, files.list(path));
  for (const std::string& name : names) {
    TC_TRY(remove_below(files, base::join_path(path, name), depth + 1));
  }
  return files.remove(path);
}

}  // namespace

Result<void> remove_tree(base::FileSystem& files, const std::string& path) {
  return remove_below(files, path, 0);
}

Found find_programs(const base::FileSystem& files, const std::string& wanted,
                    const std::string& major, std::string& folder) {
  if (!wanted.empty()) {
    folder = wanted;
  } else if (!major.empty()) {
    folder = fmt::format("/usr/lib/postgresql/{}/bin", major);
  } else if (const auto versions = files.list("/usr/lib/postgresql")) {
    std::uint64_t newest = 0;
    for (const std::string& version : *versions) {
      std::string candidate = fmt::format("/usr/lib/postgresql/{}/bin", version);
      const auto number = base::parse_u64(version);
      if (!number || *number < newest) continue;
      if (!files.exists(base::join_path(candidate, "initdb"))) continue;
      newest = *number;
      folder = std::move(candidate);
    }
  }
  if (!folder.empty() && files.exists(base::join_path(folder, "pg_ctl"))) return {};
  return finding("no_programs",
                 fmt::format("PostgreSQL{}{} is not installed here; install postgresql{}{}, or set "
                             "[backup.drill] programs",
                             major.empty() ? "" : " ", major, major.empty() ? "" : "-", major));
}

ScratchCluster::~ScratchCluster() {
  if (!made_) return;
  stop();
  (void)remove_tree(world_.files, folder_);
}

/// A folder with the mark is what a drill left that was killed.
Found ScratchCluster::leftovers() {
  base::FileSystem& files = world_.files;
  if (const pid_t pid = postmaster_of(files, data()); pid != 0) {
    return finding("scratch_in_use", fmt::format("process {} is a server on '{}'", pid, data()));
  }
  const auto names = files.list(folder_);
  if (!names) return unreadable(names.error());
  if (names->empty()) return {};
  if (!files.exists(file(kMark))) {
    return finding("scratch_not_empty",
                   fmt::format("'{}' is not empty and not of a drill: it is left alone", folder_));
  }
  if (const auto removed = remove_tree(files, folder_); !removed) {
    return unreadable(removed.error());
  }
  return {};
}

Found ScratchCluster::prepare(std::uint64_t bytes_needed) {
  base::FileSystem& files = world_.files;
  if (::geteuid() == 0) {
    return finding("runs_as_root",
                   "PostgreSQL does not start as root: run the agent, or this, as its own user");
  }
  if (!is_plain_path(folder_) || folder_.size() > kSocketPathMax || folder_.ends_with('/')) {
    return finding("scratch_path",
                   fmt::format("'{}' must be an absolute path of at most {} letters, digits, '_', "
                               "'-', '.'",
                               folder_, kSocketPathMax));
  }
  if (files.exists(folder_)) {
    if (Found bad = leftovers()) return bad;
  }
  std::string there = parent_of(folder_);
  while (there.size() > 1 && !files.exists(there)) there = parent_of(there);
  const auto space = files.space(there);
  if (!space) return unreadable(space.error());
  if (space->available_bytes < bytes_needed) {
    return finding("no_space", fmt::format("{} bytes are free on the disk of '{}', {} are needed",
                                           space->available_bytes, folder_, bytes_needed));
  }
  for (const std::string& made : {folder_, file("s")}) {
    if (const auto done = files.create_folders(made); !done) return unreadable(done.error());
  }
  if (const auto marked = files.write_atomic(file(kMark), "", 0600); !marked) {
    return unreadable(marked.error());
  }
  made_ = true;
  return {};
}

base::Duration ScratchCluster::left() const {
  const auto left = world_.deadline - world_.clock.monotonic();
  return std::chrono::duration_cast<base::Duration>(left) - kForCleaning;
}

Found ScratchCluster::check() const {
  if (world_.check) {
    if (const auto go_on = world_.check(); !go_on) return unreadable(go_on.error());
  }
  if (left() > base::Duration{0}) return {};
  return finding("timeout", "the drill takes longer than its time");
}

Result<base::CommandResult> ScratchCluster::run_system(std::vector<std::string> arguments) {
  base::Command command;
  command.arguments = std::move(arguments);
  command.environment = {{"PATH", "/usr/bin:/bin"}, {"LC_ALL", "C"},   {"PGHOST", file("s")},
                         {"PGPORT", "5432"},        {"PGUSER", user_}, {"PGCONNECT_TIMEOUT", "10"}};
  command.timeout = std::max(left(), base::Duration{1});
  command.output_bytes_max = kOutputMax;
  return world_.run_command(std::move(command));
}

Result<base::CommandResult> ScratchCluster::run(std::string_view program,
                                                std::vector<std::string> arguments) {
  arguments.insert(arguments.begin(), base::join_path(programs_, program));
  return run_system(std::move(arguments));
}

Found ScratchCluster::init() {
  const auto done = run("initdb", {"-D", data(), "-U", user_, "-A", "trust", "-E", "UTF8",
                                   "--locale=C", "--no-sync"});
  if (!done) return unreadable(done.error());
  if (done->timed_out) return finding("timeout", "initdb took too long");
  if (done->exit_status == 0 && done->signal == 0) return {};
  return finding("start_failed", fmt::format("initdb: {}", base::escape_control(done->output)));
}

Found ScratchCluster::start(const std::vector<std::string>& settings) {
  base::FileSystem& files = world_.files;
  std::string text(kConfiguration);
  text += fmt::format("unix_socket_directories = '{}'\n", file("s"));
  for (const std::string& setting : settings) text += setting + "\n";
  const std::pair<const char*, std::string> written[] = {
      {"postgresql.conf", text},
      {"postgresql.auto.conf", ""},  // the backup's own settings are not the drill's
      {"pg_hba.conf", "local all all trust\n"},
      {"pg_ident.conf", ""}};
  for (const auto& [name, content] : written) {
    const auto done = files.write_atomic(base::join_path(data(), name), content, 0600);
    if (!done) return unreadable(done.error());
  }
  const auto seconds = std::chrono::duration_cast<std::chrono::seconds>(left()).count();
  const auto done = run("pg_ctl", {"-D", data(), "-l", file("log"), "-w", "-t",
                                   std::to_string(std::max<std::int64_t>(seconds, 1)), "start"});
  if (!done) return unreadable(done.error());
  if (done->exit_status != 0 || done->signal != 0 || done->timed_out) return why_not_started();
  return wait_until_ready();
}

/// pg_ctl is content with a server that still recovers.
Found ScratchCluster::wait_until_ready() {
  for (;;) {
    if (Found bad = check()) return bad;
    const auto ready = run("pg_isready", {"-q"});
    if (!ready) return unreadable(ready.error());
    if (ready->exit_status == 0 && ready->signal == 0 && !ready->timed_out) return {};
    if (postmaster_of(world_.files, data()) == 0) return why_not_started();
    pause_for(kPoll);
  }
}

/// By the last fatal line of the server's log.
Found ScratchCluster::why_not_started() const {
  std::string last;
  if (const auto log = world_.files.open_read(file("log"))) {
    const std::uint64_t size = (*log)->size();
    const auto tail = (*log)->read_at(size - std::min<std::uint64_t>(size, kLogTail), kLogTail);
    base::for_each_line(tail ? *tail : std::string(), [&last](std::string_view line) {
      const std::size_t at = std::min(line.find("FATAL:"), line.find("PANIC:"));
      if (at != std::string_view::npos) last = base::trim(line.substr(at + 6));
    });
  }
  if (last.find("before configured recovery target") != std::string::npos) {
    return finding("target_not_reached", last);
  }
  if (last.find("WAL ends before") != std::string::npos ||
      last.find("could not locate required checkpoint") != std::string::npos ||
      last.find("requested timeline") != std::string::npos) {
    return finding("wal_missing", last);
  }
  if (last.empty()) last = "the server did not start in time; no reason is in its log";
  return finding("start_failed", last);
}

std::string ScratchCluster::dsn(const std::string& database) const {
  const auto quote = [](const std::string& text) {
    std::string quoted;
    for (const char c : text) {
      if (c == '\'' || c == '\\') quoted += '\\';
      quoted += c;
    }
    return quoted;
  };
  return fmt::format("host={} port=5432 user='{}' dbname='{}'", file("s"), quote(user_),
                     quote(database));
}

/// SIGQUIT: the server throws its children out and ends; what it leaves is thrown away.
void ScratchCluster::stop() {
  const pid_t pid = postmaster_of(world_.files, data());
  if (pid == 0) return;
  ::kill(pid, SIGQUIT);
  const base::MonotonicTime end = world_.clock.monotonic() + kStopMax;
  while (world_.clock.monotonic() < end) {
    if (postmaster_of(world_.files, data()) == 0) return;
    pause_for(kPoll);
  }
  ::kill(pid, SIGKILL);
}

}  // namespace tocsin::agent

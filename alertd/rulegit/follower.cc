#include "alertd/rulegit/follower.h"

#include <fmt/core.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstring>

#include "alertd/rulegit/git_handle.h"
#include "common/base/log.h"
#include "common/base/strings.h"

namespace tocsin::rulegit {
namespace {

constexpr std::string_view kComponent = "alertd/rulegit";
constexpr base::Duration kBackOffMax{15 * 60'000};
constexpr std::string_view kEmpty = "empty";
constexpr unsigned kFailuresOnDiskMax = 2;

bool is_rule_file(std::string_view path) {
  return path.ends_with(".toml") || path.ends_with(".yml") || path.ends_with(".yaml");
}

/// The reader of rule files takes those of a folder, not of the folders below it.
std::vector<std::string> not_read_of(const Exported& exported) {
  std::vector<std::string> paths;
  for (const ExportedFile& file : exported.files) {
    if (is_rule_file(file.path) && file.path.find('/') != std::string::npos) {
      paths.push_back(file.path);
    }
  }
  return paths;
}

base::Gauge gauge(const FollowerWorld& world, const char* name, const char* help) {
  return world.metrics.gauge(std::string("tocsin_alertd_rules_git_") + name, help);
}

base::Counter counter(const FollowerWorld& world, const char* name, const char* help,
                      const base::MetricLabels& labels = {}) {
  return world.metrics.counter(std::string("tocsin_alertd_rules_git_") + name, help, labels);
}

}  // namespace

Follower::Follower(GitSettings settings, std::string folder, const FollowerWorld& world,
                   FollowerHooks hooks)
    : library_(std::make_shared<GitLibrary>()),
      folder_(std::move(folder)),
      world_(world),
      hooks_(std::move(hooks)),
      settings_(std::move(settings)),
      last_fetch_(gauge(world, "last_fetch_timestamp_seconds",
                        "When the repository of the rules last answered.")),
      refused_now_(gauge(world, "commit_refused",
                         "1 while the branch's tip is refused and an older commit is in force.")),
      commit_time_(gauge(world, "commit_timestamp_seconds",
                         "When the commit was made whose rules are in force.")),
      fetches_ok_(counter(world, "fetches_total", "Looks at the branch.", {{"outcome", "ok"}})),
      fetches_failed_(
          counter(world, "fetches_total", "Looks at the branch.", {{"outcome", "failed"}})),
      taken_(counter(world, "commits_total", "Commits judged.", {{"outcome", "taken"}})),
      refused_(counter(world, "commits_total", "Commits judged.", {{"outcome", "refused"}})),
      rewritten_(counter(world, "rewritten_total", "Times that the branch was force-pushed.")) {
  base::MutexLock lock(mutex_);
  status_.url = settings_.url;
  status_.branch = settings_.branch;
}

std::string Follower::generation(const std::string& commit) const {
  return base::join_path(base::join_path(folder_, "generations"), commit);
}

std::optional<std::string> Follower::linked_commit() const {
  const auto target = world_.files.read_link(rules_folder());
  if (!target) return std::nullopt;
  const std::string commit = target->substr(target->rfind('/') + 1);
  if (commit == kEmpty || !world_.files.is_folder(generation(commit))) return std::nullopt;
  return commit;
}

base::Result<void> Follower::open_repository() {
  if (repository_) return base::ok();
  TC_TRY(repository_,
         Repository::open(base::join_path(folder_, "repository.git"), settings_, world_.files));
  return base::ok();
}

base::Result<void> Follower::prepare() {
  TC_TRY(world_.files.create_folders(base::join_path(folder_, "generations")));
  if (const auto commit = linked_commit()) {
    Commit known{*commit, "", "", {}};
    if (open_repository()) {
      if (auto described = repository_->commit(*commit)) known = std::move(*described);
    }
    base::MutexLock lock(mutex_);
    status_.active = std::move(known);
    commit_time_.set(base::to_seconds(status_.active->at));
    return base::ok();
  }
  TC_TRY(world_.files.create_folders(generation(std::string(kEmpty))));
  TC_TRY(link(std::string(kEmpty)));
  auto visited = visit(Again::No);
  note_contact(visited);
  if (visited && *visited) judge(**visited);
  return base::ok();
}

void Follower::start() {
  // Its age counts from here: a server that never answers is silent too.
  if (!status().last_contact) last_fetch_.set(base::to_seconds(world_.main.clock().wall()));
  world_.git.post([this] {
    if (stopped_) return;
    index_active();
    round(Again::No, [] {});
  });
}

void Follower::stop() {
  stopped_ = true;
}

void Follower::fetch_now(base::Task done) {
  world_.git.post([this, done = std::move(done)]() mutable {
    if (stopped_) return;
    world_.git.cancel(timer_);
    round(Again::Yes, std::move(done));
  });
}

// On `git`, then judged on `main`, then back for the next turn.
void Follower::round(Again again, base::Task done) {
  auto visited = visit(again);
  note_contact(visited);
  world_.main.post([this, done = std::move(done), visited = std::move(visited)] {
    if (stopped_) return;
    if (visited && *visited) judge(**visited);
    hooks_.changed();
    done();
    world_.git.post([this] {
      if (!stopped_) schedule();
    });
  });
}

void Follower::schedule() {
  base::Duration delay = settings_.poll;
  for (unsigned i = 0; i < failures_ && delay < kBackOffMax; ++i) delay *= 2;
  delay = std::max(settings_.poll, std::min(delay, kBackOffMax));
  // A tenth of chance: many daemons and one server.
  const auto jitter =
      static_cast<std::int64_t>(static_cast<double>(delay.count()) * 0.1 * world_.random.unit());
  world_.git.cancel(timer_);
  timer_ = world_.git.post_after(delay + base::Duration{jitter}, [this] {
    if (!stopped_) round(Again::No, [] {});
  });
}

bool Follower::is_known_bad(const std::string& commit) const {
  base::MutexLock lock(mutex_);
  return status_.refused && status_.refused->commit.id == commit;
}

// Io is the copy on this disk. Opened anew next time; if that does not help, fetched anew.
void Follower::after_failed_fetch(const base::Error& error) {
  if (error.code != base::ErrorCode::Io) return;
  repository_.reset();
  if (failures_ < kFailuresOnDiskMax) return;
  base::log_warning(kComponent, "the copy on this disk is damaged and is fetched anew: {}",
                    error.message);
  if (const auto removed = remove_all(base::join_path(folder_, "repository.git")); !removed) {
    base::log_error(kComponent, "{}", removed.error().message);
  }
}

void Follower::renew(GitSettings settings) {
  world_.git.post([this, settings = std::move(settings)]() mutable {
    const bool same = settings.url == settings_.url && settings.branch == settings_.branch &&
                      settings.path == settings_.path;
    if (stopped_ || !same) return;
    settings_ = std::move(settings);
    repository_.reset();
    failures_ = 0;
    round(Again::No, [] {});
  });
}

base::Result<std::optional<Follower::Candidate>> Follower::visit(Again again) {
  TC_TRY(open_repository());
  const FetchWorld world{world_.http, world_.main, world_.git.clock(),
                         [this] { return stopped_.load(); }};
  auto fetched = repository_->fetch(world);
  if (!fetched) {
    after_failed_fetch(fetched.error());
    return fetched.error();
  }
  if (fetched->rewritten) {
    rewritten_.increment();
    base::log_warning(kComponent, "branch '{}' was force-pushed; its tip is {} by {}",
                      settings_.branch, short_id(fetched->tip.id), fetched->tip.author);
  }
  const std::string& tip = fetched->tip.id;
  const FollowerStatus now = status();
  if (now.active && now.active->id == tip) {
    base::MutexLock lock(mutex_);
    status_.refused.reset();  // the bad commit was taken back
    refused_now_.set(0);
    return std::optional<Candidate>();
  }
  if (again == Again::No && is_known_bad(tip)) return std::optional<Candidate>();
  auto candidate = write_candidate(*fetched);
  if (candidate) return std::optional<Candidate>(std::move(*candidate));
  if (candidate.error().code == base::ErrorCode::Io) return candidate.error();
  refuse(fetched->tip, candidate.error().message);
  return std::optional<Candidate>();
}

base::Result<Follower::Candidate> Follower::write_candidate(const Fetched& fetched) {
  const std::string& id = fetched.tip.id;
  const std::string folder = generation(id);
  const std::string half = generation("half-" + id);
  TC_TRY(remove_all(half));
  auto exported = repository_->write_files(id, half, world_.files);
  if (!exported) {
    if (const auto removed = remove_all(half); !removed) {
      base::log_warning(kComponent, "{}", removed.error().message);
    }
    return exported.error();
  }
  if (exported->ignored > 0) {
    base::log_info(kComponent, "commit {}: {} submodules and hidden names are left out",
                   short_id(id), exported->ignored);
  }
  const std::optional<std::string> in_force = linked_commit();
  if (in_force != id) {
    TC_TRY(remove_all(folder));
    TC_TRY(world_.files.rename(half, folder));
    TC_TRY(world_.files.sync_folder(base::join_path(folder_, "generations")));
  } else {
    TC_TRY(remove_all(half));
  }
  const auto known = fetched.rewritten ? nullptr : provenance();
  return Candidate{fetched.tip, folder, index(id, *exported, known.get()), not_read_of(*exported)};
}

// What cannot be found out is not known, and no reason to keep a commit out.
std::shared_ptr<const ProvenanceIndex> Follower::index(const std::string& commit,
                                                       const Exported& exported,
                                                       const ProvenanceIndex* known) const {
  auto result = std::make_shared<ProvenanceIndex>(rules_folder() + "/");
  for (const ExportedFile& file : exported.files) {
    if (!is_rule_file(file.path) || stopped_) continue;
    if (auto same = known ? known->find(file.path, file.blob) : nullptr) {
      result->add(file.path, std::move(same));
      continue;
    }
    const std::string path =
        settings_.path.empty() ? file.path : base::join_path(settings_.path, file.path);
    auto blame = repository_->blame(commit, path);
    auto text = world_.files.read(base::join_path(generation(commit), file.path),
                                  settings_.limits.file_bytes_max);
    if (!blame || !text) {
      base::log_warning(kComponent, "who changed the rules of {} is not known: {}", path,
                        blame ? text.error().message : blame.error().message);
      continue;
    }
    result->add(file.path, std::make_shared<const ProvenanceIndex::File>(ProvenanceIndex::File{
                               file.blob, std::move(*text), std::move(*blame)}));
  }
  return result;
}

// After a restart: the history on this disk knows it, whether or not the server answers.
void Follower::index_active() {
  if (provenance() || !open_repository()) return;
  const FollowerStatus now = status();
  if (!now.active) return;
  const std::string half = generation("half-" + now.active->id);
  const auto exported = remove_all(half)
                            ? repository_->write_files(now.active->id, half, world_.files)
                            : base::Result<Exported>(Exported{});
  if (exported) {
    auto found = index(now.active->id, *exported, nullptr);
    base::MutexLock lock(mutex_);
    provenance_ = std::move(found);
    status_.not_read = not_read_of(*exported);
  }
  if (const auto removed = remove_all(half); !removed) {
    base::log_warning(kComponent, "{}", removed.error().message);
  }
}

void Follower::judge(const Candidate& candidate) {
  if (const auto good = hooks_.check(candidate.folder); !good) {
    refuse(candidate.commit, good.error().message);
    return;
  }
  if (const auto done = put_in_force(candidate); !done) {
    base::log_error(kComponent, "commit {} could not be put in force: {}",
                    short_id(candidate.commit.id), done.error().message);
    base::MutexLock lock(mutex_);
    status_.fetch_error = done.error().message;
    return;
  }
  taken_.increment();
  refused_now_.set(0);
  commit_time_.set(base::to_seconds(candidate.commit.at));
  base::log_info(kComponent, "rules of commit {} by {} are in force: {}",
                 short_id(candidate.commit.id), candidate.commit.author, candidate.commit.subject);
  if (!candidate.not_read.empty()) {
    base::log_warning(kComponent, "{} files in folders below path are not read, the first is {}",
                      candidate.not_read.size(), base::escape_control(candidate.not_read.front()));
  }
  hooks_.activated();
}

base::Result<void> Follower::put_in_force(const Candidate& candidate) {
  const std::optional<std::string> before = linked_commit();
  TC_TRY(link(candidate.commit.id));
  {
    base::MutexLock lock(mutex_);
    status_.active = candidate.commit;
    status_.refused.reset();
    status_.not_read = candidate.not_read;
    provenance_ = candidate.provenance;
  }
  remove_old_generations(before.value_or(candidate.commit.id));
  return base::ok();
}

base::Result<void> Follower::link(const std::string& target) {
  const std::string fresh = base::join_path(folder_, "current.new");
  if (::unlink(fresh.c_str()) != 0 && errno != ENOENT) {
    return base::error(base::ErrorCode::Io,
                       fmt::format("cannot remove {}: {}", fresh, std::strerror(errno)));
  }
  // Relative, so that the whole folder can be moved.
  if (::symlink(("generations/" + target).c_str(), fresh.c_str()) != 0) {
    return base::error(base::ErrorCode::Io,
                       fmt::format("cannot make {}: {}", fresh, std::strerror(errno)));
  }
  TC_TRY(world_.files.rename(fresh, rules_folder()));
  return world_.files.sync_folder(folder_);
}

void Follower::refuse(const Commit& commit, const std::string& why) {
  const bool again = is_known_bad(commit.id);
  refused_now_.set(1);
  if (!again) refused_.increment();
  base::log_error(kComponent, "commit {} by {} is refused, the rules in force stay: {}",
                  short_id(commit.id), commit.author, why);
  base::MutexLock lock(mutex_);
  const base::WallTime since = again ? status_.refused->since : world_.main.clock().wall();
  status_.refused = Refused{commit, why, since};
}

void Follower::note_contact(const base::Result<std::optional<Candidate>>& visited) {
  if (visited) {
    fetches_ok_.increment();
    failures_ = 0;
  } else {
    fetches_failed_.increment();
    ++failures_;
    if (failures_ == 1 || failures_ % 10 == 0) {
      base::log_error(kComponent, "the rules in force stay, {} failures in a row: {}", failures_,
                      visited.error().message);
    }
  }
  const base::WallTime now = world_.git.clock().wall();
  base::MutexLock lock(mutex_);
  status_.fetch_error = visited ? std::string() : visited.error().message;
  if (!visited) return;
  status_.last_contact = now;
  last_fetch_.set(base::to_seconds(now));
}

void Follower::remove_old_generations(const std::string& keep) const {
  const std::string folder = base::join_path(folder_, "generations");
  const auto names = world_.files.list(folder);
  const std::optional<std::string> in_force = linked_commit();
  if (!names || !in_force) return;
  for (const std::string& name : *names) {
    if (name == keep || name == *in_force || name == kEmpty || name.starts_with("half-")) continue;
    if (const auto removed = remove_all(base::join_path(folder, name)); !removed) {
      base::log_warning(kComponent, "{}", removed.error().message);
    }
  }
}

FollowerStatus Follower::status() const {
  base::MutexLock lock(mutex_);
  return status_;
}

std::shared_ptr<const ProvenanceIndex> Follower::provenance() const {
  base::MutexLock lock(mutex_);
  return provenance_;
}

}  // namespace tocsin::rulegit

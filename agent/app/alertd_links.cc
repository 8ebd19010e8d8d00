#include "agent/app/alertd_links.h"

#include <fmt/core.h>

#include <algorithm>

#include "common/base/hash.h"
#include "common/base/log.h"
#include "common/net/url.h"
#include "common/remote_write/batches.h"
#include "common/spool/record.h"

namespace tocsin::agent {
namespace {

constexpr const char* kLog = "agent/app";
constexpr std::string_view kFolderPrefix = "to-";
constexpr std::size_t kNameInFolderMax = 100;
constexpr const char* kAcknowledged = "acknowledged";

std::vector<std::string> segments_in(const base::FileSystem& files, const std::string& folder) {
  std::vector<std::string> found;
  const auto names = files.list(folder);
  if (!names) return found;
  std::copy_if(names->begin(), names->end(), std::back_inserter(found),
               [](const std::string& name) { return spool::parse_segment_name(name).has_value(); });
  std::sort(found.begin(), found.end());
  return found;
}

// Moves a queue to a folder that has none; its position first, so that nothing is sent twice. What
// is left when this is broken off is moved by the next start.
void take_over(base::FileSystem& files, const std::string& from, const std::string& to) {
  const std::vector<std::string> segments = segments_in(files, from);
  if (segments.empty()) return;
  const auto move_all = [&]() -> base::Result<void> {
    TC_TRY(files.create_folders(to));
    const auto move = [&](const std::string& name) -> base::Result<void> {
      const std::string target = base::join_path(to, name);
      if (files.exists(target) || !files.exists(base::join_path(from, name))) return base::ok();
      return files.rename(base::join_path(from, name), target);
    };
    if (segments_in(files, to).empty()) TC_TRY(move(kAcknowledged));
    for (const std::string& name : segments) TC_TRY(move(name));
    TC_TRY(files.sync_folder(to));
    return files.sync_folder(from);
  };
  if (const auto moved = move_all(); !moved) {
    base::log_warning(kLog, "what waits in '{}' cannot be moved to '{}': {}", from, to,
                      moved.error().message);
    return;
  }
  base::log_info(kLog, "what waited in '{}' is now in '{}'", from, to);
}

// The queue of an address that is not configured any more: that may be a mistake, for a while.
void remove_if_old(base::FileSystem& files, const std::string& folder, base::Duration age_max,
                   base::WallTime now) {
  const auto names = files.list(folder);
  if (!names || names->empty()) return;
  std::uint64_t bytes = 0;
  std::int64_t newest_ns = 0;
  for (const std::string& name : *names) {
    const std::string path = base::join_path(folder, name);
    if (const auto size = files.size(path)) bytes += *size;
    if (const auto changed = files.modified_ns(path)) newest_ns = std::max(newest_ns, *changed);
  }
  const std::int64_t age_ms = base::to_ms(now) - newest_ns / 1'000'000;
  if (age_ms < age_max.count()) {
    base::log_warning(kLog,
                      "{} bytes wait in '{}' for an address that is not configured any more; they "
                      "go when they are older than age_max",
                      bytes, folder);
    return;
  }
  base::log_warning(kLog, "'{}', {} bytes for an address that is not configured any more, is gone",
                    folder, bytes);
  for (const std::string& name : *names) {
    if (const auto removed = files.remove(base::join_path(folder, name)); !removed) return;
  }
  static_cast<void>(files.remove(folder));  // empty, it costs nothing
}

// Brings what an earlier process left into the folders of today's addresses.
void arrange(base::FileSystem& files, const LinkSettings& settings, base::WallTime now) {
  const std::string& root = settings.spool.folder;
  const std::vector<std::string> urls = settings.all();
  const std::string first = base::join_path(root, link_folder(urls.front()));
  if (urls.size() > 1) {
    take_over(files, root, first);
  } else if (segments_in(files, root).empty()) {
    take_over(files, first, root);
  }
  const auto names = files.list(root);
  if (!names) return;
  for (const std::string& name : *names) {
    if (!name.starts_with(kFolderPrefix)) continue;
    const bool known =
        urls.size() > 1 && std::any_of(urls.begin(), urls.end(), [&](const std::string& url) {
          return link_folder(url) == name;
        });
    if (!known) remove_if_old(files, base::join_path(root, name), settings.spool.age_max, now);
  }
}

}  // namespace

std::vector<std::string> LinkSettings::all() const {
  return urls.empty() ? std::vector<std::string>{sender.url} : urls;
}

std::string link_name(const std::string& write_url) {
  const std::string origin = net::url_origin(write_url);
  return origin.substr(origin.find("//") + 2);
}

std::string link_folder(const std::string& write_url) {
  const std::string authority = link_name(write_url);
  std::string name = authority.substr(0, kNameInFolderMax);
  for (char& c : name) {
    const bool plain = (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9');
    if (!plain && c != '.' && c != '-') c = '_';
  }
  return fmt::format("{}{}-{:08x}", kFolderPrefix, name,
                     static_cast<std::uint32_t>(base::fnv1a(authority)));
}

AlertdLinks::AlertdLinks(const LinkSettings& settings, World world) : world_(world) {
  const std::vector<std::string> urls = settings.all();
  several_ = urls.size() > 1;
  arrange(world_.files, settings, world_.executor.clock().wall());
  for (const std::string& url : urls) {
    auto link = std::make_unique<Link>();
    link->url = url;
    const remote_write::SenderOptions options = options_for(settings, url);
    spool::SpoolOptions spool = settings.spool;
    if (several_) {
      spool.folder = base::join_path(spool.folder, link_folder(url));
      spool.names = options.names;
      spool.names.log = fmt::format("agent/spool {}", link_name(url));
    }
    link->spool = std::make_unique<spool::Spool>(
        spool, spool::Spool::World{world_.files, world_.executor.clock(), world_.metrics});
    link->sender = std::make_unique<remote_write::Sender>(
        options, remote_write::Sender::World{
                     world_.executor, world_.http, *link->spool, world_.random, world_.metrics,
                     [this, to = link.get()](const std::string& problem) { heard(*to, problem); }});
    links_.push_back(std::move(link));
  }
}

remote_write::SenderOptions AlertdLinks::options_for(const LinkSettings& settings,
                                                     const std::string& url) const {
  remote_write::SenderOptions options = settings.sender;
  options.url = url;
  if (!several_) return options;
  options.names.labels["alertd"] = link_name(url);
  options.names.receiver = "alertd at that address";
  options.names.log = fmt::format("agent/sender {}", link_name(url));
  return options;
}

void AlertdLinks::start() {
  for (const auto& link : links_) link->sender->start();
}

void AlertdLinks::push(model::WriteBatch batch) {
  for (std::size_t i = 0; i + 1 < links_.size(); ++i) {
    links_[i]->sender->push(remote_write::copy_batch(batch));
  }
  links_.back()->sender->push(std::move(batch));
}

bool AlertdLinks::configure(const LinkSettings& settings) {
  const std::vector<std::string> urls = settings.all();
  const bool one = !several_ && urls.size() == 1;
  if (one) links_.front()->url = urls.front();
  std::size_t known = 0;
  for (const auto& link : links_) {
    known += std::find(urls.begin(), urls.end(), link->url) != urls.end();
    // One that is not named any more goes on with what else is new, until the restart.
    link->sender->configure(options_for(settings, link->url));
  }
  return known == links_.size() && known == urls.size();
}

void AlertdLinks::stop(std::function<void()> done) {
  auto left = std::make_shared<std::size_t>(links_.size());
  for (const auto& link : links_) {
    link->sender->stop([left, done] {
      if (--*left == 0) done();
    });
  }
}

void AlertdLinks::flush() {
  for (const auto& link : links_) link->spool->flush();
}

void AlertdLinks::heard(Link& link, const std::string& problem) {
  link.problem = problem;
  if (problem.empty()) {
    world_.emergency.alive();
    return;
  }
  std::string problems;
  for (const auto& each : links_) {
    if (each->problem.empty()) continue;
    if (!problems.empty()) problems += "; ";
    problems += several_ ? link_name(each->url) + ": " + each->problem : each->problem;
  }
  world_.emergency.silent(problems);
}

}  // namespace tocsin::agent

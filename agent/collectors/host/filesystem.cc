#include "agent/collectors/host/filesystem.h"

#include <algorithm>
#include <array>
#include <optional>
#include <set>
#include <tuple>

#include "agent/collectors/host/pattern.h"
#include "common/base/strings.h"

namespace tocsin::agent {
namespace {

using model::MetricType;

constexpr MetricInfo kSize{"node_filesystem_size_bytes", "Size of the file system.",
                           MetricType::Gauge};
constexpr MetricInfo kFree{"node_filesystem_free_bytes", "Room left, for root too.",
                           MetricType::Gauge};
constexpr MetricInfo kAvailable{"node_filesystem_avail_bytes", "Room left for users.",
                                MetricType::Gauge};
constexpr MetricInfo kFiles{"node_filesystem_files", "File nodes.", MetricType::Gauge};
constexpr MetricInfo kFilesFree{"node_filesystem_files_free", "File nodes left.",
                                MetricType::Gauge};
constexpr MetricInfo kReadOnly{"node_filesystem_readonly", "1 if mounted read-only.",
                               MetricType::Gauge};
constexpr MetricInfo kDeviceError{"node_filesystem_device_error",
                                  "1 if the file system did not tell its usage.",
                                  MetricType::Gauge};
constexpr MetricInfo kStuck{"tocsin_agent_mount_stuck",
                            "1 for a mount that does not answer statfs in time.",
                            MetricType::Gauge};

class FilesystemCollector final : public Collector {
 public:
  FilesystemCollector(const HostSettings& settings, HostWorld world, StatfsFunction statfs)
      : paths_(settings.paths),
        mount_points_exclude_(settings.mount_points_exclude),
        fs_types_exclude_(settings.fs_types_exclude),
        deadline_(settings.statfs_deadline),
        pool_(world.statfs
                  ? std::move(world.statfs)
                  : std::make_shared<StatfsPool>(world.clock, std::move(statfs), deadline_)),
        refused_(world.metrics.counter("tocsin_agent_statfs_refused_total",
                                       "Mounts not asked because too many others were stuck.")) {}

  std::string_view name() const override { return "filesystem"; }

  base::Result<void> collect(MetricSink& sink) override {
    // The mounts of process 1 are the host's; ours may be fewer (systemd sandboxing, containers).
    // In a chroot, though, its paths are not ours.
    auto text = reader_.read(paths_.proc + (in_chroot() ? "/self/mounts" : "/1/mounts"));
    if (!text) text = reader_.read(paths_.proc + "/self/mounts");
    if (!text) return text.error();
    TC_TRY(std::vector<Mount> mounts, parse_mounts(*text));
    std::erase_if(mounts, [this](const Mount& mount) {
      return mount_points_exclude_.matches(mount.mountpoint) ||
             fs_types_exclude_.matches(mount.fstype);
    });
    drop_repeated(mounts);

    pool_->set_deadline(deadline_);
    std::vector<StatfsPool::Request> requests;
    requests.reserve(mounts.size());
    for (const Mount& mount : mounts) {
      requests.push_back({paths_.under_root(mount.mountpoint), is_remote_fstype(mount.fstype)});
    }
    const std::vector<StatfsPool::Answer> answers = pool_->ask(requests);
    for (std::size_t i = 0; i < mounts.size(); ++i) add(sink, mounts[i], answers[i]);
    return base::ok();
  }

 private:
  // The root of a process is a mount point, unless chroot(2) made it one of an ordinary folder.
  bool in_chroot() {
    if (in_chroot_) return *in_chroot_;
    const auto text = reader_.read(paths_.proc + "/self/mounts");
    const auto mounts = text ? parse_mounts(*text) : base::Result<std::vector<Mount>>(text.error());
    in_chroot_ = mounts && std::none_of(mounts->begin(), mounts->end(),
                                        [](const Mount& mount) { return mount.mountpoint == "/"; });
    return *in_chroot_;
  }

  // The same labels twice would be the same series twice.
  static void drop_repeated(std::vector<Mount>& mounts) {
    std::set<std::tuple<std::string, std::string, std::string>> seen;
    std::erase_if(mounts, [&](const Mount& mount) {
      return !seen.emplace(mount.device, mount.mountpoint, mount.fstype).second;
    });
  }

  void add(MetricSink& sink, const Mount& mount, const StatfsPool::Answer& answer) {
    const std::array<model::LabelView, 3> labels{
        {{"device", mount.device}, {"fstype", mount.fstype}, {"mountpoint", mount.mountpoint}}};
    const bool answered = answer.outcome == StatfsPool::Outcome::Answered;
    sink.add(kDeviceError, labels, answered ? 0 : 1);
    if (answer.outcome == StatfsPool::Outcome::Stuck) {
      sink.add(kStuck, {{"mountpoint", mount.mountpoint}}, 1);
    }
    if (answer.outcome == StatfsPool::Outcome::Refused) refused_.increment();
    if (!answered) return;
    const FilesystemUsage& usage = answer.reply.usage;
    sink.add(kSize, labels, usage.size);
    sink.add(kFree, labels, usage.free);
    sink.add(kAvailable, labels, usage.available);
    sink.add(kFiles, labels, usage.files);
    sink.add(kFilesFree, labels, usage.files_free);
    sink.add(kReadOnly, labels, mount.read_only ? 1 : 0);
  }

  HostPaths paths_;
  Pattern mount_points_exclude_;
  Pattern fs_types_exclude_;
  base::Duration deadline_;
  std::shared_ptr<StatfsPool> pool_;
  base::Counter refused_;
  FileReader reader_;
  std::optional<bool> in_chroot_;  // Asked once: a running process does not move.
};

std::string decode_octal(std::string_view text) {
  const auto octal = [](char c) { return c >= '0' && c <= '7'; };
  std::string out;
  for (std::size_t i = 0; i < text.size(); ++i) {
    if (text[i] == '\\' && i + 3 < text.size() && text[i + 1] <= '3' && octal(text[i + 1]) &&
        octal(text[i + 2]) && octal(text[i + 3])) {
      out += static_cast<char>((text[i + 1] - '0') * 64 + (text[i + 2] - '0') * 8 +
                               (text[i + 3] - '0'));
      i += 3;
    } else {
      out += text[i];
    }
  }
  return out;
}

}  // namespace

base::Result<std::vector<Mount>> parse_mounts(std::string_view text) {
  std::vector<Mount> mounts;
  std::string_view bad;
  base::for_each_line(text, [&](std::string_view line) {
    Fields fields(line);
    if (fields.at_end() || !bad.empty()) return;
    Mount mount;
    mount.device = fields.next();
    mount.mountpoint = decode_octal(fields.next());
    mount.fstype = fields.next();
    const std::string_view options = fields.next();
    if (options.empty()) {
      bad = line;
      return;
    }
    const auto parts = base::split(options, ',');
    mount.read_only = std::find(parts.begin(), parts.end(), "ro") != parts.end();
    mounts.push_back(std::move(mount));
  });
  if (!bad.empty()) return malformed("mounts", bad);
  return mounts;
}

bool is_remote_fstype(std::string_view fstype) {
  static constexpr std::array<std::string_view, 16> kRemote{
      "9p",     "afs",   "beegfs", "ceph", "cifs",  "coda",     "gfs2", "gpfs",
      "lustre", "ncpfs", "nfs",    "nfs4", "ocfs2", "orangefs", "smb3", "smbfs"};
  return fstype.starts_with("fuse") ||
         std::find(kRemote.begin(), kRemote.end(), fstype) != kRemote.end();
}

std::unique_ptr<Collector> make_filesystem_collector(const HostSettings& settings, HostWorld world,
                                                     StatfsFunction statfs) {
  return std::make_unique<FilesystemCollector>(settings, std::move(world), std::move(statfs));
}

}  // namespace tocsin::agent

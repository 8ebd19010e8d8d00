#include "agent/backup/restore_drill.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>

#include "agent/backup/base_manifest.h"
#include "agent/backup/content_check.h"
#include "agent/backup/environment.h"
#include "agent/backup/pg_archive.h"
#include "agent/backup/restored_rows.h"
#include "agent/backup/tablespaces.h"
#include "agent/backup/wal_archive.h"
#include "common/base/strings.h"

namespace tocsin::agent {

using base::Result;

namespace {

constexpr const char* kDatabase = "restored";
constexpr std::size_t kSmallFileMax = 64 << 10;
constexpr std::size_t kReasonMax = 300;
// Data that is not compressed takes about this much of its compressed dump, with indexes.
constexpr std::uint64_t kExpansion = 5;
constexpr double kRatioMin = 0.99;
constexpr std::uint64_t kTwice = 2;

double seconds(base::Duration duration) {
  return std::chrono::duration<double>(duration).count();
}

std::string shortened(std::string_view text) {
  return base::escape_control(text.substr(0, kReasonMax));
}

/// The first complaint in the output of pg_restore or psql that is not about a role: who owns what
/// is no matter of a drill.
std::string first_error(std::string_view output) {
  std::string first;
  base::for_each_line(output, [&first](std::string_view line) {
    const std::size_t at = line.find("ERROR:");
    const bool fatal = line.find("pg_restore: error:") != std::string_view::npos;
    if (!first.empty() || (at == std::string_view::npos && !fatal)) return;
    if (line.find("role \"") != std::string_view::npos) return;
    first = shortened(at == std::string_view::npos ? line : line.substr(at));
  });
  return first;
}

Found judge_command(const Result<base::CommandResult>& done, std::string_view program) {
  if (!done) return unreadable(done.error());
  if (done->timed_out) return finding("timeout", fmt::format("{} took too long", program));
  if (done->signal != 0) {
    return finding("restore_failed", fmt::format("{}: signal {}", program, done->signal));
  }
  if (done->exit_status == 0) return {};
  std::string why = first_error(done->output);
  // Nothing but roles: what was to be restored is there.
  if (why.empty() && done->output.find("role \"") != std::string::npos) return {};
  if (why.empty()) why = shortened(done->output);
  return finding("restore_failed", fmt::format("{}: {}", program, why));
}

/// The kinds of backup that a drill can restore, by their content.
enum class Form { Archive, PlainDump, BasePlain, BaseTar, Unknown };

Form form_of(const base::FileSystem& files, const std::string& path) {
  if (files.is_folder(path)) {
    if (files.exists(base::join_path(path, "toc.dat"))) return Form::Archive;
    if (files.exists(base::join_path(path, "PG_VERSION"))) return Form::BasePlain;
    return files.exists(base::join_path(path, "backup_manifest")) ? Form::BaseTar : Form::Unknown;
  }
  const auto file = files.open_read(path);
  const auto begin = file ? (*file)->read_at(0, 512) : Result<std::string>(file.error());
  if (!begin) return Form::Unknown;
  const bool tar_dump = begin->starts_with("toc.dat");
  return is_pg_archive(*begin) || tar_dump ? Form::Archive : Form::PlainDump;
}

std::uint64_t bytes_needed(const DrillRequest& request, const base::FileSystem& files) {
  const Form form = form_of(files, request.path);
  bool compressed = form == Form::Archive || form == Form::BaseTar;
  if (form == Form::PlainDump) {
    const auto file = files.open_read(request.path);
    const auto begin = file ? (*file)->read_at(0, 8) : Result<std::string>(file.error());
    compressed = begin && compression::format_of(*begin) != compression::Format::None;
  }
  return request.size_bytes * (compressed ? kExpansion : 1) * kTwice;
}

std::string quoted(std::string_view value) {
  std::string text;
  for (const char c : value) {
    if (c == '\'') text += '\'';
    text += c;
  }
  return text;
}

/// As PostgreSQL's configuration reads a time, which knows no "Z".
std::string postgres_time(base::WallTime at) {
  std::string text = base::format_rfc3339(at);
  text[text.find('T')] = ' ';
  text.pop_back();
  return text + "+00";
}

/// One drill.
class Drill {
 public:
  Drill(const DrillRequest& request, const DrillState& before, base::Random& random,
        DrillWorld& world)
      : request_(request),
        settings_(*request.set.drill),
        before_(before),
        random_(random),
        world_(world),
        form_(form_of(world.files, request.path)) {}

  Found go(DrillState& state) {
    std::string programs;
    if (Found bad = find_programs(world_.files, settings_.programs, major(), programs)) return bad;
    ScratchCluster cluster(world_, settings_.scratch, programs);
    if (Found bad = cluster.prepare(bytes_needed(request_, world_.files))) return bad;
    const base::WallTime began = world_.clock.wall();
    const base::MonotonicTime from = world_.clock.monotonic();
    if (Found bad = restore(cluster, state)) return bad;
    RestoredData data;
    if (Found bad = cluster.check()) return bad;
    if (Found bad = count_restored(cluster, settings_, data)) return bad;
    state.rto_seconds = std::chrono::duration<double>(world_.clock.monotonic() - from).count();
    // To an earlier time one recovers on purpose: then what would be lost is what is not archived.
    const bool to_the_end = target_.empty() || target_ == "latest";
    const base::WallTime last = to_the_end ? data.last_change.value_or(request_.at) : archive_end_;
    state.rpo_seconds = std::max(seconds(began - last), 0.0);
    state.tables = data.tables;
    if (state.tables == 0)
      return finding("empty_schema", "nothing was restored: no table is there");
    compare_rows(data, state);
    compare_places(cluster, data, state);
    if (Found bad = mask(cluster, data)) return bad;
    if (Found bad = ask_assertions(cluster, settings_, data)) return bad;
    if (Found bad = amcheck(cluster, data)) return bad;
    state.text = fmt::format("{} tables restored", state.tables);
    if (!target_.empty()) state.text += fmt::format(", recovered to {}", target_);
    if (!settings_.masking_file.empty()) state.text += ", masked";
    if (!live_error_.empty()) state.text += fmt::format("; live rows unknown: {}", live_error_);
    return {};
  }

 private:
  bool is_base() const { return form_ == Form::BasePlain || form_ == Form::BaseTar; }

  /// The version whose programs are needed; empty: any.
  std::string major() const {
    if (form_ != Form::BasePlain) return {};
    const auto text =
        world_.files.read(base::join_path(request_.path, "PG_VERSION"), kSmallFileMax);
    return text ? std::string(base::trim(*text)) : std::string();
  }

  Found restore(ScratchCluster& cluster, DrillState& state) {
    if (form_ == Form::Unknown) {
      return finding("unknown_format",
                     fmt::format("'{}' is nothing that a drill can restore", request_.path));
    }
    if (!is_base()) return restore_dump(cluster);
    state.level = request_.set.wal_archive.empty() ? VerifyLevel::Restore : VerifyLevel::Pitr;
    return restore_base(cluster);
  }

  Found restore_dump(ScratchCluster& cluster) {
    if (Found bad = cluster.init()) return bad;
    if (Found bad = cluster.start({})) return bad;
    if (Found bad = judge_command(cluster.run("createdb", {kDatabase}), "createdb")) return bad;
    if (Found bad = cluster.check()) return bad;
    if (form_ == Form::Archive) {
      return judge_command(
          cluster.run("pg_restore", {"--no-owner", "--no-privileges", "--no-subscriptions",
                                     "--no-publications", "-d", kDatabase, request_.path}),
          "pg_restore");
    }
    const std::string script = cluster.file("dump.sql");
    if (Found bad = decompress(script)) return bad;
    if (Found bad = cluster.check()) return bad;
    const auto done =
        cluster.run("psql", {"-X", "-q", "-o", "/dev/null", "-d", kDatabase, "-f", script});
    if (Found bad = judge_command(done, "psql")) return bad;
    // psql goes on after an error, and says 0.
    const std::string why = first_error(done->output);
    if (!why.empty()) return finding("restore_failed", fmt::format("psql: {}", why));
    (void)world_.files.remove(script);
    return {};
  }

  Found decompress(const std::string& script) {
    auto out = world_.files.open_append(script, 0600);
    if (!out) return unreadable(out.error());
    Pace pace(world_.clock, 0, world_.check);
    const VerifyRequest verify = verify_request(request_.set, request_.path, VerifyLevel::Size);
    BackupVerdict verdict;
    CheckContext context{verify, world_.files, pace, verdict};
    return read_decoded(request_.path, context, [&out](std::string_view bytes) -> Found {
      const auto written = (*out)->append(bytes);
      return written ? Found{} : Found(unreadable(written.error()));
    });
  }

  Found copy(ScratchCluster& cluster) {
    if (form_ == Form::BasePlain) {
      return judge_command(
          cluster.run_system({"/bin/cp", "-a", "--", request_.path + "/.", cluster.data()}), "cp");
    }
    const auto names = world_.files.list(request_.path);
    if (!names) return unreadable(names.error());
    for (const std::string& name : *names) {
      const bool is_base_tar = name.starts_with("base.tar");
      if (!is_base_tar && !name.starts_with("pg_wal.tar")) continue;
      const std::string into = is_base_tar ? cluster.data() : cluster.data() + "/pg_wal";
      if (const auto made = world_.files.create_folders(into); !made) {
        return unreadable(made.error());
      }
      const auto done = cluster.run_system(
          {"/bin/tar", "-x", "-f", base::join_path(request_.path, name), "-C", into});
      if (Found bad = judge_command(done, "tar")) return bad;
    }
    return {};
  }

  Found take_tablespaces(ScratchCluster& cluster) {
    std::vector<Tablespace> all;
    if (Found bad = find_tablespaces(world_.files, request_.path, settings_.tablespaces, all)) {
      return bad;
    }
    const auto run = [&cluster](std::vector<std::string> arguments) {
      return cluster.run_system(std::move(arguments));
    };
    for (const Tablespace& one : all) {
      if (Found bad = cluster.check()) return bad;
      if (Found bad = restore_tablespace(world_.files, one, cluster, run)) return bad;
    }
    return map_tablespaces(world_.files, all, cluster);
  }

  Found restore_base(ScratchCluster& cluster) {
    cluster.set_user(settings_.superuser);
    if (Found bad = copy(cluster)) return bad;
    if (Found bad = cluster.check()) return bad;
    if (Found bad = take_tablespaces(cluster)) return bad;
    for (const char* left : {"postmaster.pid", "standby.signal"}) {
      (void)world_.files.remove(base::join_path(cluster.data(), left));
    }
    std::vector<std::string> settings;
    if (!request_.set.wal_archive.empty()) {
      const std::string signal = base::join_path(cluster.data(), "recovery.signal");
      if (const auto done = world_.files.write_atomic(signal, "", 0600); !done) {
        return unreadable(done.error());
      }
      if (Found bad = recovery_settings(settings)) return bad;
    }
    return cluster.start(settings);
  }

  Found recovery_settings(std::vector<std::string>& settings) {
    std::string command = settings_.restore_command;
    const auto names = world_.files.list(request_.set.wal_archive);
    if (!names) return unreadable(names.error());
    if (command.empty()) command = restore_command(*names);
    settings.push_back(fmt::format("restore_command = '{}'", quoted(command)));
    settings.emplace_back("recovery_target_action = 'promote'");
    target_ = request_.target.empty() ? settings_.target : request_.target;
    archive_end_ = newest_segment(*names);
    if (target_ == "random") target_ = random_target();
    if (target_ == "latest") return {};
    const auto at = base::parse_rfc3339(target_);
    if (!at) return finding("bad_target", fmt::format("'{}' is no time", target_));
    settings.push_back(fmt::format("recovery_target_time = '{}'", postgres_time(*at)));
    return {};
  }

  /// Takes a segment as it is, or through the program of its ending.
  std::string restore_command(const std::vector<std::string>& names) const {
    const std::string& folder = request_.set.wal_archive;
    const auto has = [&names](std::string_view ending) {
      return std::any_of(names.begin(), names.end(), [ending](const std::string& name) {
        return name.ends_with(ending) && parse_wal_name(name);
      });
    };
    const std::string plain = fmt::format("cp '{}/%f' '%p'", folder);
    for (const auto& [ending, program] : {std::pair{".gz", "gzip -dc"},
                                          {".zst", "zstd -dcq"},
                                          {".lz4", "lz4 -dcq"},
                                          {".xz", "xz -dc"}}) {
      if (!has(ending)) continue;
      return fmt::format("if [ -f '{0}/%f' ]; then {1}; else {2} < '{0}/%f{3}' > '%p'; fi", folder,
                         plain, program, ending);
    }
    return plain;
  }

  /// When the newest segment of the archive was written; not before the end of the base backup.
  base::WallTime newest_segment(const std::vector<std::string>& names) const {
    base::WallTime newest = request_.at;
    for (const std::string& name : names) {
      const auto parsed = parse_wal_name(name);
      if (!parsed || parsed->kind != WalName::Kind::Segment) continue;
      const auto modified =
          world_.files.modified_ns(base::join_path(request_.set.wal_archive, name));
      if (modified) newest = std::max(newest, base::wall_time(*modified / 1'000'000));
    }
    return newest;
  }

  /// Between the end of the base backup and the newest segment; "latest" if there is nothing
  /// between.
  std::string random_target() {
    const auto span = archive_end_ - request_.at;
    if (span <= base::Duration{1'000}) return "latest";
    const double share = random_.unit();
    const auto offset =
        base::Duration(static_cast<std::int64_t>(static_cast<double>(span.count()) * share));
    return base::format_rfc3339(request_.at + offset);
  }

  void compare_rows(const RestoredData& data, DrillState& state) {
    std::map<std::string, std::uint64_t> live;
    if (auto answer = live_rows(settings_)) {
      live = std::move(*answer);
    } else {
      live_error_ = answer.error().message;
    }
    state.ratios = rows_ratios(settings_, data.rows, live, before_.rows);
    state.rows = data.rows;
    // What went missing stays expected, or the next drill would find it in order.
    for (const auto& [table, ratio] : state.ratios) {
      const auto last = before_.rows.find(table);
      if (ratio < kRatioMin && last != before_.rows.end()) state.rows[table] = last->second;
    }
  }

  void compare_places(const ScratchCluster& cluster, const RestoredData& data, DrillState& state) {
    auto parts = compare_environments(cluster, settings_, data);
    if (parts) {
      state.differs = std::move(*parts);
    } else if (live_error_.empty()) {
      live_error_ = parts.error().message;
    }
  }

  /// After the rows were counted, which it may change, and before the assertions, which may ask
  /// whether it did its work.
  Found mask(ScratchCluster& cluster, const RestoredData& data) {
    if (settings_.masking_file.empty()) return {};
    if (Found bad = cluster.check()) return bad;
    if (!world_.files.exists(settings_.masking_file)) {
      return finding("masking_failed", fmt::format("there is no '{}'", settings_.masking_file));
    }
    const auto done =
        cluster.run("psql", {"-X", "-q", "-1", "-v", "ON_ERROR_STOP=1", "-o", "/dev/null", "-d",
                             main_database(settings_, data), "-f", settings_.masking_file});
    if (!done) return unreadable(done.error());
    if (done->timed_out) return finding("timeout", "the masking took too long");
    if (done->exit_status == 0 && done->signal == 0) return {};
    const std::string why = first_error(done->output);
    return finding("masking_failed",
                   fmt::format("psql: {}", why.empty() ? shortened(done->output) : why));
  }

  Found amcheck(ScratchCluster& cluster, const RestoredData& data) {
    if (!settings_.amcheck || !is_base()) return {};
    for (const std::string& database : data.databases) {
      if (Found bad = cluster.check()) return bad;
      const auto done = cluster.run("pg_amcheck", {"--install-missing", "-d", database});
      if (!done && done.error().code == base::ErrorCode::NotFound) return {};
      if (!done) return unreadable(done.error());
      if (done->timed_out) return finding("timeout", "pg_amcheck took too long");
      if (done->exit_status == 0) continue;
      // Without the extension's files nothing can be said; 2 says that pages or indexes are wrong.
      if (done->exit_status != 2) return {};
      return finding("corruption", fmt::format("pg_amcheck: {}", shortened(done->output)));
    }
    return {};
  }

  const DrillRequest& request_;
  const DrillSettings& settings_;
  const DrillState& before_;
  base::Random& random_;
  DrillWorld& world_;
  Form form_;
  std::string target_;
  base::WallTime archive_end_{};
  std::string live_error_;
};

}  // namespace

bool is_obstacle(std::string_view reason) {
  constexpr std::array<std::string_view, 9> kObstacles = {
      "no_space",    "scratch_not_empty", "scratch_in_use", "scratch_path", "runs_as_root",
      "no_programs", "no_role",           "tablespaces",    "bad_target"};
  return std::find(kObstacles.begin(), kObstacles.end(), reason) != kObstacles.end();
}

Found plan_drill(const DrillRequest& request, const base::FileSystem& files, std::string& plan) {
  const DrillSettings& drill = *request.set.drill;
  const Form form = form_of(files, request.path);
  if (form == Form::Unknown) {
    return finding("unknown_format",
                   fmt::format("'{}' is nothing that a drill can restore", request.path));
  }
  std::string programs;
  if (Found bad = find_programs(files, drill.programs, {}, programs)) return bad;
  plan = fmt::format(
      "would restore '{}' into '{}' with the programs in '{}', for which {} bytes "
      "must be free",
      request.path, drill.scratch, programs, bytes_needed(request, files));
  return {};
}

Result<DrillState> run_drill(const DrillRequest& request, const DrillState& before,
                             base::Random& random, DrillWorld& world) {
  const base::MonotonicTime from = world.clock.monotonic();
  DrillState state;
  state.level = VerifyLevel::Restore;
  state.good_ms = before.good_ms;
  state.rows = before.rows;
  Found bad = Drill(request, before, random, world).go(state);
  const std::string& target = request.target.empty() ? request.set.drill->target : request.target;
  if (bad && bad->reason == "target_not_reached" && target == "random") {
    // Nothing happened after the time that was drawn, so the archive may end before it.
    DrillRequest to_the_end = request;
    to_the_end.target = "latest";
    bad = Drill(to_the_end, before, random, world).go(state);
  }
  if (bad && bad->reason == kCancelled) {
    return base::error(base::ErrorCode::Cancelled, bad->text);
  }
  state.at_ms = base::to_ms(world.clock.wall());
  state.duration_seconds = std::chrono::duration<double>(world.clock.monotonic() - from).count();
  state.ok = !bad;
  if (bad) {
    state.reason = bad->reason;
    state.text = bad->text;
    return state;
  }
  state.good_ms[VerifyLevel::Restore] = state.at_ms;
  if (state.level == VerifyLevel::Pitr) state.good_ms[VerifyLevel::Pitr] = state.at_ms;
  return state;
}

}  // namespace tocsin::agent

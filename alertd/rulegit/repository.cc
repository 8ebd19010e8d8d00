#include "alertd/rulegit/repository.h"

#include <fmt/core.h>

#include <algorithm>
#include <filesystem>
#include <map>

#include "alertd/rulegit/git_handle.h"
#include "alertd/rulegit/remote.h"
#include "alertd/rulegit/tree_files.h"
#include "common/base/log.h"
#include "common/base/strings.h"

namespace tocsin::rulegit {
namespace {

constexpr std::string_view kComponent = "alertd/rulegit";
constexpr std::size_t kNameBytesMax = 200;

/// Names and subjects are other people's text: one line, no control characters, bounded.
std::string one_line(std::string_view text) {
  text = base::trim(text.substr(0, text.find('\n')));
  std::string out = base::escape_control(text.substr(0, kNameBytesMax));
  if (text.size() > kNameBytesMax) {
    // A cut may fall inside a character.
    while (!out.empty() && !base::is_utf8(out)) out.pop_back();
    out += "...";
  }
  return base::is_utf8(out) ? out : std::string("(not UTF-8)");
}

Commit describe(const git_commit& commit) {
  Commit result;
  result.id = hex(*git_commit_id(&commit));
  if (const git_signature* author = git_commit_author(&commit); author && author->name) {
    result.author = one_line(author->name);
  }
  if (const char* summary = git_commit_summary(const_cast<git_commit*>(&commit))) {
    result.subject = one_line(summary);
  }
  result.at = base::wall_time(static_cast<std::int64_t>(git_commit_time(&commit)) * 1000);
  return result;
}

std::uint64_t bytes_on_disk(const std::string& folder) {
  std::uint64_t total = 0;
  std::error_code error;
  std::filesystem::recursive_directory_iterator it(folder, error);
  const std::filesystem::recursive_directory_iterator end;
  while (!error && it != end) {
    std::error_code ignored;
    if (it->is_regular_file(ignored)) total += it->file_size(ignored);
    it.increment(error);
  }
  return total;
}

}  // namespace

std::string short_id(const std::string& id) {
  return id.substr(0, 10);
}

base::Result<void> remove_all(const std::string& folder) {
  std::error_code error;
  std::filesystem::remove_all(folder, error);
  if (error) {
    return base::error(base::ErrorCode::Io,
                       fmt::format("cannot remove {}: {}", folder, error.message()));
  }
  return base::ok();
}

class Repository::Impl {
 public:
  Impl(const GitSettings& settings) : settings_(settings) {}

  base::Result<void> open(const std::string& folder) {
    git_repository* raw = nullptr;
    if (const int code = git_repository_open_bare(&raw, folder.c_str()); code != 0) {
      return git_error(code, folder);
    }
    repository_.reset(raw);
    return base::ok();
  }

  base::Result<void> create(const std::string& folder) {
    git_repository* raw = nullptr;
    if (const int code = git_repository_init(&raw, folder.c_str(), 1); code != 0) {
      return git_error(code, "cannot create " + folder);
    }
    repository_.reset(raw);
    return base::ok();
  }

  base::Result<CommitHandle> find(const std::string& id) const {
    git_oid oid;
    if (git_oid_fromstr(&oid, id.c_str()) != 0) {
      return base::error(base::ErrorCode::InvalidArgument, "'" + id + "' is no commit id");
    }
    git_commit* raw = nullptr;
    if (const int code = git_commit_lookup(&raw, repository_.get(), &oid); code != 0) {
      return git_error(code, "commit " + short_id(id));
    }
    return CommitHandle(raw);
  }

  /// Where the branch was at the last fetch.
  std::optional<git_oid> last_tip() const {
    git_oid oid;
    if (git_reference_name_to_id(&oid, repository_.get(), tracking_ref().c_str()) != 0) {
      return std::nullopt;
    }
    return oid;
  }

  std::string tracking_ref() const { return "refs/remotes/origin/" + settings_.branch; }

  GitLibrary library_;
  const GitSettings settings_;
  RepositoryHandle repository_;
};

Repository::Repository(std::unique_ptr<Impl> impl) : impl_(std::move(impl)) {}
Repository::~Repository() = default;

base::Result<std::unique_ptr<Repository>> Repository::open(const std::string& folder,
                                                           const GitSettings& settings,
                                                           base::FileSystem& files) {
  auto impl = std::make_unique<Impl>(settings);
  if (files.is_folder(folder)) {
    const std::uint64_t bytes = bytes_on_disk(folder);
    const auto opened = impl->open(folder);
    if (opened && bytes <= settings.limits.repository_bytes_max) {
      return std::unique_ptr<Repository>(new Repository(std::move(impl)));
    }
    base::log_warning(
        kComponent, "{} is fetched anew: {}", folder,
        opened ? fmt::format("{} bytes, limit {}", bytes, settings.limits.repository_bytes_max)
               : opened.error().message);
    impl = std::make_unique<Impl>(settings);
    TC_TRY(remove_all(folder));
  }
  TC_TRY(files.create_folders(folder));
  TC_TRY(impl->create(folder));
  return std::unique_ptr<Repository>(new Repository(std::move(impl)));
}

base::Result<Fetched> Repository::fetch(const FetchWorld& world) {
  const std::optional<git_oid> before = impl_->last_tip();
  Remote remote(*impl_->repository_, impl_->settings_, world);
  TC_TRY(const git_oid tip, remote.find_branch());
  if (!before || !git_oid_equal(&*before, &tip) || !commit(hex(tip))) {
    auto done = remote.download(impl_->tracking_ref());
    // The branch is there, so what is missing is missing on this disk.
    if (!done && done.error().code == base::ErrorCode::NotFound) {
      return base::error(base::ErrorCode::Io, done.error().message);
    }
    if (!done) return done.error();
  }
  Fetched fetched;
  auto described = commit(hex(tip));
  if (!described) return base::error(base::ErrorCode::Io, described.error().message);
  fetched.tip = std::move(*described);
  if (before && !git_oid_equal(&*before, &tip)) {
    fetched.rewritten = git_graph_descendant_of(impl_->repository_.get(), &tip, &*before) == 0;
  }
  return fetched;
}

base::Result<Commit> Repository::commit(const std::string& id) const {
  TC_TRY(const CommitHandle found, impl_->find(id));
  return describe(*found);
}

base::Result<Exported> Repository::write_files(const std::string& id, const std::string& folder,
                                               base::FileSystem& files) const {
  TC_TRY(const CommitHandle found, impl_->find(id));
  git_tree* raw = nullptr;
  if (const int code = git_commit_tree(&raw, found.get()); code != 0) {
    return git_error(code, "files of commit " + short_id(id));
  }
  const TreeHandle tree(raw);
  return write_tree({*impl_->repository_, *tree, impl_->settings_, files}, folder);
}

base::Result<Blame> Repository::blame(const std::string& id, const std::string& path) const {
  git_blame_options options = GIT_BLAME_OPTIONS_INIT;
  if (git_oid_fromstr(&options.newest_commit, id.c_str()) != 0) {
    return base::error(base::ErrorCode::InvalidArgument, "'" + id + "' is no commit id");
  }
  git_blame* raw = nullptr;
  if (const int code = git_blame_file(&raw, impl_->repository_.get(), path.c_str(), &options);
      code != 0) {
    return git_error(code, "history of " + path);
  }
  const BlameHandle found(raw);
  Blame blame;
  std::map<std::string, std::size_t> known;
  for (std::uint32_t i = 0; i < git_blame_get_hunk_count(found.get()); ++i) {
    const git_blame_hunk* hunk = git_blame_get_hunk_byindex(found.get(), i);
    const std::string commit_id = hex(hunk->final_commit_id);
    const auto [entry, fresh] = known.emplace(commit_id, blame.commits.size());
    if (fresh) {
      TC_TRY(Commit one, commit(commit_id));
      blame.commits.push_back(std::move(one));
    }
    const std::size_t first = hunk->final_start_line_number;
    blame.lines.resize(std::max(blame.lines.size(), first - 1 + hunk->lines_in_hunk));
    std::fill_n(blame.lines.begin() + static_cast<std::ptrdiff_t>(first - 1), hunk->lines_in_hunk,
                entry->second);
  }
  return blame;
}

}  // namespace tocsin::rulegit

#include "alertd/rulegit/tree_files.h"

#include <fmt/core.h>

#include <optional>
#include <vector>

#include "common/base/strings.h"

namespace tocsin::rulegit {
namespace {

constexpr std::size_t kLinkBytesMax = 4096;

/// Resolves a link's target against the folder it stands in, by text alone; nullopt if it leads out
/// of the tree. Sound because links are never followed to folders.
std::optional<std::string> resolve(const std::string& folder, std::string_view target) {
  if (target.starts_with('/')) return std::nullopt;
  std::vector<std::string> parts;
  const std::string whole =
      folder.empty() ? std::string(target) : folder + "/" + std::string(target);
  for (const std::string_view part : base::split(whole, '/')) {
    if (part.empty() || part == ".") continue;
    if (part != "..") {
      parts.emplace_back(part);
    } else if (parts.empty()) {
      return std::nullopt;
    } else {
      parts.pop_back();
    }
  }
  return base::join(parts, "/");
}

base::Error refuse(base::ErrorCode code, const std::string& path, const std::string& why) {
  return base::error(code, fmt::format("{}: {}", base::escape_control(path), why));
}

class Writer {
 public:
  explicit Writer(const TreeSource& source) : source_(source) {}

  base::Result<Exported> run(const std::string& folder) {
    TC_TRY(const TreeHandle top, start());
    TC_TRY(source_.files.create_folders(folder));
    TC_TRY(walk(*top, folder, "", 1));
    return std::move(exported_);
  }

 private:
  base::Result<TreeHandle> start() const {
    const std::string& path = source_.settings.path;
    git_tree* raw = nullptr;
    if (path.empty()) {
      const int code = git_tree_lookup(&raw, &source_.repository, git_tree_id(&source_.root));
      if (code != 0) return git_error(code, "the tree");
      return TreeHandle(raw);
    }
    git_tree_entry* entry = nullptr;
    if (git_tree_entry_bypath(&entry, &source_.root, path.c_str()) != 0) {
      return base::error(base::ErrorCode::NotFound,
                         fmt::format("there is no folder '{}' in the repository", path));
    }
    const TreeEntryHandle found(entry);
    if (git_tree_entry_type(found.get()) != GIT_OBJECT_TREE) {
      return base::error(base::ErrorCode::InvalidArgument,
                         fmt::format("'{}' in the repository is no folder", path));
    }
    const int code = git_tree_lookup(&raw, &source_.repository, git_tree_entry_id(found.get()));
    if (code != 0) return git_error(code, path);
    return TreeHandle(raw);
  }

  // Bounded by depth_max.
  base::Result<void> walk(const git_tree& tree, const std::string& folder, const std::string& path,
                          std::size_t depth) {
    if (depth > source_.settings.limits.depth_max) {
      return refuse(
          base::ErrorCode::LimitExceeded, path,
          fmt::format("folders are nested deeper than {}", source_.settings.limits.depth_max));
    }
    for (std::size_t i = 0; i < git_tree_entrycount(&tree); ++i) {
      const git_tree_entry& entry = *git_tree_entry_byindex(&tree, i);
      const std::string name = git_tree_entry_name(&entry);
      const std::string inner = path.empty() ? name : path + "/" + name;
      if (name.empty() || name.starts_with('.') || name.find('/') != std::string::npos) {
        ++exported_.ignored;
        continue;
      }
      TC_TRY(take(entry, base::join_path(folder, name), inner, depth));
    }
    return source_.files.sync_folder(folder);
  }

  base::Result<void> take(const git_tree_entry& entry, const std::string& target,
                          const std::string& path, std::size_t depth) {
    switch (git_tree_entry_filemode(&entry)) {
      case GIT_FILEMODE_TREE: {
        git_tree* raw = nullptr;
        const int code = git_tree_lookup(&raw, &source_.repository, git_tree_entry_id(&entry));
        if (code != 0) return git_error(code, path);
        const TreeHandle inner(raw);
        TC_TRY(source_.files.create_folders(target));
        return walk(*inner, target, path, depth + 1);
      }
      case GIT_FILEMODE_BLOB:
      case GIT_FILEMODE_BLOB_EXECUTABLE:
        return write(*git_tree_entry_id(&entry), target, path);
      case GIT_FILEMODE_LINK:
        return follow(*git_tree_entry_id(&entry), target, path);
      default:
        ++exported_.ignored;  // a submodule: another repository, which nobody has reviewed here
        return base::ok();
    }
  }

  base::Result<BlobHandle> blob(const git_oid& id, const std::string& path,
                                std::uint64_t bytes_max) const {
    // The header tells the size before the content is unpacked.
    git_odb* odb = nullptr;
    if (const int code = git_repository_odb(&odb, &source_.repository); code != 0) {
      return git_error(code, path);
    }
    const GitHandle<git_odb, git_odb_free> owner(odb);
    std::size_t size = 0;
    git_object_t type = GIT_OBJECT_ANY;
    if (const int code = git_odb_read_header(&size, &type, odb, &id); code != 0) {
      return git_error(code, path);
    }
    if (size > bytes_max) {
      return refuse(base::ErrorCode::LimitExceeded, path,
                    fmt::format("{} bytes, limit {}", size, bytes_max));
    }
    git_blob* raw = nullptr;
    if (const int code = git_blob_lookup(&raw, &source_.repository, &id); code != 0) {
      return git_error(code, path);
    }
    return BlobHandle(raw);
  }

  base::Result<void> follow(const git_oid& id, const std::string& target, const std::string& path) {
    TC_TRY(const BlobHandle link, blob(id, path, kLinkBytesMax));
    const std::string_view text(static_cast<const char*>(git_blob_rawcontent(link.get())),
                                static_cast<std::size_t>(git_blob_rawsize(link.get())));
    const std::string& top = source_.settings.path;
    const std::size_t slash = path.rfind('/');
    std::string folder = slash == std::string::npos ? "" : path.substr(0, slash);
    if (!top.empty()) folder = folder.empty() ? top : top + "/" + folder;
    const auto resolved = resolve(folder, text);
    if (!resolved) {
      return refuse(base::ErrorCode::InvalidArgument, path,
                    "the symbolic link leads out of the repository");
    }
    git_tree_entry* raw = nullptr;
    const bool there = git_tree_entry_bypath(&raw, &source_.root, resolved->c_str()) == 0;
    const TreeEntryHandle entry(raw);
    const git_filemode_t mode =
        there ? git_tree_entry_filemode(entry.get()) : GIT_FILEMODE_UNREADABLE;
    if (mode != GIT_FILEMODE_BLOB && mode != GIT_FILEMODE_BLOB_EXECUTABLE) {
      return refuse(base::ErrorCode::InvalidArgument, path,
                    "the symbolic link does not lead to a file of the repository");
    }
    return write(*git_tree_entry_id(entry.get()), target, path);
  }

  base::Result<void> write(const git_oid& id, const std::string& target, const std::string& path) {
    const Limits& limits = source_.settings.limits;
    if (exported_.files.size() >= limits.files_max) {
      return refuse(base::ErrorCode::LimitExceeded, path,
                    fmt::format("more than {} files; see files_max", limits.files_max));
    }
    TC_TRY(const BlobHandle content, blob(id, path, limits.file_bytes_max));
    const auto size = static_cast<std::size_t>(git_blob_rawsize(content.get()));
    bytes_ += size;
    if (bytes_ > limits.total_bytes_max) {
      return refuse(base::ErrorCode::LimitExceeded, path,
                    fmt::format("with it the files are larger than {} bytes together; see "
                                "total_limit",
                                limits.total_bytes_max));
    }
    TC_TRY(const auto file, source_.files.open_append(target, 0640));
    TC_TRY(file->append({static_cast<const char*>(git_blob_rawcontent(content.get())), size}));
    TC_TRY(file->sync());
    exported_.files.push_back({path, hex(id)});
    return base::ok();
  }

  const TreeSource& source_;
  Exported exported_;
  std::uint64_t bytes_ = 0;
};

}  // namespace

base::Result<Exported> write_tree(const TreeSource& source, const std::string& folder) {
  return Writer(source).run(folder);
}

}  // namespace tocsin::rulegit

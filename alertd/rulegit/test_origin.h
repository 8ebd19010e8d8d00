// A repository in a temporary folder, and commits to it, for tests: made with libgit2 itself.
#pragma once

#include <doctest/doctest.h>
#include <git2.h>

#include <string>
#include <vector>

#include "alertd/rulegit/git_handle.h"

namespace tocsin::rulegit {

struct TestChange {
  std::string path;
  std::string content;
  git_filemode_t mode = GIT_FILEMODE_BLOB;
  bool remove = false;
};

/// Commits go to refs/heads/main; the clock of commits advances by a minute each.
class TestOrigin {
 public:
  explicit TestOrigin(const std::string& folder) : path_(folder + "/origin.git") {
    git_repository* raw = nullptr;
    REQUIRE(git_repository_init(&raw, path_.c_str(), 1) == 0);
    repository_.reset(raw);
  }

  std::string url() const { return "file://" + path_; }

  /// Returns the new tip. With `onto` empty the tip is the parent; "-" makes a root commit.
  std::string commit(const std::vector<TestChange>& changes, const std::string& message,
                     const std::string& author = "Ann Author", const std::string& onto = "") {
    CommitHandle parent;
    git_oid oid;
    if (onto.empty() && git_reference_name_to_id(&oid, repository_.get(), kBranch) == 0) {
      parent = lookup(oid);
    } else if (!onto.empty() && onto != "-") {
      REQUIRE(git_oid_fromstr(&oid, onto.c_str()) == 0);
      parent = lookup(oid);
    }
    const git_oid tree_id = tree_with(parent.get(), changes);
    git_tree* tree = nullptr;
    REQUIRE(git_tree_lookup(&tree, repository_.get(), &tree_id) == 0);
    const TreeHandle owner(tree);
    git_signature* signature = nullptr;
    seconds_ += 60;
    REQUIRE(git_signature_new(&signature, author.c_str(), "a@example.org", seconds_, 0) == 0);
    const git_commit* parents[] = {parent.get()};
    REQUIRE(git_commit_create(&oid, repository_.get(), nullptr, signature, signature, nullptr,
                              message.c_str(), tree, parent ? 1 : 0, parents) == 0);
    git_signature_free(signature);
    set_tip(oid);
    return hex(oid);
  }

  void reset_to(const std::string& id) {
    git_oid oid;
    REQUIRE(git_oid_fromstr(&oid, id.c_str()) == 0);
    set_tip(oid);
  }

  void delete_branch() { REQUIRE(git_reference_remove(repository_.get(), kBranch) == 0); }

 private:
  static constexpr const char* kBranch = "refs/heads/main";

  CommitHandle lookup(const git_oid& oid) const {
    git_commit* raw = nullptr;
    REQUIRE(git_commit_lookup(&raw, repository_.get(), &oid) == 0);
    return CommitHandle(raw);
  }

  void set_tip(const git_oid& oid) {
    git_reference* reference = nullptr;
    REQUIRE(git_reference_create(&reference, repository_.get(), kBranch, &oid, 1, "test") == 0);
    git_reference_free(reference);
  }

  git_oid tree_with(const git_commit* parent, const std::vector<TestChange>& changes) const {
    git_tree* base = nullptr;
    if (parent) {
      REQUIRE(git_commit_tree(&base, parent) == 0);
    } else {
      git_treebuilder* builder = nullptr;
      REQUIRE(git_treebuilder_new(&builder, repository_.get(), nullptr) == 0);
      git_oid empty;
      REQUIRE(git_treebuilder_write(&empty, builder) == 0);
      git_treebuilder_free(builder);
      REQUIRE(git_tree_lookup(&base, repository_.get(), &empty) == 0);
    }
    const TreeHandle owner(base);
    std::vector<git_tree_update> updates;
    for (const TestChange& change : changes) {
      git_tree_update update{};
      update.action = change.remove ? GIT_TREE_UPDATE_REMOVE : GIT_TREE_UPDATE_UPSERT;
      update.filemode = change.mode;
      update.path = change.path.c_str();
      if (change.mode == GIT_FILEMODE_COMMIT) {
        REQUIRE(git_oid_fromstr(&update.id, change.content.c_str()) == 0);
      } else if (!change.remove) {
        REQUIRE(git_blob_create_from_buffer(&update.id, repository_.get(), change.content.data(),
                                            change.content.size()) == 0);
      }
      updates.push_back(update);
    }
    git_oid result;
    REQUIRE(git_tree_create_updated(&result, repository_.get(), base, updates.size(),
                                    updates.data()) == 0);
    return result;
  }

  GitLibrary library_;
  std::string path_;
  RepositoryHandle repository_;
  git_time_t seconds_ = 1'800'000'000;
};

}  // namespace tocsin::rulegit

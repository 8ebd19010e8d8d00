// Who last changed each rule: the answer to "why is this rule as it is?".
//
// Built once for each commit that comes into force, from the history of its rule files, and never
// changed afterwards. A file whose content did not change keeps what was found out about it.
#pragma once

#include <map>
#include <memory>
#include <string>
#include <string_view>

#include "alertd/rulegit/repository.h"
#include "alertd/ruler/provenance.h"

namespace tocsin::rulegit {

/// Lines [first, last], counting from 1.
struct LineRange {
  std::size_t first = 0;
  std::size_t last = 0;
};

/// Returns the lines of the rule that has a key at `line`: in TOML from its [[header]] to the next
/// one, in YAML the entry of the list. Blank lines and comments at the end do not belong to it.
LineRange rule_lines(std::string_view text, std::size_t line, bool toml);

/// Thread: any, once built.
class ProvenanceIndex final : public ruler::ProvenanceSource {
 public:
  /// `folder` is what the ruler reads the files from; with a slash at the end.
  explicit ProvenanceIndex(std::string folder) : folder_(std::move(folder)) {}

  std::optional<ruler::Provenance> of(const ruler::Place& place,
                                      std::size_t last_line) const override;
  /// Finds the rule's lines itself.
  std::optional<ruler::Provenance> of_rule(const std::string& file, std::size_t line) const;

  struct File {
    std::string blob;
    std::string text;
    Blame blame;
  };
  void add(const std::string& path, std::shared_ptr<const File> file) {
    files_[path] = std::move(file);
  }
  /// Returns what is known about `path` if its content is `blob`, else nullptr.
  std::shared_ptr<const File> find(const std::string& path, const std::string& blob) const;

 private:
  const File* file_of(const std::string& file) const;
  static std::optional<ruler::Provenance> newest(const File& file, LineRange range);

  std::string folder_;
  std::map<std::string, std::shared_ptr<const File>> files_;
};

}  // namespace tocsin::rulegit

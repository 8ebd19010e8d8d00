#include "alertd/rulegit/provenance_index.h"

#include <algorithm>
#include <vector>

#include "common/base/strings.h"

namespace tocsin::rulegit {
namespace {

std::size_t indentation(std::string_view line) {
  return std::min(line.find_first_not_of(' '), line.size());
}

bool idle(std::string_view line) {
  const std::string_view text = base::trim(line);
  return text.empty() || text.starts_with('#');
}

LineRange trimmed(const std::vector<std::string_view>& lines, std::size_t first, std::size_t end) {
  while (end > first + 1 && idle(lines[end - 1])) --end;
  return {first + 1, end};
}

bool toml_header(std::string_view line) {
  return base::trim(line).starts_with("[[");
}

LineRange toml_lines(const std::vector<std::string_view>& lines, std::size_t at) {
  std::size_t first = at;
  while (first > 0 && !toml_header(lines[first])) --first;
  std::size_t end = at + 1;
  while (end < lines.size() && !toml_header(lines[end])) ++end;
  return trimmed(lines, first, end);
}

// "- alert: X" has its key where "  expr: y" has its own: two columns (or more) after the dash.
std::size_t key_column(std::string_view line) {
  std::size_t column = indentation(line);
  while (column < line.size() && line[column] == '-') {
    column = std::min(line.find_first_not_of(' ', column + 1), line.size());
  }
  return column;
}

LineRange yaml_lines(const std::vector<std::string_view>& lines, std::size_t at) {
  const std::size_t column = key_column(lines[at]);
  std::size_t first = at;
  // Up to the dash of the list's entry: the nearest line that begins with one left of the key.
  for (;; --first) {
    const std::size_t depth = indentation(lines[first]);
    const bool dash = depth < lines[first].size() && lines[first][depth] == '-';
    if (dash && depth < column) break;
    if (first == 0) return {at + 1, at + 1};
  }
  const std::size_t dash = indentation(lines[first]);
  std::size_t end = first + 1;
  while (end < lines.size() && (idle(lines[end]) || indentation(lines[end]) > dash)) ++end;
  return trimmed(lines, first, end);
}

}  // namespace

LineRange rule_lines(std::string_view text, std::size_t line, bool toml) {
  const std::vector<std::string_view> lines = base::split(text, '\n');
  if (line == 0 || line > lines.size()) return {line, line};
  return toml ? toml_lines(lines, line - 1) : yaml_lines(lines, line - 1);
}

std::shared_ptr<const ProvenanceIndex::File> ProvenanceIndex::find(const std::string& path,
                                                                   const std::string& blob) const {
  const auto found = files_.find(path);
  return found != files_.end() && found->second->blob == blob ? found->second : nullptr;
}

const ProvenanceIndex::File* ProvenanceIndex::file_of(const std::string& file) const {
  if (!file.starts_with(folder_)) return nullptr;
  const auto found = files_.find(file.substr(folder_.size()));
  return found == files_.end() ? nullptr : found->second.get();
}

std::optional<ruler::Provenance> ProvenanceIndex::newest(const File& file, LineRange range) {
  const Commit* best = nullptr;
  for (std::size_t line = std::max<std::size_t>(range.first, 1);
       line <= range.last && line <= file.blame.lines.size(); ++line) {
    const Commit& commit = file.blame.commits[file.blame.lines[line - 1]];
    if (!best || commit.at > best->at) best = &commit;
  }
  if (!best) return std::nullopt;
  return ruler::Provenance{best->id, best->author, best->subject, best->at};
}

std::optional<ruler::Provenance> ProvenanceIndex::of(const ruler::Place& place,
                                                     std::size_t last_line) const {
  const File* file = file_of(place.file);
  if (!file) return std::nullopt;
  return newest(*file, {place.line, std::max(place.line, last_line)});
}

std::optional<ruler::Provenance> ProvenanceIndex::of_rule(const std::string& file,
                                                          std::size_t line) const {
  const File* known = file_of(file);
  if (!known) return std::nullopt;
  return newest(*known, rule_lines(known->text, line, file.ends_with(".toml")));
}

}  // namespace tocsin::rulegit

#include "alertd/backup/manifest.h"

#include <fmt/core.h>

#include <algorithm>
#include <boost/json.hpp>
#include <set>

#include "common/base/strings.h"

namespace tocsin::backup {
namespace {

namespace json = boost::json;
using base::ErrorCode;

constexpr std::size_t kPathBytesMax = 250;
constexpr std::uint32_t kModeMax = 0777;

base::Error damaged(const std::string& what) {
  return base::error(ErrorCode::Corruption, fmt::format("{}: {}", kManifestName, what));
}

bool is_inside(std::string_view path) {
  if (path.empty() || path.size() > kPathBytesMax || path.front() == '/') return false;
  for (std::size_t begin = 0; begin <= path.size();) {
    const std::size_t end = std::min(path.find('/', begin), path.size());
    const std::string_view part = path.substr(begin, end - begin);
    if (part.empty() || part == "." || part == "..") return false;
    begin = end + 1;
  }
  return std::none_of(path.begin(), path.end(),
                      [](char c) { return static_cast<unsigned char>(c) < 0x20 || c == 0x7f; });
}

bool is_sha256(std::string_view text) {
  return text.size() == 64 && text.find_first_not_of("0123456789abcdef") == std::string_view::npos;
}

const json::value* member(const json::object& object, std::string_view name) {
  return object.if_contains(name);
}

std::string text(const json::object& object, std::string_view name) {
  const json::value* value = member(object, name);
  return value != nullptr && value->is_string() ? std::string(value->get_string()) : std::string();
}

std::int64_t number(const json::object& object, std::string_view name) {
  const json::value* value = member(object, name);
  return value != nullptr && value->is_int64() ? value->get_int64() : -1;
}

base::Result<FileEntry> entry_of(const json::value& value) {
  if (!value.is_object()) return damaged("'files' has something else than objects");
  const json::object& object = value.get_object();
  const std::int64_t bytes = number(object, "bytes");
  const std::int64_t mode = number(object, "mode");
  FileEntry entry{text(object, "path"), static_cast<std::uint64_t>(bytes), text(object, "sha256"),
                  static_cast<std::uint32_t>(mode)};
  if (!is_inside(entry.path)) {
    return damaged(
        fmt::format("path '{}' is not one inside a backup", base::escape_control(entry.path)));
  }
  if (bytes < 0 || mode < 0 || mode > kModeMax || !is_sha256(entry.sha256)) {
    return damaged(fmt::format("'{}' has no size, mode or SHA-256", entry.path));
  }
  return entry;
}

}  // namespace

std::uint64_t Manifest::bytes() const {
  std::uint64_t total = 0;
  for (const FileEntry& file : files) total += file.bytes;
  return total;
}

std::string to_json(const Manifest& manifest) {
  json::array files;
  for (const FileEntry& file : manifest.files) {
    files.push_back(json::object{{"path", file.path},
                                 {"bytes", static_cast<std::int64_t>(file.bytes)},
                                 {"mode", static_cast<std::int64_t>(file.mode)},
                                 {"sha256", file.sha256}});
  }
  json::array missing;
  for (const std::string& one : manifest.missing) missing.emplace_back(one);
  const json::object object{
      {"format", manifest.format},     {"version", manifest.version},
      {"host", manifest.host},         {"createdAt", base::format_rfc3339(manifest.created_at)},
      {"missing", std::move(missing)}, {"files", std::move(files)}};
  return json::serialize(object);
}

base::Result<Manifest> parse_manifest(std::string_view text_of_all) {
  boost::system::error_code error;
  const json::value value = json::parse(text_of_all, error);
  if (error || !value.is_object()) return damaged("is not a JSON object");
  const json::object& object = value.get_object();
  Manifest manifest;
  const std::int64_t format = number(object, "format");
  if (format < 1) return damaged("has no 'format'");
  manifest.version = text(object, "version");
  if (format > kFormat) {
    return base::error(ErrorCode::InvalidArgument,
                       fmt::format("the backup has format {}, made by tocsin {}; this release "
                                   "reads formats up to {}: use that release or a newer one",
                                   format, base::escape_control(manifest.version), kFormat));
  }
  manifest.format = static_cast<int>(format);
  manifest.host = text(object, "host");
  const auto created = base::parse_rfc3339(text(object, "createdAt"));
  if (!created) return damaged("has no 'createdAt'");
  manifest.created_at = *created;
  if (const json::value* missing = member(object, "missing"); missing && missing->is_array()) {
    for (const json::value& one : missing->get_array()) {
      if (one.is_string()) manifest.missing.emplace_back(one.get_string());
    }
  }
  const json::value* files = member(object, "files");
  if (files == nullptr || !files->is_array()) return damaged("has no 'files'");
  std::set<std::string> seen;
  for (const json::value& one : files->get_array()) {
    TC_TRY(FileEntry entry, entry_of(one));
    if (!seen.insert(entry.path).second) {
      return damaged(fmt::format("'{}' comes twice", entry.path));
    }
    manifest.files.push_back(std::move(entry));
  }
  return manifest;
}

}  // namespace tocsin::backup

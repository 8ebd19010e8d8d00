#include "agent/backup/base_manifest.h"

#include <fmt/format.h>

#include <algorithm>
#include <boost/json.hpp>
#include <charconv>

#include "agent/backup/digest.h"
#include "common/base/strings.h"

namespace tocsin::agent {

namespace json = boost::json;

namespace {

constexpr std::size_t kLineBytesMax = 64 << 10;

std::string text_of(const json::object& object, std::string_view key) {
  const json::value* value = object.if_contains(key);
  return value != nullptr && value->is_string() ? std::string(value->get_string()) : std::string();
}

std::optional<std::uint64_t> number_of(const json::object& object, std::string_view key) {
  const json::value* value = object.if_contains(key);
  if (value == nullptr || !value->is_int64() || value->get_int64() < 0) return std::nullopt;
  return static_cast<std::uint64_t>(value->get_int64());
}

std::string from_hex(std::string_view text) {
  std::string bytes;
  for (std::size_t i = 0; i + 1 < text.size(); i += 2) {
    unsigned value = 0;
    std::from_chars(text.data() + i, text.data() + i + 2, value, 16);
    bytes += static_cast<char>(value);
  }
  return bytes;
}

Finding damaged(std::string_view what) {
  return finding("damaged", fmt::format("backup_manifest: {}", what));
}

/// The lines of the file, and the checksum of what comes before the last.
class ManifestReader {
 public:
  ManifestReader(const std::function<Found(ManifestFile)>& each, Manifest& manifest)
      : each_(each), manifest_(manifest) {}

  Found line(std::string_view text) {
    const std::string whole = fmt::format("{}\n", text);
    text = base::trim(text);
    if (text.starts_with("\"Manifest-Checksum\"")) {
      const std::size_t end = text.rfind('"');
      const std::size_t begin = end == std::string_view::npos ? end : text.rfind('"', end - 1);
      if (begin == std::string_view::npos) return damaged("its checksum is no text");
      ended_ = true;
      if (digest_->hex() != text.substr(begin + 1, end - begin - 1)) {
        return damaged("its own checksum is wrong");
      }
      return {};
    }
    if (ended_) return {};
    digest_->update(whole);
    if (text.starts_with("{ \"PostgreSQL-Backup-Manifest-Version\"")) begun_ = true;
    if (text.ends_with(',')) text.remove_suffix(1);
    if (text.starts_with("{ \"Path\"") || text.starts_with("{ \"Encoded-Path\"")) return file(text);
    if (text.starts_with("{ \"Timeline\"")) return range(text);
    return {};
  }

  Found finish() const {
    if (!begun_) return damaged("it is not a manifest");
    if (!ended_) return finding("truncated", "backup_manifest ends without its checksum");
    return {};
  }

 private:
  Found file(std::string_view text) {
    boost::system::error_code code;
    const json::value value = json::parse({text.data(), text.size()}, code);
    if (code.failed() || !value.is_object()) return damaged("a line is no JSON");
    const json::object& object = value.get_object();
    ManifestFile one;
    one.path = object.contains("Encoded-Path") ? from_hex(text_of(object, "Encoded-Path"))
                                               : text_of(object, "Path");
    const auto size = number_of(object, "Size");
    const bool outside = one.path.starts_with('/') || one.path == ".." ||
                         one.path.starts_with("../") || one.path.find("/../") != std::string::npos;
    if (one.path.empty() || !size || outside) return damaged("a file has no name or no size");
    one.size = *size;
    one.algorithm = text_of(object, "Checksum-Algorithm");
    one.checksum = text_of(object, "Checksum");
    ++manifest_.files;
    manifest_.bytes += one.size;
    return each_ ? each_(std::move(one)) : Found{};
  }

  Found range(std::string_view text) {
    boost::system::error_code code;
    const json::value value = json::parse({text.data(), text.size()}, code);
    if (code.failed() || !value.is_object()) return damaged("a line is no JSON");
    const json::object& object = value.get_object();
    const auto timeline = number_of(object, "Timeline");
    const auto start = parse_lsn(text_of(object, "Start-LSN"));
    const auto end = parse_lsn(text_of(object, "End-LSN"));
    if (!timeline || !start || !end) return damaged("a range of WAL is no range");
    manifest_.wal.push_back({static_cast<std::uint32_t>(*timeline), *start, *end});
    return {};
  }

  const std::function<Found(ManifestFile)>& each_;
  Manifest& manifest_;
  std::unique_ptr<Digest> digest_ = make_digest("SHA256");
  bool begun_ = false;
  bool ended_ = false;
};

}  // namespace

Found read_manifest(PacedFile& file, const std::function<Found(ManifestFile)>& each,
                    Manifest& manifest) {
  ManifestReader reader(each, manifest);
  std::string line;
  for (;;) {
    const auto chunk = file.next();
    if (!chunk) return unreadable(chunk.error());
    if (chunk->empty()) break;
    std::string_view rest = *chunk;
    for (std::size_t end = 0; (end = rest.find('\n')) != std::string_view::npos;) {
      line.append(rest.substr(0, end));
      if (Found bad = reader.line(line)) return bad;
      line.clear();
      rest.remove_prefix(end + 1);
    }
    line.append(rest);
    if (line.size() > kLineBytesMax) return damaged("a line is too long");
  }
  if (!line.empty()) {
    if (Found bad = reader.line(line)) return bad;
  }
  return reader.finish();
}

std::optional<std::uint64_t> parse_lsn(std::string_view text) {
  const std::size_t slash = text.find('/');
  if (slash == std::string_view::npos) return std::nullopt;
  std::uint64_t parts[2] = {};
  const std::string_view halves[2] = {text.substr(0, slash), text.substr(slash + 1)};
  for (int i = 0; i < 2; ++i) {
    const char* const end = halves[i].data() + halves[i].size();
    const auto [at, failure] = std::from_chars(halves[i].data(), end, parts[i], 16);
    if (failure != std::errc() || at != end || parts[i] > 0xffffffffU) return std::nullopt;
  }
  return parts[0] << 32U | parts[1];
}

bool outside_manifest(std::string_view path) {
  return path == "backup_manifest" || path == "postgresql.auto.conf" || path == "recovery.signal" ||
         path == "standby.signal" || path.starts_with("pg_wal/");
}

}  // namespace tocsin::agent

#include "agent/collectors/probe/certificate_files.h"

#include <fmt/format.h>

#include <boost/json.hpp>

#include "agent/collectors/kept/glob.h"
#include "common/base/base64.h"
#include "common/base/strings.h"

namespace tocsin::agent {

using base::ErrorCode;
using base::Result;

namespace {

constexpr std::size_t kFilesMax = 200;
constexpr std::size_t kPemBytesMax = 256 << 10;
constexpr std::size_t kAcmeBytesMax = 8 << 20;
constexpr std::size_t kAcmeMax = 200;
constexpr mode_t kExposed = 0027;  ///< Anything for others, writing for the group.

base::Error permission_said(base::Error error, const std::string& path) {
  if (error.code == ErrorCode::PermissionDenied) {
    error.message +=
        fmt::format("; the agent's user needs to read it: setfacl -m u:tocsin-agent:r {}", path);
  }
  return error;
}

/// What is known of the key; of a key that may not be read, its mode.
void look_at_key(const base::FileSystem& files, const std::string& path, StoredCertificate& stored,
                 std::optional<base::Error>& error) {
  if (const auto mode = files.mode(path)) stored.key_exposed = (*mode & kExposed) != 0;
  const auto text = files.read(path, kPemBytesMax);
  if (!text) {
    error = text.error();
    return;
  }
  const auto key = parse_private_key(*text);
  if (!key) {
    error = with_context(key.error(), path);
    return;
  }
  stored.key_matches = key_matches(*stored.chain.front(), **key);
}

void find_key(const CertificateSettings& settings, const base::FileSystem& files,
              const std::string& pem, StoredCertificate& stored, StoredCertificates& found) {
  std::optional<base::Error> error;
  if (!settings.key_file.empty()) {
    look_at_key(files, settings.key_file, stored, error);
    if (error)
      found.failures.push_back({settings.key_file, permission_said(*error, settings.key_file)});
    return;
  }
  if (const auto key = parse_private_key(pem)) {  // in the same file
    stored.key_matches = key_matches(*stored.chain.front(), **key);
    if (const auto mode = files.mode(stored.path)) stored.key_exposed = (*mode & kExposed) != 0;
    return;
  }
  // One that was not named may be out of reach: most keys are, for all but root.
  for (const std::string& path : usual_key_files(stored.path)) {
    if (!files.exists(path)) continue;
    look_at_key(files, path, stored, error);
    return;
  }
}

Result<StoredCertificate> store(std::string_view pem, const std::string& path,
                                const base::FileSystem& files) {
  auto chain = parse_certificates(pem);
  if (!chain) return with_context(chain.error(), path);
  StoredCertificate stored;
  stored.path = path;
  stored.chain = std::move(*chain);
  stored.facts = facts_of(*stored.chain.front());
  TC_TRY(const std::int64_t modified_ns, files.modified_ns(path));
  stored.modified = base::wall_time(modified_ns / 1'000'000);
  return stored;
}

void read_pem(const CertificateSettings& settings, const std::string& path,
              const base::FileSystem& files, StoredCertificates& found) {
  const auto text = files.read(path, kPemBytesMax);
  if (!text) {
    found.failures.push_back({path, permission_said(text.error(), path)});
    return;
  }
  auto stored = store(*text, path, files);
  if (!stored) {
    found.failures.push_back({path, stored.error()});
    return;
  }
  find_key(settings, files, *text, *stored, found);
  found.all.push_back(std::move(*stored));
}

void read_acme(const std::string& path, const base::FileSystem& files, StoredCertificates& found) {
  const auto text = files.read(path, kAcmeBytesMax);
  if (!text) {
    found.failures.push_back({path, permission_said(text.error(), path)});
    return;
  }
  const auto entries = parse_acme_store(*text);
  if (!entries) {
    found.failures.push_back({path, with_context(entries.error(), path)});
    return;
  }
  const auto mode = files.mode(path);
  for (const AcmeCertificate& entry : *entries) {
    auto stored = store(entry.certificate, path, files);
    if (!stored) {
      found.failures.push_back({path, stored.error()});
      continue;
    }
    if (const auto key = parse_private_key(entry.key)) {
      stored->key_matches = key_matches(*stored->chain.front(), **key);
    }
    if (mode) stored->key_exposed = (*mode & kExposed) != 0;
    found.all.push_back(std::move(*stored));
  }
}

std::string text_at(const boost::json::object& object, std::string_view name) {
  for (const auto& [key, value] : object) {
    // Traefik 1 wrote "Certificate", 2 writes "certificate".
    if (base::to_lower(std::string_view(key)) == name && value.is_string()) {
      return base::base64_decode(std::string_view(value.as_string())).value_or("");
    }
  }
  return {};
}

Result<void> take_resolver(const boost::json::object& resolver,
                           std::vector<AcmeCertificate>& entries) {
  const auto* list = resolver.if_contains("Certificates");
  if (list == nullptr || list->is_null()) return base::ok();
  if (!list->is_array()) {
    return base::error(ErrorCode::InvalidArgument, "'Certificates' is no list");
  }
  for (const auto& value : list->as_array()) {
    if (!value.is_object()) continue;
    if (entries.size() >= kAcmeMax) {
      return base::error(ErrorCode::LimitExceeded,
                         fmt::format("more than {} certificates", kAcmeMax));
    }
    entries.push_back(
        {text_at(value.as_object(), "certificate"), text_at(value.as_object(), "key")});
  }
  return base::ok();
}

}  // namespace

Result<std::vector<AcmeCertificate>> parse_acme_store(std::string_view json) {
  std::vector<AcmeCertificate> entries;
  // Traefik makes the file empty before its first certificate.
  if (base::trim(json).empty()) return entries;
  boost::json::error_code code;
  const boost::json::value root = boost::json::parse(json, code);
  if (code || !root.is_object()) {
    return base::error(ErrorCode::InvalidArgument, "no store of Traefik: it is no JSON object");
  }
  const auto& object = root.as_object();
  if (object.contains("Certificates")) {
    TC_TRY(take_resolver(object, entries));
    return entries;
  }
  for (const auto& [name, resolver] : object) {
    if (resolver.is_object()) TC_TRY(take_resolver(resolver.as_object(), entries));
  }
  return entries;
}

std::vector<std::string> usual_key_files(const std::string& certificate_file) {
  const std::size_t slash = certificate_file.rfind('/');
  const std::string folder = certificate_file.substr(0, slash == std::string::npos ? 0 : slash + 1);
  const std::string file = certificate_file.substr(folder.size());
  if (file == "fullchain.pem" || file == "cert.pem") return {folder + "privkey.pem"};
  const std::size_t dot = file.rfind('.');
  const std::string stem = folder + file.substr(0, dot);
  return {stem + ".key", stem + "-key.pem", stem + ".key.pem"};
}

StoredCertificates read_certificates(const CertificateSettings& settings,
                                     const base::FileSystem& files) {
  StoredCertificates found;
  const auto each = [&](const std::vector<std::string>& patterns, const auto& read) {
    for (const std::string& pattern : patterns) {
      const Globbed globbed = glob(files, "", pattern, kFilesMax);
      if (globbed.denied) {
        found.failures.push_back({pattern, permission_said(*globbed.denied, pattern)});
      } else if (globbed.paths.empty()) {
        found.failures.push_back(
            {pattern,
             base::error(ErrorCode::NotFound, fmt::format("'{}': no such file", pattern))});
      }
      for (const std::string& path : globbed.paths) read(path);
    }
  };
  each(settings.files, [&](const std::string& path) { read_pem(settings, path, files, found); });
  each(settings.acme_files, [&](const std::string& path) { read_acme(path, files, found); });
  return found;
}

}  // namespace tocsin::agent

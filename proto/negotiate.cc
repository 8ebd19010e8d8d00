#include <fmt/core.h>

#include "common/base/strings.h"
#include "proto/codec.h"

namespace tocsin::proto {
namespace {

constexpr std::string_view kMediaType = "application/x-protobuf";
constexpr std::string_view kMessageV1 = "prometheus.WriteRequest";
constexpr std::string_view kMessageV2 = "io.prometheus.write.v2.Request";

base::Error unsupported(std::string message) {
  return base::error(base::ErrorCode::InvalidArgument, std::move(message));
}

std::string shown(std::string_view text) {
  return base::escape_control(text.size() > 100 ? text.substr(0, 100) : text);
}

std::string_view unquoted(std::string_view text) {
  if (text.size() >= 2 && text.front() == '"' && text.back() == '"') {
    return text.substr(1, text.size() - 2);
  }
  return text;
}

base::Result<Version> version_of(std::string_view content_type) {
  const std::vector<std::string_view> parts = base::split(content_type, ';');
  if (base::to_lower(base::trim(parts[0])) != kMediaType) {
    return unsupported(fmt::format("content type '{}' is not supported; send '{}' or '{}'",
                                   shown(content_type), kContentTypeV1, kContentTypeV2));
  }
  for (std::size_t i = 1; i < parts.size(); ++i) {
    const std::size_t equals = parts[i].find('=');
    if (equals == std::string_view::npos) continue;
    if (base::to_lower(base::trim(parts[i].substr(0, equals))) != "proto") continue;
    const std::string_view message = unquoted(base::trim(parts[i].substr(equals + 1)));
    if (message == kMessageV1) return Version::V1;
    if (message == kMessageV2) return Version::V2;
    return unsupported(
        fmt::format("message '{}' in the content type is not supported; known: {}, {}",
                    shown(message), kMessageV1, kMessageV2));
  }
  return Version::V1;
}

}  // namespace

HeaderList request_headers(Version version) {
  const bool v1 = version == Version::V1;
  return {{"Content-Type", std::string(v1 ? kContentTypeV1 : kContentTypeV2)},
          {"Content-Encoding", std::string(kContentEncoding)},
          {std::string(kVersionHeader), std::string(v1 ? kVersionV1 : kVersionV2)},
          {"User-Agent", "tocsin/" TOCSIN_VERSION}};
}

base::Result<Version> negotiate(std::string_view content_type, std::string_view content_encoding) {
  if (content_type.empty()) {
    return unsupported(fmt::format("no content type; send '{}'", kContentTypeV1));
  }
  TC_TRY(const Version version, version_of(content_type));
  if (base::to_lower(base::trim(content_encoding)) != kContentEncoding) {
    return unsupported(fmt::format("content encoding '{}' is not supported; send '{}'",
                                   shown(content_encoding), kContentEncoding));
  }
  return version;
}

HeaderList written_headers(const Written& written) {
  return {{"X-Prometheus-Remote-Write-Samples-Written", std::to_string(written.samples)},
          {"X-Prometheus-Remote-Write-Histograms-Written", std::to_string(written.histograms)},
          {"X-Prometheus-Remote-Write-Exemplars-Written", std::to_string(written.exemplars)}};
}

}  // namespace tocsin::proto

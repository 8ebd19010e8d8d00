#include "agent/collectors/probe/probe_url.h"

#include <curl/curl.h>
#include <fmt/format.h>

#include <memory>

#include "common/base/strings.h"

namespace tocsin::agent {

namespace {

struct UrlFree {
  void operator()(CURLU* url) const { curl_url_cleanup(url); }
};

std::string part_of(CURLU* url, CURLUPart part) {
  char* text = nullptr;
  if (curl_url_get(url, part, &text, CURLU_DEFAULT_PORT) != CURLUE_OK || text == nullptr) return {};
  std::string copy(text);
  curl_free(text);
  return copy;
}

}  // namespace

base::Result<ProbeUrl> parse_probe_url(const std::string& text) {
  const auto bad = [&] {
    return base::error(base::ErrorCode::InvalidArgument,
                       fmt::format("'{}' is no http:// or https:// address",
                                   base::escape_control(net::url_origin(text))));
  };
  const std::unique_ptr<CURLU, UrlFree> url(curl_url());
  if (!url || base::escape_control(text) != text ||
      curl_url_set(url.get(), CURLUPART_URL, text.c_str(), 0) != CURLUE_OK) {
    return bad();
  }
  const std::string scheme = part_of(url.get(), CURLUPART_SCHEME);
  ProbeUrl parsed;
  parsed.address.host = part_of(url.get(), CURLUPART_HOST);
  const auto port = base::parse_u64(part_of(url.get(), CURLUPART_PORT));
  const bool odd = (scheme != "http" && scheme != "https") || parsed.address.host.empty() ||
                   !port || *port == 0 || *port > 65535 ||
                   !part_of(url.get(), CURLUPART_USER).empty();
  if (odd) return bad();
  parsed.address.port = static_cast<unsigned short>(*port);
  if (parsed.address.host.starts_with('[')) {
    parsed.address.host = parsed.address.host.substr(1, parsed.address.host.size() - 2);
  }
  parsed.shown = text.substr(0, text.find_first_of("?#"));
  return parsed;
}

}  // namespace tocsin::agent

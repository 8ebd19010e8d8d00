#include "alertd/rulegit/http_transport.h"

#include <fmt/core.h>
#include <git2/sys/transport.h>
#include <openssl/evp.h>

#include <algorithm>
#include <cstring>
#include <memory>
#include <vector>

#include "common/base/mutex.h"

namespace tocsin::rulegit {
namespace {

constexpr std::size_t kRequestBytesMax = 16 << 20;

/// What the waiting thread and the answer share; the answer may come when nobody waits any more.
struct Exchange {
  base::Mutex mutex;
  base::Condition changed;
  std::optional<base::Result<net::HttpResponse>> response GUARDED_BY(mutex);
};

base::Result<net::HttpResponse> wait_for(HttpWorld& world, net::HttpRequest request) {
  const auto exchange = std::make_shared<Exchange>();
  world.http.send(std::move(request), world.reply_on,
                  [exchange](base::Result<net::HttpResponse> response) {
                    base::MutexLock lock(exchange->mutex);
                    exchange->response = std::move(response);
                    exchange->changed.notify_all();
                  });
  base::MutexLock lock(exchange->mutex);
  // The client ends every request by its time-out; the slices are for a stop in between.
  while (!exchange->changed.wait_for(exchange->mutex, std::chrono::milliseconds(100),
                                     [&] { return exchange->response.has_value(); })) {
    if (world.cancelled && world.cancelled()) {
      return base::error(base::ErrorCode::Cancelled, "stopped");
    }
  }
  return std::move(*exchange->response);
}

base::Error status_error(const net::HttpResponse& response) {
  const int status = response.status;
  if (status == 401 || status == 403) {
    return base::error(base::ErrorCode::PermissionDenied,
                       fmt::format("HTTP {}: the credential is missing, wrong, or may not read "
                                   "this repository; see user and token_file",
                                   status));
  }
  if (status == 404) {
    return base::error(base::ErrorCode::NotFound,
                       "HTTP 404: there is no such repository, or the credential may not see it");
  }
  if (status >= 300 && status < 400) {
    return base::error(base::ErrorCode::InvalidArgument,
                       fmt::format("HTTP {}: the repository has moved; redirects are not followed, "
                                   "give its new url",
                                   status));
  }
  return base::error(base::ErrorCode::Unavailable, fmt::format("HTTP {}", status));
}

/// One request and its answer, as libgit2 reads and writes it. `parent` first: libgit2 casts.
struct Stream {
  git_smart_subtransport_stream parent{};
  HttpWorld* world = nullptr;
  bool discovery = false;
  std::string url;
  std::string request;
  std::optional<net::HttpResponse> response;
  std::size_t position = 0;
};

struct Subtransport {
  git_smart_subtransport parent{};
  HttpWorld* world = nullptr;
};

int fail(HttpWorld& world, base::Error error) {
  git_error_set_str(GIT_ERROR_HTTP, error.message.c_str());
  world.failure = std::move(error);
  return -1;
}

net::HttpRequest request_of(Stream& stream) {
  const GitSettings& settings = stream.world->settings;
  net::HttpRequest request;
  request.timeout = settings.timeout;
  request.response_bytes_max = settings.limits.repository_bytes_max;
  request.tls = settings.tls;
  if (!settings.token.empty()) {
    request.headers.emplace_back("Authorization",
                                 basic_authorization(settings.user, settings.token.reveal()));
  }
  if (stream.discovery) {
    request.url = stream.url + "/info/refs?service=git-upload-pack";
  } else {
    request.method = "POST";
    request.url = stream.url + "/git-upload-pack";
    request.headers.emplace_back("Content-Type", "application/x-git-upload-pack-request");
    request.headers.emplace_back("Accept", "application/x-git-upload-pack-result");
    request.body = std::move(stream.request);
  }
  return request;
}

int stream_read(git_smart_subtransport_stream* self, char* buffer, std::size_t size,
                std::size_t* bytes_read) {
  auto& stream = *reinterpret_cast<Stream*>(self);
  *bytes_read = 0;
  if (!stream.response) {
    auto response = wait_for(*stream.world, request_of(stream));
    if (!response) return fail(*stream.world, response.error());
    if (response->status != 200) return fail(*stream.world, status_error(*response));
    if (stream.discovery &&
        response->header("content-type") != "application/x-git-upload-pack-advertisement") {
      return fail(*stream.world, base::error(base::ErrorCode::InvalidArgument,
                                             "the answer is not git's; is the url a repository?"));
    }
    stream.response = std::move(*response);
  }
  const std::string& body = stream.response->body;
  const std::size_t count = std::min(size, body.size() - stream.position);
  std::memcpy(buffer, body.data() + stream.position, count);
  stream.position += count;
  *bytes_read = count;
  return 0;
}

int stream_write(git_smart_subtransport_stream* self, const char* buffer, std::size_t size) {
  auto& stream = *reinterpret_cast<Stream*>(self);
  if (stream.request.size() + size > kRequestBytesMax) {
    return fail(*stream.world, base::error(base::ErrorCode::LimitExceeded,
                                           "the request to the server is too big"));
  }
  stream.request.append(buffer, size);
  return 0;
}

void stream_free(git_smart_subtransport_stream* self) {
  delete reinterpret_cast<Stream*>(self);
}

int transport_action(git_smart_subtransport_stream** out, git_smart_subtransport* self,
                     const char* url, git_smart_service_t action) {
  auto& transport = *reinterpret_cast<Subtransport*>(self);
  if (action != GIT_SERVICE_UPLOADPACK_LS && action != GIT_SERVICE_UPLOADPACK) return -1;
  auto* stream = new Stream;
  stream->parent.subtransport = self;
  stream->parent.read = stream_read;
  stream->parent.write = stream_write;
  stream->parent.free = stream_free;
  stream->world = transport.world;
  stream->discovery = action == GIT_SERVICE_UPLOADPACK_LS;
  stream->url = url;
  *out = &stream->parent;
  return 0;
}

int transport_close(git_smart_subtransport* /*transport*/) {
  return 0;
}

void transport_free(git_smart_subtransport* self) {
  delete reinterpret_cast<Subtransport*>(self);
}

int make_subtransport(git_smart_subtransport** out, git_transport* /*owner*/, void* world) {
  auto* transport = new Subtransport;
  transport->parent.action = transport_action;
  transport->parent.close = transport_close;
  transport->parent.free = transport_free;
  transport->world = static_cast<HttpWorld*>(world);
  *out = &transport->parent;
  return 0;
}

}  // namespace

int make_http_transport(git_transport** out, git_remote* owner, HttpWorld& world) {
  git_smart_subtransport_definition definition{make_subtransport, 1, &world};
  return git_transport_smart(out, owner, &definition);
}

std::string basic_authorization(const std::string& user, const std::string& token) {
  const std::string plain = user + ":" + token;
  std::vector<unsigned char> encoded(4 * ((plain.size() + 2) / 3) + 1);
  const int length =
      EVP_EncodeBlock(encoded.data(), reinterpret_cast<const unsigned char*>(plain.data()),
                      static_cast<int>(plain.size()));
  return "Basic " + std::string(encoded.begin(), encoded.begin() + length);
}

}  // namespace tocsin::rulegit

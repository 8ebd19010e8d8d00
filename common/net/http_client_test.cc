// The HTTP client with many requests side by side.
#include "common/net/http_client.h"

#include <doctest/doctest.h>
#include <fmt/core.h>

#include "common/net/http_server.h"
#include "common/net/test_support.h"

namespace tocsin::net {
namespace {

using base::Duration;
using base::ErrorCode;
using test::Waiter;
using Answer = base::Result<HttpResponse>;

/// A server that answers "/slow" only when it is told to, and everything else at once.
struct Fixture {
  Fixture() {
    ServerOptions options;
    options.listen = "127.0.0.1:0";
    auto started =
        HttpServer::start(io, options, [this](const ServerRequest& request, Respond respond) {
          ServerResponse response;
          response.body = request.path + " " + request.body;
          if (request.path == "/slow") {
            const base::MutexLock lock(mutex);
            held.push_back([respond = std::move(respond), response] { respond(response); });
            return;
          }
          respond(std::move(response));
        });
    REQUIRE_MESSAGE(started, started);
    server = std::move(*started);
  }
  std::shared_ptr<Waiter<Answer>> send(HttpClient& client, std::string_view path,
                                       std::string body = {}) {
    HttpRequest request;
    request.method = "POST";
    request.url = fmt::format("http://127.0.0.1:{}{}", server->port(), path);
    request.body = std::move(body);
    auto waiter = std::make_shared<Waiter<Answer>>();
    client.send(std::move(request), replies,
                [waiter](Answer result) { waiter->set(std::move(result)); });
    return waiter;
  }

  base::RealClock clock;
  base::AsioExecutor io{clock, "io", 2};
  base::AsioExecutor replies{clock, "replies", 1};
  base::Mutex mutex;
  std::vector<base::Task> held GUARDED_BY(mutex);
  std::unique_ptr<HttpServer> server;
};

TEST_CASE("requests that wait for their answers hold up no others") {
  Fixture fixture;
  const auto client = make_http_client(fixture.clock, 8, 10);
  std::vector<std::shared_ptr<Waiter<Answer>>> slow;
  for (int i = 0; i < 7; ++i) slow.push_back(fixture.send(*client, "/slow", std::to_string(i)));
  for (int i = 0; i < 50; ++i) {
    const auto quick = fixture.send(*client, "/quick", std::to_string(i))->wait();
    REQUIRE(quick);
    REQUIRE_MESSAGE(*quick, *quick);
    CHECK((*quick)->body == fmt::format("/quick {}", i));
  }
  std::vector<base::Task> answers;
  {
    const base::MutexLock lock(fixture.mutex);
    answers.swap(fixture.held);
  }
  REQUIRE(answers.size() == 7);
  for (const base::Task& answer : answers) answer();
  for (std::size_t i = 0; i < slow.size(); ++i) {
    const auto got = slow[i]->wait();
    REQUIRE(got);
    REQUIRE_MESSAGE(*got, *got);
    CHECK((*got)->body == fmt::format("/slow {}", i));
  }
}

TEST_CASE("as many as asked for are in flight, the others wait for their turn") {
  Fixture fixture;
  const auto client = make_http_client(fixture.clock, 2, 200);
  std::vector<std::shared_ptr<Waiter<Answer>>> sent;
  for (int i = 0; i < 100; ++i) sent.push_back(fixture.send(*client, "/", std::to_string(i)));
  for (std::size_t i = 0; i < sent.size(); ++i) {
    const auto got = sent[i]->wait();
    REQUIRE(got);
    REQUIRE_MESSAGE(*got, *got);
    CHECK((*got)->body == fmt::format("/ {}", i));
  }
}

TEST_CASE("a client that goes tells those under way and those that wait, at once") {
  Fixture fixture;
  auto client = make_http_client(fixture.clock, 2, 10);
  std::vector<std::shared_ptr<Waiter<Answer>>> sent;
  for (int i = 0; i < 5; ++i) sent.push_back(fixture.send(*client, "/slow"));
  const base::MonotonicTime before = fixture.clock.monotonic();
  client.reset();
  CHECK(fixture.clock.monotonic() - before < std::chrono::seconds(5));
  for (const auto& each : sent) {
    const auto got = each->wait();
    REQUIRE(got);
    REQUIRE_FALSE(*got);
    CHECK(got->error().code == ErrorCode::Cancelled);
  }
}

}  // namespace
}  // namespace tocsin::net

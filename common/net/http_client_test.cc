// The HTTP client with many requests side by side.
#include "common/net/http_client.h"

#include <doctest/doctest.h>
#include <fmt/core.h>

#include <atomic>
#include <functional>

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

TEST_CASE("requests that a task sends go when it ends, or while it runs if they are many") {
  Fixture fixture;
  const auto client = make_http_client(fixture.clock, 8, 100);
  Waiter<bool> done;
  fixture.replies.post([&] {
    for (int i = 0; i < 20; ++i) fixture.send(*client, "/slow");
    const base::MonotonicTime until = fixture.clock.monotonic() + std::chrono::seconds(10);
    std::size_t held = 0;
    while (held < 8 && fixture.clock.monotonic() < until) {
      const base::MutexLock lock(fixture.mutex);
      held = fixture.held.size();
    }
    done.set(held == 8);
  });
  const auto while_it_ran = done.wait();
  REQUIRE(while_it_ran);
  CHECK(*while_it_ran);
  {
    const base::MutexLock lock(fixture.mutex);
    for (const base::Task& answer : fixture.held) answer();
    fixture.held.clear();
  }

  Fixture other;
  const auto quiet = make_http_client(other.clock, 8, 100);
  std::vector<std::shared_ptr<Waiter<Answer>>> sent;
  Waiter<bool> over;
  other.replies.post([&] {
    for (int i = 0; i < 3; ++i) sent.push_back(other.send(*quiet, "/", std::to_string(i)));
    over.set(true);
  });
  REQUIRE(over.wait());
  for (std::size_t i = 0; i < sent.size(); ++i) {
    const auto got = sent[i]->wait();
    REQUIRE(got);
    REQUIRE_MESSAGE(*got, *got);
    CHECK((*got)->body == fmt::format("/ {}", i));
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

/// A server that takes connections one after the other and does on each what the test says.
class ScriptedServer {
 public:
  /// Reads a request's head from the connection, then what `script` says for that connection and
  /// request, both counted from 0; empty: closes, as after `requests_max` on one connection.
  using Script = std::function<std::string(int connection, int request)>;

  explicit ScriptedServer(Script script, int requests_max = 1000)
      : script_(std::move(script)), requests_max_(requests_max) {
    executor_.post([this] { serve(); });
  }
  ~ScriptedServer() {
    listener_.stop();
    executor_.stop();
  }
  std::string url(std::string_view path) const {
    return fmt::format("http://127.0.0.1:{}{}", listener_.port(), path);
  }
  int connections() const { return connections_; }
  std::string heads() {
    const base::MutexLock lock(mutex_);
    return heads_;
  }

 private:
  void serve() {
    while (true) {
      const int peer = listener_.accept();
      if (peer < 0) return;
      talk(peer, connections_++);
      ::close(peer);
    }
  }
  void talk(int peer, int connection) {
    for (int request = 0; request < requests_max_; ++request) {
      std::string head;
      char byte = 0;
      while (!head.ends_with("\r\n\r\n")) {
        if (::recv(peer, &byte, 1, 0) <= 0) return;
        head += byte;
      }
      {
        const base::MutexLock lock(mutex_);
        heads_ += head;
      }
      const std::string answer = script_(connection, request);
      if (answer.empty()) return;
      ::send(peer, answer.data(), answer.size(), MSG_NOSIGNAL);
    }
  }

  Script script_;
  int requests_max_;
  test::Listener listener_;
  std::atomic<int> connections_ = 0;
  base::Mutex mutex_;
  std::string heads_ GUARDED_BY(mutex_);
  base::RealClock clock_;
  base::AsioExecutor executor_{clock_, "scripted", 1};
};

constexpr const char* kOk = "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok";

Answer fetch(HttpClient& client, base::Executor& replies, HttpRequest request) {
  auto waiter = std::make_shared<Waiter<Answer>>();
  client.send(std::move(request), replies,
              [waiter](Answer result) { waiter->set(std::move(result)); });
  auto got = waiter->wait();
  if (!got) return base::error(ErrorCode::Io, "no answer in the test");
  return std::move(*got);
}

struct Client {
  Answer get(const std::string& url) {
    HttpRequest request;
    request.url = url;
    request.timeout = Duration{2'000};
    return fetch(*http, replies, std::move(request));
  }
  base::RealClock clock;
  base::AsioExecutor replies{clock, "replies", 1};
  std::unique_ptr<HttpClient> http = make_http_client(clock, 4, 10);
};

TEST_CASE("a connection is kept for the next request to the same peer") {
  ScriptedServer server([](int, int) { return std::string(kOk); });
  Client client;
  for (int i = 0; i < 20; ++i) {
    const auto got = client.get(server.url(fmt::format("/{}", i)));
    REQUIRE_MESSAGE(got, got);
    CHECK(got->body == "ok");
  }
  CHECK(server.connections() == 1);
  CHECK(server.heads().find("GET /19 HTTP/1.1\r\nHost: 127.0.0.1:") != std::string::npos);
}

TEST_CASE("a kept connection that was closed is replaced without anybody hearing of it") {
  ScriptedServer idle([](int, int) { return std::string(kOk); }, 1);
  ScriptedServer server([](int, int request) { return request == 0 ? std::string(kOk) : ""; });
  Client client;
  for (int i = 0; i < 5; ++i) {
    const auto got = client.get(server.url("/"));
    REQUIRE_MESSAGE(got, got);
  }
  CHECK(server.connections() == 5);
  for (int i = 0; i < 5; ++i) CHECK(client.get(idle.url("/")));
  CHECK(idle.connections() == 5);
}

TEST_CASE("a connection of which something came is not repeated, and one that ends is not kept") {
  ScriptedServer cut([](int, int request) {
    return request == 0 ? std::string(kOk)
                        : std::string("HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\n");
  });
  Client client;
  CHECK(client.get(cut.url("/")));
  const auto late = client.get(cut.url("/"));  // two bytes of nine are all that comes
  REQUIRE_FALSE(late);
  CHECK(late.error().code == ErrorCode::Timeout);
  CHECK(cut.connections() == 1);

  ScriptedServer closing([](int, int request) {
    return request == 0
               ? std::string("HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: 2\r\n\r\nok")
               : std::string("HTTP/1.1 500 No\r\nContent-Length: 0\r\n\r\n");
  });
  for (int i = 0; i < 3; ++i) {
    const auto got = client.get(closing.url("/"));
    REQUIRE_MESSAGE(got, got);
    CHECK(got->status == 200);
  }
  CHECK(closing.connections() == 3);
}

TEST_CASE("bytes after an answer are no answer to the next request") {
  ScriptedServer server([](int connection, int) {
    std::string answer = kOk;
    if (connection == 0) answer += "HTTP/1.1 500 Evil\r\nContent-Length: 0\r\n\r\n";
    return answer;
  });
  Client client;
  for (int i = 0; i < 3; ++i) {
    const auto got = client.get(server.url("/"));
    REQUIRE_MESSAGE(got, got);
    CHECK(got->status == 200);
  }
  CHECK(server.connections() == 2);
}

TEST_CASE("what does not speak HTTP is told as such, and a dead port as unreachable") {
  ScriptedServer server([](int, int) { return std::string("SSH-2.0-OpenSSH\r\n"); });
  Client client;
  const auto got = client.get(server.url("/secret"));
  REQUIRE_FALSE(got);
  CHECK(got.error().code == ErrorCode::InvalidArgument);
  CHECK(got.error().message.find("not HTTP") != std::string::npos);
  CHECK(got.error().message.find("secret") == std::string::npos);
  const auto dead = client.get("http://127.0.0.1:1/");
  REQUIRE_FALSE(dead);
  CHECK(dead.error().code == ErrorCode::Unavailable);
  CHECK(client.get("http://localhost.invalid:1/").error().code == ErrorCode::Unavailable);
}

TEST_CASE("an answer may come before the request was sent whole") {
  // The server reads only the head of a body that no socket buffers hold.
  ScriptedServer server([](int, int) {
    return std::string("HTTP/1.1 413 Too Large\r\nConnection: close\r\nContent-Length: 0\r\n\r\n");
  });
  Client client;
  HttpRequest request;
  request.method = "POST";
  request.url = server.url("/");
  request.body.assign(32 << 20, '\n');
  request.timeout = Duration{5'000};
  const auto got = fetch(*client.http, client.replies, std::move(request));
  REQUIRE_MESSAGE(got, got);
  CHECK(got->status == 413);
}

TEST_CASE("more peers than connections are kept") {
  std::vector<std::unique_ptr<ScriptedServer>> servers;
  for (int i = 0; i < 12; ++i) {
    servers.push_back(std::make_unique<ScriptedServer>([](int, int) { return std::string(kOk); }));
  }
  Client client;
  for (int round = 0; round < 3; ++round) {
    for (const auto& server : servers) CHECK(client.get(server->url("/")));
  }
  for (const auto& server : servers) CHECK(server->connections() == 3);
  CHECK(client.get(servers.back()->url("/")));
  CHECK(servers.back()->connections() == 3);
}

}  // namespace
}  // namespace tocsin::net

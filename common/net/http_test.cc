// The HTTP client against the HTTP server, over plain TCP and TLS, and raw sockets against the
// server.
#include <doctest/doctest.h>
#include <fmt/core.h>

#include "common/net/http_client.h"
#include "common/net/http_server.h"
#include "common/net/test_support.h"
#include "common/sim/test_folder.h"

namespace tocsin::net {
namespace {

using base::Duration;
using base::ErrorCode;
using test::RawConnection;
using test::Waiter;

/// A server that echoes, or does what the test's handler says.
struct Fixture {
  explicit Fixture(ServerOptions options = {}, Handler handler = {}) {
    options.listen = "127.0.0.1:0";
    options.metrics = &metrics;
    if (!handler) {
      handler = [](const ServerRequest& request, const Respond& respond) {
        ServerResponse response;
        response.content_type = "text/plain";
        response.headers.emplace_back("X-Method", request.method);
        response.headers.emplace_back("X-Path", request.path);
        response.body = request.body;
        for (const auto& [name, value] : request.query) response.body += name + "=" + value + ";";
        respond(std::move(response));
      };
    }
    auto started = HttpServer::start(io, options, std::move(handler));
    REQUIRE_MESSAGE(started, started);
    server = std::move(*started);
    scheme = options.tls_cert_file.empty() ? "http" : "https";
  }
  std::string url(std::string_view path) const {
    return fmt::format("{}://127.0.0.1:{}{}", scheme, server->port(), path);
  }
  base::Result<HttpResponse> fetch(HttpRequest request) {
    auto waiter = std::make_shared<Waiter<base::Result<HttpResponse>>>();
    client->send(std::move(request), replies,
                 [waiter](base::Result<HttpResponse> result) { waiter->set(std::move(result)); });
    auto result = waiter->wait();
    if (!result) return base::error(ErrorCode::Io, "no answer in the test");
    return std::move(*result);
  }
  base::Result<HttpResponse> get(std::string_view path) {
    HttpRequest request;
    request.url = url(path);
    return fetch(std::move(request));
  }
  double refused(const std::string& reason) {
    return metrics.counter("tocsin_http_refused_total", "", {{"reason", reason}}).value();
  }
  /// Says `text` on a fresh connection and returns everything the server answers.
  std::string say(std::string_view text) const {
    RawConnection raw(server->port());
    raw.send(text);
    return raw.read_all();
  }

  base::RealClock clock;
  base::Metrics metrics;
  base::AsioExecutor io{clock, "io", 2};
  base::AsioExecutor replies{clock, "replies", 1};
  std::unique_ptr<HttpClient> client = make_http_client(clock, 2, 4);
  std::unique_ptr<HttpServer> server;
  std::string scheme;
};

// Takes one connection, reads a little, and closes without an answer.
class RudeServer {
 public:
  RudeServer() {
    executor_.post([this] {
      const int peer = listener_.accept();
      char buffer[4096];
      [[maybe_unused]] const ssize_t got = ::read(peer, buffer, sizeof buffer);
      ::close(peer);
    });
  }
  unsigned short port() const { return listener_.port(); }

 private:
  test::Listener listener_;
  base::RealClock clock_;
  base::AsioExecutor executor_{clock_, "rude", 1};
};

TEST_CASE("an answer that is lost with the connection may have been acted upon") {
  Fixture fixture;
  RudeServer server;
  HttpRequest request;
  request.method = "POST";
  request.url = fmt::format("http://127.0.0.1:{}/hook?token=abc", server.port());
  request.body = "{}";
  const auto got = fixture.fetch(request);
  REQUIRE_FALSE(got);
  CHECK(got.error().code == ErrorCode::Timeout);
  CHECK(got.error().message.find("the answer was lost") != std::string::npos);
  CHECK(got.error().message.find("token") == std::string::npos);
}

TEST_CASE("a request is answered, with query, form body and HEAD") {
  Fixture fixture;
  auto got = fixture.get("/a%20b/c?x=1+2&y=%C3%A4");
  REQUIRE_MESSAGE(got, got);
  CHECK(got->status == 200);
  CHECK(got->header("x-path") == "/a b/c");
  CHECK(got->header("x-content-type-options") == "nosniff");
  CHECK(got->body == "x=1 2;y=\xC3\xA4;");

  HttpRequest form;
  form.method = "POST";
  form.url = fixture.url("/form?a=1");
  form.headers = {{"Content-Type", "application/x-www-form-urlencoded; charset=utf-8"}};
  form.body = "q=up%7B%7D";
  got = fixture.fetch(form);
  REQUIRE_MESSAGE(got, got);
  CHECK(got->body == "q=up%7B%7Da=1;q=up{};");

  form.url = fixture.url("/h?q=url");
  got = fixture.fetch(form);
  REQUIRE_MESSAGE(got, got);
  CHECK(got->body == "q=up%7B%7Dq=up{};q=url;");  // the first of a name counts

  HttpRequest head;
  head.method = "HEAD";
  head.url = fixture.url("/h?z=9");
  got = fixture.fetch(head);
  REQUIRE_MESSAGE(got, got);
  CHECK(got->header("x-method") == "GET");
  CHECK(got->header("content-length") == "4");
  CHECK(got->body.empty());
}

TEST_CASE("large bodies go both ways and connections are kept") {
  Fixture fixture;
  HttpRequest request;
  request.method = "POST";
  request.url = fixture.url("/");
  request.body.assign(3 << 20, 'x');
  for (int i = 0; i < 3; ++i) {
    auto got = fixture.fetch(request);
    REQUIRE_MESSAGE(got, got);
    CHECK(got->body.size() == request.body.size());
  }
  CHECK(fixture.metrics.gauge("tocsin_http_connections", "").value() <= 2);
}

TEST_CASE("the client's limits and errors name no credentials") {
  Fixture fixture;
  HttpRequest request;
  request.method = "POST";
  request.url = fixture.url("/secret-path?token=abc");
  request.body.assign(1000, 'x');
  request.response_bytes_max = 999;
  auto got = fixture.fetch(request);
  REQUIRE_FALSE(got);
  CHECK(got.error().code == ErrorCode::LimitExceeded);
  CHECK(got.error().message.find("999") != std::string::npos);
  CHECK(got.error().message.find("secret") == std::string::npos);

  request.url = "http://user:pass@127.0.0.1:1/hook?token=abc";
  got = fixture.fetch(request);
  REQUIRE_FALSE(got);
  CHECK(got.error().code == ErrorCode::Unavailable);
  CHECK(got.error().message.find("http://127.0.0.1:1") != std::string::npos);
  CHECK(got.error().message.find("pass") == std::string::npos);
  CHECK(got.error().message.find("abc") == std::string::npos);

  for (const char* bad :
       {"ftp://127.0.0.1/", "file:///etc/passwd", "nonsense", "http://a b/", ""}) {
    request.url = bad;
    got = fixture.fetch(request);
    REQUIRE_FALSE(got);
    CHECK(got.error().code == ErrorCode::InvalidArgument);
  }
  request.url = fixture.url("/");
  request.headers = {{"X-A", "b\r\nX-C: d"}};
  got = fixture.fetch(request);
  REQUIRE_FALSE(got);
  CHECK(got.error().code == ErrorCode::InvalidArgument);
  request.headers.clear();
  request.bearer_token = base::Secret("tok\nen");
  got = fixture.fetch(request);
  REQUIRE_FALSE(got);
  CHECK(got.error().code == ErrorCode::InvalidArgument);
  CHECK(got.error().message.find("tok\n") == std::string::npos);
}

TEST_CASE("the bearer token arrives; a redirect is a response") {
  Fixture fixture({}, [](const ServerRequest& request, const Respond& respond) {
    ServerResponse response;
    response.status = 302;
    response.headers = {{"Location", "http://127.0.0.1:1/elsewhere"}, {"Bad", "a\r\nX-Evil: 1"}};
    response.body = std::string(request.header("authorization"));
    respond(std::move(response));
  });
  HttpRequest request;
  request.url = fixture.url("/");
  request.bearer_token = base::Secret("t0ken");
  auto got = fixture.fetch(request);
  REQUIRE_MESSAGE(got, got);
  CHECK(got->status == 302);
  CHECK(got->body == "Bearer t0ken");
  CHECK(got->header("location") == "http://127.0.0.1:1/elsewhere");
  CHECK(got->header("x-evil").empty());
}

TEST_CASE("a late answer times out, a full queue refuses, destruction cancels") {
  std::vector<Respond> kept;
  base::Mutex mutex;
  Fixture fixture({}, [&](const ServerRequest&, Respond respond) {
    base::MutexLock lock(mutex);
    kept.push_back(std::move(respond));
  });
  HttpRequest request;
  request.url = fixture.url("/");
  request.timeout = Duration{50};
  auto got = fixture.fetch(request);
  REQUIRE_FALSE(got);
  CHECK(got.error().code == ErrorCode::Timeout);

  // Two threads and a queue of four: the seventh request is refused at once.
  request.timeout = Duration{60'000};
  std::vector<std::shared_ptr<Waiter<base::Result<HttpResponse>>>> waiters;
  for (int i = 0; i < 7; ++i) {
    waiters.push_back(std::make_shared<Waiter<base::Result<HttpResponse>>>());
    fixture.client->send(request, fixture.replies,
                         [waiter = waiters.back()](base::Result<HttpResponse> result) {
                           waiter->set(std::move(result));
                         });
  }
  auto refused = waiters.back()->wait();
  REQUIRE(refused);
  CHECK(refused->error().code == ErrorCode::Unavailable);
  fixture.client.reset();
  for (std::size_t i = 0; i < 6; ++i) {
    auto cancelled = waiters[i]->wait();
    REQUIRE(cancelled);
    CHECK(cancelled->error().code == ErrorCode::Cancelled);
  }
  // The peers are gone and so is the server: answering does nothing, and does not crash.
  fixture.server->stop();
  fixture.server.reset();
  for (const Respond& respond : kept) respond({});
}

TEST_CASE("an answer may come later from another thread; a dropped one is 500") {
  base::RealClock clock;
  base::AsioExecutor worker(clock, "worker", 1);
  Fixture fixture({}, [&](const ServerRequest& request, Respond respond) {
    if (request.path == "/drop") return;
    if (request.path == "/throw") throw std::runtime_error("bug");
    worker.post([respond = std::move(respond)] {
      respond({});
      respond({});  // the second answer is ignored
    });
  });
  auto got = fixture.get("/later");
  REQUIRE_MESSAGE(got, got);
  CHECK(got->status == 200);
  CHECK(fixture.get("/drop")->status == 500);
  CHECK(fixture.get("/throw")->status == 500);
  CHECK(fixture.get("/later")->status == 200);
}

TEST_CASE("a handler still at work learns that its client hung up") {
  base::RealClock clock;
  base::AsioExecutor worker(clock, "worker", 1);
  Waiter<bool> gone;
  Waiter<bool> arrived;
  std::function<void(ServerRequest, Respond)> look = [&](ServerRequest request, Respond respond) {
    if (request.hung_up->load()) {
      gone.set(true);
      respond({});  // into the void
      return;
    }
    worker.post_at(clock.monotonic() + std::chrono::milliseconds(20),
                   [&look, request, respond] { look(request, respond); });
  };
  Fixture fixture({}, [&](const ServerRequest& request, const Respond& respond) {
    if (request.path != "/slow") {
      CHECK_FALSE(request.hung_up->load());
      respond({});
      return;
    }
    arrived.set(true);
    look(request, respond);
  });
  {
    RawConnection raw(fixture.server->port());
    raw.send("GET /slow HTTP/1.1\r\nHost: a\r\n\r\nGET /next HTTP/1.1\r\n");  // unread bytes too
    REQUIRE(arrived.wait());
  }
  CHECK(gone.wait() == true);
  CHECK(fixture.get("/other")->status == 200);
}

TEST_CASE("TLS: verified with the right authority, refused without") {
  sim::TestFolder folder;
  ServerOptions options;
  options.tls_cert_file = folder.file("cert.pem");
  options.tls_key_file = folder.file("key.pem");
  test::write_certificate(options.tls_cert_file, options.tls_key_file);
  Fixture fixture(options, [](const ServerRequest& request, const Respond& respond) {
    ServerResponse response;
    response.body = request.tls ? "tls " + request.body : "plain";
    respond(std::move(response));
  });
  HttpRequest request;
  request.method = "POST";
  request.url = fixture.url("/");
  request.body = "over";
  request.tls.ca_file = options.tls_cert_file;
  for (int i = 0; i < 2; ++i) {
    auto got = fixture.fetch(request);
    REQUIRE_MESSAGE(got, got);
    CHECK(got->body == "tls over");
  }
  request.tls.ca_file.clear();
  auto got = fixture.fetch(request);
  REQUIRE_FALSE(got);
  CHECK(got.error().code == ErrorCode::Unavailable);
  request.tls.insecure = true;
  CHECK(fixture.fetch(request));
  // A renewed certificate is used without a restart; a broken one is not.
  test::write_certificate(options.tls_cert_file, options.tls_key_file);
  REQUIRE(fixture.server->reload_tls());
  request.tls.insecure = false;
  request.tls.ca_file = options.tls_cert_file;
  fixture.client = make_http_client(fixture.clock, 1, 1);  // without the connections kept so far
  got = fixture.fetch(request);
  REQUIRE_MESSAGE(got, got);
  test::write_certificate(folder.file("other.pem"), options.tls_key_file);
  CHECK_FALSE(fixture.server->reload_tls());
  fixture.client = make_http_client(fixture.clock, 1, 1);
  CHECK(fixture.fetch(request));
  // Plain text on the TLS port is no request.
  CHECK(fixture.say("GET / HTTP/1.1\r\nHost: a\r\n\r\n").find("200") == std::string::npos);
}

TEST_CASE("TLS: bad files are refused with the setting's name") {
  sim::TestFolder folder;
  base::RealClock clock;
  base::AsioExecutor io(clock, "io", 1);
  ServerOptions options;
  options.listen = "127.0.0.1:0";
  options.tls_cert_file = folder.file("cert.pem");
  options.tls_key_file = folder.file("key.pem");
  const auto start_error = [&] {
    auto started = HttpServer::start(io, options, {});
    REQUIRE_FALSE(started);
    CHECK(started.error().code == ErrorCode::InvalidArgument);
    return started.error().message;
  };
  CHECK(start_error().find("tls_key_file") == 0);
  test::write_certificate(options.tls_cert_file, options.tls_key_file, 0640);
  CHECK(start_error().find("0640") != std::string::npos);
  test::write_certificate(folder.file("other.pem"), options.tls_key_file);
  CHECK(start_error().find("tls_key_file") == 0);
  options.listen = "nonsense";
  options.tls_cert_file.clear();
  CHECK(start_error().find("listen") != std::string::npos);
  options.listen = "127.0.0.1:0";
  auto first = HttpServer::start(io, options, {});
  REQUIRE_MESSAGE(first, first);
  options.listen = fmt::format("127.0.0.1:{}", (*first)->port());
  auto second = HttpServer::start(io, options, {});
  REQUIRE_FALSE(second);
  CHECK(second.error().code == ErrorCode::Io);
  CHECK(second.error().message.find("'listen'") != std::string::npos);
}

TEST_CASE("malformed requests get 400 and a JSON error") {
  Fixture fixture;
  for (const std::string_view text :
       {"nonsense\r\n\r\n", "GET  / HTTP/1.1\r\n\r\n", "GET / HTTP/1.1\r\n\r\n",
        "GET / HTTP/1.1\r\nHost: a\r\nHost: b\r\n\r\n", "GET a HTTP/1.1\r\nHost: a\r\n\r\n",
        "GET /%zz HTTP/1.1\r\nHost: a\r\n\r\n", "GET /a%00b HTTP/1.1\r\nHost: a\r\n\r\n",
        "GET /?a=%0 HTTP/1.1\r\nHost: a\r\n\r\n", "OPTIONS * HTTP/1.1\r\nHost: a\r\n\r\n",
        "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: x\r\n\r\n",
        "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 3\r\nTransfer-Encoding: chunked\r\n\r\n",
        "POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: gzip\r\n\r\n",
        "POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n"}) {
    const std::string answer = fixture.say(text);
    CHECK_MESSAGE(answer.starts_with("HTTP/1.1 400 "), text, " -> ", answer);
    CHECK(answer.find("{\"status\":\"error\",\"errorType\":\"bad_data\"") != std::string::npos);
  }
  CHECK(fixture.refused("malformed") == 13);
  CHECK(fixture.say("GET / HTTP/1.1\r\nHost: a\r\nExpect: magic\r\n\r\n")
            .starts_with("HTTP/1.1 417 "));
  CHECK(fixture.get("/still-alive")->status == 200);
}

TEST_CASE("pipelined and chunked requests are answered in order") {
  Fixture fixture;
  RawConnection raw(fixture.server->port());
  raw.send(
      "POST /1 HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n2;x=y\r\nde\r\n"
      "0\r\nTrailer: t\r\n\r\nGET http://a/2?k=v HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n");
  const std::string answer = raw.read_all();
  const std::size_t first = answer.find("X-Path: /1");
  const std::size_t second = answer.find("X-Path: /2");
  CHECK(first < second);
  CHECK(second != std::string::npos);
  CHECK(answer.find("\r\n\r\nabcde") != std::string::npos);
  CHECK(answer.ends_with("k=v;"));
}

TEST_CASE("Expect: 100-continue is answered before the body, HTTP/1.0 closes") {
  Fixture fixture;
  RawConnection raw(fixture.server->port());
  raw.send("POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 3\r\nExpect: 100-continue\r\n\r\n");
  CHECK(raw.read_until("\r\n\r\n") == "HTTP/1.1 100 Continue\r\n\r\n");
  raw.send("abc");
  CHECK(raw.read_until("abc").ends_with("abc"));
  CHECK(fixture.say("GET /x HTTP/1.0\r\n\r\n").find("Connection: close") != std::string::npos);
}

TEST_CASE("header, body and in-flight limits") {
  ServerOptions options;
  options.header_bytes_max = 1000;
  options.body_bytes_max = 5000;
  options.bytes_in_flight_max = 3000;
  Fixture fixture(options);
  const std::string head = "POST / HTTP/1.1\r\nHost: a\r\n";
  CHECK(
      fixture.say(head + "X: " + std::string(2000, 'y') + "\r\n\r\n").starts_with("HTTP/1.1 431 "));
  CHECK(fixture.say(head + "X: " + std::string(200'000, 'y')).starts_with("HTTP/1.1 431 "));
  CHECK(fixture.say(head + "Content-Length: 5001\r\n\r\n").starts_with("HTTP/1.1 413 "));
  CHECK(fixture.say(head + "Content-Length: 99999999999999\r\n\r\n").starts_with("HTTP/1.1 413 "));
  CHECK(fixture.say(head + "Content-Length: 4000\r\n\r\n").starts_with("HTTP/1.1 503 "));
  const std::string chunked = head + "Transfer-Encoding: chunked\r\n\r\n";
  CHECK(fixture.say(chunked + "1771\r\n" + std::string(6001, 'z') + "\r\n0\r\n\r\n")
            .starts_with("HTTP/1.1 413 "));
  CHECK(fixture.say(chunked + "FA0\r\n" + std::string(4000, 'z') + "\r\n0\r\n\r\n")
            .starts_with("HTTP/1.1 503 "));
  CHECK(fixture.refused("header_too_large") == 2);
  CHECK(fixture.refused("body_too_large") == 3);
  CHECK(fixture.refused("bytes_in_flight") == 2);
  // Everything was given back: 3000 bytes fit again.
  CHECK(
      fixture
          .say(head + "Connection: close\r\nContent-Length: 3000\r\n\r\n" + std::string(3000, 'z'))
          .starts_with("HTTP/1.1 200 "));
}

TEST_CASE("who knows the senders decides before the body is read") {
  ServerOptions options;
  std::atomic<int> connections = 0;
  options.admit = [&connections](ServerRequest& head) {
    Admission admission;
    CHECK(head.body.empty());
    if (head.path == "/no") {
      admission.refusal = ServerResponse{429, {{"Retry-After", "7"}}, "text/plain", "later"};
      admission.delay = Duration{20};
    }
    admission.body_bytes_max = 10;
    admission.too_large = [](std::size_t bytes_max) {
      return ServerResponse{413, {}, "text/plain", "mine: " + std::to_string(bytes_max)};
    };
    if (head.connection == nullptr) {
      ++connections;
      head.connection = std::make_shared<int>(1);
    }
    head.pass = std::make_shared<std::string>("pass of " + head.path);
    return admission;
  };
  Fixture fixture(options, [](const ServerRequest& request, const Respond& respond) {
    ServerResponse response;
    response.body = *std::static_pointer_cast<std::string>(request.pass);
    respond(std::move(response));
  });
  // The body never comes; the answer does, and is the last on the connection.
  const std::string refused =
      fixture.say("POST /no HTTP/1.1\r\nHost: a\r\nContent-Length: 1000000\r\n\r\n");
  CHECK(refused.starts_with("HTTP/1.1 429 "));
  CHECK(refused.find("Retry-After: 7") != std::string::npos);
  CHECK(refused.find("Connection: close") != std::string::npos);
  CHECK(fixture.refused("admission") == 1);
  // Who admitted it answers, so that it can be counted: told beforehand or found out.
  for (const char* body :
       {"Transfer-Encoding: chunked\r\n\r\nb\r\n0123456789a\r\n0\r\n\r\n",
        "Content-Length: 11\r\n\r\n0123456789a", "Content-Length: 99999999999999\r\n\r\n"}) {
    const std::string said = fixture.say(std::string("POST /yes HTTP/1.1\r\nHost: a\r\n") + body);
    CHECK(said.starts_with("HTTP/1.1 413 "));
    CHECK(said.find("mine: 10") != std::string::npos);
  }
  CHECK(fixture.refused("body_too_large") == 3);
  const std::string taken = fixture.say(
      "POST /a HTTP/1.1\r\nHost: a\r\nContent-Length: 1\r\n\r\nx"
      "POST /b HTTP/1.1\r\nHost: a\r\nConnection: close\r\nContent-Length: 1\r\n\r\nx");
  CHECK(taken.find("pass of /a") != std::string::npos);
  CHECK(taken.find("pass of /b") != std::string::npos);
  CHECK(connections == 5);
}

TEST_CASE("connections that never ask are bounded for each peer") {
  ServerOptions options;
  options.connections_new_per_peer_max = 2;
  Fixture fixture(options);
  {
    RawConnection silent_a(fixture.server->port());
    RawConnection silent_b(fixture.server->port());
    const auto full = [&] {
      return RawConnection(fixture.server->port()).read_all().empty() &&
             fixture.refused("connections_new") > 0;
    };
    bool closed = false;
    for (int i = 0; i < 100 && !closed; ++i) closed = full();
    CHECK(closed);
    // One that has asked does not count.
    silent_a.send("GET / HTTP/1.1\r\nHost: a\r\n\r\n");
    silent_a.read_until("\r\n\r\n");
    const std::string answer =
        fixture.say("GET / HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n");
    CHECK(answer.starts_with("HTTP/1.1 200 "));
  }
}

TEST_CASE("a slow header or body is answered with 408, an idle connection closed silently") {
  ServerOptions options;
  options.header_timeout = Duration{400};
  options.body_timeout = Duration{400};
  options.idle_timeout = Duration{400};
  Fixture fixture(options);
  CHECK(fixture.say("GET / HTTP/1.1\r\nHo").starts_with("HTTP/1.1 408 "));
  CHECK(fixture.say("POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 9\r\n\r\nabc")
            .starts_with("HTTP/1.1 408 "));
  CHECK(fixture.say("").empty());
  CHECK(fixture.refused("timeout") == 2);
  const std::string answer = fixture.say("GET / HTTP/1.1\r\nHost: a\r\n\r\n");
  CHECK(answer.starts_with("HTTP/1.1 200 "));
  CHECK(answer.find("HTTP/1.1", 5) == std::string::npos);
}

TEST_CASE("connections over the limit get 503") {
  ServerOptions options;
  options.connections_max = 1;
  Fixture fixture(options);
  RawConnection first(fixture.server->port());
  first.send("GET / HTTP/1.1\r\nHost: a\r\n\r\n");
  CHECK(first.read_until("\r\n\r\n").starts_with("HTTP/1.1 200 "));
  CHECK(fixture.say("").starts_with("HTTP/1.1 503 "));
  CHECK(fixture.refused("connections") == 1);
  first.send("GET / HTTP/1.1\r\nHost: a\r\n\r\n");
  CHECK(first.read_until("\r\n\r\n").starts_with("HTTP/1.1 200 "));
}

TEST_CASE("stop lets an answer in progress finish") {
  Waiter<Respond> arrived;
  Fixture fixture({},
                  [&](const ServerRequest&, Respond respond) { arrived.set(std::move(respond)); });
  RawConnection raw(fixture.server->port());
  raw.send("GET / HTTP/1.1\r\nHost: a\r\n\r\n");
  auto respond = arrived.wait();
  REQUIRE(respond);
  fixture.replies.post_after(Duration{50}, [respond] { (*respond)({}); });
  fixture.server->stop();
  fixture.server->stop();
  CHECK(raw.read_all().starts_with("HTTP/1.1 200 "));
  CHECK_FALSE(RawConnection(fixture.server->port()).connected());
}

TEST_CASE("Retry-After in seconds or as a date") {
  const base::WallTime now = *base::parse_rfc3339("1994-11-06T08:49:00Z");
  HttpResponse response;
  CHECK(retry_after(response, now) == Duration{0});
  response.headers = {{"retry-after", "120"}};
  CHECK(retry_after(response, now) == Duration{120'000});
  response.headers = {{"retry-after", "Sun, 06 Nov 1994 08:49:37 GMT"}};
  CHECK(retry_after(response, now) == Duration{37'000});
  CHECK(retry_after(response, now + std::chrono::hours(1)) == Duration{0});
  response.headers = {{"retry-after", "soon"}};
  CHECK(retry_after(response, now) == Duration{0});
  response.headers = {{"retry-after", "99999999999"}};
  CHECK(retry_after(response, now) == std::chrono::hours(168));
}

}  // namespace
}  // namespace tocsin::net

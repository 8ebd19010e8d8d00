#include "alertd/sim/sim_alertd.h"

#include "common/base/check.h"
#include "common/base/strings.h"

namespace tocsin::sim {
namespace {

constexpr base::Duration kNetworkDelay{5};
constexpr std::string_view kOwnUrl = "http://alertd/";

net::ServerRequest to_server(net::HttpRequest& request) {
  net::ServerRequest out;
  out.method = request.method;
  out.path = request.url.substr(kOwnUrl.size() - 1);
  for (const auto& [name, value] : request.headers) {
    out.headers.emplace_back(base::to_lower(name), value);
  }
  out.headers.emplace_back("host", "localhost");
  out.body = std::move(request.body);
  out.peer_address = "127.0.0.1";
  out.peer_is_loopback = true;
  return out;
}

}  // namespace

class SimAlertd::Network final : public net::HttpClient {
 public:
  explicit Network(SimAlertd& world) : world_(world) {}

  void send(net::HttpRequest request, base::Executor& reply_on, net::HttpDone done) override {
    reply_on.post_after(kNetworkDelay, [this, request = std::move(request), &reply_on,
                                        done = std::move(done)]() mutable {
      if (!request.url.starts_with(kOwnUrl)) return done(world_.web_(request));
      if (!world_.up()) {
        return done(base::error(base::ErrorCode::Unavailable, "connection refused"));
      }
      world_.app_->handle(to_server(request), [&reply_on, done](net::ServerResponse answer) {
        reply_on.post_after(kNetworkDelay, [done, answer = std::move(answer)] {
          net::HttpResponse response;
          response.status = answer.status;
          response.headers = answer.headers;
          response.body = answer.body;
          done(std::move(response));
        });
      });
    });
  }

 private:
  SimAlertd& world_;
};

class SimAlertd::Post final : public net::MailClient {
 public:
  explicit Post(SimAlertd& world) : world_(world) {}

  void send(const net::SmtpServer&, net::Mail mail, base::Duration, base::Executor& reply_on,
            net::MailDone done) override {
    reply_on.post_after(kNetworkDelay, [this, mail = std::move(mail), done = std::move(done)] {
      done(world_.mail_handler_(mail));
    });
  }

 private:
  SimAlertd& world_;
};

SimAlertd::SimAlertd(base::WallTime start)
    : clock_(start),
      executor_(clock_),
      random_(base::make_seeded_random(7)),
      network_(std::make_unique<Network>(*this)),
      mail_(std::make_unique<Post>(*this)),
      state_disk_(std::make_shared<incident::FakeStateStore::Disk>()) {
  web_ = [](const net::HttpRequest&) -> base::Result<net::HttpResponse> {
    net::HttpResponse response;
    response.status = 200;
    return response;
  };
  mail_handler_ = [](const net::Mail&) -> base::Result<net::MailOutcome> {
    return net::MailOutcome{250, false, "250 taken", {}};
  };
}

SimAlertd::~SimAlertd() {
  crash();
}

base::Result<void> SimAlertd::start(alertd::Settings settings,
                                    std::optional<std::string> config_path) {
  TC_CHECK(!app_, "alertd runs already");
  state_ = std::make_unique<incident::FakeStateStore>(state_disk_);
  const alertd::World world{clock_,    files_,    *random_,      metrics_,  *network_,
                            *mail_,    *state_,   "alertd-host", executor_, executor_,
                            executor_, executor_, executor_,     executor_};
  auto app = alertd::App::make(world, std::move(settings), std::move(config_path));
  if (!app) {
    state_.reset();
    return app.error();
  }
  app_ = std::move(*app);
  auto started = std::make_shared<std::optional<base::Result<void>>>();
  app_->start([started](base::Result<void> result) { *started = std::move(result); });
  executor_.run_ready();
  if (*started) return **started;
  return base::error(base::ErrorCode::Unavailable, "alertd did not start at once");
}

void SimAlertd::crash() {
  if (!app_) return;
  app_->stop();
  // What was posted at this instant runs into the stopped parts; nothing of them is left after it.
  executor_.run_ready();
  app_.reset();
  state_.reset();
  files_.crash(Unsynced::Torn, false);
}

base::Result<net::ServerResponse> SimAlertd::ask(net::ServerRequest request) {
  if (!up()) return base::error(base::ErrorCode::Unavailable, "alertd is down");
  request.headers.emplace_back("host", "localhost");
  request.peer_address = "127.0.0.1";
  request.peer_is_loopback = true;
  auto answer = std::make_shared<std::optional<net::ServerResponse>>();
  app_->handle(std::move(request),
               [answer](net::ServerResponse response) { *answer = std::move(response); });
  executor_.run_ready();
  if (*answer) return std::move(**answer);
  return base::error(base::ErrorCode::Unavailable, "alertd did not answer");
}

}  // namespace tocsin::sim

// alertd in one thread and simulated time.
//
//   SimAlertd daemon(start);
//   daemon.set_web([](const net::HttpRequest&) { ... });   // what the webhook receiver answers
//   daemon.start(settings);
//   daemon.executor().run_for(std::chrono::hours(1));
//   daemon.crash();                                        // and start() again: a restart
//
// The parts between the sockets are the production ones. Simulated are the clock, the disk, the
// network and the mail server. The state store is the one of the tests, which passes the suite of
// the real one.
#pragma once

#include <functional>
#include <memory>
#include <optional>
#include <string>

#include "alertd/app/app.h"
#include "alertd/incident/fake_state_store.h"
#include "common/base/sim_executor.h"
#include "common/sim/sim_file_system.h"

namespace tocsin::sim {

/// Answers a call that leaves the daemon; an error is a failed connection.
using WebHandler = std::function<base::Result<net::HttpResponse>(const net::HttpRequest&)>;
/// Answers a mail that leaves the daemon.
using MailHandler = std::function<base::Result<net::MailOutcome>(const net::Mail&)>;

/// Owner: one thread, which is also the one that everything runs on.
class SimAlertd {
 public:
  explicit SimAlertd(base::WallTime start);
  ~SimAlertd();
  SimAlertd(const SimAlertd&) = delete;
  SimAlertd& operator=(const SimAlertd&) = delete;

  /// Default: every call is answered with 200, every mail is taken.
  void set_web(WebHandler handler) { web_ = std::move(handler); }
  void set_mail(MailHandler handler) { mail_handler_ = std::move(handler); }

  /// Starts the daemon; not while it runs. `config_path`, on the simulated disk, is what a reload
  /// would read again.
  /// Errors: those of App::make() and of its start.
  base::Result<void> start(alertd::Settings settings, std::optional<std::string> config_path = {});

  /// Ends it as a crash does: nothing is flushed, what was acknowledged is on the simulated disk.
  void crash();
  bool up() const { return app_ != nullptr; }
  alertd::App& app() { return *app_; }

  /// Asks the daemon's API as a local client does and returns the answer, which must come without
  /// the time moving. Errors: Unavailable (it is down, or did not answer).
  base::Result<net::ServerResponse> ask(net::ServerRequest request);

  /// The network of this world: URLs that begin with "http://alertd/" reach the daemon.
  net::HttpClient& network() { return *network_; }
  base::SimClock& clock() { return clock_; }
  base::SimExecutor& executor() { return executor_; }
  SimFileSystem& files() { return files_; }
  base::Random& random() { return *random_; }
  /// What the state store holds: incidents, the outbox, attempts.
  const incident::FakeStateStore::Disk& state() const { return *state_disk_; }
  base::WallTime now() const { return clock_.wall(); }

 private:
  class Network;
  class Post;

  base::SimClock clock_;
  base::SimExecutor executor_;
  SimFileSystem files_;
  std::unique_ptr<base::Random> random_;
  base::Metrics metrics_;
  WebHandler web_;
  MailHandler mail_handler_;
  std::unique_ptr<net::HttpClient> network_;
  std::unique_ptr<net::MailClient> mail_;
  std::shared_ptr<incident::FakeStateStore::Disk> state_disk_;
  std::unique_ptr<incident::FakeStateStore> state_;
  std::unique_ptr<alertd::App> app_;
};

}  // namespace tocsin::sim

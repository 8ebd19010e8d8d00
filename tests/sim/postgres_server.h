// A PostgreSQL server of the test's own: in a temporary folder, on a Unix socket only, as an
// unprivileged user if the test runs as root (initdb refuses root). Include from a *_test.cc only.
//
//   PostgresServer* server = PostgresServer::shared();   // nullptr: not installed; said already
//   const std::string dsn = server->new_database();
#pragma once

#include <doctest/doctest.h>
#include <fcntl.h>
#include <pwd.h>
#include <signal.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <memory>
#include <string>
#include <vector>

#include "common/base/random.h"

namespace tocsin::sim {

class PostgresServer {
 public:
  /// One server for the whole test program, made at the first call.
  static PostgresServer* shared() {
    static const std::unique_ptr<PostgresServer> kServer = make();
    if (!kServer) MESSAGE("skipped: PostgreSQL is not installed (packaging/install-deps --tests)");
    return kServer.get();
  }

  /// Returns nullptr if PostgreSQL is not installed.
  static std::unique_ptr<PostgresServer> make() {
    std::vector<std::string> versions;
    std::error_code none;
    for (const auto& entry : std::filesystem::directory_iterator("/usr/lib/postgresql", none)) {
      if (std::filesystem::exists(entry.path() / "bin/initdb")) versions.push_back(entry.path());
    }
    if (versions.empty()) return nullptr;
    std::unique_ptr<PostgresServer> server(
        new PostgresServer(*std::max_element(versions.begin(), versions.end()) + "/bin/"));
    server->initialise();
    server->start();
    return server;
  }

  ~PostgresServer() {
    stop(SIGINT);
    std::error_code none;
    std::filesystem::remove_all(folder_, none);
  }
  PostgresServer(const PostgresServer&) = delete;
  PostgresServer& operator=(const PostgresServer&) = delete;

  void start() {
    for (int i = 0; i < 600; ++i) {
      // After a crash the first tries end at once, until the old children are gone.
      if (server_ > 0 && ::waitpid(server_, nullptr, WNOHANG) == server_) server_ = 0;
      if (server_ == 0) {
        server_ = spawn({"postgres", "-D", data(), "-k", folder_, "-c", "listen_addresses=", "-c",
                         "max_connections=40", "-c", "shared_buffers=16MB"});
      }
      if (run({"pg_isready", "-q", "-h", folder_, "-U", "tocsin"}) == 0) return;
      ::usleep(50'000);
    }
    FAIL("PostgreSQL did not start: " << folder_ << "/log");
  }

  /// SIGKILL is a crash, SIGINT the fast shutdown.
  void stop(int signal) {
    if (server_ <= 0) return;
    ::kill(server_, signal);
    int status = 0;
    ::waitpid(server_, &status, 0);
    server_ = 0;
  }

  /// A crash of the whole server: its children end themselves when the first process is gone.
  void crash() { stop(SIGKILL); }

  /// To the server and all its sessions: SIGSTOP makes a server that accepts and never answers.
  void signal_all(int signal) {
    for (const auto& entry : std::filesystem::directory_iterator("/proc")) {
      const pid_t process = std::atoi(entry.path().filename().c_str());
      if (process <= 0 || process == server_) continue;
      std::ifstream stat(entry.path() / "stat");
      std::string text((std::istreambuf_iterator<char>(stat)), {});
      const std::size_t name_end = text.rfind(')');  // "pid (name) state parent ..."
      if (name_end == std::string::npos || name_end + 4 >= text.size()) continue;
      if (std::atoi(text.c_str() + name_end + 4) == server_) ::kill(process, signal);
    }
    ::kill(server_, signal);
  }

  std::string new_database() {
    const std::string name = "t" + std::to_string(++databases_);
    REQUIRE(run({"createdb", "-h", folder_, "-U", "tocsin", name}) == 0);
    return "host=" + folder_ + " user=tocsin dbname=" + name;
  }

 private:
  explicit PostgresServer(std::string programs)
      : programs_(std::move(programs)),
        folder_("/tmp/tocsin-pg-" + base::make_real_random()->hex(8)) {}

  std::string data() const { return folder_ + "/data"; }

  void initialise() {
    REQUIRE(::mkdir(folder_.c_str(), 0700) == 0);
    if (::geteuid() == 0) {
      const passwd* user = ::getpwnam("postgres");
      if (user == nullptr) user = ::getpwnam("nobody");
      REQUIRE(user != nullptr);
      user_ = user->pw_uid;
      group_ = user->pw_gid;
      REQUIRE(::chown(folder_.c_str(), user_, group_) == 0);
    }
    REQUIRE(run({"initdb", "-D", data(), "-U", "tocsin", "-A", "trust", "-E", "UTF8", "--locale=C",
                 "--no-sync"}) == 0);
  }

  pid_t spawn(const std::vector<std::string>& arguments) {
    const std::string program = programs_ + arguments.front();
    const std::string log = folder_ + "/log";
    std::vector<char*> argv;
    for (const std::string& argument : arguments) {
      argv.push_back(const_cast<char*>(argument.c_str()));
    }
    argv.push_back(nullptr);
    const pid_t child = ::fork();
    REQUIRE(child >= 0);
    if (child > 0) return child;
    if (user_ != 0 && (::setgid(group_) != 0 || ::setuid(user_) != 0)) ::_exit(126);
    if (::chdir(folder_.c_str()) != 0) ::_exit(126);
    const int out = ::open(log.c_str(), O_WRONLY | O_CREAT | O_APPEND, 0600);
    ::dup2(out, 1);
    ::dup2(out, 2);
    ::execv(program.c_str(), argv.data());
    ::_exit(127);
  }

  int run(const std::vector<std::string>& arguments) {
    const pid_t child = spawn(arguments);
    int status = 0;
    ::waitpid(child, &status, 0);
    return WIFEXITED(status) ? WEXITSTATUS(status) : -1;
  }

  std::string programs_;
  std::string folder_;
  uid_t user_ = 0;
  gid_t group_ = 0;
  pid_t server_ = 0;
  int databases_ = 0;
};

}  // namespace tocsin::sim

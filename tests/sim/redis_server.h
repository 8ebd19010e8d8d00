// A Redis server of the test's own: on a Unix socket in a temporary folder, without persistence.
// Include from a *_test.cc only.
//
//   RedisServer* server = RedisServer::shared();   // nullptr: not installed; said already
#pragma once

#include <doctest/doctest.h>
#include <fcntl.h>
#include <signal.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <filesystem>
#include <memory>
#include <string>
#include <vector>

#include "common/base/random.h"

namespace tocsin::sim {

class RedisServer {
 public:
  /// One server for the whole test program, made at the first call.
  static RedisServer* shared() {
    static const std::unique_ptr<RedisServer> kServer = make();
    if (!kServer) MESSAGE("skipped: Redis is not installed (packaging/install-deps --tests)");
    return kServer.get();
  }

  /// Returns nullptr if Redis is not installed. `more`: "--maxmemory", "2mb" ...
  static std::unique_ptr<RedisServer> make(const std::vector<std::string>& more = {}) {
    if (!std::filesystem::exists(kProgram)) return nullptr;
    return std::unique_ptr<RedisServer>(new RedisServer(more));
  }

  ~RedisServer() {
    signal(SIGCONT);
    ::kill(process_, SIGKILL);
    int status = 0;
    ::waitpid(process_, &status, 0);
    std::error_code none;
    std::filesystem::remove_all(folder_, none);
  }
  RedisServer(const RedisServer&) = delete;
  RedisServer& operator=(const RedisServer&) = delete;

  const std::string& socket() const { return socket_; }
  void signal(int number) const { ::kill(process_, number); }

 private:
  static constexpr const char* kProgram = "/usr/bin/redis-server";

  explicit RedisServer(const std::vector<std::string>& more)
      : folder_("/tmp/tocsin-redis-" + base::make_real_random()->hex(8)),
        socket_(folder_ + "/redis.sock") {
    REQUIRE(::mkdir(folder_.c_str(), 0700) == 0);
    std::vector<std::string> words{kProgram, "--port", "0", "--unixsocket", socket_, "--dir",
                                   folder_,  "--save", ""};
    words.insert(words.end(), more.begin(), more.end());
    std::vector<char*> argv;
    for (std::string& word : words) argv.push_back(word.data());
    argv.push_back(nullptr);
    process_ = ::fork();
    REQUIRE(process_ >= 0);
    if (process_ == 0) {
      const int out = ::open("/dev/null", O_WRONLY);
      ::dup2(out, 1);
      ::dup2(out, 2);
      ::execv(kProgram, argv.data());
      ::_exit(127);
    }
    for (int i = 0; i < 400 && !std::filesystem::exists(socket_); ++i) ::usleep(25'000);
    REQUIRE(std::filesystem::exists(socket_));
  }

  std::string folder_;
  std::string socket_;
  pid_t process_ = 0;
};

}  // namespace tocsin::sim

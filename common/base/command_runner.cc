#include "common/base/command_runner.h"

#include <fcntl.h>
#include <fmt/core.h>
#include <poll.h>
#include <signal.h>
#include <spawn.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <atomic>
#include <cerrno>
#include <cstring>

#include "common/base/asio_executor.h"

namespace tocsin::base {
namespace {

// Between two looks at the clock and at whether the program is still there.
constexpr int kPollMs = 20;
constexpr std::size_t kChunkBytes = 4096;

class Fd {
 public:
  explicit Fd(int fd = -1) : fd_(fd) {}
  ~Fd() { reset(); }
  Fd(const Fd&) = delete;
  Fd& operator=(const Fd&) = delete;
  int get() const { return fd_; }
  bool open() const { return fd_ >= 0; }
  void reset(int fd = -1) {
    if (fd_ >= 0) close(fd_);
    fd_ = fd;
  }

 private:
  int fd_;
};

struct Pipe {
  Fd read;
  Fd write;

  bool make() {
    int ends[2];
    if (pipe2(ends, O_CLOEXEC) != 0) return false;
    read.reset(ends[0]);
    write.reset(ends[1]);
    return true;
  }
};

std::vector<char*> pointers(std::vector<std::string>& texts) {
  std::vector<char*> list;
  for (std::string& text : texts) list.push_back(text.data());
  list.push_back(nullptr);
  return list;
}

Error start_error(int code, const std::string& program) {
  const ErrorCode kind = code == ENOENT || code == ENOTDIR   ? ErrorCode::NotFound
                         : code == EACCES || code == ENOEXEC ? ErrorCode::PermissionDenied
                                                             : ErrorCode::Unavailable;
  return error(kind, fmt::format("cannot start {}: {}", program, std::strerror(code)));
}

Result<void> check(const Command& command) {
  if (command.arguments.empty() || !command.arguments[0].starts_with('/')) {
    return error(ErrorCode::InvalidArgument, "a command needs the absolute path of a program");
  }
  const auto has_nul = [](const std::string& text) { return text.find('\0') != std::string::npos; };
  bool bad = std::any_of(command.arguments.begin(), command.arguments.end(), has_nul);
  for (const auto& [name, value] : command.environment) {
    bad = bad || has_nul(name) || has_nul(value) || name.find('=') != std::string::npos;
  }
  if (bad) return error(ErrorCode::InvalidArgument, "a command must not contain NUL bytes");
  return ok();
}

// A program that does not read its input must not end ours. Blocked on the runner's own threads
// only; the program starts with nothing blocked.
void block_pipe_signal() {
  sigset_t pipe_signal;
  sigemptyset(&pipe_signal);
  sigaddset(&pipe_signal, SIGPIPE);
  pthread_sigmask(SIG_BLOCK, &pipe_signal, nullptr);
}

/// Blocking; one program.
class Run {
 public:
  Run(Command command, const Clock& clock, const std::atomic<bool>& stopping)
      : command_(std::move(command)),
        clock_(clock),
        stopping_(stopping),
        due_(clock.monotonic() + command_.timeout) {}

  Result<CommandResult> go() {
    TC_TRY(check(command_));
    TC_TRY(start());
    talk();
    return end();
  }

 private:
  Result<void> start() {
    if (!input_.make() || !output_.make()) return start_error(errno, command_.arguments[0]);
    posix_spawn_file_actions_t actions;
    posix_spawn_file_actions_init(&actions);
    posix_spawn_file_actions_addchdir_np(&actions, "/");
    posix_spawn_file_actions_adddup2(&actions, input_.read.get(), 0);
    posix_spawn_file_actions_adddup2(&actions, output_.write.get(), 1);
    posix_spawn_file_actions_adddup2(&actions, output_.write.get(), 2);
    posix_spawn_file_actions_addclosefrom_np(&actions, 3);
    posix_spawnattr_t attributes;
    posix_spawnattr_init(&attributes);
    sigset_t none;
    sigset_t all;
    sigemptyset(&none);
    sigfillset(&all);
    posix_spawnattr_setsigmask(&attributes, &none);
    posix_spawnattr_setsigdefault(&attributes, &all);
    posix_spawnattr_setpgroup(&attributes, 0);
    posix_spawnattr_setflags(
        &attributes, POSIX_SPAWN_SETPGROUP | POSIX_SPAWN_SETSIGMASK | POSIX_SPAWN_SETSIGDEF);
    std::vector<std::string> environment;
    for (const auto& [name, value] : command_.environment)
      environment.push_back(name + '=' + value);
    std::vector<char*> arguments = pointers(command_.arguments);
    std::vector<char*> variables = pointers(environment);
    const int code =
        posix_spawn(&pid_, arguments[0], &actions, &attributes, arguments.data(), variables.data());
    posix_spawnattr_destroy(&attributes);
    posix_spawn_file_actions_destroy(&actions);
    if (code != 0) return start_error(code, command_.arguments[0]);
    input_.read.reset();
    output_.write.reset();
    fcntl(input_.write.get(), F_SETFL, O_NONBLOCK);
    fcntl(output_.read.get(), F_SETFL, O_NONBLOCK);
    return ok();
  }

  // Until the program has ended or its time is over. Its children may hold the pipes open longer:
  // they are not waited for.
  void talk() {
    std::string_view rest = command_.input;
    while (!stopping_ && clock_.monotonic() < due_) {
      if (rest.empty()) input_.write.reset();
      pollfd fds[2] = {{output_.read.get(), POLLIN, 0}, {input_.write.get(), POLLOUT, 0}};
      poll(fds, 2, kPollMs);
      read_output();
      if (input_.write.open()) {
        const ssize_t written = write(input_.write.get(), rest.data(), rest.size());
        if (written > 0) rest.remove_prefix(static_cast<std::size_t>(written));
        if (written < 0 && errno != EAGAIN && errno != EINTR) rest = {};  // it does not read
      }
      siginfo_t info{};
      if (waitid(P_PID, static_cast<id_t>(pid_), &info, WEXITED | WNOHANG | WNOWAIT) == 0 &&
          info.si_pid == pid_) {
        return;
      }
    }
    result_.timed_out = true;
  }

  void read_output() {
    char buffer[kChunkBytes];
    ssize_t length = 0;
    while (output_.read.open() && (length = read(output_.read.get(), buffer, sizeof buffer)) > 0) {
      const std::size_t room = command_.output_bytes_max - result_.output.size();
      result_.output.append(buffer, std::min(room, static_cast<std::size_t>(length)));
      if (clock_.monotonic() >= due_) return;
    }
    if (length == 0) output_.read.reset();
  }

  Result<CommandResult> end() {
    // The program is not yet reaped, so its group's number cannot be another's by now.
    kill(-pid_, SIGKILL);
    int status = 0;
    while (waitpid(pid_, &status, 0) < 0 && errno == EINTR) {
    }
    read_output();
    if (WIFSIGNALED(status)) {
      result_.signal = WTERMSIG(status);
    } else {
      result_.exit_status = WEXITSTATUS(status);
    }
    if (stopping_ && result_.timed_out) {
      return error(ErrorCode::Cancelled, "the command was killed: the daemon stops");
    }
    return result_;
  }

  Command command_;
  const Clock& clock_;
  const std::atomic<bool>& stopping_;
  MonotonicTime due_;
  Pipe input_;
  Pipe output_;
  pid_t pid_ = -1;
  CommandResult result_;
};

class SpawningRunner final : public CommandRunner {
 public:
  SpawningRunner(const Clock& clock, unsigned threads, std::size_t queue_max)
      : clock_(clock), jobs_max_(threads + queue_max), executor_(clock, "command", threads) {}

  ~SpawningRunner() override {
    stopping_ = true;
    executor_.stop();
  }

  void run(Command command, Executor& reply_on, CommandDone done) override {
    const auto reply = [&reply_on, done = std::move(done)](Result<CommandResult> result) {
      reply_on.post([done, result = std::move(result)] { done(result); });
    };
    if (jobs_.fetch_add(1) >= jobs_max_) {
      --jobs_;
      reply(error(ErrorCode::Unavailable,
                  fmt::format("{} commands are already waiting or running", jobs_max_)));
      return;
    }
    executor_.post([this, command = std::move(command), reply]() mutable {
      block_pipe_signal();
      Result<CommandResult> result = Run(std::move(command), clock_, stopping_).go();
      --jobs_;
      reply(std::move(result));
    });
  }

 private:
  const Clock& clock_;
  const std::size_t jobs_max_;
  std::atomic<std::size_t> jobs_ = 0;
  std::atomic<bool> stopping_ = false;
  AsioExecutor executor_;
};

}  // namespace

std::unique_ptr<CommandRunner> make_command_runner(const Clock& clock, unsigned threads,
                                                   std::size_t queue_max) {
  return std::make_unique<SpawningRunner>(clock, threads, queue_max);
}

}  // namespace tocsin::base

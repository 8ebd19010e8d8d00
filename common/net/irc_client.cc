// IrcClient over LineSocket: one thread that speaks, and listens while it has nothing to say.
//
// IRC acknowledges nothing. The proof used here: after the lines a PING of ours; the server works
// through what it gets in order, so its PONG says that the lines are through, and a refusal (404,
// 401, ...) has come before. Between messages the thread answers the server's PINGs.

#include "common/net/irc_client.h"

#include <fmt/core.h>

#include <atomic>
#include <deque>
#include <set>

#include "common/base/asio_executor.h"
#include "common/base/base64.h"
#include "common/base/strings.h"
#include "common/net/irc_format.h"
#include "common/net/line_socket.h"

namespace tocsin::net {
namespace {

constexpr base::Duration kListenMax{60'000};

// Replies that refuse. Permanent: a person has to do something first.
struct Refusal {
  const char* numeric;
  bool permanent;
  bool auth;
};
constexpr Refusal kRefusals[] = {
    {"401", true, false},  {"402", true, false}, {"403", true, false}, {"404", true, true},
    {"405", true, false},  {"407", true, false}, {"411", true, false}, {"412", true, false},
    {"437", false, false}, {"464", true, true},  {"465", true, true},  {"471", false, false},
    {"473", true, true},   {"474", true, true},  {"475", true, true},  {"476", true, false},
    {"477", true, true},   {"489", true, true},  {"904", true, true},  {"905", true, false},
    {"906", false, false}, {"908", true, false},
};

std::optional<TalkOutcome> refusal_of(const IrcLine& line) {
  for (const Refusal& one : kRefusals) {
    if (line.command != one.numeric) continue;
    const std::string words =
        line.parameters.empty() ? std::string() : std::string(line.parameters.back());
    return TalkOutcome{false, one.permanent, one.auth,
                       base::escape_control(fmt::format("{} {}", line.command, words))};
  }
  return std::nullopt;
}

using Job = TalkJob<IrcMessage>;

class LiveIrcClient final : public IrcClient {
 public:
  LiveIrcClient(const base::Clock& clock, IrcServer server)
      : clock_(clock), server_(std::move(server)), socket_(clock), executor_(clock, "irc", 1) {}

  ~LiveIrcClient() override {
    stopping_ = true;
    socket_.wake();
    executor_.stop();
    queue_.cancel();
  }

  void send(IrcMessage message, base::Duration timeout, base::Executor& reply_on,
            TalkDone done) override {
    using Pushed = TalkQueue<IrcMessage>::Pushed;
    Job job{std::move(message), clock_.monotonic() + timeout, &reply_on, std::move(done)};
    switch (queue_.push(std::move(job))) {
      case Pushed::Begin:
        executor_.post([this] { run(); });
        break;
      case Pushed::Runs:
        socket_.wake();
        break;
      case Pushed::Refused:
        break;
    }
  }

 private:
  using Clock = base::MonotonicTime;

  // Works through the queue, then listens for as long as the connection lives.
  void run() {
    while (!stopping_) {
      if (const std::optional<Job> job = queue_.take()) {
        job->reply(perform(*job));
      } else if (socket_.connected()) {
        auto line = read(clock_.monotonic() + kListenMax);
        static_cast<void>(line);  // a lost connection is made again by the next message
      } else if (queue_.leave()) {
        return;
      }
    }
    if (socket_.connected()) {
      static_cast<void>(write("QUIT :Tocsin", clock_.monotonic() + base::Duration{500}));
      socket_.close();
    }
  }

  base::Result<void> write(const std::string& line, Clock deadline) {
    return socket_.write(line + "\r\n", deadline);
  }

  // Reads a line and answers PING; nullopt: nothing yet.
  base::Result<std::optional<IrcLine>> read(Clock until) {
    TC_TRY(auto text, socket_.read_line(until));
    if (!text) return std::optional<IrcLine>();
    IrcLine line = parse_irc_line(*text);
    if (line.command == "PING") {
      TC_TRY(write(fmt::format("PONG :{}", line.at(0)), until + base::Duration{1'000}));
    } else if (line.command == "NICK" && line.nick() == nick_) {
      nick_ = line.at(0);
    } else if (line.command == "KICK" && line.at(1) == nick_) {
      joined_.erase(base::to_lower(line.at(0)));
    } else if (line.command == "ERROR") {
      socket_.close();
      return base::error(
          base::ErrorCode::Unavailable,
          fmt::format("the server closed the connection: {}", base::escape_control(line.at(0))));
    }
    return std::optional<IrcLine>(std::move(line));
  }

  // Reads until `take` returns something.
  template <class Take>
  base::Result<TalkOutcome> await(Clock deadline, Take take) {
    for (;;) {
      TC_TRY(auto line, read(deadline));
      if (line) {
        if (std::optional<TalkOutcome> outcome = take(*line)) return *outcome;
      } else if (stopping_) {
        return base::error(base::ErrorCode::Cancelled, "stopped");
      } else if (clock_.monotonic() >= deadline) {
        socket_.close();
        return base::error(base::ErrorCode::Timeout,
                           fmt::format("{}: no answer in time", server_.address.host));
      }
    }
  }

  base::Result<TalkOutcome> perform(const Job& job) {
    if (!socket_.connected()) {
      TC_TRY(TalkOutcome logged_in, log_in(job.deadline));
      if (!logged_in.delivered) {
        socket_.close();
        return logged_in;
      }
    }
    const IrcMessage& message = job.message;
    const bool is_channel = message.target.find_first_of("#&+!") == 0;
    if (is_channel && joined_.count(base::to_lower(message.target)) == 0) {
      TC_TRY(TalkOutcome in, join(message, job.deadline));
      if (!in.delivered) return in;
    }
    for (const std::string& line : message.lines) {
      TC_TRY(pace(job.deadline));
      TC_TRY(write(fmt::format("PRIVMSG {} :{}", message.target, line), job.deadline));
    }
    const std::string token = fmt::format("tocsin-{}", ++pings_);
    TC_TRY(write("PING :" + token, job.deadline));
    std::optional<TalkOutcome> refused;
    return await(job.deadline, [&](const IrcLine& line) -> std::optional<TalkOutcome> {
      if (auto refusal = refusal_of(line)) {
        refused = std::move(refusal);
        joined_.clear();  // 404, 403: perhaps we are not in it any more
      }
      if (line.command != "PONG" || line.parameters.empty() || line.parameters.back() != token) {
        return std::nullopt;
      }
      return refused ? refused : TalkOutcome{true, false, false, "PONG"};
    });
  }

  base::Result<TalkOutcome> log_in(Clock deadline) {
    joined_.clear();
    said_.clear();
    TC_TRY(socket_.connect(server_.address, deadline));
    if (server_.tls) {
      TC_TRY(socket_.start_tls(server_.address.host, server_.tls_options, deadline));
    }
    const bool sasl = !server_.user.empty();
    if (sasl) TC_TRY(write("CAP REQ :sasl", deadline));
    if (!sasl && !server_.password.empty()) {
      TC_TRY(write("PASS :" + server_.password.reveal(), deadline));
    }
    nick_ = server_.nick;
    TC_TRY(write("NICK " + nick_, deadline));
    TC_TRY(write("USER tocsin 0 * :Tocsin alerts", deadline));
    return await(deadline, [&](const IrcLine& line) { return logging_in(line, deadline); });
  }

  std::optional<TalkOutcome> logging_in(const IrcLine& line, Clock deadline) {
    const auto say = [&](const std::string& text) {
      static_cast<void>(write(text, deadline));  // a failure shows at the next read
    };
    if (line.command == "CAP" && line.at(1) == "ACK") {
      say("AUTHENTICATE PLAIN");
    } else if (line.command == "CAP" && line.at(1) == "NAK") {
      return TalkOutcome{false, true, true, "the server does not offer SASL"};
    } else if (line.command == "421" && line.at(1) == "CAP") {
      return TalkOutcome{false, true, true, "the server does not know SASL"};
    } else if (line.command == "AUTHENTICATE") {
      const std::string& user = server_.user;
      say("AUTHENTICATE " + base::base64(std::string(1, '\0') + user + std::string(1, '\0') +
                                         server_.password.reveal()));
    } else if (line.command == "903") {
      say("CAP END");
    } else if (line.command == "433" || line.command == "436") {
      if (nick_.size() > server_.nick.size() + 3) {
        return TalkOutcome{false, false, false, "the nick and its like are taken"};
      }
      nick_ += '_';
      say("NICK " + nick_);
    } else if (line.command == "432") {
      return TalkOutcome{false, true, false, "the server does not take the nick"};
    } else if (line.command == "001") {
      nick_ = line.at(0);
      return TalkOutcome{true, false, false, {}};
    }
    return refusal_of(line);
  }

  base::Result<TalkOutcome> join(const IrcMessage& message, Clock deadline) {
    std::string line = "JOIN " + message.target;
    if (!message.key.empty()) line += " " + message.key.reveal();
    TC_TRY(write(line, deadline));
    const std::string wanted = base::to_lower(message.target);
    return await(deadline, [&](const IrcLine& answer) -> std::optional<TalkOutcome> {
      if (answer.command == "JOIN" && answer.nick() == nick_ &&
          base::to_lower(answer.at(0)) == wanted) {
        joined_.insert(wanted);
        return TalkOutcome{true, false, false, {}};
      }
      return refusal_of(answer);
    });
  }

  // Waits until another line may be said, listening meanwhile.
  base::Result<void> pace(Clock deadline) {
    while (said_.size() >= server_.burst) {
      const Clock free = said_.front() + server_.line_pause * static_cast<int>(server_.burst);
      if (clock_.monotonic() >= free) {
        said_.pop_front();
        continue;
      }
      if (free > deadline) {
        return base::error(base::ErrorCode::Unavailable, "too many lines for the time there is");
      }
      TC_TRY(auto line, read(free));
      static_cast<void>(line);
      if (stopping_) return base::error(base::ErrorCode::Cancelled, "stopped");
    }
    said_.push_back(clock_.monotonic());
    return base::ok();
  }

  const base::Clock& clock_;
  const IrcServer server_;
  std::atomic<bool> stopping_ = false;
  TalkQueue<IrcMessage> queue_{"IRC"};
  LineSocket socket_;  // from here on: the client's own thread
  std::string nick_;
  std::set<std::string> joined_;
  std::deque<Clock> said_;
  std::uint64_t pings_ = 0;
  base::AsioExecutor executor_;
};

}  // namespace

std::unique_ptr<IrcClient> make_irc_client(const base::Clock& clock, IrcServer server) {
  return std::make_unique<LiveIrcClient>(clock, std::move(server));
}

}  // namespace tocsin::net

// The IRC client against a server that follows a script; Debian's ngircd is met in the e2e tests.
#include <doctest/doctest.h>
#include <fmt/core.h>

#include "common/base/asio_executor.h"
#include "common/net/irc_client.h"
#include "common/net/irc_format.h"
#include "common/net/test_support.h"

namespace tocsin::net {
namespace {

using test::Waiter;

/// Takes one connection after the other; says what a rule answers to the start of a line.
class ScriptedServer {
 public:
  using Rule = std::pair<std::string, std::string>;

  explicit ScriptedServer(std::vector<Rule> rules)
      : rules_(std::move(rules)), executor_(clock_, "irc-server", 1) {
    executor_.post([this] { serve(); });
  }
  ~ScriptedServer() {
    listener_.stop();
    executor_.stop();
  }

  unsigned short port() const { return listener_.port(); }
  std::vector<std::string> lines() {
    base::MutexLock lock(mutex_);
    return lines_;
  }

 private:
  void serve() {
    for (;;) {
      const int connection = listener_.accept();
      if (connection < 0) return;
      std::string text;
      char buffer[1024];
      for (ssize_t size = 0; (size = ::recv(connection, buffer, sizeof buffer, 0)) > 0;) {
        text.append(buffer, static_cast<std::size_t>(size));
        for (std::size_t end = 0; (end = text.find("\r\n")) != std::string::npos;) {
          if (!take(connection, text.substr(0, end))) {
            ::shutdown(connection, SHUT_RDWR);
          }
          text.erase(0, end + 2);
        }
      }
      ::close(connection);
    }
  }

  // Answers a line; false: hangs up.
  bool take(int connection, const std::string& line) {
    {
      base::MutexLock lock(mutex_);
      lines_.push_back(line);
    }
    for (const auto& [begin, answer] : rules_) {
      if (!line.starts_with(begin)) continue;
      if (answer == "HANGUP") return false;
      ::send(connection, answer.data(), answer.size(), MSG_NOSIGNAL);
      return true;
    }
    if (line.starts_with("PING ")) {
      const std::string pong = ":srv PONG srv " + line.substr(5) + "\r\n";
      ::send(connection, pong.data(), pong.size(), MSG_NOSIGNAL);
    }
    return true;
  }

  base::RealClock clock_;
  std::vector<Rule> rules_;
  test::Listener listener_;
  base::Mutex mutex_;
  std::vector<std::string> lines_;
  base::AsioExecutor executor_;
};

struct Conversation {
  explicit Conversation(std::vector<ScriptedServer::Rule> rules)
      : server(std::move(rules)), replies(clock, "replies", 1) {
    settings.address = {"127.0.0.1", server.port()};
    settings.tls = false;
    settings.nick = "tocsin";
    settings.line_pause = base::Duration{1};
  }

  base::Result<TalkOutcome> say(std::vector<std::string> lines,
                                base::Duration timeout = base::Duration{5'000}) {
    if (!client) client = make_irc_client(clock, settings);
    Waiter<base::Result<TalkOutcome>> waiter;
    client->send({"#ops", base::Secret("key"), std::move(lines)}, timeout, replies,
                 [&](base::Result<TalkOutcome> result) { waiter.set(std::move(result)); });
    auto result = waiter.wait();
    REQUIRE(result);
    return *result;
  }

  base::RealClock clock;
  ScriptedServer server;
  IrcServer settings;
  base::AsioExecutor replies;
  std::unique_ptr<IrcClient> client;
};

const std::vector<ScriptedServer::Rule> kFriendly = {
    {"USER", ":srv NOTICE * :hello\r\nPING :12345\r\n:srv 001 tocsin :Welcome\r\n"},
    {"JOIN #ops key", ":tocsin!~t@h JOIN :#ops\r\n:srv 366 tocsin #ops :End\r\n"},
};

TEST_CASE("irc: log in, join once, say, and the PONG as proof") {
  Conversation talk(kFriendly);
  const auto first = talk.say({"one", "two"});
  REQUIRE(first);
  CHECK(first->delivered);
  const auto second = talk.say({"three"});
  REQUIRE(second);
  CHECK(second->delivered);
  CHECK(talk.server.lines() ==
        std::vector<std::string>{"NICK tocsin", "USER tocsin 0 * :Tocsin alerts", "PONG :12345",
                                 "JOIN #ops key", "PRIVMSG #ops :one", "PRIVMSG #ops :two",
                                 "PING :tocsin-1", "PRIVMSG #ops :three", "PING :tocsin-2"});
  talk.client.reset();
}

TEST_CASE("irc: SASL, and a nick that is taken") {
  Conversation talk({{"CAP REQ :sasl", ":srv CAP * ACK :sasl\r\n"},
                     {"AUTHENTICATE PLAIN", "AUTHENTICATE +\r\n"},
                     {"AUTHENTICATE AGJvdABwdw==", ":srv 903 * :ok\r\n"},
                     {"NICK tocsin_", ":srv 001 tocsin_ :Welcome\r\n"},
                     {"CAP END", ":srv 433 * tocsin :in use\r\n"},
                     {"JOIN", ":tocsin_!~t@h JOIN #ops\r\n"}});
  talk.settings.user = "bot";
  talk.settings.password = base::Secret("pw");
  const auto said = talk.say({"x"});
  REQUIRE(said);
  CHECK(said->delivered);
}

TEST_CASE("irc: refusals") {
  const auto say = [](std::vector<ScriptedServer::Rule> rules) {
    Conversation talk(std::move(rules));
    auto result = talk.say({"x"});
    REQUIRE(result);
    CHECK_FALSE(result->delivered);
    return *result;
  };
  const TalkOutcome key = say({kFriendly[0], {"JOIN", ":srv 475 tocsin #ops :Bad key\r\n"}});
  CHECK(key.permanent);
  CHECK(key.auth);
  CHECK(key.reply == "475 Bad key");
  CHECK_FALSE(say({kFriendly[0], {"JOIN", ":srv 471 tocsin #ops :Full\r\n"}}).permanent);
  const TalkOutcome muted =
      say({kFriendly[0], kFriendly[1], {"PRIVMSG", ":srv 404 tocsin #ops :Cannot send\x1b\r\n"}});
  CHECK(muted.permanent);
  CHECK(muted.reply == "404 Cannot send\\x1b");
  CHECK(say({{"USER", ":srv 464 * :Bad password\r\n"}}).auth);
}

TEST_CASE("irc: a lost connection is an error, and the next message makes a new one") {
  std::vector<ScriptedServer::Rule> rules = kFriendly;
  rules.emplace_back("PRIVMSG #ops :poison", "HANGUP");
  Conversation talk(std::move(rules));
  REQUIRE(talk.say({"fine"}));
  const auto lost = talk.say({"poison"});
  REQUIRE_FALSE(lost);
  CHECK(lost.error().code == base::ErrorCode::Unavailable);
  const auto again = talk.say({"fine"});
  REQUIRE(again);
  CHECK(again->delivered);
}

TEST_CASE("irc: no answer, nobody there, stopped") {
  const std::vector<ScriptedServer::Rule> mute = {{"USER", ""}};
  Conversation silent(mute);
  const auto late = silent.say({"x"}, base::Duration{100});
  REQUIRE_FALSE(late);
  CHECK(late.error().code == base::ErrorCode::Timeout);

  base::RealClock clock;
  base::AsioExecutor replies(clock, "replies", 1);
  IrcServer nowhere;
  nowhere.address = {"127.0.0.1", 1};
  nowhere.nick = "tocsin";
  Waiter<base::Result<TalkOutcome>> waiter;
  make_irc_client(clock, nowhere)
      ->send({"#ops", {}, {"x"}}, base::Duration{1000}, replies,
             [&](base::Result<TalkOutcome> result) { waiter.set(std::move(result)); });
  const auto result = waiter.wait();
  REQUIRE(result);
  CHECK_FALSE(*result);
}

TEST_CASE("irc: TLS checks the certificate") {
  // A server that speaks no TLS at all is refused as such, and nothing is said in clear.
  Conversation talk(kFriendly);
  talk.settings.tls = true;
  const auto said = talk.say({"secret"});
  REQUIRE_FALSE(said);
  for (const std::string& line : talk.server.lines()) {
    CHECK(line.find("secret") == std::string::npos);
    CHECK(line.find("NICK") == std::string::npos);
  }
}

TEST_CASE("irc: lines and pieces") {
  const IrcLine line = parse_irc_line("@t=1 :nick!u@h PRIVMSG  #ops :a b  c");
  CHECK(line.nick() == "nick");
  CHECK(line.command == "PRIVMSG");
  CHECK(line.at(0) == "#ops");
  CHECK(line.at(1) == "a b  c");
  CHECK(line.at(2).empty());
  CHECK(parse_irc_line("").command.empty());
  CHECK(parse_irc_line(":only").command.empty());

  CHECK(irc_pieces("a\n\nb\rQUIT\n", 100) == std::vector<std::string>{"a", "b QUIT"});
  CHECK(irc_pieces("aaaa bbbb cccc", 10) == std::vector<std::string>{"aaaa bbbb", "cccc"});
  CHECK(irc_pieces("\xc3\xa9\xc3\xa9\xc3\xa9", 5) ==
        std::vector<std::string>{"\xc3\xa9\xc3\xa9", "\xc3\xa9"});
  CHECK(is_irc_target("#ops"));
  for (const char* bad : {"", ":x", "a b", "a,b", "a\r\nQUIT"}) CHECK_FALSE(is_irc_target(bad));
}

}  // namespace
}  // namespace tocsin::net

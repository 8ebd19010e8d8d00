#include "agent/collectors/redis/redis_connection.h"

#include <fmt/format.h>
#include <hiredis/hiredis.h>

#include <cerrno>

#include "common/base/strings.h"

namespace tocsin::agent {

using base::ErrorCode;
using base::Result;

namespace {

constexpr int kDepthMax = 4;
/// What one answer may hold; INFO has a few kilobytes, a page of SCAN some hundred.
constexpr std::size_t kTextBytesMax = 1 << 20;

timeval to_timeval(base::Duration duration) {
  return {.tv_sec = duration.count() / 1000, .tv_usec = (duration.count() % 1000) * 1000};
}

ErrorCode code_of(std::string_view text) {
  for (const char* denied : {"NOPERM", "NOAUTH", "WRONGPASS", "ERR AUTH", "ERR invalid password"}) {
    if (text.starts_with(denied)) return ErrorCode::PermissionDenied;
  }
  if (text.starts_with("ERR unknown command")) return ErrorCode::NotFound;
  if (text.starts_with("LOADING") || text.starts_with("MASTERDOWN")) return ErrorCode::Unavailable;
  return ErrorCode::InvalidArgument;
}

Result<RedisReply> converted(const redisReply& reply, int depth) {
  RedisReply result;
  const std::string_view text(reply.str != nullptr ? reply.str : "",
                              reply.str != nullptr ? static_cast<std::size_t>(reply.len) : 0);
  switch (reply.type) {
    case REDIS_REPLY_ERROR:
      return base::error(code_of(text), "Redis: " + base::escape_control(text));
    case REDIS_REPLY_INTEGER:
      result.text = std::to_string(reply.integer);
      return result;
    case REDIS_REPLY_STRING:
    case REDIS_REPLY_STATUS:
      result.text = std::string(text.substr(0, kTextBytesMax));
      return result;
    case REDIS_REPLY_ARRAY:
      if (depth >= kDepthMax) return base::error(ErrorCode::LimitExceeded, "Redis: nested lists");
      for (std::size_t i = 0; i < reply.elements; ++i) {
        TC_TRY(auto element, converted(*reply.element[i], depth + 1));
        result.list.push_back(std::move(element));
      }
      return result;
    default:
      return result;  // nil
  }
}

}  // namespace

double RedisReply::number() const {
  return text ? base::parse_double(*text).value_or(0) : 0;
}

struct RedisConnection::Impl {
  explicit Impl(redisContext* made) : context(made) {}
  ~Impl() { redisFree(context); }
  Impl(const Impl&) = delete;
  Impl& operator=(const Impl&) = delete;

  redisContext* context;
};

RedisConnection::RedisConnection(std::unique_ptr<Impl> impl) : impl_(std::move(impl)) {}
RedisConnection::~RedisConnection() = default;

Result<std::unique_ptr<RedisConnection>> RedisConnection::connect(const RedisAddress& address) {
  const timeval timeout = to_timeval(address.timeout);
  redisContext* context =
      address.host.empty() ? redisConnectUnixWithTimeout(address.socket.c_str(), timeout)
                           : redisConnectWithTimeout(address.host.c_str(), address.port, timeout);
  if (context == nullptr) return base::error(ErrorCode::LimitExceeded, "Redis: out of memory");
  std::unique_ptr<RedisConnection> connection(new RedisConnection(std::make_unique<Impl>(context)));
  if (context->err != 0) return connection->failure();
  redisSetTimeout(context, timeout);
  if (!address.password.empty()) {
    RedisCommand command{"AUTH"};
    if (!address.user.empty()) command.push_back(address.user);
    command.push_back(address.password.reveal());
    TC_TRY(connection->run(command));
  }
  return connection;
}

base::Error RedisConnection::failure() {
  broken_ = true;
  const redisContext& context = *impl_->context;
  const bool late = context.err == REDIS_ERR_IO && (errno == EAGAIN || errno == ETIMEDOUT);
  return base::error(
      late ? ErrorCode::Timeout : ErrorCode::Unavailable,
      fmt::format("Redis: {}", late ? "no answer within the timeout" : context.errstr));
}

Result<RedisReply> RedisConnection::run(const RedisCommand& command) {
  TC_TRY(auto replies, run_all({command}));
  return std::move(replies.front());
}

Result<std::vector<RedisReply>> RedisConnection::run_all(
    const std::vector<RedisCommand>& commands) {
  if (broken_) return base::error(ErrorCode::Unavailable, "Redis: the connection is gone");
  for (const RedisCommand& command : commands) {
    std::vector<const char*> words;
    std::vector<std::size_t> lengths;
    for (const std::string& word : command) {
      words.push_back(word.data());
      lengths.push_back(word.size());
    }
    if (redisAppendCommandArgv(impl_->context, static_cast<int>(words.size()), words.data(),
                               lengths.data()) != REDIS_OK) {
      return failure();
    }
  }
  std::vector<RedisReply> replies;
  std::optional<base::Error> refused;
  for (std::size_t i = 0; i < commands.size(); ++i) {
    void* raw = nullptr;
    errno = 0;
    if (redisGetReply(impl_->context, &raw) != REDIS_OK || raw == nullptr) return failure();
    const std::unique_ptr<redisReply, decltype(&freeReplyObject)> reply(
        static_cast<redisReply*>(raw), &freeReplyObject);
    auto result = converted(*reply, 0);
    if (result) {
      replies.push_back(std::move(*result));
    } else if (!refused) {
      refused = with_context(result.error(), commands[i].front());
    }
  }
  if (refused) return *refused;  // all answers were read: the connection is good
  return replies;
}

}  // namespace tocsin::agent

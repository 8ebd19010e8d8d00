// ImapClient over libcurl: UID SEARCH UNSEEN, then each message by its UID. Fetching a body sets
// \Seen, so a message that makes trouble is met once. search() only ever sees numbers.
// Source: RFC 9051; RFC 4315 (UID EXPUNGE); libcurl, "IMAP".
#include "common/net/imap_client.h"

#include <curl/curl.h>
#include <fmt/core.h>

#include <algorithm>

#include "common/base/strings.h"
#include "common/net/curl_pool.h"
#include "common/net/curl_tls.h"
#include "common/net/url.h"

namespace tocsin::net {
namespace {

constexpr std::size_t kSearchBytesMax = 1 << 20;
constexpr std::size_t kRemovedMax = 100;  // In one command, which has a length.

struct Sink {
  std::string text;
  std::size_t bytes_max = 0;
  bool too_large = false;
};

std::size_t on_data(char* data, std::size_t size, std::size_t count, void* user) {
  auto& sink = *static_cast<Sink*>(user);
  const std::size_t length = size * count;
  if (sink.text.size() + length > sink.bytes_max) {
    sink.too_large = true;
    return 0;  // curl ends the transfer
  }
  sink.text.append(data, length);
  return length;
}

std::string origin_of(const ImapServer& server) {
  return fmt::format("imap://{}:{}", base::escape_control(server.host), server.port);
}

base::Error failure(CURLcode code, const ImapServer& server, std::string_view detail) {
  const std::string origin = origin_of(server);
  const std::string why = base::escape_control(detail.empty() ? curl_easy_strerror(code) : detail);
  switch (code) {
    case CURLE_ABORTED_BY_CALLBACK:
      return base::error(base::ErrorCode::Cancelled, origin + ": the client was stopped");
    case CURLE_OPERATION_TIMEDOUT:
      return base::error(base::ErrorCode::Timeout, origin + ": no answer in time");
    case CURLE_LOGIN_DENIED:
      return base::error(base::ErrorCode::InvalidArgument, origin + ": login refused");
    case CURLE_URL_MALFORMAT:
    case CURLE_SSL_CACERT_BADFILE:
      return base::error(base::ErrorCode::InvalidArgument, fmt::format("{}: {}", origin, why));
    default:
      return base::error(base::ErrorCode::Unavailable, fmt::format("{}: {}", origin, why));
  }
}

/// One conversation on one handle; curl keeps its connection.
class Conversation {
 public:
  Conversation(CURL* easy, const ImapServer& server) : easy_(easy), server_(server) {
    curl_easy_setopt(easy_, CURLOPT_ERRORBUFFER, detail_);
    curl_easy_setopt(easy_, CURLOPT_PROTOCOLS_STR, "imap,imaps");
    curl_easy_setopt(easy_, CURLOPT_PROXY, "");
    curl_easy_setopt(easy_, CURLOPT_USE_SSL,
                     server.tls_mode == SmtpTls::None ? static_cast<long>(CURLUSESSL_NONE)
                                                      : static_cast<long>(CURLUSESSL_ALL));
    set_tls_options(easy_, server.tls);
    curl_easy_setopt(easy_, CURLOPT_USERNAME, server.user.c_str());
    curl_easy_setopt(easy_, CURLOPT_PASSWORD, server.password.reveal().c_str());
    curl_easy_setopt(easy_, CURLOPT_WRITEFUNCTION, on_data);
  }
  ~Conversation() {
    curl_easy_setopt(easy_, CURLOPT_ERRORBUFFER, nullptr);
    curl_easy_setopt(easy_, CURLOPT_CUSTOMREQUEST, nullptr);
    curl_easy_setopt(easy_, CURLOPT_WRITEDATA, nullptr);
  }
  Conversation(const Conversation&) = delete;
  Conversation& operator=(const Conversation&) = delete;

  /// `uid` empty: the command; else that message's text.
  base::Result<Sink> ask(const std::string& uid, const char* command, std::size_t bytes_max) {
    const bool v6 = server_.host.find(':') != std::string::npos;
    std::string url = fmt::format(
        "{}://{}{}{}:{}/{}", server_.tls_mode == SmtpTls::Implicit ? "imaps" : "imap",
        v6 ? "[" : "", server_.host, v6 ? "]" : "", server_.port, percent_encode(server_.mailbox));
    if (!uid.empty()) url += "/;UID=" + uid;
    Sink sink;
    sink.bytes_max = bytes_max;
    detail_[0] = '\0';
    curl_easy_setopt(easy_, CURLOPT_URL, url.c_str());
    curl_easy_setopt(easy_, CURLOPT_CUSTOMREQUEST, command);
    curl_easy_setopt(easy_, CURLOPT_WRITEDATA, &sink);
    const CURLcode code = curl_easy_perform(easy_);
    if (code != CURLE_OK && !sink.too_large) return failure(code, server_, detail_);
    return sink;
  }

 private:
  CURL* easy_;
  const ImapServer& server_;
  char detail_[CURL_ERROR_SIZE] = "";
};

/// Returns the numbers of "* SEARCH 3 5 8".
std::vector<std::string> uids_of(std::string_view answer) {
  std::vector<std::string> uids;
  base::for_each_line(answer, [&](std::string_view line) {
    const auto fields = base::split_fields(base::trim(line));
    if (fields.size() < 2 || fields[0] != "*" || fields[1] != "SEARCH") return;
    for (std::size_t i = 2; i < fields.size(); ++i) {
      if (base::parse_u64(fields[i])) uids.emplace_back(fields[i]);
    }
  });
  return uids;
}

base::Result<ImapFetched> perform(CURL* easy, const ImapServer& server, const ImapLimits& limits) {
  Conversation conversation(easy, server);
  TC_TRY(const Sink found, conversation.ask("", "UID SEARCH UNSEEN", kSearchBytesMax));
  std::vector<std::string> uids = uids_of(found.text);
  if (uids.size() > limits.messages_max) uids.resize(limits.messages_max);
  ImapFetched fetched;
  for (const std::string& uid : uids) {
    auto message = conversation.ask(uid, nullptr, limits.message_bytes_max);
    if (!message) {
      // Those that were fetched are seen: nobody will hand them over again.
      if (fetched.messages.empty()) return message.error();
      break;
    }
    if (message->too_large) {
      ++fetched.too_large;
    } else {
      fetched.messages.push_back(std::move(message->text));
    }
  }
  return fetched;
}

bool is_search_word(std::string_view word) {
  return !word.empty() && word.size() <= 100 && std::all_of(word.begin(), word.end(), [](char c) {
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '-';
  });
}

/// The messages of a mailbox whose subject has `word`, and that are not on their way out.
base::Result<std::vector<std::string>> find_subject(Conversation& conversation,
                                                    std::string_view word,
                                                    std::string_view more = {}) {
  const std::string command = fmt::format("UID SEARCH UNDELETED SUBJECT \"{}\"{}", word, more);
  TC_TRY(const Sink found, conversation.ask("", command.c_str(), kSearchBytesMax));
  return uids_of(found.text);
}

/// Returns "BEFORE 7-Nov-2026": by the server's own day of arrival.
std::string before_day(base::WallTime time) {
  // "Mon, 23 Nov 2026 14:48:35 +0000"
  const std::string date = base::format_rfc5322(time);
  const auto fields = base::split_fields(date);
  return fmt::format(" BEFORE {}-{}-{}", fields[1], fields[2], fields[3]);
}

base::Result<void> remove(Conversation& conversation, const std::vector<std::string>& uids) {
  const std::string set = base::join(uids, ",");
  TC_TRY(conversation.ask("", fmt::format("UID STORE {} +FLAGS.SILENT (\\Deleted)", set).c_str(),
                          kSearchBytesMax));
  // A plain EXPUNGE would take what a person has marked with it.
  static_cast<void>(
      conversation.ask("", fmt::format("UID EXPUNGE {}", set).c_str(), kSearchBytesMax));
  return base::ok();
}

base::Result<MailFound> perform_search(CURL* easy, const ImapServer& server,
                                       const MailSearch& search) {
  Conversation conversation(easy, server);
  MailFound result;
  TC_TRY(const std::vector<std::string> all, find_subject(conversation, search.common));
  if (all.empty()) return result;
  std::vector<std::string> old;
  for (const std::string& word : search.words) {
    TC_TRY(const std::vector<std::string> uids, find_subject(conversation, word));
    if (!uids.empty()) result.words.push_back(word);
    old.insert(old.end(), uids.begin(), uids.end());
  }
  if (!search.remove_before) return result;
  TC_TRY(const std::vector<std::string> late,
         find_subject(conversation, search.common, before_day(*search.remove_before)));
  old.insert(old.end(), late.begin(), late.end());
  if (old.size() > kRemovedMax) old.resize(kRemovedMax);
  if (old.empty()) return result;
  TC_TRY(remove(conversation, old));
  result.removed = old.size();
  return result;
}

class CurlImapClient final : public ImapClient {
 public:
  explicit CurlImapClient(const base::Clock& clock) : pool_(clock, "mail-fetch", 1, 10) {}

  void fetch_unseen(const ImapServer& server, const ImapLimits& limits, base::Executor& reply_on,
                    ImapDone done) override {
    const auto reply = [&reply_on, done = std::move(done)](base::Result<ImapFetched> result) {
      reply_on.post([done, result = std::move(result)] { done(result); });
    };
    if (const auto bad = check(server); !bad) return reply(bad.error());
    pool_.submit(CurlPool::Job{origin_of(server), limits.timeout,
                               [server, limits, reply](void* easy) -> base::Task {
                                 auto result = std::make_shared<base::Result<ImapFetched>>(
                                     perform(static_cast<CURL*>(easy), server, limits));
                                 return [reply, result] { reply(std::move(*result)); };
                               },
                               [reply](base::Error error) { reply(std::move(error)); }});
  }

  void search(const ImapServer& server, const MailSearch& search, base::Duration timeout,
              base::Executor& reply_on, MailFoundDone done) override {
    const auto reply = [&reply_on, done = std::move(done)](base::Result<MailFound> result) {
      reply_on.post([done, result = std::move(result)] { done(result); });
    };
    if (const auto bad = check(server); !bad) return reply(bad.error());
    if (!is_search_word(search.common) ||
        !std::all_of(search.words.begin(), search.words.end(), is_search_word)) {
      return reply(base::error(base::ErrorCode::InvalidArgument,
                               "a word to search for holds other than letters, digits and '-'"));
    }
    pool_.submit(CurlPool::Job{origin_of(server), timeout,
                               [server, search, reply](void* easy) -> base::Task {
                                 auto result = std::make_shared<base::Result<MailFound>>(
                                     perform_search(static_cast<CURL*>(easy), server, search));
                                 return [reply, result] { reply(std::move(*result)); };
                               },
                               [reply](base::Error error) { reply(std::move(error)); }});
  }

 private:
  static base::Result<void> check(const ImapServer& server) {
    if (!server.host.empty() && server.host.find_first_of("/@ \t\r\n") == std::string::npos) {
      return base::ok();
    }
    return base::error(base::ErrorCode::InvalidArgument,
                       fmt::format("'{}' is not a mail server's name or address",
                                   base::escape_control(server.host)));
  }

  CurlPool pool_;
};

}  // namespace

std::unique_ptr<ImapClient> make_imap_client(const base::Clock& clock) {
  return std::make_unique<CurlImapClient>(clock);
}

}  // namespace tocsin::net

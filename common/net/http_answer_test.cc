// An answer in all the pieces it may come in, and what is none.
#include "common/net/http_answer.h"

#include <curl/curl.h>
#include <doctest/doctest.h>
#include <fmt/core.h>

namespace tocsin::net {
namespace {

using State = AnswerReader::State;

struct Read {
  HttpAnswer answer;
  State state = State::More;
  int code = 0;
  bool keeps = false;
  std::string rest;  ///< What came after the answer.
};

/// Reads `text` in pieces of that size; then the peer closes if the answer is not complete.
Read read(std::string_view text, std::size_t piece, bool to_head = false,
          std::size_t body_bytes_max = 1000) {
  Read got;
  got.answer.body_bytes_max = body_bytes_max;
  AnswerReader reader(got.answer, to_head);
  while (!text.empty() && got.state == State::More) {
    std::string_view bytes = text.substr(0, piece);
    text.remove_prefix(bytes.size());
    got.state = reader.read(bytes);
    got.rest = bytes;
  }
  if (got.state == State::More) got.state = reader.closed();
  got.code = reader.code();
  got.keeps = reader.keeps_connection();
  got.rest += text;
  return got;
}

TEST_CASE("an answer is the same in whatever pieces it comes") {
  struct Case {
    std::string_view text;
    std::string_view body;
    bool keeps;
  };
  for (const Case& one : {
           Case{"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhello", "hello", true},
           Case{"HTTP/1.1 200\r\nContent-Length: 0\r\n\r\n", "", true},
           Case{"HTTP/1.1 200 OK\nContent-Length: 2\n\nhi", "hi", true},
           Case{"HTTP/1.1 200 OK\r\nConnection: x, Close\r\nContent-Length: 2\r\n\r\nhi", "hi",
                false},
           Case{"HTTP/1.0 200 OK\r\nContent-Length: 2\r\n\r\nhi", "hi", false},
           Case{"HTTP/1.0 200 OK\r\nConnection: Keep-Alive\r\nContent-Length: 2\r\n\r\nhi", "hi",
                true},
           Case{"HTTP/1.1 200 OK\r\n\r\nto the end", "to the end", false},
           Case{"HTTP/1.1 204 None\r\nContent-Length: 9\r\n\r\n", "", true},
           Case{
               "HTTP/1.1 100 Continue\r\nA: b\r\n\r\nHTTP/1.1 200 OK\r\nContent-Length: 1\r\n\r\nx",
               "x", true},
           Case{"HTTP/1.1 200 OK\r\nTransfer-Encoding: "
                "Chunked\r\n\r\n5;a=b\r\nhello\r\n10\r\n0123456789abcdef"
                "\r\n0\r\nTrailer: t\r\n\r\n",
                "hello0123456789abcdef", true},
           Case{"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\nContent-Length: "
                "3\r\n\r\n0\r\n\r\n",
                "", false},
       }) {
    for (const std::size_t piece : {1U, 2U, 3U, 7U, 1000U}) {
      const Read got = read(one.text, piece);
      CHECK_MESSAGE(got.state == State::Complete, one.text, " in ", piece);
      CHECK(got.answer.response.body == one.body);
      CHECK_MESSAGE(got.keeps == one.keeps, one.text);
      CHECK(got.answer.response.header("a").empty());  // of the interim answer
      CHECK(got.rest.empty());
    }
  }
}

TEST_CASE("the status, the headers and what comes after the answer") {
  const Read got =
      read("HTTP/1.1 503 No\r\nRetry-After:  7 \r\nX-A:\r\nContent-Length: 1\r\n\r\nabc", 1000);
  CHECK(got.state == State::Complete);
  CHECK(got.answer.response.status == 503);
  CHECK(got.answer.response.header("retry-after") == "7");
  CHECK(got.answer.response.headers.size() == 3);
  CHECK(got.rest == "bc");
  const Read head = read("HTTP/1.1 200 OK\r\nContent-Length: 400\r\n\r\n", 5, true);
  CHECK(head.state == State::Complete);
  CHECK(head.answer.response.body.empty());
  CHECK(head.keeps);
}

TEST_CASE("what is no answer, or only a part of one") {
  const std::string ok = "HTTP/1.1 200 OK\r\n";
  struct Case {
    std::string text;
    int code;
  };
  for (const Case& one : {
           Case{"SSH-2.0-x\r\n", CURLE_UNSUPPORTED_PROTOCOL},
           Case{"x", CURLE_UNSUPPORTED_PROTOCOL},
           Case{"HTTP/1.1 2000 OK\r\n\r\n", CURLE_WEIRD_SERVER_REPLY},
           Case{"HTTP/1.1 2x0 OK\r\n\r\n", CURLE_WEIRD_SERVER_REPLY},
           Case{"HTTP/1.1 099 OK\r\n\r\n", CURLE_WEIRD_SERVER_REPLY},
           Case{"HTTP/2 200 OK\r\n\r\n", CURLE_WEIRD_SERVER_REPLY},
           Case{"HTTP/1.1 101 Other\r\n\r\n", CURLE_WEIRD_SERVER_REPLY},
           Case{"HTTP/1.", CURLE_PARTIAL_FILE},
           Case{ok + "Content-Le", CURLE_PARTIAL_FILE},
           Case{ok + "Content-Length: 5\r\n\r\nhell", CURLE_PARTIAL_FILE},
           Case{ok + "Content-Length: -5\r\n\r\nhello", CURLE_WEIRD_SERVER_REPLY},
           Case{ok + "Content-Length: 4\r\nContent-Length: 5\r\n\r\nhello",
                CURLE_WEIRD_SERVER_REPLY},
           Case{ok + "Transfer-Encoding: gzip\r\n\r\n", CURLE_WEIRD_SERVER_REPLY},
           Case{ok + "Transfer-Encoding: chunked\r\n\r\n5\r\nhello", CURLE_PARTIAL_FILE},
           Case{ok + "Transfer-Encoding: chunked\r\n\r\n5\r\nhello!\r\n", CURLE_RECV_ERROR},
           Case{ok + "Transfer-Encoding: chunked\r\n\r\n\r\n", CURLE_RECV_ERROR},
           Case{ok + "Transfer-Encoding: chunked\r\n\r\n-1\r\n", CURLE_RECV_ERROR},
           Case{ok + "Transfer-Encoding: chunked\r\n\r\n11111111111111111\r\n", CURLE_RECV_ERROR},
           Case{ok + "A: b\r\nHTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhell",
                CURLE_PARTIAL_FILE},
       }) {
    for (const std::size_t piece : {1U, 4U, 1000U}) {
      const Read got = read(one.text, piece);
      CHECK_MESSAGE(got.state == State::Failed, one.text, " in ", piece);
      CHECK_MESSAGE(got.code == one.code, one.text);
      CHECK_FALSE(got.keeps);
    }
  }
}

TEST_CASE("an answer's size is bounded, however it is sent") {
  const std::string ok = "HTTP/1.1 200 OK\r\n";
  for (const std::string& body :
       {ok + "Content-Length: 11\r\n\r\n", ok + "\r\n01234567890",
        ok + "Transfer-Encoding: chunked\r\n\r\n6\r\n012345\r\n5\r\n67890\r\n0\r\n\r\n",
        ok + "Transfer-Encoding: chunked\r\n\r\nffffffffffffffff\r\n01234567890"}) {
    const Read got = read(body, 3, false, 10);
    CHECK_MESSAGE(got.state == State::Failed, body);
    CHECK(got.answer.exceeded == std::string_view("body"));
  }
  std::string many = ok;
  while (many.size() < HttpAnswer::kHeaderBytesMax + 2'000)
    many += fmt::format("X: {:>1000}\r\n", 1);
  for (const std::string& head :
       {many, ok + "X: " + std::string(300'000, 'y'), "HTTP/" + std::string(300'000, '1')}) {
    const Read got = read(head, 5000);
    CHECK(got.state == State::Failed);
    CHECK(got.answer.exceeded == std::string_view("header"));
  }
}

}  // namespace
}  // namespace tocsin::net

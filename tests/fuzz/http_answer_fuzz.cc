// Answers of HTTP servers, whole and in pieces: what is read does not depend on how it arrives.
#include <algorithm>
#include <cstdint>
#include <string>
#include <string_view>

#include "common/base/check.h"
#include "common/net/http_answer.h"

namespace {

using tocsin::net::AnswerReader;
using tocsin::net::HttpAnswer;

constexpr std::size_t kBodyBytesMax = 300;

struct Read {
  HttpAnswer answer;
  AnswerReader::State state = AnswerReader::State::More;
  int code = 0;
  bool keeps_connection = false;
  std::size_t rest = 0;  // Bytes behind the answer.
};

Read read(std::string_view text, std::size_t piece, bool to_head) {
  Read got;
  got.answer.body_bytes_max = kBodyBytesMax;
  AnswerReader reader(got.answer, to_head);
  while (!text.empty() && got.state == AnswerReader::State::More) {
    std::string_view bytes = text.substr(0, piece);
    text.remove_prefix(bytes.size());
    got.state = reader.read(bytes);
    got.rest = bytes.size() + text.size();
  }
  if (got.state == AnswerReader::State::More) got.state = reader.closed();
  got.code = reader.code();
  got.keeps_connection = reader.keeps_connection();
  return got;
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  if (size == 0) return 0;
  const std::string_view text(reinterpret_cast<const char*>(data) + 1, size - 1);
  const bool to_head = (data[0] & 1) != 0;
  const std::size_t piece = 1 + data[0] / 2;
  const Read whole = read(text, std::max<std::size_t>(text.size(), 1), to_head);
  const Read pieces = read(text, piece, to_head);
  TC_CHECK(whole.state != AnswerReader::State::More, "an end that is not said");
  TC_CHECK(whole.state == pieces.state && whole.code == pieces.code, "pieces end otherwise");
  TC_CHECK(whole.answer.response.body.size() <= kBodyBytesMax, "body limit");
  if (whole.state != AnswerReader::State::Complete) return 0;
  TC_CHECK(whole.answer.response.status == pieces.answer.response.status, "status");
  TC_CHECK(whole.answer.response.headers == pieces.answer.response.headers, "headers");
  TC_CHECK(whole.answer.response.body == pieces.answer.response.body, "body");
  TC_CHECK(whole.keeps_connection == pieces.keeps_connection, "whether the connection is kept");
  TC_CHECK(whole.rest == pieces.rest, "what comes behind the answer");
  TC_CHECK(!to_head || whole.answer.response.body.empty(), "a body after HEAD");
  return 0;
}

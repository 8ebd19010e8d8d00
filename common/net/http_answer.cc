#include "common/net/http_answer.h"

#include <curl/curl.h>
#include <fmt/core.h>

#include <algorithm>
#include <charconv>
#include <utility>

#include "common/base/strings.h"

namespace tocsin::net {
namespace {

constexpr std::string_view kProtocol = "HTTP/";

/// Returns whether the comma separated list of a header has the word.
bool lists(std::string_view value, std::string_view word) {
  while (!value.empty()) {
    const std::size_t comma = value.find(',');
    if (base::to_lower(base::trim(value.substr(0, comma))) == word) return true;
    if (comma == std::string_view::npos) return false;
    value.remove_prefix(comma + 1);
  }
  return false;
}

}  // namespace

bool HttpAnswer::header(std::string_view line) {
  header_bytes += line.size();
  line = base::trim(line);
  if (line.starts_with(kProtocol)) {  // a new head: the one before was interim (100 Continue)
    response.headers.clear();
    header_bytes = 0;
    return true;
  }
  if (header_bytes > kHeaderBytesMax) {
    exceeded = "header";
    return false;
  }
  const std::size_t colon = line.find(':');
  if (colon == std::string_view::npos) return true;
  std::string name = base::to_lower(line.substr(0, colon));
  const std::string_view value = base::trim(line.substr(colon + 1));
  if (name == "content-length") {
    const auto length = base::parse_u64(value);
    if (length && *length > body_bytes_max) {
      exceeded = "body";
      return false;
    }
  }
  response.headers.emplace_back(std::move(name), std::string(value));
  return true;
}

bool HttpAnswer::body(std::string_view data) {
  if (data.size() > body_bytes_max - response.body.size()) {
    exceeded = "body";
    return false;
  }
  response.body.append(data);
  return true;
}

AnswerReader::State AnswerReader::state() const {
  if (stage_ == Stage::Complete) return State::Complete;
  return stage_ == Stage::Failed ? State::Failed : State::More;
}

AnswerReader::State AnswerReader::read(std::string_view& bytes) {
  began_ = began_ || !bytes.empty();
  while (state() == State::More) {
    if (stage_ == Stage::Body || stage_ == Stage::BodyToEnd || stage_ == Stage::Chunk) {
      if (bytes.empty()) break;
      take_body(bytes);
      continue;
    }
    std::string_view line;
    if (!take_line(bytes, line)) break;
    step(line);
  }
  return state();
}

AnswerReader::State AnswerReader::closed() {
  keeps_connection_ = false;
  if (stage_ == Stage::BodyToEnd) {
    stage_ = Stage::Complete;
  } else if (state() == State::More) {
    fail(CURLE_PARTIAL_FILE, "the connection was closed before the end of the answer");
  }
  return state();
}

// Gives the next line without its end; false: it is not all there.
bool AnswerReader::take_line(std::string_view& bytes, std::string_view& line) {
  const std::size_t end = bytes.find('\n');
  if (end == std::string_view::npos) {
    line_ += bytes;
    bytes = {};
    const std::size_t known = std::min(line_.size(), kProtocol.size());
    if (stage_ == Stage::StatusLine && line_.substr(0, known) != kProtocol.substr(0, known)) {
      status_line(line_);
    } else if (line_.size() > HttpAnswer::kHeaderBytesMax) {
      answer_.exceeded = "header";
      fail_limit();
    }
    return false;
  }
  line = bytes.substr(0, end);
  bytes.remove_prefix(end + 1);
  if (!line_.empty()) {
    whole_ = std::move(line_);
    line_.clear();
    whole_ += line;
    line = whole_;
  }
  if (line.ends_with('\r')) line.remove_suffix(1);
  return true;
}

void AnswerReader::take_body(std::string_view& bytes) {
  std::size_t size = bytes.size();
  if (stage_ != Stage::BodyToEnd)
    size = static_cast<std::size_t>(std::min<std::uint64_t>(size, left_));
  if (!answer_.body(bytes.substr(0, size))) return fail_limit();
  bytes.remove_prefix(size);
  if (stage_ == Stage::BodyToEnd) return;
  left_ -= size;
  if (left_ == 0) stage_ = stage_ == Stage::Chunk ? Stage::ChunkEnd : Stage::Complete;
}

void AnswerReader::step(std::string_view line) {
  switch (stage_) {
    case Stage::StatusLine:
      return status_line(line);
    case Stage::Header:
      return line.empty() ? head_ended() : header(line);
    case Stage::ChunkSize:
      return chunk_size(line);
    case Stage::ChunkEnd:
      if (!line.empty()) return fail(CURLE_RECV_ERROR, "a chunk is longer than it says");
      stage_ = Stage::ChunkSize;
      return;
    case Stage::Trailer:
      if (line.empty()) {
        stage_ = Stage::Complete;
      } else if (!answer_.header(line)) {
        fail_limit();
      }
      return;
    default:
      return;
  }
}

// "HTTP/1.1 200 OK"
void AnswerReader::status_line(std::string_view line) {
  if (!line.starts_with(kProtocol)) {
    return fail(CURLE_UNSUPPORTED_PROTOCOL, "the answer is not HTTP");
  }
  const bool whole = line.size() == 12 || (line.size() > 12 && line[12] == ' ');
  const auto code = whole ? base::parse_u64(line.substr(9, 3)) : std::nullopt;
  if (!code || *code < 100 || line.substr(5, 2) != "1." || line[8] != ' ')
    return fail(CURLE_WEIRD_SERVER_REPLY, "the answer's first line is not HTTP/1.1's");
  answer_.header(line);
  answer_.response.status = static_cast<int>(*code);
  keeps_connection_ = line[7] != '0';
  chunked_ = false;
  has_length_ = false;
  left_ = 0;
  stage_ = Stage::Header;
}

void AnswerReader::header(std::string_view line) {
  const std::size_t before = answer_.response.headers.size();
  if (!answer_.header(line)) return fail_limit();
  if (answer_.response.headers.size() <= before) return;
  const auto& [name, value] = answer_.response.headers.back();
  if (name == "content-length") return content_length(value);
  if (name == "transfer-encoding") {
    if (base::to_lower(value) != "chunked") {
      return fail(CURLE_WEIRD_SERVER_REPLY, "a transfer encoding that nobody asked for");
    }
    chunked_ = true;
  } else if (name == "connection") {
    if (lists(value, "close")) keeps_connection_ = false;
    if (lists(value, "keep-alive")) keeps_connection_ = true;
  }
}

void AnswerReader::content_length(std::string_view value) {
  const auto length = base::parse_u64(value);
  if (!length || (has_length_ && *length != left_)) {
    return fail(CURLE_WEIRD_SERVER_REPLY, "Content-Length is no number");
  }
  has_length_ = true;
  left_ = *length;
}

void AnswerReader::head_ended() {
  const int status = answer_.response.status;
  if (status < 200) {
    stage_ = status == 101 ? Stage::Failed : Stage::StatusLine;
    if (status == 101) fail(CURLE_WEIRD_SERVER_REPLY, "a change of protocol that nobody asked for");
    return;
  }
  if (to_head_ || status == 204 || status == 304) {
    stage_ = Stage::Complete;
  } else if (chunked_) {
    if (has_length_) keeps_connection_ = false;  // RFC 9112, 6.3: somebody may count otherwise
    stage_ = Stage::ChunkSize;
  } else if (has_length_) {
    stage_ = left_ == 0 ? Stage::Complete : Stage::Body;
  } else {
    keeps_connection_ = false;
    stage_ = Stage::BodyToEnd;
  }
}

// "1f;name=value"
void AnswerReader::chunk_size(std::string_view line) {
  const std::string_view digits = base::trim(line.substr(0, line.find(';')));
  const char* end = digits.data() + digits.size();
  const auto [stop, error] = std::from_chars(digits.data(), end, left_, 16);
  if (error != std::errc() || stop != end) {
    return fail(CURLE_RECV_ERROR, "a chunk does not say its size");
  }
  stage_ = left_ == 0 ? Stage::Trailer : Stage::Chunk;
}

void AnswerReader::fail(int code, std::string detail) {
  stage_ = Stage::Failed;
  keeps_connection_ = false;
  code_ = code;
  detail_ = std::move(detail);
}

void AnswerReader::fail_limit() {
  fail(CURLE_WRITE_ERROR, {});
}

}  // namespace tocsin::net

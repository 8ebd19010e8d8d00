// An HTTP/1.1 answer as it arrives: what is kept of it, and the reader of its bytes.
//
// Everything a server can send is bounded while it arrives: the body by the request's limit, a
// header block by 256 KiB. Source: RFC 9112, sections 2 to 7. Internal to common/net.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

#include "common/net/http_client.h"

namespace tocsin::net {

/// What is collected of an answer.
struct HttpAnswer {
  static constexpr std::size_t kHeaderBytesMax = 256 << 10;

  /// Takes a line of a header block. Returns false if a limit ends the transfer.
  bool header(std::string_view line);
  /// Takes a piece of the body. Returns false if a limit ends the transfer.
  bool body(std::string_view data);

  HttpResponse response;
  std::size_t body_bytes_max = 0;
  std::size_t header_bytes = 0;
  const char* exceeded = nullptr;  ///< Which limit ended the transfer: "body", "header".
};

/// Reads one answer from the bytes of a connection. Owner: the loop's thread.
class AnswerReader {
 public:
  enum class State { More, Complete, Failed };

  /// `answer` outlives this. `to_head`: the request was a HEAD, its answer has no body.
  AnswerReader(HttpAnswer& answer, bool to_head) : answer_(answer), to_head_(to_head) {}

  /// Takes what belongs to the answer off the front of `bytes`.
  State read(std::string_view& bytes);
  /// The peer will send no more; something came before.
  State closed();

  /// Returns whether anything was read.
  bool began() const { return began_; }
  /// Returns whether the connection may be used again, once the answer is complete.
  bool keeps_connection() const { return keeps_connection_; }
  /// Returns why it failed, as a CURLcode.
  int code() const { return code_; }
  /// Returns the same for people; empty: nothing to add to the code's words.
  const std::string& detail() const { return detail_; }

 private:
  enum class Stage {
    StatusLine,
    Header,
    Body,  // Of left_ bytes.
    BodyToEnd,
    ChunkSize,
    Chunk,
    ChunkEnd,
    Trailer,
    Complete,
    Failed,
  };

  bool take_line(std::string_view& bytes, std::string_view& line);
  void take_body(std::string_view& bytes);
  void step(std::string_view line);
  void status_line(std::string_view line);
  void header(std::string_view line);
  void content_length(std::string_view value);
  void head_ended();
  void chunk_size(std::string_view line);
  void fail(int code, std::string detail);
  void fail_limit();
  State state() const;

  HttpAnswer& answer_;
  const bool to_head_;
  Stage stage_ = Stage::StatusLine;
  std::string line_;   ///< The beginning of a line whose end is not here yet.
  std::string whole_;  ///< A line that came in pieces.
  std::uint64_t left_ = 0;
  bool began_ = false;
  bool has_length_ = false;
  bool chunked_ = false;
  bool keeps_connection_ = true;
  int code_ = 0;
  std::string detail_;
};

}  // namespace tocsin::net

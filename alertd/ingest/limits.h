// What each sender may send at most: a default for all agents, one for local writers without a
// token, and exceptions by the agent's name. `[ingest]` in alertd.toml; docs/limits.md explains.
#pragma once

#include <cstdint>
#include <map>
#include <string>
#include <string_view>

#include "common/base/time.h"
#include "common/config/table.h"
#include "proto/codec.h"

namespace tocsin::ingest {

/// Limits of one sender. Where it says so, 0 means no limit.
struct SenderLimits {
  std::uint64_t series = 100'000;              ///< Held by the store; 0: no limit.
  std::uint64_t samples_per_second = 100'000;  ///< 0: no limit.
  std::uint64_t bytes_per_second = 32 << 20;   ///< Decompressed; 0: no limit.
  std::uint64_t requests_per_second = 200;     ///< 0: no limit.
  base::Duration burst{10'000};  ///< So much of the three may come at once after a pause.
  std::size_t requests_in_flight = 16;
  std::size_t connections = 128;
  std::size_t request_bytes = 4 << 20;           ///< Compressed.
  std::size_t request_decoded_bytes = 16 << 20;  ///< After decompression.
  std::size_t labels = 64;                       ///< Of a series.
  std::size_t label_name_bytes = 256;
  std::size_t label_value_bytes = 4096;

  /// For the decoder; what is not a sender's is from `base`.
  proto::Limits of_request(proto::Limits base) const;
  friend bool operator==(const SenderLimits&, const SenderLimits&) = default;
};

/// By the setting's name; `burst` in milliseconds.
std::map<std::string, std::uint64_t> by_name(const SenderLimits& limits);

struct IngestLimits {
  SenderLimits agents;
  SenderLimits local;  ///< All local writers without a token together.
  std::map<std::string, SenderLimits, std::less<>> exceptions;  ///< By the agent's name.

  IngestLimits();
  const SenderLimits& of_agent(std::string_view name) const;
};

/// Reads `[ingest.limits]`, `[ingest.local]` and every `[[ingest.agent]]` out of `[ingest]`.
IngestLimits read_ingest_limits(config::Table& ingest);

}  // namespace tocsin::ingest

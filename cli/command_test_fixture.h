// For tests of commands: an API that answers what it is told to, a clock, and what was printed.
#pragma once

#include <sstream>

#include "cli/commands.h"
#include "common/base/sim_executor.h"

namespace tocsin::cli {

/// Gives the answer it was told, and remembers what was asked last.
class FakeApi final : public ApiClient {
 public:
  ApiAnswer answer;
  ApiRequest request;
  ApiAnswer call(const ApiRequest& asked) override {
    request = asked;
    return answer;
  }
};

struct CommandFixture {
  explicit CommandFixture(const char* now = "2026-11-23T12:00:00Z")
      : clock(*base::parse_rfc3339(now)) {}

  FakeApi api;
  base::SimClock clock;
  std::ostringstream out, err;
  Context context{api, OutputFormat::Table, {}, clock, out, err};
};

}  // namespace tocsin::cli

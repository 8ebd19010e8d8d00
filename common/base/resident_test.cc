#include "common/base/resident.h"

#include <doctest/doctest.h>

#include "common/base/strings.h"

using namespace tocsin;

namespace {

// Kilobytes of files that are resident in this process.
std::int64_t file_kb(const base::FileSystem& files) {
  const std::string status = files.read("/proc/self/status", 1 << 16).value();
  const std::size_t at = status.find("RssFile:");
  REQUIRE(at != status.npos);
  const std::string_view rest = base::trim(std::string_view(status).substr(at + 8));
  return base::parse_i64(rest.substr(0, rest.find(' '))).value();
}

}  // namespace

TEST_CASE("code that is not in use leaves the memory, and the program goes on") {
  const auto files = base::make_real_file_system();
  const std::int64_t before = file_kb(*files);
  const auto released = base::release_code_pages(*files);
  REQUIRE(released);
  CHECK(*released > 0);
  CHECK(file_kb(*files) < before);
}

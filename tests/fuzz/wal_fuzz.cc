// Log files: the input once as a whole file, and once as a payload inside a good frame of each
// type, so that the fuzzer gets past the checksum. Whatever it is, the store opens, reads and opens
// again.
#include <cstdint>
#include <string>
#include <vector>

#include "alertd/tsdb/wal_files.h"
#include "alertd/tsdb/wal_format.h"
#include "common/base/log.h"
#include "tests/fuzz/damaged_store.h"

namespace {

using namespace tocsin;

void try_file(const std::string& name, const std::string& content) {
  try_store_file(name, content, base::Duration{1000});
}

}  // namespace

extern "C" int LLVMFuzzerInitialize(int*, char***) {
  base::set_log_level(base::LogLevel::Error);
  return 0;
}

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const std::string_view bytes(reinterpret_cast<const char*>(data), size);
  try_file(tsdb::log_name(1), std::string(bytes));
  for (int type = 1; type <= 6; ++type) {
    std::string framed;
    tsdb::put_frame(static_cast<tsdb::RecordType>(type), bytes, framed);
    try_file(type < 3 ? tsdb::log_name(1) : tsdb::checkpoint_name(1), framed);
  }
  return 0;
}

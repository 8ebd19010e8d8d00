// A folder of its own on the real disk for a test, gone when the test ends.
#pragma once

#include <doctest/doctest.h>

#include <cstdlib>
#include <filesystem>
#include <memory>
#include <string>
#include <string_view>

#include "common/base/file_system.h"

namespace tocsin::sim {

class TestFolder {
 public:
  TestFolder() : path_(std::filesystem::temp_directory_path() / "tocsin-test-XXXXXX") {
    REQUIRE(::mkdtemp(path_.data()) != nullptr);
  }
  ~TestFolder() {
    std::error_code ignored;
    std::filesystem::remove_all(path_, ignored);
  }
  TestFolder(const TestFolder&) = delete;
  TestFolder& operator=(const TestFolder&) = delete;

  const std::string& path() const { return path_; }
  std::string file(std::string_view name) const { return base::join_path(path_, name); }
  /// Writes the file and makes the folders above it. Returns its path.
  std::string write(std::string_view name, std::string_view text, mode_t mode = 0600) const {
    std::string whole = file(name);
    std::filesystem::create_directories(std::filesystem::path(whole).parent_path());
    REQUIRE(files->write_atomic(whole, text, mode));
    return whole;
  }

  const std::unique_ptr<base::FileSystem> files = base::make_real_file_system();

 private:
  std::string path_;
};

}  // namespace tocsin::sim

// A folder of its own for a test, removed at the end.
#pragma once

#include <doctest/doctest.h>

#include <cstdlib>
#include <filesystem>
#include <string>
#include <string_view>

#include "common/base/file_system.h"

namespace tocsin::agent {

class TestFolder {
 public:
  TestFolder() {
    std::string name = (std::filesystem::temp_directory_path() / "tocsin-agent-XXXXXX").string();
    REQUIRE(::mkdtemp(name.data()) != nullptr);
    path = name;
  }
  ~TestFolder() { std::filesystem::remove_all(path); }
  TestFolder(const TestFolder&) = delete;
  TestFolder& operator=(const TestFolder&) = delete;

  std::string write(const std::string& name, std::string_view text, mode_t mode = 0600) const {
    const std::string file = path / name;
    REQUIRE(base::make_real_file_system()->write_atomic(file, text, mode));
    return file;
  }

  std::filesystem::path path;
};

}  // namespace tocsin::agent

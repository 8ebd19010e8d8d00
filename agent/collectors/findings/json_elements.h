// A JSON file of any size, read element by element: of an array of a million findings one is in
// memory at a time.
#pragma once

#include <boost/json/value.hpp>
#include <functional>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "common/base/result.h"

namespace tocsin::agent {

/// What is wanted of a document, by path: members by name, `[]` for each element of an array, `*`
/// for each member of an object: "runs[].results[]", "vulnerabilities.*".
class JsonElements {
 public:
  /// `key` is the name of the member that matched the last `*`; else empty.
  using Take = std::function<void(std::string_view key, const boost::json::value& value)>;

  JsonElements();
  ~JsonElements();
  JsonElements(const JsonElements&) = delete;
  JsonElements& operator=(const JsonElements&) = delete;

  /// Calls `take` for each value at `path`. Not within a value that another path takes.
  void want(std::string path, Take take);

  /// Takes the next piece of the document.
  /// Errors: InvalidArgument (no JSON), LimitExceeded (one wanted value of more than 1 MiB, or
  /// deeper than 64).
  base::Result<void> read(std::string_view piece);
  /// Says that this was all. Errors: Corruption (the document is cut, or empty).
  base::Result<void> end();

 private:
  class Impl;
  std::unique_ptr<Impl> impl_;
};

}  // namespace tocsin::agent

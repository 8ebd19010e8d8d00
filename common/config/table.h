// Typed reading of a table that reports every mistake at once.
//
//   config::Table server = root.table("server");
//   settings.listen = server.string("listen", "127.0.0.1:9464");
//   settings.limit  = server.bytes("body_limit", 16 << 20);
//   server.finish();   // unknown keys, each with a "did you mean"
//
// Every accessor marks its key as known, and on a wrong type or range adds a diagnostic and returns
// the default, so that one run shows all errors.
#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "common/base/file_system.h"
#include "common/base/secret.h"
#include "common/base/time.h"
#include "common/config/node.h"

namespace tocsin::config {

/// Where the reader looks for secrets, and where it reports. Outlives every Table made with it.
struct Context {
  const Source& source;
  base::Diagnostics& diagnostics;
  const base::FileSystem& files;
  bool unknown_keys_allowed = false;  ///< They are then warnings.
};

/// A table being read. Copies share nothing: read each table through one object. Thread: one.
class Table {
 public:
  /// `node` may be nullptr or no table: a non-table is reported, nullptr reads as empty.
  Table(Context& context, const Node* node, std::string path = {});

  bool has(std::string_view key) const;

  std::string string(std::string_view key, std::string_view default_value);
  std::optional<std::string> optional_string(std::string_view key);
  /// Reports an error if the key is missing.
  std::string required_string(std::string_view key);
  bool boolean(std::string_view key, bool default_value);
  /// `min` and `max` inclusive.
  std::int64_t integer(std::string_view key, std::int64_t default_value, std::int64_t min,
                       std::int64_t max);
  double number(std::string_view key, double default_value);
  std::optional<double> optional_number(std::string_view key);
  /// Prometheus notation: "30s", "1h30m".
  base::Duration duration(std::string_view key, base::Duration default_value);
  std::optional<base::Duration> optional_duration(std::string_view key);
  /// "64MiB", or a plain integer of bytes.
  std::uint64_t bytes(std::string_view key, std::uint64_t default_value);
  /// An array of strings; a single string counts as an array of one.
  std::vector<std::string> strings(std::string_view key,
                                   std::vector<std::string> default_value = {});
  /// A table of strings; numbers and booleans as written.
  std::map<std::string, std::string> string_map(std::string_view key);
  /// One of `allowed`; otherwise an error that lists them.
  std::string one_of(std::string_view key, std::string_view default_value,
                     const std::vector<std::string>& allowed);

  /// A secret: `key = "${ENV_NAME}"`, `key_file = "/path"` (relative: to the folder
  /// of the configuration; refused if others may read it),
  /// `key_credential = "name"` (systemd: $CREDENTIALS_DIRECTORY/name), or inline `key = "..."`,
  /// which adds a warning. nullopt if none is given. One trailing line end of a file is dropped.
  std::optional<base::Secret> secret(std::string_view key);

  Table table(std::string_view key);
  /// An array of tables; in YAML a list of mappings.
  std::vector<Table> tables(std::string_view key);
  /// Returns the raw node and marks the key as known; nullptr if missing.
  const Node* node(std::string_view key);
  /// Returns the names of all keys, in the order written.
  std::vector<std::string> keys() const;

  /// Adds an error at the value of `key` (at the table if there is none).
  void error(std::string_view key, std::string message, std::string hint = {});
  void warning(std::string_view key, std::string message, std::string hint = {});
  /// Where the value of `key` stands (the table itself if there is none).
  base::Position position(std::string_view key) const;
  base::Position position() const;
  Context& context() { return *context_; }

  /// Reports keys that nobody asked for. Call once, after reading.
  void finish();

 private:
  const Node* take(std::string_view key);
  std::optional<base::Secret> direct_secret(std::string_view key, const std::string& text);
  std::optional<base::Secret> secret_from_file(std::string_view key, const std::string& path);

  Context* context_;
  const Node* node_;
  std::string path_;
  std::vector<std::string> known_;
};

}  // namespace tocsin::config

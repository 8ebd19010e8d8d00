// Reading small kernel files: one buffer used again and again, and no error text for what may be
// absent.
//
// A round reads some hundred files of /proc and /sys every ten seconds. base::FileSystem makes a
// string for each and words an error for each missing one; here a read costs its system calls and
// nothing else. Finding a file costs as much as reading it, so those of /proc that are read in each
// round stay open.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "common/base/result.h"

namespace tocsin::agent {

/// Where the host's trees are; other than the defaults in containers and in tests.
struct HostPaths {
  std::string proc = "/proc";
  std::string sys = "/sys";
  std::string root = "/";  ///< Put before mount points, /run and /etc.

  /// Returns `path`, which starts with a slash, below `root`.
  std::string under_root(std::string_view path) const;
};

/// An open folder for reading files in it by name; closed with the object.
class Folder {
 public:
  explicit Folder(const std::string& path);
  ~Folder();
  Folder(const Folder&) = delete;
  Folder& operator=(const Folder&) = delete;

  explicit operator bool() const { return fd_ >= 0; }
  int fd() const { return fd_; }

 private:
  int fd_;
};

/// Reads whole files into a buffer of its own. Returned views are valid until the next read.
/// Owner: one collector.
class FileReader {
 public:
  explicit FileReader(std::size_t bytes_max = std::size_t{16} << 20U) : bytes_max_(bytes_max) {}
  ~FileReader();
  FileReader(const FileReader&) = delete;
  FileReader& operator=(const FileReader&) = delete;

  /// A file of procfs stays open for the next time: a reader has few of them, by fixed names.
  /// Errors: NotFound, PermissionDenied, LimitExceeded, Io; the message names the file.
  base::Result<std::string_view> read(const std::string& path);

  /// Returns the content of a file that the kernel makes in one piece (an attribute in /sys, what
  /// /proc says of one process) without trailing white space, or nullopt whatever the reason; many
  /// attributes in /sys exist and give an error on reading.
  std::optional<std::string_view> attribute(const std::string& path);
  std::optional<std::string_view> attribute(const Folder& folder, const char* name);

 private:
  /// Whether the first read that does not fill the buffer has all there is. Files that the kernel
  /// makes of many records are read a page's worth at a time, and end with an empty read only.
  enum class Pieces { One, Many };
  struct Kept {
    std::string path;
    int fd = -1;
  };

  int read_attribute(int folder, const char* path, std::string_view& content);
  int read_all(int fd, Pieces pieces, std::string_view& content);

  std::size_t bytes_max_;
  std::string buffer_;
  std::vector<Kept> kept_;
};

/// Returns whether an open file or folder is of procfs itself, and not of a copy in a test.
bool is_procfs(int fd);

/// Returns the names in a folder in no order, without "." and ".."; empty if it cannot be read.
std::vector<std::string> names_in(const std::string& folder);

/// Returns whether the path exists, following links.
bool path_exists(const std::string& path);

/// Takes the fields of a line one by one; fields are separated by spaces and tabs.
class Fields {
 public:
  explicit Fields(std::string_view line) : rest_(line) {}
  /// Returns the next field, or "" at the end.
  std::string_view next();
  /// Returns the next field as a number; nullopt at the end and for anything but decimal digits.
  std::optional<std::uint64_t> next_number();
  bool at_end();

 private:
  std::string_view rest_;
};

/// Returns the value of decimal, octal (0...) or hexadecimal (0x...) text with an optional minus.
std::optional<std::int64_t> parse_c_integer(std::string_view text);
/// Returns the value of hexadecimal text without prefix.
std::optional<std::uint64_t> parse_hex(std::string_view text);

/// Returns InvalidArgument: "'/proc/stat': <what>", with `what` escaped and shortened.
base::Error malformed(std::string_view file, std::string_view what);

}  // namespace tocsin::agent

#include "agent/collectors/kept/state_file.h"

#include <boost/json.hpp>

namespace tocsin::agent {

using base::ErrorCode;

namespace {

constexpr std::size_t kBytesMax = std::size_t{16} << 20U;

std::string folder_of(const std::string& path) {
  return path.substr(0, path.rfind('/'));
}

}  // namespace

base::Result<boost::json::object> StateFile::load() const {
  const auto text = files_.read(options_.path, kBytesMax);
  if (!text) {
    if (text.error().code == ErrorCode::NotFound) return boost::json::object();
    return text.error();
  }
  boost::system::error_code failure;
  boost::json::parse_options options;
  options.allow_invalid_utf8 = true;  // names of files and processes are any bytes
  boost::json::value value = boost::json::parse(*text, failure, {}, options);
  if (failure || !value.is_object()) {
    return base::error(ErrorCode::Corruption,
                       "'" + options_.path + "' is damaged; what is found now is the new baseline");
  }
  return std::move(value.as_object());
}

base::Result<void> StateFile::save(const boost::json::object& state) {
  if (options_.read_only) return base::ok();
  std::string text = boost::json::serialize(state);
  if (text == saved_) return base::ok();
  TC_TRY(files_.create_folders(folder_of(options_.path)));
  TC_TRY(files_.write_atomic(options_.path, text, 0600));
  saved_ = std::move(text);
  return base::ok();
}

std::int64_t integer_of(const boost::json::object& object, std::string_view name,
                        std::int64_t otherwise) {
  const boost::json::value* value = object.if_contains(name);
  if (value == nullptr) return otherwise;
  if (const auto* number = value->if_int64()) return *number;
  if (const auto* number = value->if_uint64()) return static_cast<std::int64_t>(*number);
  return otherwise;
}

const boost::json::object* object_of(const boost::json::object& object, std::string_view name) {
  const boost::json::value* value = object.if_contains(name);
  return value == nullptr ? nullptr : value->if_object();
}

}  // namespace tocsin::agent

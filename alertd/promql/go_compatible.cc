#include "alertd/promql/go_compatible.h"

#include <array>
#include <charconv>
#include <cmath>

#include "common/base/hash.h"

namespace tocsin::promql {
namespace {

// A length: one byte below 255, else the byte 255 and three bytes, the lowest first.
void put_size(std::string& out, std::size_t size) {
  if (size < 255) {
    out += static_cast<char>(size);
    return;
  }
  out += '\xff';
  for (int shift = 0; shift < 24; shift += 8) out += static_cast<char>((size >> shift) & 0xff);
}

}  // namespace

std::string plain_number(double value) {
  if (std::isnan(value)) return "NaN";
  if (std::isinf(value)) return value > 0 ? "+Inf" : "-Inf";
  std::array<char, 400> buffer{};  // the greatest has 309 digits, the smallest 324 behind the point
  const auto written =
      std::to_chars(buffer.data(), buffer.data() + buffer.size(), value, std::chars_format::fixed);
  return {buffer.data(), written.ptr};
}

double ratio_offset(const SeriesRef& series, bool delayed) {
  std::string bytes;
  for_each_label(series, delayed, [&](const model::LabelView& label) {
    put_size(bytes, label.name.size());
    bytes += label.name;
    put_size(bytes, label.value.size());
    bytes += label.value;
  });
  return static_cast<double>(base::xxh64(bytes)) / 0x1p64;
}

}  // namespace tocsin::promql

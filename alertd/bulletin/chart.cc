#include "alertd/bulletin/chart.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <cmath>
#include <iterator>

#include "common/gotemplate/escape.h"

namespace tocsin::bulletin {
namespace {

using gotemplate::escape_html;

constexpr double kWidth = 720;
constexpr double kLeft = 78;  // of the plot; the values stand left of it
constexpr double kRight = 712;
constexpr double kTop = 8;
constexpr double kBottom = 148;
constexpr double kLegendLine = 16;
constexpr std::size_t kBuckets = 317;  // two units of width each
constexpr std::array<std::string_view, kLinesMax> kColours{
    "#1565c0", "#c62828", "#2e7d32", "#b45309", "#6a1b9a", "#00838f", "#5d4037", "#546e7a"};

struct Bounds {
  double low = 0;
  double high = 1;
};

struct Bucket {
  double value = NAN;  ///< The greatest in it: a peak must not vanish.
};

std::vector<Bucket> buckets_of(const Line& line, base::WallTime from, base::WallTime to,
                               std::size_t count) {
  std::vector<Bucket> buckets(count);
  const double length = static_cast<double>(base::to_ms(to) - base::to_ms(from));
  for (const model::Sample& point : line.points) {
    if (!std::isfinite(point.value)) continue;
    const double share = static_cast<double>(point.timestamp_ms - base::to_ms(from)) / length;
    if (!(share >= 0) || share > 1) continue;
    const auto at =
        std::min(static_cast<std::size_t>(share * static_cast<double>(count)), count - 1);
    Bucket& bucket = buckets[at];
    if (!(bucket.value >= point.value)) bucket.value = point.value;
  }
  return buckets;
}

// From zero, unless values are below it; a flat line gets room.
Bounds bounds_of(const std::vector<std::vector<Bucket>>& lines) {
  Bounds bounds{0, 0};
  for (const auto& line : lines) {
    for (const Bucket& bucket : line) {
      if (std::isnan(bucket.value)) continue;
      bounds.low = std::min(bounds.low, bucket.value);
      bounds.high = std::max(bounds.high, bucket.value);
    }
  }
  if (bounds.high <= bounds.low) bounds.high = bounds.low + 1;
  return bounds;
}

double y_of(double value, const Bounds& bounds) {
  return kBottom - (value - bounds.low) / (bounds.high - bounds.low) * (kBottom - kTop);
}

// A hole of a few buckets is only a coarser step; a longer one is silence, and is not drawn over.
std::size_t gap_max(const std::vector<Bucket>& buckets) {
  const auto seen = static_cast<std::size_t>(
      std::count_if(buckets.begin(), buckets.end(),
                    [](const Bucket& bucket) { return !std::isnan(bucket.value); }));
  return seen == 0 ? 1 : std::max<std::size_t>(3, 3 * buckets.size() / seen);
}

std::string path_of(const std::vector<Bucket>& buckets, const Bounds& bounds) {
  std::string path;
  const double step = (kRight - kLeft) / static_cast<double>(buckets.size());
  const std::size_t gap = gap_max(buckets);
  std::size_t last = 0;
  for (std::size_t i = 0; i < buckets.size(); ++i) {
    if (std::isnan(buckets[i].value)) continue;
    const bool begins = path.empty() || i - last > gap;
    fmt::format_to(std::back_inserter(path), "{}{:.1f},{:.1f}", begins ? "M" : "L",
                   kLeft + (static_cast<double>(i) + 0.5) * step, y_of(buckets[i].value, bounds));
    last = i;
  }
  return path;
}

std::string text_at(double x, double y, std::string_view anchor, std::string_view text) {
  return fmt::format("<text x=\"{:.1f}\" y=\"{:.1f}\" text-anchor=\"{}\">{}</text>", x, y, anchor,
                     escape_html(text));
}

std::string axes(const Chart& chart, const Bounds& bounds, base::WallTime from, base::WallTime to,
                 const timezone::Zone& zone) {
  std::string out;
  for (const double share : {0.0, 0.5, 1.0}) {
    const double value = bounds.low + share * (bounds.high - bounds.low);
    const double y = y_of(value, bounds);
    out += fmt::format(
        "<line x1=\"{0:.1f}\" x2=\"{1:.1f}\" y1=\"{2:.1f}\" y2=\"{2:.1f}\" stroke=\"#ddd\"/>",
        kLeft, kRight, y);
    out += text_at(kLeft - 6, y + 4, "end", format_value(value, chart.unit));
  }
  const base::WallTime middle = from + (to - from) / 2;
  out += text_at(kLeft, kBottom + 16, "start", timezone::format_local(zone, from));
  out +=
      text_at((kLeft + kRight) / 2, kBottom + 16, "middle", timezone::format_local(zone, middle));
  out += text_at(kRight, kBottom + 16, "end", timezone::format_local(zone, to));
  return out;
}

}  // namespace

std::string svg_chart(const Chart& chart, base::WallTime from, base::WallTime to,
                      const timezone::Zone& zone) {
  const std::size_t count = std::min(chart.lines.size(), kLinesMax);
  std::vector<std::vector<Bucket>> lines;
  for (std::size_t i = 0; i < count; ++i) {
    lines.push_back(buckets_of(chart.lines[i], from, to, kBuckets));
  }
  const Bounds bounds = bounds_of(lines);
  const double height = kBottom + 26 + kLegendLine * static_cast<double>(count);
  std::string out = fmt::format(
      "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 {:.0f} {:.0f}\" role=\"img\" "
      "font-family=\"sans-serif\" font-size=\"11\" fill=\"#222\"><title>{}</title>",
      kWidth, height, escape_html(chart.title));
  out += axes(chart, bounds, from, to, zone);
  for (std::size_t i = 0; i < count; ++i) {
    const double y = kBottom + 34 + kLegendLine * static_cast<double>(i);
    out += fmt::format("<path d=\"{}\" fill=\"none\" stroke=\"{}\" stroke-width=\"1.3\"/>",
                       path_of(lines[i], bounds), kColours[i]);
    out += fmt::format("<rect x=\"{:.1f}\" y=\"{:.1f}\" width=\"10\" height=\"3\" fill=\"{}\"/>",
                       kLeft, y - 5, kColours[i]);
    out += text_at(kLeft + 16, y, "start", chart.lines[i].name);
  }
  return out + "</svg>";
}

std::string block_chart(const Line& line, Unit unit, base::WallTime from, base::WallTime to,
                        std::size_t width) {
  constexpr std::array<std::string_view, 8> kBlocks{"▁", "▂", "▃", "▄", "▅", "▆", "▇", "█"};
  const std::vector<Bucket> buckets = buckets_of(line, from, to, width);
  double low = INFINITY;
  double high = -INFINITY;
  for (const model::Sample& point : line.points) {
    if (!std::isfinite(point.value)) continue;
    low = std::min(low, point.value);
    high = std::max(high, point.value);
  }
  if (!(low <= high)) return {};
  std::string out;
  for (const Bucket& bucket : buckets) {
    if (std::isnan(bucket.value)) {
      out += ' ';
      continue;
    }
    const double share = high > low ? (bucket.value - low) / (high - low) : 0;
    out += kBlocks[static_cast<std::size_t>(std::lround(share * 7))];
  }
  return fmt::format("{} {} .. {}", out, format_value(low, unit), format_value(high, unit));
}

}  // namespace tocsin::bulletin

// One line of StatsD, with the extensions of DogStatsD: several values, tags.
//
//   page.views:1|c|@0.1|#country:kh,page:home
//   request.time:12.5:8|ms
//   queue.length:+3|g
// Source: the StatsD README (metric types), DogStatsD's datagram format 1.1.
#pragma once

#include <string_view>
#include <utility>
#include <vector>

namespace tocsin::agent {

enum class StatsdKind {
  Counter,     ///< c
  Gauge,       ///< g
  GaugeDelta,  ///< g with a sign
  Timer,       ///< ms: milliseconds
  Histogram,   ///< h and d: in whatever unit
  Set,         ///< s: distinct values are counted
};

/// One line. Views are into it.
struct StatsdLine {
  std::string_view name;
  StatsdKind kind = StatsdKind::Counter;
  std::vector<double> values;
  std::string_view text;  ///< The value of a set.
  double rate = 1;        ///< Of sampling: in (0, 1].
  std::vector<std::pair<std::string_view, std::string_view>> tags;
};

enum class StatsdParse {
  Ok,
  Malformed,
  Unsupported,  ///< An event or a service check of DogStatsD.
};

/// Parses one line without its end. Pure. Fields that are not known ("c:", "T...") are passed over.
/// A tag without a value is left out, as statsd_exporter does.
StatsdParse parse_statsd_line(std::string_view line, StatsdLine& out);

/// Matches a name against a pattern whose '*' each stand for one part between dots; `parts` gets
/// what they stood for.
bool match_statsd_name(std::string_view pattern, std::string_view name,
                       std::vector<std::string_view>& parts);

}  // namespace tocsin::agent

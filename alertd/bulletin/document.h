// What a report is before it is written: sections, each with a verdict and what proves it.
#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "common/base/time.h"
#include "common/model/sample.h"
#include "common/timezone/zone.h"

namespace tocsin::bulletin {

/// How good something is. Good only if something was measured that says so.
enum class Verdict {
  Plain,       ///< A fact, neither good nor bad.
  Good,        ///<
  NoEvidence,  ///< Nobody measured it.
  Attention,
  Bad,
};

/// Returns "", "OK", "NO EVIDENCE", "ATTENTION" or "BAD".
std::string_view to_string(Verdict verdict);
/// Returns the one that people must see first: Bad, Attention, NoEvidence, Good, Plain.
Verdict worse(Verdict a, Verdict b);

enum class Unit { Count, Percent, Bytes, BytesPerSecond, Seconds, Days };

/// Returns "97.3 %", "12.5 GiB", "4 m 10 s"; what is no number is "-".
std::string format_value(double value, Unit unit);

struct Cell {
  std::string text;
  std::optional<double> number = {};  ///< What CSV has in place of the text.
  Verdict verdict = Verdict::Plain;
};

Cell words(std::string text, Verdict verdict = Verdict::Plain);
Cell number(double value, Unit unit, Verdict verdict = Verdict::Plain);

struct Grid {
  std::string title;
  std::vector<std::string> header;
  std::size_t keys = 1;  ///< So many columns at the left say what a row is about.
  std::vector<std::vector<Cell>> rows = {};
  bool folded = false;  ///< Long: closed until somebody opens it, where the format can.
};

struct Line {
  std::string name;
  std::vector<model::Sample> points;
};

struct Chart {
  std::string title;
  Unit unit = Unit::Count;
  std::vector<Line> lines;
};

struct Section {
  std::string name;  ///< Stable: "backups".
  std::string title;
  Verdict verdict = Verdict::Plain;
  std::string finding = {};             ///< One sentence: what is proven, or what is missing.
  std::vector<std::string> notes = {};  ///< What limits it: series left out, a query that failed.
  std::vector<Grid> grids = {};
  std::vector<Chart> charts = {};
};

struct Document {
  std::string kind;   ///< "daily"
  std::string title;  ///< "Daily report"
  base::WallTime from;
  base::WallTime to;
  timezone::Zone zone;
  std::vector<Section> sections;

  /// The worst of the sections; Plain if none has one.
  Verdict verdict() const;
};

}  // namespace tocsin::bulletin

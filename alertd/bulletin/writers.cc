#include "alertd/bulletin/writers.h"

#include <fmt/format.h>

#include <algorithm>

#include "alertd/bulletin/chart.h"
#include "alertd/report/redact.h"
#include "alertd/report/sheet.h"
#include "common/base/csv.h"
#include "common/base/hash.h"
#include "common/base/strings.h"
#include "common/gotemplate/escape.h"

namespace tocsin::bulletin {
namespace {

using report::escape_markdown;

constexpr std::string_view kStyle =
    "<style>td.Good,.v.Good{color:#2e7d32}td.Bad,.v.Bad{color:#c62828;font-weight:bold}"
    "td.Attention,.v.Attention{color:#b45309;font-weight:bold}"
    "td.NoEvidence,.v.NoEvidence{color:#6a1b9a;font-weight:bold}svg{width:100%;height:auto}"
    "code{word-break:break-all}</style>";

std::string_view class_of(Verdict verdict) {
  switch (verdict) {
    case Verdict::Good:
      return "Good";
    case Verdict::NoEvidence:
      return "NoEvidence";
    case Verdict::Attention:
      return "Attention";
    case Verdict::Bad:
      return "Bad";
    case Verdict::Plain:
      break;
  }
  return "Plain";
}

std::string masked(std::string_view text) {
  return report::redact(text);
}

std::string period_text(const Document& document) {
  return timezone::format_local(document.zone, document.from) + " to " +
         timezone::format_local(document.zone, document.to);
}

// A cell says its verdict in words too: colours do not survive paper, chat and colour blindness.
std::string cell_text(const Cell& cell) {
  const std::string_view word = to_string(cell.verdict);
  if (cell.verdict != Verdict::Bad && cell.verdict != Verdict::Attention) return cell.text;
  return cell.text.empty() ? std::string(word) : fmt::format("{} ({})", cell.text, word);
}

std::string verdict_word(const Section& section) {
  const std::string_view word = to_string(section.verdict);
  return std::string(word.empty() ? "-" : word);
}

std::string hash_sentence(const std::string& hash) {
  return fmt::format("SHA-256 of the evidence (CSV form without its last line): {}", hash);
}

// --- HTML
// -----------------------------------------------------------------------------------------

std::string html(std::string_view text) {
  return gotemplate::escape_html(masked(text));
}

void html_grid(const Grid& grid, std::string& out) {
  const std::string title = html(grid.title);
  if (grid.folded) {
    out += fmt::format("<details><summary>{}</summary>\n", title);
  } else if (!title.empty()) {
    out += fmt::format("<h3>{}</h3>\n", title);
  }
  out += "<table>\n<tr>";
  for (const std::string& name : grid.header) out += "<th>" + html(name) + "</th>";
  out += "</tr>\n";
  for (const auto& row : grid.rows) {
    out += "<tr>";
    for (const Cell& cell : row) {
      out += fmt::format("<td class=\"{}\">{}</td>", class_of(cell.verdict), html(cell_text(cell)));
    }
    out += "</tr>\n";
  }
  out += grid.folded ? "</table>\n</details>\n" : "</table>\n";
}

std::string write_html(const Document& document, const std::string& hash) {
  const std::string title = document.title + ", " + period_text(document);
  std::string out = report::html_begin("en", masked(title), kStyle);
  out += fmt::format("<h1>{}</h1>\n<p>{}</p>\n<table>\n", html(document.title),
                     html(period_text(document)));
  for (const Section& section : document.sections) {
    out +=
        fmt::format("<tr><td class=\"{}\">{}</td><td><a href=\"#{}\">{}</a></td><td>{}</td></tr>\n",
                    class_of(section.verdict), verdict_word(section), section.name,
                    html(section.title), html(section.finding));
  }
  out += "</table>\n";
  for (const Section& section : document.sections) {
    out += fmt::format("<h2 id=\"{}\">{} <span class=\"v {}\">{}</span></h2>\n<p>{}</p>\n",
                       section.name, html(section.title), class_of(section.verdict),
                       to_string(section.verdict), html(section.finding));
    for (const Grid& grid : section.grids) html_grid(grid, out);
    for (const Chart& chart : section.charts) {
      Chart shown = chart;
      for (Line& line : shown.lines) line.name = masked(line.name);
      out += fmt::format("<h3>{}</h3>\n{}\n", html(chart.title),
                         svg_chart(shown, document.from, document.to, document.zone));
    }
    for (const std::string& note : section.notes) {
      out += fmt::format("<p class=\"small\">{}</p>\n", html(note));
    }
  }
  return out + fmt::format("<p class=\"small\"><code>{}</code></p>\n</body></html>\n",
                           hash_sentence(hash));
}

// --- Markdown and plain text
// ----------------------------------------------------------------------

std::string mark(std::string_view text) {
  return escape_markdown(masked(text));
}

void markdown_row(const std::vector<std::string>& cells, std::string& out) {
  out += "|";
  for (const std::string& cell : cells) out += " " + mark(cell) + " |";
  out += "\n";
}

void markdown_grid(const Grid& grid, std::string& out) {
  if (!grid.title.empty()) out += fmt::format("\n### {}\n", mark(grid.title));
  out += "\n";
  markdown_row(grid.header, out);
  out += "|";
  for (std::size_t i = 0; i < grid.header.size(); ++i) out += "---|";
  out += "\n";
  for (const auto& row : grid.rows) {
    std::vector<std::string> cells;
    for (const Cell& cell : row) cells.push_back(cell_text(cell));
    markdown_row(cells, out);
  }
}

std::string write_markdown(const Document& document, const std::string& hash) {
  std::string out = fmt::format("# {}\n\n{}\n\n| | | |\n|---|---|---|\n", mark(document.title),
                                mark(period_text(document)));
  for (const Section& section : document.sections) {
    markdown_row({verdict_word(section), section.title, section.finding}, out);
  }
  for (const Section& section : document.sections) {
    const std::string_view word = to_string(section.verdict);
    out += fmt::format("\n## {}{}{}\n\n{}\n", mark(section.title), word.empty() ? "" : ": ", word,
                       mark(section.finding));
    for (const Grid& grid : section.grids) markdown_grid(grid, out);
    for (const Chart& chart : section.charts) {
      out += fmt::format("\n{}\n\n", mark(chart.title));
      for (std::size_t i = 0; i < std::min(chart.lines.size(), kLinesMax); ++i) {
        const Line& line = chart.lines[i];
        out += fmt::format("    {} {}\n", masked(line.name),
                           block_chart(line, chart.unit, document.from, document.to));
      }
    }
    for (const std::string& note : section.notes) out += fmt::format("\n{}\n", mark(note));
  }
  return out + fmt::format("\n{}\n", hash_sentence(hash));
}

void text_grid(const Grid& grid, std::string& out) {
  if (!grid.title.empty()) out += "  " + masked(grid.title) + "\n";
  for (const auto& row : grid.rows) {
    std::string line = "  -";
    for (std::size_t i = 0; i < row.size(); ++i) {
      const std::string text = masked(cell_text(row[i]));
      if (text.empty()) continue;
      line += i < grid.keys ? " " + text
                            : fmt::format("{} {} {}", i == grid.keys ? ":" : ",",
                                          base::to_lower(grid.header[i]), text);
    }
    out += line + "\n";
  }
}

std::string write_text(const Document& document, const std::string& hash) {
  std::string out = fmt::format("{}\n{}\n", document.title, period_text(document));
  for (const Section& section : document.sections) {
    const std::string_view word = to_string(section.verdict);
    out += fmt::format("\n{}{}{}\n{}\n", masked(section.title), word.empty() ? "" : ": ", word,
                       masked(section.finding));
    for (const Grid& grid : section.grids) {
      if (!grid.folded) text_grid(grid, out);
    }
    for (const std::string& note : section.notes) out += masked(note) + "\n";
  }
  return out + fmt::format("\n{}\n", hash_sentence(hash));
}

// --- CSV
// ------------------------------------------------------------------------------------------

std::string csv_text(std::string_view text) {
  return base::csv_field(masked(text));
}

std::string csv_body(const Document& document) {
  std::string out = "section,table,subject,measure,value,verdict\n";
  // `place`: section and table; `value` is written as it is.
  const auto line = [&out](const std::string& place, std::string_view subject,
                           std::string_view measure, const std::string& value, Verdict verdict) {
    out += fmt::format("{},{},{},{},{}\n", place, csv_text(subject), csv_text(measure), value,
                       to_string(verdict));
  };
  line("report,", document.kind, "from", base::format_rfc3339(document.from), Verdict::Plain);
  line("report,", document.kind, "to", base::format_rfc3339(document.to), Verdict::Plain);
  for (const Section& section : document.sections) {
    line(section.name + ",", section.title, "finding", csv_text(section.finding), section.verdict);
    for (const Grid& grid : section.grids) {
      for (const auto& row : grid.rows) {
        std::vector<std::string> keys;
        for (std::size_t i = 0; i < std::min(grid.keys, row.size()); ++i) {
          keys.push_back(row[i].text);
        }
        const std::string subject = base::join(keys, " ");
        for (std::size_t i = grid.keys; i < row.size(); ++i) {
          const Cell& cell = row[i];
          line(section.name + "," + csv_text(grid.title), subject, grid.header[i],
               cell.number ? base::format_double(*cell.number) : csv_text(cell.text), cell.verdict);
        }
      }
    }
  }
  return out;
}

}  // namespace

std::string_view to_string(Format format) {
  switch (format) {
    case Format::Html:
      return "html";
    case Format::Markdown:
      return "markdown";
    case Format::Csv:
      return "csv";
    case Format::Text:
      break;
  }
  return "text";
}

std::optional<Format> parse_format(std::string_view text) {
  if (text == "md") return Format::Markdown;
  for (const Format format : {Format::Html, Format::Markdown, Format::Csv, Format::Text}) {
    if (text == to_string(format)) return format;
  }
  return std::nullopt;
}

std::string evidence_hash(const Document& document) {
  return base::sha256_hex(csv_body(document));
}

std::string write(const Document& document, Format format) {
  const std::string body = csv_body(document);
  const std::string hash = base::sha256_hex(body);
  switch (format) {
    case Format::Html:
      return write_html(document, hash);
    case Format::Markdown:
      return write_markdown(document, hash);
    case Format::Csv:
      return body + "sha256,,," + "of the lines above," + hash + ",\n";
    case Format::Text:
      break;
  }
  return write_text(document, hash);
}

std::string digest(const Document& document, std::size_t lines_max) {
  std::vector<const Section*> sections;
  for (const Section& section : document.sections) sections.push_back(&section);
  std::stable_sort(sections.begin(), sections.end(),
                   [](const Section* a, const Section* b) { return a->verdict > b->verdict; });
  std::string out = period_text(document) + "\n";
  for (std::size_t i = 0; i < std::min(lines_max, sections.size()); ++i) {
    out += fmt::format("{}: {}: {}\n", verdict_word(*sections[i]), masked(sections[i]->title),
                       masked(sections[i]->finding));
  }
  if (sections.size() > lines_max) out += fmt::format("and {} more\n", sections.size() - lines_max);
  return out;
}

}  // namespace tocsin::bulletin

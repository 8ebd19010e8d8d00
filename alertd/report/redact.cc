#include "alertd/report/redact.h"

#include <re2/re2.h>

#include <array>

namespace tocsin::report {
namespace {

struct Rule {
  const char* pattern;
  const char* replacement;
};

constexpr std::array<Rule, 7> kRules{{
    {R"((?s)-----BEGIN [A-Z ]*PRIVATE KEY-----.*?-----END [A-Z ]*PRIVATE KEY-----)", "<secret>"},
    {R"((?i)\b((?:proxy-)?authorization["']?\s*[:=]\s*["']?)(?:(?:bearer|basic|token)\s+)?[^\s"',;]+)",
     R"(\1<secret>)"},
    {R"((?i)\b(bearer|basic)\s+[a-z0-9._~+/=-]{8,})", R"(\1 <secret>)"},
    {R"((?i)([a-z0-9_-]*(?:password|passwd|passphrase|secret|token|api[_-]?key|access[_-]?key|private[_-]?key)["']?\s*[:=]\s*["']?)[^\s"',;&<]+)",
     R"(\1<secret>)"},
    {R"((://)[^/\s:@]+:[^/\s@]+@)", R"(\1<secret>@)"},
    {R"((/ack/)[A-Za-z0-9._~-]+)", R"(\1<secret>)"},
    {R"((hooks\.slack\.com/services/|/api/webhooks/|/bot)[A-Za-z0-9:/_-]{12,})", R"(\1<secret>)"},
}};

}  // namespace

std::string redact(std::string_view text) {
  std::string masked(text);
  for (const Rule& rule : kRules) RE2::GlobalReplace(&masked, rule.pattern, rule.replacement);
  return masked;
}

}  // namespace tocsin::report

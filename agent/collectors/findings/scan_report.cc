#include "agent/collectors/findings/scan_report.h"

#include <fmt/format.h>

#include <algorithm>
#include <boost/json.hpp>
#include <map>

#include "agent/collectors/findings/finding_register.h"
#include "agent/collectors/findings/json_elements.h"
#include "common/base/check.h"
#include "common/base/hash.h"
#include "common/base/strings.h"

namespace tocsin::agent {

namespace json = boost::json;
using base::ErrorCode;
using base::Result;

namespace {

constexpr std::size_t kFindingsMax = 20'000;
constexpr std::size_t kNameBytesMax = 200;

std::string text_of(const json::value& value, std::string_view name) {
  const json::object* object = value.if_object();
  const json::value* member = object == nullptr ? nullptr : object->if_contains(name);
  const json::string* text = member == nullptr ? nullptr : member->if_string();
  return text == nullptr ? std::string() : std::string(*text);
}

const json::value* member_of(const json::value& value, std::string_view name) {
  const json::object* object = value.if_object();
  return object == nullptr ? nullptr : object->if_contains(name);
}

const json::array* array_of(const json::value& value, std::string_view name) {
  const json::value* member = member_of(value, name);
  return member == nullptr ? nullptr : member->if_array();
}

std::string fingerprint_of(std::initializer_list<std::string> parts) {
  std::string all;
  for (const std::string& part : parts) all.append(part).push_back('\x1f');
  return base::sha256_hex(all).substr(0, 16);
}

/// What the formats in JSON have in common.
class JsonReader : public ScanReader {
 public:
  explicit JsonReader(FindingSeverity unrated) : unrated_(unrated) {}

  Result<void> read(std::string_view piece) override {
    TC_TRY(elements_.read(piece));
    if (report_.findings.size() <= kFindingsMax) return base::ok();
    return base::error(ErrorCode::LimitExceeded,
                       fmt::format("more than {} findings", kFindingsMax));
  }
  Result<ScanReport> end() override {
    TC_TRY(elements_.end());
    if (!failure_.empty()) {
      return base::error(ErrorCode::InvalidArgument, "the scan failed: " + failure_);
    }
    if (!marked_) {
      return base::error(ErrorCode::InvalidArgument, "JSON, but not of this format");
    }
    resolve();
    return std::move(report_);
  }

 protected:
  virtual void resolve() {}
  void want(std::string path, std::function<void(std::string_view, const json::value&)> take) {
    elements_.want(std::move(path), std::move(take));
  }
  // Whose presence shows that the document is of the format.
  void mark(std::string path) {
    want(std::move(path), [this](std::string_view, const json::value&) { marked_ = true; });
  }
  void want_time(std::string path) {
    want(std::move(path), [this](std::string_view, const json::value& value) {
      marked_ = true;
      if (!value.is_string()) return;
      std::string text(value.get_string());
      // GitLab writes no zone, and means UTC.
      if (text.size() == 19) text += 'Z';
      if (const auto time = base::parse_rfc3339(text)) {
        report_.scanned = std::max(report_.scanned.value_or(*time), *time);
      }
    });
  }
  void add(std::string fingerprint, std::string_view severity) {
    report_.findings.push_back({std::move(fingerprint), severity_of(severity).value_or(unrated_)});
  }

  JsonElements elements_;
  ScanReport report_;
  FindingSeverity unrated_;
  bool marked_ = false;
  std::string failure_;
};

/// Source: SARIF 2.1.0, and GitHub's property security-severity.
class SarifReader final : public JsonReader {
 public:
  explicit SarifReader(FindingSeverity unrated) : JsonReader(unrated) {
    mark("runs[].tool.driver.name");
    want_time("runs[].invocations[].endTimeUtc");
    want("runs[].tool.driver.rules[]",
         [this](std::string_view, const json::value& rule) { take_rule(rule); });
    want("runs[].tool.extensions[].rules[]",
         [this](std::string_view, const json::value& rule) { take_rule(rule); });
    want("runs[].results[]",
         [this](std::string_view, const json::value& result) { take_result(result); });
  }

 private:
  struct Pending {
    std::string fingerprint;
    std::string rule;
    std::string level;
  };

  void take_rule(const json::value& rule) {
    const std::string id = text_of(rule, "id");
    if (const json::value* properties = member_of(rule, "properties")) {
      const json::value* score = member_of(*properties, "security-severity");
      std::optional<double> number;
      if (score != nullptr && score->is_string()) {
        number = base::parse_double(std::string(score->get_string()));
      } else if (score != nullptr && score->is_number()) {
        number = score->to_number<double>();
      }
      if (number) scores_[id] = *number;
    }
    if (const json::value* defaults = member_of(rule, "defaultConfiguration")) {
      levels_[id] = text_of(*defaults, "level");
    }
  }

  void take_result(const json::value& result) {
    const std::string kind = text_of(result, "kind");
    const json::array* suppressions = array_of(result, "suppressions");
    const bool suppressed =
        suppressions != nullptr &&
        std::any_of(suppressions->begin(), suppressions->end(), [](const json::value& one) {
          const std::string status = text_of(one, "status");
          return status.empty() || status == "accepted";
        });
    if ((!kind.empty() && kind != "fail") || suppressed ||
        text_of(result, "baselineState") == "absent") {
      return;
    }
    std::string rule = text_of(result, "ruleId");
    if (rule.empty()) {
      if (const json::value* reference = member_of(result, "rule"))
        rule = text_of(*reference, "id");
    }
    if (pending_.size() <= kFindingsMax) {
      pending_.push_back({fingerprint(result, rule), rule, text_of(result, "level")});
    }
  }

  // Lines move; what the tool says, of which file, does not.
  static std::string fingerprint(const json::value& result, const std::string& rule) {
    if (const json::value* prints = member_of(result, "partialFingerprints")) {
      if (prints->is_object() && !prints->get_object().empty()) {
        return fingerprint_of({rule, json::serialize(*prints)});
      }
    }
    std::string file;
    const json::array* locations = array_of(result, "locations");
    if (locations != nullptr && !locations->empty()) {
      const json::value* physical = member_of(locations->front(), "physicalLocation");
      const json::value* artifact =
          physical == nullptr ? nullptr : member_of(*physical, "artifactLocation");
      if (artifact != nullptr) file = text_of(*artifact, "uri");
    }
    const json::value* message = member_of(result, "message");
    return fingerprint_of({rule, file, message == nullptr ? "" : text_of(*message, "text")});
  }

  // Rules may stand behind the results.
  void resolve() override {
    for (Pending& one : pending_) {
      report_.findings.push_back({std::move(one.fingerprint), rate(one)});
    }
  }

  FindingSeverity rate(const Pending& one) const {
    if (const auto score = scores_.find(one.rule); score != scores_.end()) {
      if (score->second >= 9) return FindingSeverity::Critical;
      if (score->second >= 7) return FindingSeverity::High;
      if (score->second >= 4) return FindingSeverity::Medium;
      return score->second > 0 ? FindingSeverity::Low : FindingSeverity::Info;
    }
    std::string level = one.level;
    if (level.empty()) {
      const auto usual = levels_.find(one.rule);
      level = usual == levels_.end() || usual->second.empty() ? "warning" : usual->second;
    }
    if (level == "error") return FindingSeverity::High;
    if (level == "warning") return FindingSeverity::Medium;
    return level == "note" ? FindingSeverity::Low : FindingSeverity::Info;
  }

  std::map<std::string, double> scores_;
  std::map<std::string, std::string> levels_;
  std::vector<Pending> pending_;
};

/// Source: trivy --format json, schema 2.
class TrivyReader final : public JsonReader {
 public:
  explicit TrivyReader(FindingSeverity unrated) : JsonReader(unrated) {
    mark("SchemaVersion");
    want_time("CreatedAt");
    want("ArtifactName", [this](std::string_view, const json::value& value) {
      if (value.is_string()) report_.image = shown(value.get_string());
    });
    want("Metadata.ImageConfig.created", [this](std::string_view, const json::value& value) {
      if (!value.is_string()) return;
      if (const auto time = base::parse_rfc3339(std::string(value.get_string()))) {
        report_.image_created = *time;
      }
    });
    want("Results[].Target", [this](std::string_view, const json::value& value) {
      target_ = value.is_string() ? std::string(value.get_string()) : std::string();
    });
    want("Results[].Vulnerabilities[]", [this](std::string_view, const json::value& one) {
      add(fingerprint_of({target_, text_of(one, "VulnerabilityID"), text_of(one, "PkgName")}),
          text_of(one, "Severity"));
    });
    want("Results[].Misconfigurations[]", [this](std::string_view, const json::value& one) {
      const std::string status = text_of(one, "Status");
      if (!status.empty() && status != "FAIL") return;
      add(fingerprint_of({target_, text_of(one, "ID"), text_of(one, "Message")}),
          text_of(one, "Severity"));
    });
    want("Results[].Secrets[]", [this](std::string_view, const json::value& one) {
      add(fingerprint_of({target_, text_of(one, "RuleID"), text_of(one, "Title")}),
          text_of(one, "Severity"));
    });
  }

 private:
  /// Fit for a label.
  static std::string shown(std::string_view text) {
    std::string name = base::escape_control(text.substr(0, kNameBytesMax));
    return base::is_utf8(name) ? name : std::string();
  }

  std::string target_;
};

/// Source: pip-audit --format json.
class PipAuditReader final : public JsonReader {
 public:
  explicit PipAuditReader(FindingSeverity unrated) : JsonReader(unrated) {
    const auto take = [this](std::string_view, const json::value& one) {
      const std::string name = text_of(one, "name");
      if (name.empty()) return;
      marked_ = true;
      if (member_of(one, "skip_reason") != nullptr) ++report_.skipped;
      const json::array* vulnerabilities = array_of(one, "vulns");
      if (vulnerabilities == nullptr) return;
      for (const json::value& vulnerability : *vulnerabilities) {
        add(fingerprint_of({name, text_of(vulnerability, "id")}), "");
      }
    };
    want("dependencies[]", take);
    want("[]", take);  // before version 2.4
  }
};

/// Source: npm audit --json, report versions 2 (npm 7 and later) and 1.
class NpmAuditReader final : public JsonReader {
 public:
  explicit NpmAuditReader(FindingSeverity unrated) : JsonReader(unrated) {
    mark("auditReportVersion");
    mark("metadata");
    want("error", [this](std::string_view, const json::value& one) {
      failure_ = text_of(one, "summary") + " (" + text_of(one, "code") + ")";
    });
    want("vulnerabilities.*", [this](std::string_view key, const json::value& one) {
      std::string via;
      if (const json::array* causes = array_of(one, "via")) {
        for (const json::value& cause : *causes) via += text_of(cause, "url") + " ";
      }
      add(fingerprint_of({std::string(key), via}), text_of(one, "severity"));
    });
    want("advisories.*", [this](std::string_view key, const json::value& one) {
      add(fingerprint_of({text_of(one, "module_name"), std::string(key)}),
          text_of(one, "severity"));
    });
  }
};

/// Source: bandit -f json.
class BanditReader final : public JsonReader {
 public:
  explicit BanditReader(FindingSeverity unrated) : JsonReader(unrated) {
    want_time("generated_at");
    want("errors[]", [this](std::string_view, const json::value&) { ++report_.skipped; });
    want("results[]", [this](std::string_view, const json::value& one) {
      add(fingerprint_of(
              {text_of(one, "filename"), text_of(one, "test_id"), text_of(one, "issue_text")}),
          text_of(one, "issue_severity"));
    });
  }
};

/// Source: Grype, --output json.
class GrypeReader final : public JsonReader {
 public:
  explicit GrypeReader(FindingSeverity unrated) : JsonReader(unrated) {
    want("descriptor.name", [this](std::string_view, const json::value& value) {
      marked_ = marked_ || (value.is_string() && value.get_string() == "grype");
    });
    want("descriptor.timestamp", [this](std::string_view, const json::value& value) {
      if (!value.is_string()) return;
      if (const auto time = base::parse_rfc3339(std::string(value.get_string()))) {
        report_.scanned = *time;
      }
    });
    want("matches[]", [this](std::string_view, const json::value& one) {
      const json::value* vulnerability = member_of(one, "vulnerability");
      const json::value* artifact = member_of(one, "artifact");
      if (vulnerability == nullptr || artifact == nullptr) return;
      const json::value* places = member_of(*artifact, "locations");
      add(fingerprint_of({text_of(*vulnerability, "id"), text_of(*artifact, "name"),
                          text_of(*artifact, "type"),
                          places == nullptr ? "" : json::serialize(*places)}),
          text_of(*vulnerability, "severity"));
    });
  }
};

/// Source: GitLab's schemas of security reports, version 14 and later: SAST, dependencies,
/// containers, secrets, DAST.
class GitlabReader final : public JsonReader {
 public:
  explicit GitlabReader(FindingSeverity unrated) : JsonReader(unrated) {
    want("scan.status", [this](std::string_view, const json::value& value) {
      marked_ = true;
      if (value.is_string() && value.get_string() != "success") failure_ = "status 'failure'";
    });
    want_time("scan.end_time");
    want("vulnerabilities[]", [this](std::string_view, const json::value& one) {
      add(fingerprint(one), text_of(one, "severity"));
    });
  }

 private:
  // `id` is new with each scan; lines move.
  static std::string fingerprint(const json::value& one) {
    std::string where;
    std::string what = text_of(one, "name");
    if (const json::value* location = member_of(one, "location")) {
      for (const char* part : {"file", "image", "hostname", "path", "class", "method"}) {
        where += text_of(*location, part) + " ";
      }
      if (const json::value* dependency = member_of(*location, "dependency")) {
        const json::value* package = member_of(*dependency, "package");
        if (package != nullptr) where += text_of(*package, "name");
      }
    }
    if (const json::array* identifiers = array_of(one, "identifiers")) {
      for (const json::value& identifier : *identifiers) what += " " + text_of(identifier, "value");
    }
    return fingerprint_of({what, where});
  }
};

/// Source: lynis, report.dat: name=value, lists as name[]=value, the end time near the end.
class LynisReader final : public ScanReader {
 public:
  Result<void> read(std::string_view piece) override {
    rest_.append(piece);
    std::size_t begin = 0;
    for (std::size_t end = rest_.find('\n'); end != rest_.npos; end = rest_.find('\n', begin)) {
      line(std::string_view(rest_).substr(begin, end - begin));
      begin = end + 1;
    }
    rest_.erase(0, begin);
    if (rest_.size() > (std::size_t{1} << 20U) || report_.findings.size() > kFindingsMax) {
      return base::error(ErrorCode::LimitExceeded,
                         fmt::format("a line above 1 MiB, or more than {} findings", kFindingsMax));
    }
    return base::ok();
  }
  Result<ScanReport> end() override {
    line(rest_);
    if (!begun_) return base::error(ErrorCode::InvalidArgument, "no report of lynis");
    if (!ended_) return base::error(ErrorCode::Corruption, "the report has no end");
    return std::move(report_);
  }

 private:
  void line(std::string_view text) {
    const std::size_t equals = text.find('=');
    if (equals == std::string_view::npos) return;
    const std::string_view name = base::trim(text.substr(0, equals));
    const std::string value(base::trim(text.substr(equals + 1)));
    if (name == "lynis_version") begun_ = true;
    if (name == "report_datetime_end") ended_ = true;
    const auto add = [&](FindingSeverity severity) {
      report_.findings.push_back({fingerprint_of({std::string(name), value}), severity});
    };
    if (name == "vulnerable_package[]") add(FindingSeverity::High);
    if (name == "warning[]") add(FindingSeverity::Medium);
    if (name == "suggestion[]") add(FindingSeverity::Low);
  }

  std::string rest_;
  ScanReport report_;
  bool begun_ = false;
  bool ended_ = false;
};

}  // namespace

// The scanners' words; what none of them says is unrated.
std::optional<FindingSeverity> severity_of(std::string_view word) {
  const std::string lower = base::to_lower(word);
  if (lower == "critical") return FindingSeverity::Critical;
  if (lower == "high") return FindingSeverity::High;
  if (lower == "medium" || lower == "moderate") return FindingSeverity::Medium;
  if (lower == "low") return FindingSeverity::Low;
  if (lower == "info" || lower == "undefined" || lower == "negligible")
    return FindingSeverity::Info;
  return std::nullopt;
}

std::string_view to_string(FindingSeverity severity) {
  constexpr std::string_view kNames[] = {"critical", "high", "medium", "low", "info"};
  return kNames[static_cast<std::size_t>(severity)];
}

const std::vector<std::string>& scan_formats() {
  static const std::vector<std::string> formats = {
      "sarif", "trivy", "grype", "gitlab", "pip-audit", "npm-audit", "bandit", "lynis", "register"};
  return formats;
}

std::unique_ptr<ScanReader> make_scan_reader(const std::string& format, FindingSeverity unrated) {
  if (format == "sarif") return std::make_unique<SarifReader>(unrated);
  if (format == "trivy") return std::make_unique<TrivyReader>(unrated);
  if (format == "grype") return std::make_unique<GrypeReader>(unrated);
  if (format == "gitlab") return std::make_unique<GitlabReader>(unrated);
  if (format == "register") return make_register_reader(unrated);
  if (format == "pip-audit") return std::make_unique<PipAuditReader>(unrated);
  if (format == "npm-audit") return std::make_unique<NpmAuditReader>(unrated);
  if (format == "bandit") return std::make_unique<BanditReader>(unrated);
  TC_CHECK(format == "lynis", "a format that is not in scan_formats()");
  return std::make_unique<LynisReader>();
}

}  // namespace tocsin::agent

// A Prometheus that scrapes becomes two things: agents that scrape where the programs run, and an
// alertd that evaluates. So this is a proposal to be read, not a file to be installed unseen: the
// targets of one Prometheus usually belong to the agents of several hosts.

#include "cli/convert/prometheus_config.h"

#include <fmt/core.h>

#include <algorithm>
#include <set>

#include "cli/convert/yaml_view.h"
#include "common/base/strings.h"

namespace tocsin::cli::convert {
namespace {

/// Why each part of a scrape job has no counterpart; nullptr: it has one.
struct Reason {
  std::string_view key;
  std::string_view why;
};

constexpr Reason kRootReasons[] = {
    {"remote_write", "alertd is the end of the way; agents write to it"},
    {"remote_read", "alertd reads its own store"},
    {"storage", "see [store] of alertd.toml for retention and out_of_order_window"},
    {"tracing", "alertd has no tracing"},
    {"runtime", "of the Go runtime"},
    {"otlp", "agents write by Prometheus remote write"},
    {"scrape_config_files", "convert each of those files by itself"},
};

constexpr std::string_view kKnownJobKeys[] = {"job_name",
                                              "scheme",
                                              "metrics_path",
                                              "params",
                                              "static_configs",
                                              "scrape_timeout",
                                              "scrape_interval",
                                              "honor_labels",
                                              "honor_timestamps",
                                              "sample_limit",
                                              "label_limit",
                                              "label_name_length_limit",
                                              "label_value_length_limit",
                                              "body_size_limit",
                                              "basic_auth",
                                              "authorization",
                                              "bearer_token",
                                              "bearer_token_file",
                                              "tls_config",
                                              "metric_relabel_configs"};

std::string percent_encoded(std::string_view text) {
  std::string out;
  for (const char c : text) {
    const bool plain = (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') ||
                       c == '-' || c == '_' || c == '.' || c == '~';
    out += plain ? std::string(1, c) : fmt::format("%{:02X}", static_cast<unsigned char>(c));
  }
  return out;
}

class ConfigConverter {
 public:
  ConfigConverter(const config::Source& source, const config::Node& root,
                  const ConvertOptions& options)
      : root_(root),
        comments_(source.text, root),
        reading_{source, options, comments_, result_.diagnostics} {
    const std::string from = base::escape_control(source.file);
    alertd_.note(fmt::format("Proposed by tocsin import from {}: put it into alertd.toml.", from));
    agent_.note(
        fmt::format("Proposed by tocsin import from {}: put each [[scrape]] into the "
                    "agent.toml\nof the host where the program runs.",
                    from));
  }

  Converted run() {
    const config::Node empty;
    const config::Node* global = root_.find("global");
    global_ = global ? global : &empty;
    rules();
    global_part();
    for (const config::Node* job : items_at(root_, "scrape_configs")) scrape(*job);
    for (const config::Field& field : root_.fields) root_field(field);
    result_.files.push_back({"alertd.toml", alertd_.take()});
    result_.files.push_back({"agent.toml", agent_.take()});
    return std::move(result_);
  }

 private:
  void rules() {
    alertd_.blank();
    alertd_.header("[rules]");
    std::vector<std::string> paths;
    for (const config::Node* file : items_at(root_, "rule_files")) add_rule_path(*file, paths);
    if (!paths.empty()) {
      alertd_.note("Prometheus' rule files are read as they are; `tocsin import` makes them TOML.");
      alertd_.value("paths", toml_strings(paths), take("rule_files", root_));
    }
    const std::string interval = text_at(*global_, "evaluation_interval");
    alertd_.string("interval", interval.empty() ? "1m" : interval,
                   take("evaluation_interval", *global_));
    const config::Node* labels = global_->find("external_labels");
    if (labels && !labels->fields.empty()) {
      Pairs pairs;
      for (const config::Field& label : labels->fields) {
        pairs.emplace_back(label.name, label.value.text);
      }
      alertd_.value("external_labels", toml_inline_table(pairs), take("external_labels", *global_));
    }
    const std::string offset = text_at(*global_, "rule_query_offset");
    if (!offset.empty()) {
      alertd_.string("query_offset", offset, take("rule_query_offset", *global_));
    }
    const config::Node* alerting = root_.find("alerting");
    if (!alerting) return;
    for (const config::Node* rule : items_at(*alerting, "alert_relabel_configs")) {
      const Remarks head = comments_.take(first_line(*rule));
      alertd_.comments(head.above);
      alertd_.comments(head.beside);
      relabel(*rule, "rules.alert_relabel", alertd_);
    }
  }

  // Folders instead of patterns: alertd takes all rule files of a folder.
  void add_rule_path(const config::Node& file, std::vector<std::string>& paths) {
    std::string path = file.text;
    const std::size_t star = path.find_first_of("*?[");
    if (star != std::string::npos) {
      const std::size_t slash = path.rfind('/', star);
      path = slash == std::string::npos ? "." : path.substr(0, slash);
      const std::string ending = file.text.substr(file.text.rfind('/') + 1);
      if (ending != "*.yml" && ending != "*.yaml" && ending != "*") {
        reading_.warn(file.at,
                      fmt::format("pattern '{}' becomes the whole folder '{}'", file.text, path));
      }
    }
    if (std::find(paths.begin(), paths.end(), path) == paths.end()) paths.push_back(path);
  }

  Remarks take(std::string_view key, const config::Node& node) {
    for (const config::Field& field : node.fields) {
      if (field.name == key) return comments_.take(field.at.line);
    }
    return {};
  }

  void global_part() {
    agent_.blank();
    agent_.header("[agent]");
    const std::string interval = text_at(*global_, "scrape_interval");
    agent_.string("interval", interval.empty() ? "1m" : interval,
                  take("scrape_interval", *global_));
    static constexpr std::string_view kTaken[] = {"scrape_interval", "evaluation_interval",
                                                  "external_labels", "scrape_timeout",
                                                  "rule_query_offset"};
    for (const config::Field& field : global_->fields) {
      if (std::find(std::begin(kTaken), std::end(kTaken), field.name) != std::end(kTaken)) continue;
      not_carried(reading_, agent_, field.at, fmt::format("global '{}'", field.name),
                  "limits are set for each [[scrape]]");
    }
  }

  void root_field(const config::Field& field) {
    if (field.name == "global" || field.name == "rule_files" || field.name == "scrape_configs") {
      return;
    }
    if (field.name == "alerting") {
      alerting_part(field);
      return;
    }
    const auto* reason = std::find_if(std::begin(kRootReasons), std::end(kRootReasons),
                                      [&](const Reason& known) { return known.key == field.name; });
    not_carried(
        reading_, alertd_, field.at, fmt::format("'{}'", field.name),
        reason == std::end(kRootReasons) ? "there is no such part" : std::string(reason->why));
  }

  void alerting_part(const config::Field& alerting) {
    for (const config::Field& field : alerting.value.fields) {
      if (field.name == "alert_relabel_configs") continue;  // rules() has written them
      if (field.name != "alertmanagers") {
        not_carried(reading_, alertd_, field.at, fmt::format("alerting '{}'", field.name),
                    "there is no such part");
        continue;
      }
      not_carried(reading_, alertd_, field.at, "'alertmanagers'",
                  "alertd itself does Alertmanager's work; see tocsin import alertmanager");
      for (const config::Node* manager : items_at(alerting.value, "alertmanagers")) {
        const config::Node* rules = manager->find("alert_relabel_configs");
        if (!rules) continue;
        not_carried(reading_, alertd_, rules->at, "relabelling for one Alertmanager",
                    "there is one receiver of alerts; see [[rules.alert_relabel]]");
      }
    }
  }

  void scrape(const config::Node& job) {
    const std::string name = text_at(job, "job_name");
    const Remarks head = comments_.take(first_line(job));
    agent_.blank();
    agent_.comments(head.above);
    agent_.comments(head.beside);
    job_reasons(job, name);
    const auto statics = items_at(job, "static_configs");
    if (statics.empty()) {
      agent_.note(
          fmt::format("import: job '{}' has no static targets: write its [[scrape]] on the "
                      "hosts where it runs",
                      base::escape_control(name)));
    }
    for (const config::Node* targets : statics) target_group(job, name, *targets);
    agent_.comments(comments_.take_rest(first_line(job), last_line(job) + 1));
  }

  static std::size_t last_line(const config::Node& node) {
    std::size_t line = node.at.line;
    for (const config::Node& item : node.items) line = std::max(line, last_line(item));
    for (const config::Field& field : node.fields) {
      line = std::max({line, field.at.line, last_line(field.value)});
    }
    return line;
  }

  void job_reasons(const config::Node& job, const std::string& name) {
    for (const config::Field& field : job.fields) {
      const bool known = std::find(std::begin(kKnownJobKeys), std::end(kKnownJobKeys),
                                   field.name) != std::end(kKnownJobKeys);
      if (known) continue;
      const std::string what = fmt::format("'{}' of job '{}'", field.name, name);
      if (field.name.ends_with("_sd_configs")) {
        not_carried(reading_, agent_, field.at, what,
                    "an agent scrapes what runs on its host and is told by its file; there is no "
                    "service discovery");
      } else if (field.name == "relabel_configs") {
        not_carried(reading_, agent_, field.at, what,
                    "targets are written out; give their labels with labels = {...}");
      } else {
        not_carried(reading_, agent_, field.at, what, "[[scrape]] has no such key");
      }
    }
    const std::string interval = text_at(job, "scrape_interval");
    const std::string usual = text_at(*global_, "scrape_interval");
    if (!interval.empty() && interval != (usual.empty() ? "1m" : usual)) {
      not_carried(reading_, agent_, job.find("scrape_interval")->at,
                  fmt::format("scrape_interval {} of job '{}'", interval, name),
                  "an agent has one interval for all it reads");
    }
  }

  void target_group(const config::Node& job, const std::string& name, const config::Node& group) {
    const std::vector<std::string> targets = texts_at(group, "targets");
    if (std::any_of(targets.begin(), targets.end(),
                    [](const std::string& target) { return target.ends_with(":9100"); })) {
      agent_.note(
          "import: port 9100 is node_exporter's: the agent reads the host itself, so these "
          "targets\nare not needed on hosts that have an agent");
    }
    std::string path = text_at(job, "metrics_path");
    if (path.empty()) path = "/metrics";
    path += query_of(job);
    const std::string scheme = text_at(job, "scheme") == "https" ? "https" : "http";
    std::vector<std::string> urls;
    for (const std::string& target : targets) {
      urls.push_back(fmt::format("{}://{}{}", scheme, target, path));
    }
    agent_.header("[[scrape]]");
    agent_.string("job", name);
    agent_.value("url", urls.size() == 1 ? toml_string(urls.front()) : toml_strings(urls));
    std::string timeout = text_at(job, "scrape_timeout");
    if (timeout.empty()) timeout = text_at(*global_, "scrape_timeout");
    if (!timeout.empty()) agent_.string("timeout", timeout);
    if (const config::Node* labels = group.find("labels"); labels && !labels->fields.empty()) {
      Pairs pairs;
      for (const config::Field& label : labels->fields) {
        pairs.emplace_back(label.name, label.value.text);
      }
      agent_.value("labels", toml_inline_table(pairs));
    }
    credentials(job, name);
    limits(job);
    for (const config::Node* rule : items_at(job, "metric_relabel_configs")) {
      relabel(*rule, "scrape.metric_relabel", agent_);
    }
  }

  static std::string query_of(const config::Node& job) {
    std::string query;
    const config::Node* params = job.find("params");
    if (!params) return query;
    for (const config::Field& field : params->fields) {
      for (const std::string& value : texts_at(*params, field.name)) {
        query += fmt::format("{}{}={}", query.empty() ? "?" : "&", percent_encoded(field.name),
                             percent_encoded(value));
      }
    }
    return query;
  }

  void secret(std::string_view key, const config::Node& node, std::string_view inline_key,
              std::string_view file_key, const std::string& proposed) {
    const std::string file = text_at(node, file_key);
    if (!file.empty()) {
      agent_.string(key, file);
    } else if (const config::Node* value = node.find(inline_key)) {
      reading_.warn(value->at, fmt::format("the secret under '{}' is not copied; write it into {}",
                                           inline_key, proposed));
      agent_.note(fmt::format("import: write the secret of line {} into this file, mode 0640",
                              value->at.line));
      agent_.string(key, proposed);
    }
  }

  void credentials(const config::Node& job, const std::string& name) {
    const std::string word = file_word(name);
    if (const config::Node* basic = job.find("basic_auth")) {
      agent_.string("basic_user", text_at(*basic, "username"));
      secret("basic_password_file", *basic, "password", "password_file",
             secret_path(word + ".password"));
    }
    if (const config::Node* bearer = job.find("authorization")) {
      secret("bearer_token_file", *bearer, "credentials", "credentials_file",
             secret_path(word + ".token"));
    }
    secret("bearer_token_file", job, "bearer_token", "bearer_token_file",
           secret_path(word + ".token"));
    const config::Node* tls = job.find("tls_config");
    if (!tls) return;
    for (const auto& [theirs, ours] :
         {std::pair("ca_file", "ca_file"), std::pair("cert_file", "client_cert_file"),
          std::pair("key_file", "client_key_file")}) {
      const std::string file = text_at(*tls, theirs);
      if (!file.empty()) agent_.string(ours, file);
    }
    if (is_true(*tls, "insecure_skip_verify")) agent_.value("insecure_tls", "true");
    if (const config::Node* server = tls->find("server_name")) {
      not_carried(reading_, agent_, server->at, "'server_name'", "the URL's host name is checked");
    }
  }

  void limits(const config::Node& job) {
    if (is_true(job, "honor_labels")) agent_.value("honor_labels", "true");
    if (is_false(job, "honor_timestamps")) agent_.value("honor_timestamps", "false");
    for (const std::string_view key :
         {"sample_limit", "label_limit", "label_name_length_limit", "label_value_length_limit"}) {
      const auto number = base::parse_u64(text_at(job, key));
      if (number && *number > 0) agent_.value(key, fmt::format("{}", *number));
    }
    const std::string body = text_at(job, "body_size_limit");
    if (!body.empty() && body != "0") agent_.string("body_size_limit", body);
  }

  void relabel(const config::Node& rule, std::string_view table, TomlWriter& out) {
    static const std::set<std::string> kActions{"replace",   "keep",      "drop",      "labelmap",
                                                "labeldrop", "labelkeep", "lowercase", "uppercase",
                                                "hashmod",   "keepequal", "dropequal"};
    std::string action = base::to_lower(text_at(rule, "action"));
    if (action.empty()) action = "replace";
    if (!kActions.contains(action)) {
      not_carried(reading_, out, rule.at, fmt::format("relabelling with action '{}'", action),
                  fmt::format("[[{}]] has no such action", table));
      return;
    }
    out.header(fmt::format("[[{}]]", table));
    out.string("action", action);
    const auto labels = texts_at(rule, "source_labels");
    if (!labels.empty()) out.value("source_labels", toml_strings(labels));
    if (const auto modulus = base::parse_u64(text_at(rule, "modulus")); modulus && *modulus > 0) {
      out.value("modulus", fmt::format("{}", *modulus));
    }
    for (const std::string_view key : {"separator", "regex", "target_label", "replacement"}) {
      if (rule.find(key)) out.string(key, text_at(rule, key));
    }
  }

  const config::Node& root_;
  const config::Node* global_ = nullptr;
  Converted result_;
  Comments comments_;
  Reading reading_;
  TomlWriter alertd_;
  TomlWriter agent_;
};

}  // namespace

bool is_prometheus_config(const config::Node& root) {
  if (root.find("groups")) return false;
  return root.find("scrape_configs") || root.find("rule_files") || root.find("alerting") ||
         (root.find("global") && !root.find("route"));
}

Converted convert_prometheus_config(const config::Source& source, const config::Node& root,
                                    const ConvertOptions& options) {
  return ConfigConverter(source, root, options).run();
}

}  // namespace tocsin::cli::convert

#include "agent/collectors/host/uname.h"

#include <sys/utsname.h>

#include <array>

#include "common/base/strings.h"

namespace tocsin::agent {
namespace {

using model::MetricType;

constexpr MetricInfo kUname{"node_uname_info", "What uname(2) says; always 1.", MetricType::Gauge};
constexpr MetricInfo kOs{"node_os_info", "What os-release says; always 1.", MetricType::Gauge};
constexpr MetricInfo kOsVersion{"node_os_version", "Version of the distribution as major.minor.",
                                MetricType::Gauge};

struct OsLabel {
  std::string_view label;
  std::string_view key;
};
constexpr std::array<OsLabel, 12> kOsLabels{{{"build_id", "BUILD_ID"},
                                             {"id", "ID"},
                                             {"id_like", "ID_LIKE"},
                                             {"image_id", "IMAGE_ID"},
                                             {"image_version", "IMAGE_VERSION"},
                                             {"name", "NAME"},
                                             {"pretty_name", "PRETTY_NAME"},
                                             {"variant", "VARIANT"},
                                             {"variant_id", "VARIANT_ID"},
                                             {"version", "VERSION"},
                                             {"version_codename", "VERSION_CODENAME"},
                                             {"version_id", "VERSION_ID"}}};

class UnameCollector final : public Collector {
 public:
  std::string_view name() const override { return "uname"; }

  base::Result<void> collect(MetricSink& sink) override {
    utsname names{};
    if (::uname(&names) != 0) return base::error(base::ErrorCode::Io, "uname failed");
    sink.add(kUname,
             {{"sysname", names.sysname},
              {"release", names.release},
              {"version", names.version},
              {"machine", names.machine},
              {"nodename", names.nodename},
              {"domainname", names.domainname}},
             1);
    return base::ok();
  }
};

class OsCollector final : public Collector {
 public:
  explicit OsCollector(const HostPaths& paths)
      : etc_(paths.under_root("/etc/os-release")), usr_(paths.under_root("/usr/lib/os-release")) {}

  std::string_view name() const override { return "os"; }
  bool present() const override { return path_exists(etc_) || path_exists(usr_); }

  base::Result<void> collect(MetricSink& sink) override {
    auto text = reader_.read(etc_);
    if (!text) text = reader_.read(usr_);
    if (!text) return text.error();
    const auto fields = parse_os_release(*text);
    const auto field = [&](std::string_view key) {
      const auto it = fields.find(key);
      return it == fields.end() ? std::string_view{} : std::string_view(it->second);
    };
    std::array<model::LabelView, kOsLabels.size()> labels;
    for (std::size_t i = 0; i < labels.size(); ++i) {
      labels[i] = {kOsLabels[i].label, field(kOsLabels[i].key)};
    }
    sink.add(kOs, labels, 1);
    if (const auto version = os_version_number(field("VERSION_ID"))) {
      sink.add(kOsVersion,
               {{"id", field("ID")}, {"id_like", field("ID_LIKE")}, {"name", field("NAME")}},
               *version);
    }
    return base::ok();
  }

 private:
  std::string etc_;
  std::string usr_;
  FileReader reader_{std::size_t{64} << 10U};
};

// Removes quotes; inside double quotes a backslash protects one of \ " $ `.
std::string unquote(std::string_view text) {
  if (text.size() < 2 || (text.front() != '"' && text.front() != '\'') ||
      text.back() != text.front()) {
    return std::string(text);
  }
  const bool escapes = text.front() == '"';
  const std::string_view inner = text.substr(1, text.size() - 2);
  std::string out;
  for (std::size_t i = 0; i < inner.size(); ++i) {
    const bool escaped = escapes && inner[i] == '\\' && i + 1 < inner.size() &&
                         std::string_view("\\\"$`").find(inner[i + 1]) != std::string_view::npos;
    if (escaped) ++i;
    out += inner[i];
  }
  return out;
}

}  // namespace

std::map<std::string, std::string, std::less<>> parse_os_release(std::string_view text) {
  std::map<std::string, std::string, std::less<>> fields;
  base::for_each_line(text, [&](std::string_view line) {
    line = base::trim(line);
    const std::size_t equals = line.find('=');
    if (line.starts_with('#') || equals == std::string_view::npos || equals == 0) return;
    fields.insert_or_assign(std::string(line.substr(0, equals)), unquote(line.substr(equals + 1)));
  });
  return fields;
}

std::optional<double> os_version_number(std::string_view version_id) {
  const auto digits_from = [&](std::size_t begin) {
    std::size_t end = begin;
    while (end < version_id.size() && version_id[end] >= '0' && version_id[end] <= '9') ++end;
    return end;
  };
  std::size_t end = digits_from(0);
  if (end == 0) return std::nullopt;
  if (end + 1 < version_id.size() && version_id[end] == '.') {
    const std::size_t minor_end = digits_from(end + 1);
    if (minor_end > end + 1) end = minor_end;
  }
  return base::parse_double(version_id.substr(0, end));
}

std::unique_ptr<Collector> make_uname_collector() {
  return std::make_unique<UnameCollector>();
}

std::unique_ptr<Collector> make_os_collector(const HostPaths& paths) {
  return std::make_unique<OsCollector>(paths);
}

}  // namespace tocsin::agent

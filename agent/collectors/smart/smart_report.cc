#include "agent/collectors/smart/smart_report.h"

#include <algorithm>
#include <array>
#include <boost/json.hpp>

#include "common/base/strings.h"

namespace tocsin::agent {
namespace {

namespace json = boost::json;

constexpr int kNotOpened = 1 << 1;          // smartctl's exit status: the device did not open
constexpr double kNvmeUnitBytes = 512'000;  // NVMe counts in thousands of 512 bytes
constexpr std::size_t kTextBytesMax = 128;
// The attributes that say something about a disk's end; the others are of one maker each.
constexpr std::array<int, 16> kTelling{1,   5,   9,   10,  177, 184, 187, 188,
                                       190, 194, 196, 197, 198, 199, 231, 233};

const json::value* at(const json::object& in, std::string_view key) {
  return in.if_contains(key);
}

const json::object* object_in(const json::object& in, std::string_view key) {
  const json::value* found = at(in, key);
  return found != nullptr ? found->if_object() : nullptr;
}

std::string text_in(const json::object& in, std::string_view key) {
  const json::value* found = at(in, key);
  if (found == nullptr || !found->is_string()) return {};
  const json::string& text = found->get_string();
  std::string_view cut = std::string_view(text.data(), text.size()).substr(0, kTextBytesMax);
  while (!cut.empty() && !base::is_utf8(cut)) cut.remove_suffix(1);  // not within a character
  return base::escape_control(cut);
}

std::optional<double> number_in(const json::object* in, std::string_view key) {
  const json::value* found = in != nullptr ? at(*in, key) : nullptr;
  if (found == nullptr || !found->is_number()) return std::nullopt;
  return found->to_number<double>();
}

void read_attributes(const json::object& root, SmartReport& report) {
  const json::object* list = object_in(root, "ata_smart_attributes");
  const json::value* table = list != nullptr ? at(*list, "table") : nullptr;
  if (table == nullptr || !table->is_array()) return;
  for (const json::value& row : table->get_array()) {
    const json::object* one = row.if_object();
    if (one == nullptr) continue;
    SmartAttribute attribute;
    attribute.id = static_cast<int>(number_in(one, "id").value_or(0));
    if (std::find(kTelling.begin(), kTelling.end(), attribute.id) == kTelling.end()) continue;
    attribute.name = text_in(*one, "name");
    attribute.value = number_in(one, "value").value_or(0);
    attribute.threshold = number_in(one, "thresh").value_or(0);
    attribute.raw = number_in(object_in(*one, "raw"), "value").value_or(0);
    report.attributes.push_back(std::move(attribute));
  }
}

void read_nvme(const json::object& root, SmartReport& report) {
  const json::object* log = object_in(root, "nvme_smart_health_information_log");
  if (log == nullptr) return;
  SmartNvme nvme;
  nvme.critical_warning = number_in(log, "critical_warning").value_or(0);
  nvme.available_spare_percent = number_in(log, "available_spare").value_or(0);
  nvme.available_spare_threshold_percent = number_in(log, "available_spare_threshold").value_or(0);
  nvme.used_percent = number_in(log, "percentage_used").value_or(0);
  nvme.media_errors = number_in(log, "media_errors").value_or(0);
  nvme.error_log_entries = number_in(log, "num_err_log_entries").value_or(0);
  nvme.bytes_written = number_in(log, "data_units_written").value_or(0) * kNvmeUnitBytes;
  report.nvme = nvme;
}

std::string messages_of(const json::object& smartctl) {
  const json::value* list = at(smartctl, "messages");
  if (list == nullptr || !list->is_array()) return {};
  for (const json::value& one : list->get_array()) {
    if (const json::object* message = one.if_object()) return text_in(*message, "string");
  }
  return {};
}

}  // namespace

base::Result<SmartReport> parse_smart_report(std::string_view text) {
  boost::system::error_code code;
  const json::value parsed = json::parse(text, code);
  const json::object* root = code ? nullptr : parsed.if_object();
  if (root == nullptr) {
    return base::error(base::ErrorCode::InvalidArgument,
                       "no JSON object: " + (code ? code.message() : "another value"));
  }
  const json::object* smartctl = object_in(*root, "smartctl");
  const json::object* device = object_in(*root, "device");
  if (smartctl == nullptr) {
    return base::error(base::ErrorCode::InvalidArgument, "not of `smartctl --json --all DEVICE`");
  }
  SmartReport report;
  report.exit_status = static_cast<int>(number_in(smartctl, "exit_status").value_or(0));
  if (device == nullptr || (report.exit_status & kNotOpened) != 0) {
    const std::string why = messages_of(*smartctl);
    return base::error(base::ErrorCode::InvalidArgument,
                       "smartctl could not read the device" + (why.empty() ? "" : ": " + why));
  }
  report.device = text_in(*device, "name");
  if (report.device.starts_with("/dev/")) report.device.erase(0, 5);
  report.protocol = text_in(*device, "protocol");
  report.model = text_in(*root, "model_name");
  if (const json::object* status = object_in(*root, "smart_status")) {
    const json::value* passed = at(*status, "passed");
    if (passed != nullptr && passed->is_bool()) report.passed = passed->get_bool();
  }
  report.celsius = number_in(object_in(*root, "temperature"), "current");
  if (const auto hours = number_in(object_in(*root, "power_on_time"), "hours")) {
    report.power_on_seconds = *hours * 3600;
  }
  report.grown_defects = number_in(root, "scsi_grown_defect_list");
  read_attributes(*root, report);
  read_nvme(*root, report);
  return report;
}

}  // namespace tocsin::agent

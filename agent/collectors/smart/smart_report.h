// What `smartctl --json --all` says about a disk.
// Source: smartctl(8), "--json"; smartmontools 7.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "common/base/result.h"

namespace tocsin::agent {

/// One attribute of an ATA disk.
struct SmartAttribute {
  int id = 0;
  std::string name;
  double value = 0;  ///< Normalised: sinks towards the threshold.
  double threshold = 0;
  double raw = 0;
};

/// What an NVMe disk counts.
struct SmartNvme {
  double critical_warning = 0;
  double available_spare_percent = 0;
  double available_spare_threshold_percent = 0;
  double used_percent = 0;
  double media_errors = 0;
  double error_log_entries = 0;
  double bytes_written = 0;
};

struct SmartReport {
  std::string device;  ///< "sda", without "/dev/".
  std::string model;
  std::string protocol;        ///< "ATA", "NVMe", "SCSI".
  int exit_status = 0;         ///< Of smartctl: bits.
  std::optional<bool> passed;  ///< The disk's own verdict; nullopt: it gave none.
  std::optional<double> celsius;
  std::optional<double> power_on_seconds;
  std::optional<double> grown_defects;  ///< SCSI.
  std::vector<SmartAttribute> attributes;
  std::optional<SmartNvme> nvme;
};

/// Errors: InvalidArgument (no JSON, not of smartctl, a device that could not be opened: says why).
/// Pure.
base::Result<SmartReport> parse_smart_report(std::string_view text);

}  // namespace tocsin::agent

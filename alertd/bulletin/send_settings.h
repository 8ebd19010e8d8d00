// `[[report.send]]` of alertd.toml: reports that are sent by the calendar.
#pragma once

#include <map>
#include <string>
#include <vector>

#include "alertd/bulletin/bulletin.h"
#include "alertd/bulletin/schedule.h"
#include "alertd/bulletin/writers.h"
#include "common/config/table.h"

namespace tocsin::bulletin {

struct SendSettings {
  std::string name;
  Kind kind = Kind::Daily;
  Schedule schedule;
  std::string schedule_text;  ///< As written, and the zone: whether it is still the same.
  timezone::Zone zone;
  std::string receiver;
  std::vector<std::string> channels;  ///< Of the receiver, without pagers.
  Format format = Format::Html;       ///< What channels that show pages get.
};

/// Reads the tables. `receivers`: name -> all its channels; `quiet`: without those that wake
/// people. A receiver that has only pagers is a mistake.
std::vector<SendSettings> read_send_settings(
    config::Table& report, const std::map<std::string, std::vector<std::string>>& receivers,
    const std::map<std::string, std::vector<std::string>>& quiet);

}  // namespace tocsin::bulletin

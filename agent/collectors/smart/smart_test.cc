// Reports as smartctl writes them: a SATA disk, an NVMe disk, one that failed to open, and junk.
#include <doctest/doctest.h>

#include "agent/collectors/host/recording_sink.h"
#include "agent/collectors/smart/smart_collector.h"
#include "agent/collectors/smart/smart_report.h"
#include "common/base/sim_executor.h"
#include "common/sim/test_folder.h"

namespace tocsin::agent {
namespace {

constexpr const char* kSata = R"({"json_format_version":[1,0],
  "smartctl":{"version":[7,3],"exit_status":0},
  "device":{"name":"/dev/sda","type":"sat","protocol":"ATA"},"model_name":"ACME SSD 1T",
  "smart_status":{"passed":true},"temperature":{"current":34},"power_on_time":{"hours":100},
  "ata_smart_attributes":{"table":[
    {"id":5,"name":"Reallocated_Sector_Ct","value":100,"thresh":10,"raw":{"value":3,"string":"3"}},
    {"id":240,"name":"Head_Flying_Hours","value":100,"thresh":0,"raw":{"value":9}},
    {"id":197,"name":"Current_Pending_Sector","value":100,"thresh":0,"raw":{"value":8}}]}})";
constexpr const char* kNvme = R"({"smartctl":{"exit_status":8},
  "device":{"name":"/dev/nvme0","type":"nvme","protocol":"NVMe"},"model_name":"ACME NVMe",
  "smart_status":{"passed":false,"nvme":{"value":4}},"temperature":{"current":51},
  "nvme_smart_health_information_log":{"critical_warning":4,"available_spare":7,
    "available_spare_threshold":10,"percentage_used":93,"media_errors":2,
    "num_err_log_entries":11,"data_units_written":1000}})";
constexpr const char* kNotOpened = R"({"smartctl":{"exit_status":2,"messages":[
  {"string":"Smartctl open device: /dev/sdb failed: Permission denied","severity":"error"}]},
  "device":{"name":"/dev/sdb","protocol":"ATA"}})";

}  // namespace

TEST_CASE("reports of smartctl") {
  const auto sata = parse_smart_report(kSata);
  REQUIRE(sata);
  CHECK(sata->device == "sda");
  CHECK(sata->passed == true);
  CHECK(sata->power_on_seconds == 360'000.0);
  REQUIRE(sata->attributes.size() == 2);  // what is one maker's own is left out
  CHECK(sata->attributes[1].raw == 8);
  const auto nvme = parse_smart_report(kNvme);
  REQUIRE(nvme);
  CHECK(nvme->passed == false);
  CHECK(nvme->nvme->bytes_written == 512'000'000.0);
  const auto closed = parse_smart_report(kNotOpened);
  REQUIRE_FALSE(closed);
  CHECK(closed.error().message.find("Permission denied") != std::string::npos);
  for (const char* bad : {"", "[]", "{}", "{\"smartctl\":5}", "{\"smartctl\":{}}", "{"}) {
    CHECK_FALSE(parse_smart_report(bad));
  }
}

TEST_CASE("files of disks: good, damaged, old, of one disk twice, none") {
  sim::TestFolder folder;
  folder.write("sda.json", kSata);
  folder.write("nvme0.json", kNvme);
  folder.write("sdb.json", kNotOpened);
  folder.write("note.txt", "x");
  const auto now_ms = *folder.files->modified_ns(folder.path() + "/sda.json") / 1'000'000;
  base::SimClock clock{base::wall_time(now_ms)};
  base::FailureLog failures{"test"};
  const auto collector = make_smart_collector({{folder.path() + "/*.json"}, std::chrono::hours{25}},
                                              {*folder.files, clock, failures});
  const auto round = [&] {
    RecordingSink sink;
    const auto done = collector->collect(sink);
    CHECK_FALSE(sink.repeated);
    sink.samples["ok"] = done ? 1 : 0;
    return sink;
  };
  RecordingSink sink = round();
  CHECK(sink.value("ok") == 1.0);
  CHECK(sink.value("smartctl_device_smart_status,device=sda") == 1.0);
  CHECK(sink.value("smartctl_device_smart_status,device=nvme0") == 0.0);
  CHECK(sink.value("smartctl_device_available_spare,device=nvme0") == 7.0);
  CHECK(
      sink.value("smartctl_device_attribute,attribute_id=197,attribute_name=Current_Pending_Sector,"
                 "attribute_value_type=raw,device=sda") == 8.0);
  CHECK(sink.value("tocsin_agent_check_failed,check=smart,reason=invalid_argument,server=" +
                   folder.path() + "/sdb.json") == 1.0);
  folder.write("sda-again.json", kSata);
  sink = round();
  CHECK(sink.value("tocsin_agent_check_failed,check=smart,reason=invalid_argument,server=" +
                   folder.path() + "/sda.json") == 1.0);
  clock.advance(std::chrono::hours{26});
  sink = round();
  CHECK(sink.value("ok") == 0.0);
  CHECK_FALSE(sink.has_name("smartctl_device_smart_status"));
}

}  // namespace tocsin::agent

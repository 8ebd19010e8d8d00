#include "agent/collectors/host/systemd_bus.h"

#include <systemd/sd-bus.h>

#include <cerrno>
#include <cstring>

namespace tocsin::agent {
namespace {

using base::ErrorCode;
using base::Result;

constexpr const char* kService = "org.freedesktop.systemd1";
constexpr const char* kManagerPath = "/org/freedesktop/systemd1";
constexpr const char* kManager = "org.freedesktop.systemd1.Manager";
// A list of units longer than this is no host that we know of.
constexpr std::size_t kUnitsMax = 50'000;

struct Unref {
  void operator()(sd_bus_message* message) const { sd_bus_message_unref(message); }
};
using Message = std::unique_ptr<sd_bus_message, Unref>;

base::Error bus_error(int status, std::string_view what) {
  const int number = status < 0 ? -status : status;
  char text[128];
  return base::error(
      number == ETIMEDOUT ? ErrorCode::Timeout : ErrorCode::Unavailable,
      "systemd: " + std::string(what) + ": " + strerror_r(number, text, sizeof text));
}

// One reading: its bus, and how long it may still take.
class Session {
 public:
  Session(sd_bus* bus, const base::Clock& clock, base::Duration deadline)
      : bus_(bus), clock_(clock), ends_(clock.monotonic() + deadline) {}

  Result<Message> call(const char* path, const char* interface, const char* member) {
    return call(path, interface, member, nullptr, nullptr);
  }

  Result<Message> property(const std::string& path, const std::string& interface,
                           const char* name) {
    TC_TRY(Message reply,
           call(path.c_str(), "org.freedesktop.DBus.Properties", "Get", interface.c_str(), name));
    return reply;
  }

  // Reads one property into `value`; `type` is its D-Bus type.
  template <class T>
  Result<void> number(const std::string& path, const std::string& interface, const char* name,
                      char type, std::optional<T>& value) {
    auto reply = property(path, interface, name);
    if (!reply) return missing_is_fine(std::move(reply).error());
    const char contents[] = {type, '\0'};
    T read{};
    if (sd_bus_message_enter_container(reply->get(), 'v', contents) > 0 &&
        sd_bus_message_read_basic(reply->get(), type, &read) > 0) {
      value = read;
    }
    return base::ok();
  }

  Result<void> text(const std::string& path, const std::string& interface, const char* name,
                    std::string& value) {
    auto reply = property(path, interface, name);
    if (!reply) return missing_is_fine(std::move(reply).error());
    const char* read = nullptr;
    if (sd_bus_message_enter_container(reply->get(), 'v', "s") > 0 &&
        sd_bus_message_read_basic(reply->get(), 's', &read) > 0) {
      value = read;
    }
    return base::ok();
  }

 private:
  Result<Message> call(const char* path, const char* interface, const char* member,
                       const char* first, const char* second) {
    const auto left =
        std::chrono::duration_cast<std::chrono::microseconds>(ends_ - clock_.monotonic()).count();
    if (left <= 0) return bus_error(ETIMEDOUT, member);
    sd_bus_message* raw = nullptr;
    int status = sd_bus_message_new_method_call(bus_, &raw, kService, path, interface, member);
    Message request(raw);
    if (status >= 0 && first != nullptr) status = sd_bus_message_append(raw, "ss", first, second);
    if (status < 0) return bus_error(status, member);
    sd_bus_message* answer = nullptr;
    sd_bus_error failure = SD_BUS_ERROR_NULL;
    status = sd_bus_call(bus_, request.get(), static_cast<std::uint64_t>(left), &failure, &answer);
    // The manager's own refusal (no such unit any more) is no failure of the bus.
    refused_ = status < 0 && sd_bus_error_is_set(&failure) != 0 && status != -ETIMEDOUT &&
               sd_bus_is_open(bus_) > 0;
    sd_bus_error_free(&failure);
    if (status < 0) return bus_error(status, member);
    return Message(answer);
  }

  // A unit may vanish between the list and the question; an old systemd lacks some properties.
  Result<void> missing_is_fine(base::Error error) const {
    if (refused_) return base::ok();
    return error;
  }

  sd_bus* bus_;
  const base::Clock& clock_;
  base::MonotonicTime ends_;
  bool refused_ = false;
};

Result<std::vector<SystemdUnit>> list_units(Session& session) {
  TC_TRY(Message reply, session.call(kManagerPath, kManager, "ListUnits"));
  std::vector<SystemdUnit> units;
  int status = sd_bus_message_enter_container(reply.get(), 'a', "(ssssssouso)");
  while (status >= 0 && units.size() < kUnitsMax) {
    const char *name, *description, *load, *active, *sub, *followed, *path, *job_type, *job_path;
    std::uint32_t job = 0;
    status = sd_bus_message_read(reply.get(), "(ssssssouso)", &name, &description, &load, &active,
                                 &sub, &followed, &path, &job, &job_type, &job_path);
    if (status == 0) return units;
    if (status < 0) break;
    SystemdUnit unit;
    unit.name = name;
    unit.load_state = load;
    unit.active_state = active;
    unit.path = path;
    units.push_back(std::move(unit));
  }
  if (status < 0) return bus_error(status, "ListUnits");
  return base::error(ErrorCode::LimitExceeded,
                     "systemd lists more than " + std::to_string(kUnitsMax) + " units");
}

Result<void> read_details(Session& session, SystemdMemory& memory, SystemdUnit& unit) {
  if (unit.name.ends_with(".service")) {
    const std::string interface = std::string(kService) + ".Service";
    const auto known = memory.service_types.find(unit.name);
    if (known != memory.service_types.end()) {
      unit.type = known->second;
    } else {
      TC_TRY(session.text(unit.path, interface, "Type", unit.type));
      memory.service_types.emplace(unit.name, unit.type);
    }
    return session.number(unit.path, interface, "NRestarts", 'u', unit.restarts);
  }
  if (unit.name.ends_with(".timer")) {
    return session.number(unit.path, std::string(kService) + ".Timer", "LastTriggerUSec", 't',
                          unit.last_trigger_us);
  }
  if (unit.name.ends_with(".socket")) {
    const std::string interface = std::string(kService) + ".Socket";
    TC_TRY(session.number(unit.path, interface, "NAccepted", 'u', unit.accepted));
    TC_TRY(session.number(unit.path, interface, "NConnections", 'u', unit.connections));
    return session.number(unit.path, interface, "NRefused", 'u', unit.refused);
  }
  return base::ok();
}

}  // namespace

Result<SystemdReading> read_systemd(sd_bus* bus, SystemdMemory& memory, const base::Clock& clock,
                                    base::Duration deadline) {
  Session session(bus, clock, deadline);
  SystemdReading reading;
  TC_TRY(session.text(kManagerPath, kManager, "Version", reading.version));
  TC_TRY(session.text(kManagerPath, kManager, "SystemState", reading.system_state));
  TC_TRY(reading.units, list_units(session));
  // Forget the types of units that are gone, so that the memory stays as small as the list.
  if (memory.service_types.size() > reading.units.size()) memory.service_types.clear();
  for (SystemdUnit& unit : reading.units) {
    if (unit.load_state != "loaded" || !memory.wanted(unit.name)) continue;
    TC_TRY(read_details(session, memory, unit));
  }
  return reading;
}

SystemdConnection::~SystemdConnection() {
  if (bus_ != nullptr) sd_bus_close_unref(bus_);
}

Result<SystemdReading> SystemdConnection::read(SystemdMemory& memory, const base::Clock& clock,
                                               base::Duration deadline) {
  if (bus_ == nullptr) {
    if (const int status = sd_bus_open_system(&bus_); status < 0) {
      bus_ = nullptr;
      return bus_error(status, "cannot open the system bus");
    }
  }
  auto reading = read_systemd(bus_, memory, clock, deadline);
  if (!reading) {
    sd_bus_close_unref(bus_);
    bus_ = nullptr;
  }
  return reading;
}

}  // namespace tocsin::agent

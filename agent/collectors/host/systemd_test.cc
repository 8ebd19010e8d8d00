// The systemd collector against a service manager of our own at the other end of a socket pair.
#include "agent/collectors/host/systemd.h"

#include <doctest/doctest.h>
#include <sys/socket.h>
#include <systemd/sd-bus.h>

#include <array>
#include <atomic>
#include <string>
#include <vector>

#include "agent/collectors/blocking/hanging_call.h"
#include "agent/collectors/host/recording_sink.h"
#include "common/base/asio_executor.h"

namespace tocsin::agent {
namespace {

struct FakeUnit {
  const char* name;
  const char* load;
  const char* active;
};

constexpr std::array<FakeUnit, 7> kUnits{{{"web.service", "loaded", "active"},
                                          {"gone.service", "not-found", "inactive"},
                                          {"bad.service", "loaded", "failed"},
                                          {"daily.timer", "loaded", "active"},
                                          {"ssh.socket", "loaded", "active"},
                                          {"root.mount", "loaded", "active"},
                                          {"odd.service", "loaded", "reloading"}}};

// Answers as org.freedesktop.systemd1 does, on a thread of its own.
class FakeManager {
 public:
  FakeManager() : thread_(clock_, "fake-systemd", 1) {
    int fds[2];
    REQUIRE(::socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0, fds) == 0);
    REQUIRE(sd_bus_new(&server_) >= 0);
    REQUIRE(sd_bus_set_fd(server_, fds[0], fds[0]) >= 0);
    sd_id128_t id{};
    id.bytes[0] = 1;
    REQUIRE(sd_bus_set_server(server_, 1, id) >= 0);
    REQUIRE(sd_bus_start(server_) >= 0);
    REQUIRE(sd_bus_add_filter(server_, nullptr, &FakeManager::on_message, this) >= 0);
    REQUIRE(sd_bus_new(&client_) >= 0);
    REQUIRE(sd_bus_set_fd(client_, fds[1], fds[1]) >= 0);
    REQUIRE(sd_bus_start(client_) >= 0);
    thread_.post([this] { serve(); });
  }
  ~FakeManager() {
    stopping_ = true;
    thread_.stop();
    sd_bus_close_unref(client_);
    sd_bus_close_unref(server_);
  }
  FakeManager(const FakeManager&) = delete;
  FakeManager& operator=(const FakeManager&) = delete;

  sd_bus* client() { return client_; }
  const base::Clock& clock() const { return clock_; }
  void fall_silent() { silent_ = true; }
  int type_questions() const { return type_questions_; }

 private:
  void serve() {
    while (!stopping_) {
      const int status = sd_bus_process(server_, nullptr);
      if (status < 0) return;
      if (status == 0) sd_bus_wait(server_, 5'000);
    }
  }

  static int on_message(sd_bus_message* message, void* self, sd_bus_error*) {
    return static_cast<FakeManager*>(self)->answer(message);
  }

  int answer(sd_bus_message* message) {
    if (silent_) return 1;
    if (sd_bus_message_is_method_call(message, "org.freedesktop.systemd1.Manager", "ListUnits")) {
      return list(message);
    }
    if (sd_bus_message_is_method_call(message, "org.freedesktop.DBus.Properties", "Get")) {
      return property(message);
    }
    return 0;
  }

  static int list(sd_bus_message* message) {
    sd_bus_message* reply = nullptr;
    int status = sd_bus_message_new_method_return(message, &reply);
    if (status < 0) return status;
    sd_bus_message_open_container(reply, 'a', "(ssssssouso)");
    for (const FakeUnit& unit : kUnits) {
      std::string path = "/unit/";
      for (const char c : std::string(unit.name)) path += c == '.' ? '_' : c;
      sd_bus_message_append(reply, "(ssssssouso)", unit.name, "text", unit.load, unit.active, "sub",
                            "", path.c_str(), 0U, "", "/");
    }
    sd_bus_message_close_container(reply);
    status = sd_bus_send(nullptr, reply, nullptr);
    sd_bus_message_unref(reply);
    return status < 0 ? status : 1;
  }

  int property(sd_bus_message* message) {
    const char* interface = nullptr;
    const char* raw = nullptr;
    const int status = sd_bus_message_read(message, "ss", &interface, &raw);
    if (status < 0) return status;
    const std::string name = raw;
    const std::string path = sd_bus_message_get_path(message);
    if (name == "Version") return sd_bus_reply_method_return(message, "v", "s", "252.39-1");
    if (name == "SystemState") return sd_bus_reply_method_return(message, "v", "s", "degraded");
    if (name == "Type") {
      ++type_questions_;
      return sd_bus_reply_method_return(message, "v", "s", "notify");
    }
    if (name == "NRestarts" && path != "/unit/odd_service") {
      return sd_bus_reply_method_return(message, "v", "u", 3U);
    }
    if (name == "LastTriggerUSec") {
      return sd_bus_reply_method_return(message, "v", "t", std::uint64_t{1'700'000'000'500'000});
    }
    if (name == "NAccepted") return sd_bus_reply_method_return(message, "v", "u", 11U);
    if (name == "NConnections") return sd_bus_reply_method_return(message, "v", "u", 2U);
    return sd_bus_reply_method_errorf(message, SD_BUS_ERROR_UNKNOWN_PROPERTY, "no %s", raw);
  }

  base::RealClock clock_;
  base::AsioExecutor thread_;
  sd_bus* server_ = nullptr;
  sd_bus* client_ = nullptr;
  std::atomic<bool> stopping_ = false;
  std::atomic<bool> silent_ = false;
  std::atomic<int> type_questions_ = 0;
};

bool no_mounts(std::string_view name) {
  return !name.ends_with(".mount");
}

}  // namespace

TEST_CASE("systemd: units, restarts, timers, sockets") {
  FakeManager manager;
  SystemdMemory memory;
  memory.wanted = no_mounts;
  const base::Duration deadline{10'000};
  auto reading = read_systemd(manager.client(), memory, manager.clock(), deadline);
  CAPTURE(reading);
  REQUIRE(reading);
  RecordingSink sink;
  add_systemd(*reading, memory.wanted, sink);
  CHECK_FALSE(sink.repeated);
  CHECK(sink.value("node_systemd_unit_state,name=web.service,state=active,type=notify") == 1);
  CHECK(sink.value("node_systemd_unit_state,name=web.service,state=failed,type=notify") == 0);
  CHECK(sink.value("node_systemd_unit_state,name=bad.service,state=failed,type=notify") == 1);
  CHECK(sink.value("node_systemd_unit_state,name=daily.timer,state=active") == 1);
  CHECK(sink.value("node_systemd_service_restart_total,name=web.service") == 3);
  CHECK_FALSE(sink.value("node_systemd_service_restart_total,name=odd.service"));
  CHECK(sink.value("node_systemd_timer_last_trigger_seconds,name=daily.timer") == 1'700'000'000.5);
  CHECK(sink.value("node_systemd_socket_accepted_connections_total,name=ssh.socket") == 11);
  CHECK(sink.value("node_systemd_socket_current_connections,name=ssh.socket") == 2);
  CHECK_FALSE(sink.has_name("node_systemd_socket_refused_connections_total"));
  CHECK(sink.value("node_systemd_units,state=active") == 4);
  CHECK(sink.value("node_systemd_units,state=failed") == 1);
  CHECK(sink.value("node_systemd_system_running") == 0);
  CHECK(sink.value("node_systemd_version,version=252.39-1") == 252.39);
  // Five units wanted and loaded with five states each; neither the unit not found nor the mount.
  std::size_t states = 0;
  for (const auto& [series, value] : sink.samples) {
    states += series.starts_with("node_systemd_unit_state") ? 1 : 0;
  }
  CHECK(states == 25);

  CHECK(manager.type_questions() == 3);
  REQUIRE(read_systemd(manager.client(), memory, manager.clock(), deadline));
  CHECK(manager.type_questions() == 3);  // remembered
}

TEST_CASE("systemd: a manager that falls silent is a time-out, not a hang") {
  FakeManager manager;
  SystemdMemory memory;
  memory.wanted = no_mounts;
  REQUIRE(read_systemd(manager.client(), memory, manager.clock(), base::Duration{10'000}));
  manager.fall_silent();
  const base::MonotonicTime begin = manager.clock().monotonic();
  const auto reading = read_systemd(manager.client(), memory, manager.clock(), base::Duration{50});
  REQUIRE_FALSE(reading);
  CHECK(reading.error().code == base::ErrorCode::Timeout);
  CHECK(manager.clock().monotonic() - begin < base::Duration{5'000});
}

TEST_CASE("a worker left behind with its call does not hang its owner") {
  const base::RealClock clock;
  auto signal = std::make_shared<CallSignal>();
  struct Gate {
    base::Mutex mutex;
    base::Condition changed;
    bool begun = false;
    bool open = false;
    bool passed = false;
  };
  auto gate = std::make_shared<Gate>();
  {
    HangingCallWorker worker(clock, "test", signal);
    worker.start([gate] {
      base::MutexLock lock(gate->mutex);
      gate->begun = true;
      gate->changed.notify_all();
      gate->changed.wait(gate->mutex, [&] { return gate->open; });
      gate->passed = true;
      gate->changed.notify_all();
    });
    base::MutexLock lock(gate->mutex);
    gate->changed.wait(gate->mutex, [&] { return gate->begun; });
    CHECK(worker.busy());
  }
  base::MutexLock lock(gate->mutex);
  gate->open = true;
  gate->changed.notify_all();
  CHECK(gate->changed.wait_for(gate->mutex, base::Duration{10'000}, [&] { return gate->passed; }));
}

}  // namespace tocsin::agent

#include "agent/app/settings.h"

#include <doctest/doctest.h>

#include <filesystem>

#include "common/config/source.h"
#include "common/sim/test_folder.h"

using namespace tocsin;
using namespace tocsin::agent;
using namespace std::chrono_literals;

namespace {

const Surroundings kAround{"db1", {}, "/home/me", false};

LoadedSettings load(const std::string& path, const Surroundings& around = kAround) {
  return load_settings(*base::make_real_file_system(), path, around);
}

LoadedSettings load_text(const sim::TestFolder& folder, std::string_view text) {
  return load(folder.write("agent.toml", text));
}

}  // namespace

TEST_CASE("an empty file gives working defaults") {
  const sim::TestFolder folder;
  const LoadedSettings loaded = load_text(folder, "");
  CHECK(loaded.diagnostics.empty());
  const AgentSettings& settings = loaded.settings;
  CHECK(settings.sampler.identity.host == "db1");
  CHECK(settings.sampler.identity.instance == "db1");
  CHECK(settings.sampler.interval == 15s);
  CHECK(settings.links.sender.url == "http://127.0.0.1:9464/api/v1/write");
  CHECK(settings.links.sender.token.empty());
  CHECK(settings.links.sender.host == "db1");
  CHECK(settings.links.spool.bytes_max == 256ULL << 20);
  CHECK(settings.links.spool.age_max == 24h);
  CHECK(settings.links.spool.folder == "/home/me/.local/state/tocsin/agent/spool");
  CHECK(settings.scrapes.empty());
}

TEST_CASE("where the spool goes without being told") {
  const sim::TestFolder folder;
  const std::string file = folder.write("agent.toml", "");
  CHECK(load(file, {"h", "/var/lib/x:/var/lib/y", "/root", true}).settings.links.spool.folder ==
        "/var/lib/x/spool");
  CHECK(load(file, {"h", {}, "/root", true}).settings.links.spool.folder ==
        "/var/lib/tocsin/agent/spool");
  CHECK(load(file, {"h", {}, {}, false}).settings.links.spool.folder ==
        "/var/lib/tocsin/agent/spool");
}

TEST_CASE("everything set") {
  const sim::TestFolder folder;
  folder.write("token", "secret\n");
  const LoadedSettings loaded = load_text(folder, R"(
[agent]
host = "web1"
instance = "web1:1"
interval = "10s"
labels = { env = "prod", site = "b" }
samples_max = 5000
log_level = "debug"
[alertd]
url = "https://alerts.example.org/push"
token_file = "token"
ca_file = "/etc/ca.pem"
client_cert_file = "/etc/a.crt"
client_key_file = "/etc/a.key"
timeout = "5s"
replay_samples_per_second = 500
[spool]
path = "/tmp/spool"
bytes_max = "10MiB"
age_max = "1h"
sync_interval = "1s"
[[scrape]]
job = "app"
url = "http://127.0.0.1:8000/metrics"
)");
  CHECK(loaded.diagnostics.empty());
  const AgentSettings& settings = loaded.settings;
  CHECK(settings.sampler.identity.instance == "web1:1");
  CHECK(settings.sampler.identity.external.get("site") == "b");
  CHECK(settings.log_level == base::LogLevel::Debug);
  CHECK(settings.links.sender.url == "https://alerts.example.org/push");
  CHECK(settings.links.sender.token.reveal() == "secret");
  CHECK(settings.links.sender.tls.client_key_file == "/etc/a.key");
  CHECK(settings.links.sender.replay_samples_per_second == 500);
  CHECK(settings.links.spool.bytes_max == 10 << 20);
  CHECK(settings.links.spool.sync_interval == 1s);
  REQUIRE(settings.scrapes.size() == 1);
  CHECK(settings.scrapes[0].timeout == 8s);  // Four fifths of the interval.
}

TEST_CASE("the token that enrolment left beside the configuration") {
  const sim::TestFolder folder;
  folder.write(kTokenFileName, "enrolled\n");
  CHECK(load_text(folder, "").settings.links.sender.token.reveal() == "enrolled");
  CHECK(load_text(folder, "[alertd]\ntoken = \"own\"\n").settings.links.sender.token.reveal() ==
        "own");
  std::filesystem::permissions(folder.file(kTokenFileName), std::filesystem::perms(0644));
  const LoadedSettings loaded = load_text(folder, "");
  REQUIRE(base::has_errors(loaded.diagnostics));
  CHECK(loaded.diagnostics[0].message.find("may be used by everybody") != std::string::npos);
}

TEST_CASE("mistakes: every one, each at its place, with a hint") {
  struct Case {
    const char* text;
    std::size_t line;
    const char* part;
  };
  const Case cases[] = {
      {"[agnet]\n", 1, "agent"},
      {"[agent]\nintervall = \"5s\"\n", 2, "interval"},
      {"[agent]\ninterval = \"100ms\"\n", 2, "1s to 10m"},
      {"[agent]\ninterval = 5\n", 2, "interval"},
      {"[agent]\nhost = \"\"\n", 2, "host must be"},
      {"[agent]\nlabels = {host = \"x\"}\n", 2, "[agent] host"},
      {"[agent]\nlabels = {\"a-b\" = \"x\"}\n", 2, "no label name"},
      {"[agent]\nlog_level = \"loud\"\n", 2, "info"},
      {"[alertd]\nurl = \"alerts:9464\"\n", 2, "no http"},
      {"[alertd]\nurls = []\n", 2, "1 to 4"},
      {"[alertd]\nurls = [\"http://a\", \"b\"]\n", 2, "'b' is no http"},
      {"[alertd]\nurls = [\"http://a:1\", \"https://a:1/x\"]\n", 2, "a:1 stands twice"},
      {"[alertd]\nurl = \"http://a\"\nurls = [\"http://b\"]\n", 2, "exclude each other"},
      {"[alertd]\nclient_key_file = \"x\"\n", 1, "belong together"},
      {"[alertd]\ntoken_file = \"/nowhere\"\n", 2, "nowhere"},
      {"[spool]\npath = \"spool\"\n", 2, "absolute"},
      {"[spool]\nbytes_max = \"10KiB\"\n", 2, "1MiB"},
      {"[[scrape]]\njob = \"a\"\n", 1, "url"},
      {"[agent\n", 1, ""},
  };
  for (const Case& entry : cases) {
    const sim::TestFolder folder;
    const LoadedSettings loaded = load_text(folder, entry.text);
    CAPTURE(std::string(entry.text));
    REQUIRE(base::has_errors(loaded.diagnostics));
    const base::Diagnostic& first = loaded.diagnostics[0];
    const std::string said = first.message + first.hint;
    CAPTURE(said);
    CHECK(first.line == entry.line);
    CHECK(said.find(entry.part) != said.npos);
  }
}

TEST_CASE("several mistakes are reported together") {
  const sim::TestFolder folder;
  const LoadedSettings loaded =
      load_text(folder, "[agent]\nfoo = 1\n[spool]\npath = \"x\"\n[alertd]\nurl = \"x\"\n");
  CHECK(loaded.diagnostics.size() == 3);
  const std::string text = config::render_all(loaded.diagnostics, std::span(&loaded.source, 1));
  CHECK(text.find("agent.toml:2:") != text.npos);
  CHECK(text.find("agent.toml:4:") != text.npos);
  CHECK(text.find("agent.toml:6:") != text.npos);
}

TEST_CASE("a named file that is missing is an error; a token in clear is a warning") {
  const LoadedSettings missing = load("/nowhere/agent.toml");
  REQUIRE(base::has_errors(missing.diagnostics));
  CHECK(missing.diagnostics[0].file == "/nowhere/agent.toml");

  const sim::TestFolder folder;
  folder.write("token", "x");
  const LoadedSettings clear =
      load_text(folder, "[alertd]\nurl = \"http://other:9464\"\ntoken_file = \"token\"\n");
  CHECK_FALSE(base::has_errors(clear.diagnostics));
  REQUIRE(clear.diagnostics.size() == 1);
  CHECK(clear.diagnostics[0].message.find("in clear") != std::string::npos);
}

TEST_CASE("several addresses: one token, one way to say it") {
  const sim::TestFolder folder;
  folder.write("token", "x");
  const LoadedSettings loaded = load_text(folder, R"([alertd]
urls = ["https://alerts-a:9464", "https://alerts-b:9464/push"]
token_file = "token"
ca_file = "/etc/ca.pem"
)");
  CHECK_FALSE(base::has_errors(loaded.diagnostics));
  const LinkSettings& links = loaded.settings.links;
  CHECK(links.urls == std::vector<std::string>{"https://alerts-a:9464/api/v1/write",
                                               "https://alerts-b:9464/push"});
  CHECK(links.sender.tls.ca_file == "/etc/ca.pem");
  CHECK(load_text(folder, "").settings.links.all() ==
        std::vector<std::string>{"http://127.0.0.1:9464/api/v1/write"});
  // In clear to somewhere else is told, with the address and nothing that it may hide.
  const LoadedSettings clear = load_text(folder, R"([alertd]
urls = ["https://alerts-a:9464", "http://alerts-b:9464/hush"]
token_file = "token"
)");
  std::string said;
  for (const auto& diagnostic : clear.diagnostics) said += diagnostic.message + "\n";
  CHECK(said == "the token travels in clear over http://alerts-b:9464\n");
}

TEST_CASE("the example that ships is sound, and says what the defaults are") {
  const std::string path = TOCSIN_SOURCE_DIR "/packaging/examples/agent.toml";
  const LoadedSettings loaded = load(path);
  for (const auto& diagnostic : loaded.diagnostics) FAIL_CHECK(diagnostic.message);
  const AgentSettings defaults;
  CHECK(loaded.settings.sampler.interval == defaults.sampler.interval);
  CHECK(loaded.settings.sampler.samples_max == defaults.sampler.samples_max);
  CHECK(loaded.settings.links.spool.bytes_max == defaults.links.spool.bytes_max);
  CHECK(loaded.settings.links.spool.age_max == defaults.links.spool.age_max);
  CHECK(loaded.settings.links.spool.sync_interval == defaults.links.spool.sync_interval);
  CHECK(loaded.settings.links.sender.request_timeout == defaults.links.sender.request_timeout);
  CHECK(loaded.settings.links.sender.replay_samples_per_second ==
        defaults.links.sender.replay_samples_per_second);
  CHECK(loaded.settings.host.mount_points_exclude == defaults.host.mount_points_exclude);
}

TEST_CASE("the address of remote write") {
  CHECK(write_url("http://a:9464") == "http://a:9464/api/v1/write");
  CHECK(write_url("http://a:9464/") == "http://a:9464/api/v1/write");
  CHECK(write_url("https://m/api/v1/push") == "https://m/api/v1/push");
}

TEST_CASE("what is read of the host itself, and nothing of it by default") {
  const sim::TestFolder folder;
  const LocalSettings none = load_text(folder, "").settings.local;
  CHECK(none.processes.groups.empty());
  CHECK_FALSE(none.cgroups.configured);
  CHECK(none.smart.files.empty());
  CHECK(none.checks.empty());
  CHECK_FALSE(none.statsd);
  CHECK_FALSE(none.otlp);
  const LoadedSettings loaded = load_text(folder, R"(
[cgroups]
[statsd]
[otlp]
[smart]
files = ["/var/lib/tocsin/smart/*.json"]
[[process_group]]
name = "web"
comm = ["nginx"]
[[check]]
name = "load"
command = ["/usr/lib/nagios/plugins/check_load"]
)");
  CHECK(loaded.diagnostics.empty());
  const LocalSettings& local = loaded.settings.local;
  CHECK(local.processes.groups.size() == 1);
  CHECK(local.cgroups.configured);
  CHECK(local.checks.size() == 1);
  CHECK(local.statsd);
  CHECK(local.otlp);
  // A text is read as a file is.
  const LoadedSettings text = load_settings_text(*base::make_real_file_system(),
                                                 "[statsd]\nlisten = \"0.0.0.0:8125\"\n", kAround);
  REQUIRE(base::has_errors(text.diagnostics));
  CHECK(text.diagnostics[0].line == 2);
}

#include "agent/discover/service_proposals.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <set>

#include "common/base/strings.h"

namespace tocsin::agent {
namespace {

constexpr std::size_t kServersMax = 50;

/// "redis-server 127.0.0.1:6379" or "... *:6379": the address that Redis puts into its name.
std::string redis_address(const FoundProcess& process, const HostLook& look) {
  const std::string line = process.line();
  for (const std::string_view word : base::split_fields(line)) {
    const std::size_t colon = word.rfind(':');
    if (colon == std::string_view::npos) continue;
    const auto port = base::parse_u64(word.substr(colon + 1));
    if (!port || *port == 0 || *port > 65535) continue;
    const std::string_view host = word.substr(0, colon);
    return fmt::format("{}:{}", host == "*" || host == "0.0.0.0" ? "127.0.0.1" : host, *port);
  }
  const auto listeners = look.listeners_of(process.pid);
  return listeners.empty() ? std::string() : listeners.front()->reached_at();
}

std::string port_of(const std::string& address) {
  return address.substr(address.rfind(':') + 1);
}

void propose_redis(const HostLook& look, const Trials& trials, std::vector<Proposal>& out) {
  UniqueNames names;
  std::set<std::string> seen;
  for (const FoundProcess* process : look.named({"redis-server", "valkey-server"})) {
    const std::string address = redis_address(*process, look);
    if (address.empty() || !seen.insert(address).second || seen.size() > kServersMax) continue;
    Proposal proposal;
    proposal.notes.push_back(
        fmt::format("{} (process {}) listens on {}.", process->comm, process->pid, address));
    const std::string why = trials.redis(address);
    std::string password;
    if (!why.empty()) {
      proposal.notes.push_back("It does not answer the agent yet: " + base::escape_control(why));
      proposal.notes.push_back(
          "Missing: a password, or an access list for the user of the agent, which needs\n"
          "  ACL SETUSER tocsin on >PASSWORD +@read +info +slowlog|len +scan ~*\n"
          "Write the password to a file of mode 0640 that the agent's group may read:");
      password = "# user = \"tocsin\"\n# password_file = \"/etc/tocsin/redis.password\"\n";
    }
    proposal.toml = fmt::format("[[redis]]\nname = {}\naddress = {}\n{}",
                                toml_string(names.take("redis", "redis-" + port_of(address))),
                                toml_string(address), password);
    out.push_back(std::move(proposal));
  }
}

/// "/usr/lib/postgresql/15/bin/postgres": 15.
std::string postgres_version(const HostLook& look, const std::string& port) {
  for (const FoundProcess* process : look.named({"postgres", "postmaster"})) {
    const std::string line = process->line();
    const std::size_t at = line.find("/postgresql/");
    if (at == std::string::npos || line.find("bin/post") == std::string::npos) continue;
    const std::string_view rest = std::string_view(line).substr(at + 12);
    const std::string_view version = rest.substr(0, rest.find('/'));
    const bool same = line.find(port) != std::string::npos || port == "5432";
    if (same && base::parse_u64(version)) return " " + std::string(version);
  }
  return {};
}

void propose_postgres(const HostLook& look, const Trials& trials, std::vector<Proposal>& out) {
  constexpr std::string_view kName = "/.s.PGSQL.";
  UniqueNames names;
  std::set<std::string> ports;
  for (const std::string& socket : look.unix_sockets) {
    const std::size_t at = socket.rfind(kName);
    if (at == std::string::npos) continue;
    const std::string folder = socket.substr(0, at);
    const std::string port = socket.substr(at + kName.size());
    // PgBouncer makes sockets of the same name.
    if (!base::parse_u64(port) || port == "6432" || folder.find('\'') != std::string::npos ||
        folder.find(' ') != std::string::npos || !ports.insert(port).second ||
        ports.size() > kServersMax) {
      continue;
    }
    const std::string dsn = fmt::format("host={} port={} dbname=postgres", folder, port);
    Proposal proposal;
    proposal.notes.push_back(
        fmt::format("PostgreSQL{} listens on {}.", postgres_version(look, port), socket));
    const std::string why = trials.postgres(dsn);
    proposal.notes.push_back(
        why.empty() ? "The user who ran this may log in; whether the agent's user may is another "
                      "question."
                    : "A login as the user who ran this failed: " + base::escape_control(why));
    proposal.notes.push_back(
        "Missing, unless done: a role that may read the statistics and nothing else. In psql:\n"
        "  CREATE ROLE \"tocsin-agent\" LOGIN; GRANT pg_monitor TO \"tocsin-agent\";\n"
        "By peer authentication (the usual `local all all peer`) it needs no password when the "
        "agent\n"
        "runs as the user tocsin-agent; else add user= to the dsn and a password_file.");
    proposal.toml =
        fmt::format("[[postgres]]\nname = {}\ndsn = {}\n",
                    toml_string(names.take("postgres", "postgres-" + port)), toml_string(dsn));
    out.push_back(std::move(proposal));
  }
}

void propose_pgbouncer(const HostLook& look, std::vector<Proposal>& out) {
  for (const FoundProcess* process : look.named({"pgbouncer"})) {
    const auto listeners = look.listeners_of(process->pid);
    const unsigned short port = listeners.empty() ? 6432 : listeners.front()->port;
    Proposal proposal;
    proposal.notes = {
        fmt::format("PgBouncer (process {}), port {}.", process->pid, port),
        "Missing, unless done: in pgbouncer.ini `stats_users = tocsin`, and tocsin with a password "
        "in\n"
        "userlist.txt; the password in a file of mode 0640 that the agent's group may read."};
    proposal.ready = false;
    proposal.toml = fmt::format(
        "[[pgbouncer]]\nname = \"pgbouncer\"\n"
        "dsn = \"host=127.0.0.1 port={} dbname=pgbouncer user=tocsin\"\n"
        "password_file = \"/etc/tocsin/pgbouncer.password\"\n",
        port);
    out.push_back(std::move(proposal));
    return;
  }
}

struct KnownExporter {
  unsigned short port;
  const char* job;
  const char* note;
};
constexpr std::array<KnownExporter, 6> kExporters{
    {{9191, "dramatiq",
      "Dramatiq's Prometheus middleware. It listens on all addresses by default."},
     {15692, "rabbitmq", "RabbitMQ's own Prometheus plugin."},
     {9113, "nginx", "An exporter of nginx."},
     {9253, "php-fpm", "An exporter of PHP-FPM."},
     {9404, "jmx", "An exporter of Java's JMX."},
     {9150, "memcached", "An exporter of memcached."}}};
constexpr std::array<KnownExporter, 4> kReplaced{
    {{9100, "node_exporter", "this agent has the same metrics by itself"},
     {9187, "postgres_exporter", "[[postgres]] has the same metrics"},
     {9121, "redis_exporter", "[[redis]] has the same metrics"},
     {9256, "process-exporter", "[[process_group]] has the same metrics"}}};

}  // namespace

std::string UniqueNames::take(const std::string& name, const std::string& or_else) {
  const auto taken = [this](const std::string& one) {
    return std::find(taken_.begin(), taken_.end(), one) != taken_.end();
  };
  std::string chosen = taken(name) ? or_else : name;
  for (int number = 2; taken(chosen); ++number) chosen = fmt::format("{}-{}", or_else, number);
  taken_.push_back(chosen);
  return chosen;
}

void propose_host(const HostLook&, const Trials& trials, std::vector<Proposal>& out) {
  out.push_back({{"Where alertd is. `tocsin agent add NAME` prints the token for the file "
                  "tocsin-agent.token beside this one."},
                 "[alertd]\nurl = \"http://127.0.0.1:9464\"\n"});
  for (const char* folder :
       {"/var/lib/prometheus/node-exporter", "/var/lib/node_exporter/textfile_collector"}) {
    if (!trials.files.is_folder(folder)) continue;
    out.push_back({{"A folder of *.prom files for node_exporter: read here as well."},
                   fmt::format("[host]\ntextfile_directory = {}\n", toml_string(folder))});
    return;
  }
}

void propose_databases(const HostLook& look, const Trials& trials, std::vector<Proposal>& out) {
  propose_postgres(look, trials, out);
  propose_pgbouncer(look, out);
  propose_redis(look, trials, out);
}

void propose_brokers_and_mail(const HostLook& look, const Trials& trials,
                              std::vector<Proposal>& out) {
  if (!look.named({"beam.smp"}).empty() && look.on_port(15672) != nullptr) {
    out.push_back(
        {{"RabbitMQ with its management plugin on port 15672.",
          "Missing, unless done: a user with the tag `monitoring` and no other right:\n"
          "  rabbitmqctl add_user tocsin PASSWORD; rabbitmqctl set_user_tags tocsin monitoring\n"
          "  rabbitmqctl set_permissions -p / tocsin '' '' ''"},
         "[[rabbitmq]]\nname = \"rabbitmq\"\nurl = \"http://127.0.0.1:15672\"\nuser = \"tocsin\"\n"
         "password_file = \"/etc/tocsin/rabbitmq.password\"\n",
         false});
  }
  if (trials.files.is_folder("/var/spool/postfix/active")) {
    out.push_back(
        {{"Postfix's queue.",
          "Missing, unless done: the right to look into it. Without it the agent says so."},
         "[[mail_queue]]\nname = \"postfix\"\nmta = \"postfix\"\n"});
  }
  for (const KnownExporter& exporter : kExporters) {
    const FoundListener* listener = look.on_port(exporter.port);
    if (listener == nullptr) continue;
    out.push_back({{exporter.note},
                   fmt::format("[[scrape]]\njob = {}\nurl = \"http://{}/metrics\"\n",
                               toml_string(exporter.job), listener->reached_at())});
  }
  for (const KnownExporter& exporter : kReplaced) {
    if (look.on_port(exporter.port) == nullptr) continue;
    out.push_back(
        {{fmt::format("Port {}: {}, it seems; {}.", exporter.port, exporter.job, exporter.note)},
         ""});
  }
}

}  // namespace tocsin::agent

// Proposals for what belongs to the host: web servers' files, processes, backups, plugins.
#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <map>
#include <set>

#include "agent/discover/server_files.h"
#include "agent/discover/service_proposals.h"
#include "common/base/strings.h"

namespace tocsin::agent {
namespace {

constexpr std::size_t kPathsMax = 50;

std::string toml_list(const std::vector<std::string>& texts) {
  std::string out = "[";
  for (const std::string& text : texts) {
    if (out.size() > 1) out += ", ";
    out += toml_string(text);
  }
  return out + "]";
}

bool readable(const base::FileSystem& files, const std::string& path) {
  return files.open_read(path).has_value();
}

/// The word behind `flag`, as in "nginx: master process nginx -c /etc/nginx/nginx.conf".
std::string word_after(const std::string& line, std::string_view flag, const std::string& usual) {
  const auto words = base::split_fields(line);
  for (std::size_t at = 0; at + 1 < words.size(); ++at) {
    if (words[at] == flag) return std::string(words[at + 1]);
  }
  return usual;
}

void propose_nginx_logs(const NginxFiles& found, const Trials& trials, UniqueNames& names,
                        std::vector<Proposal>& out) {
  if (found.access_logs.empty()) return;
  Proposal proposal;
  proposal.notes = {
      "nginx's access logs: requests, errors and, if the format has them, durations."};
  for (const std::string& path : found.access_logs) {
    if (trials.files.exists(path) && !readable(trials.files, path)) {
      proposal.notes.push_back("Missing: the right to read " + base::escape_control(path) +
                               " (on Debian: adduser tocsin-agent adm, then restart the agent)");
      break;
    }
  }
  std::vector<std::string> paths = found.access_logs;
  if (paths.size() > kPathsMax) paths.resize(kPathsMax);
  const std::string name = names.take("nginx", "nginx");
  proposal.toml = fmt::format("[[access_log]]\nname = {}\npath = {}\nformat = \"combined\"\n",
                              toml_string(name), toml_list(paths));
  out.push_back(std::move(proposal));
}

void propose_certificates(const NginxFiles& found, const Trials& trials, UniqueNames& names,
                          std::vector<Proposal>& out) {
  for (std::size_t at = 0; at < found.certificates.size() && at < kPathsMax; ++at) {
    const std::string& path = found.certificates[at];
    Proposal proposal;
    proposal.notes = {"A certificate that nginx serves."};
    if (!readable(trials.files, path)) {
      proposal.notes.push_back("Missing: the right to read it, also of the folders above it.");
    }
    proposal.toml =
        fmt::format("[[certificate]]\nname = {}\nfiles = [{}]\n",
                    toml_string(names.take("nginx-tls", "nginx-tls")), toml_string(path));
    out.push_back(std::move(proposal));
  }
}

void propose_probes(const FoundProcess& master, const HostLook& look, UniqueNames& names,
                    std::vector<Proposal>& out) {
  std::set<unsigned short> seen;
  for (const FoundListener* listener : look.listeners_of(master.pid)) {
    if (!seen.insert(listener->port).second || seen.size() > 10) continue;
    const bool tls = listener->port == 443 || listener->port == 8443;
    const std::string port = std::to_string(listener->port);
    out.push_back(
        {{"Does nginx answer? Name a page that says more than 'it works', and what it must "
          "say."},
         fmt::format("[[probe]]\nname = {}\nkind = \"{}\"\n{}\n",
                     toml_string(names.take("nginx-" + port, "nginx-" + port)),
                     tls ? "tls" : "http",
                     tls ? fmt::format("address = \"{}\"", listener->reached_at())
                         : fmt::format("url = \"http://{}/\"\nstatus = [\"2xx\", \"3xx\", "
                                       "\"4xx\"]",
                                       listener->reached_at()))});
  }
}

/// Daemons that are one group by their kernel name.
struct KnownDaemon {
  const char* comm;
  const char* group;
};
constexpr std::array<KnownDaemon, 16> kDaemons{{{"nginx", "nginx"},
                                                {"apache2", "apache"},
                                                {"postgres", "postgres"},
                                                {"redis-server", "redis"},
                                                {"valkey-server", "valkey"},
                                                {"pgbouncer", "pgbouncer"},
                                                {"beam.smp", "rabbitmq"},
                                                {"dockerd", "docker"},
                                                {"containerd", "containerd"},
                                                {"haproxy", "haproxy"},
                                                {"traefik", "traefik"},
                                                {"mariadbd", "mariadb"},
                                                {"mysqld", "mysql"},
                                                {"memcached", "memcached"},
                                                {"cron", "cron"},
                                                {"sshd", "ssh"}}};
/// Programs that are told apart by their arguments.
constexpr std::array<KnownDaemon, 8> kApplications{{{"gunicorn", "gunicorn"},
                                                    {"celery", "celery"},
                                                    {"dramatiq", "dramatiq"},
                                                    {"uwsgi", "uwsgi"},
                                                    {"uvicorn", "uvicorn"},
                                                    {"puma", "puma"},
                                                    {"sidekiq", "sidekiq"},
                                                    {"php-fpm", "php-fpm"}}};

/// Whether one of the first words of the arguments is the program, or a path that ends in it.
bool runs(const FoundProcess& process, std::string_view program) {
  const std::string line = process.line();
  const auto words = base::split_fields(line);
  for (std::size_t at = 0; at < words.size() && at < 4; ++at) {
    const std::string_view base_name = words[at].substr(words[at].rfind('/') + 1);
    if (base_name == program || base_name == std::string(program) + ":") return true;
  }
  return false;
}

/// Units that every Debian has, by how their names begin.
constexpr std::array<std::string_view, 22> kUsualUnits{
    "systemd-",   "dbus",        "getty@",   "serial-getty@", "user@",   "polkit",
    "rsyslog",    "cron.",       "ssh.",     "tocsin-",       "udisks2", "accounts-daemon",
    "Network",    "Modem",       "wpa_",     "unattended-",   "snapd",   "multipathd",
    "packagekit", "prometheus-", "postgres", "upower"};

bool is_known(const FoundProcess& process) {
  const auto same = [&](const KnownDaemon& daemon) { return process.comm == daemon.comm; };
  const auto run = [&](const KnownDaemon& daemon) { return runs(process, daemon.comm); };
  return std::any_of(kDaemons.begin(), kDaemons.end(), same) ||
         std::any_of(kApplications.begin(), kApplications.end(), run);
}

/// The host's own services: units whose processes are none of those that are known by name.
std::string unit_groups(const HostLook& look) {
  constexpr std::string_view kSuffix = ".service";
  std::set<std::string> units;
  for (const FoundProcess& process : look.processes) {
    const std::string& unit = process.unit;
    const bool usual =
        std::any_of(kUsualUnits.begin(), kUsualUnits.end(),
                    [&](std::string_view prefix) { return unit.starts_with(prefix); });
    // A name with one of these would have to be masked in the pattern that `unit` is.
    const bool plain = unit.find_first_of("\\*?[") == std::string::npos;
    if (unit.ends_with(kSuffix) && plain && !usual && !is_known(process)) units.insert(unit);
  }
  std::string out;
  std::size_t count = 0;
  for (const std::string& unit : units) {
    if (++count > kPathsMax) break;
    const std::string name = unit.substr(0, unit.size() - kSuffix.size());
    out += fmt::format("[[process_group]]\nname = {}\nunit = [{}]\nmin = 1\n", toml_string(name),
                       toml_string(unit));
  }
  return out;
}

void propose_plugins(const Trials& trials, std::vector<Proposal>& out) {
  std::vector<std::string> others;
  std::vector<NrpeCommand> commands;
  std::vector<std::string> paths{"/etc/nagios/nrpe.cfg"};
  if (const auto names = trials.files.list("/etc/nagios/nrpe.d")) {
    for (const std::string& name : *names) {
      if (name.ends_with(".cfg")) paths.push_back("/etc/nagios/nrpe.d/" + name);
    }
  }
  for (const std::string& path : paths) {
    const auto text = trials.files.read(path, 1 << 20);
    if (!text) continue;
    for (NrpeCommand& one : parse_nrpe_commands(*text, others)) commands.push_back(std::move(one));
  }
  UniqueNames names;
  for (const NrpeCommand& command : commands) {
    Proposal proposal;
    proposal.notes = {"A command of NRPE. The agent runs it as its own user, without sudo."};
    proposal.ready = readable(trials.files, command.arguments.front());
    if (!proposal.ready) proposal.notes.push_back("Missing: the plugin is not installed.");
    proposal.toml = fmt::format("[[check]]\nname = {}\ncommand = {}\nevery = \"5m\"\n",
                                toml_string(names.take(command.name, command.name)),
                                toml_list(command.arguments));
    out.push_back(std::move(proposal));
  }
  if (others.empty()) return;
  out.push_back({{"Commands of NRPE that need a shell, arguments or sudo, and were left out: " +
                  base::escape_control(base::join(others, ", "))},
                 ""});
}

}  // namespace

void propose_web(const HostLook& look, const Trials& trials, std::vector<Proposal>& out) {
  UniqueNames logs;
  UniqueNames certificates;
  UniqueNames probes;
  for (const FoundProcess* process : look.named({"nginx"})) {
    const std::string line = process->line();
    if (line.find("master process") == std::string::npos) continue;
    const std::string prefix = word_after(line, "-p", "/usr/share/nginx");
    std::string path = word_after(line, "-c", "/etc/nginx/nginx.conf");
    if (!path.starts_with('/')) path = base::join_path(prefix, path);
    const NginxFiles found = read_nginx_files(trials.files, path, prefix);
    out.push_back({{fmt::format("nginx (process {}), configured by {}.", process->pid,
                                base::escape_control(path))},
                   ""});
    propose_nginx_logs(found, trials, logs, out);
    propose_certificates(found, trials, certificates, out);
    propose_probes(*process, look, probes, out);
  }
}

void propose_processes(const HostLook& look, const Trials& trials, std::vector<Proposal>& out) {
  Proposal proposal;
  proposal.notes = {
      "Groups of processes: when one is gone, somebody is told. Raise `min` where several run."};
  for (const KnownDaemon& daemon : kDaemons) {
    if (look.named({daemon.comm}).empty()) continue;
    proposal.toml += fmt::format("[[process_group]]\nname = \"{}\"\ncomm = [\"{}\"]\nmin = 1\n",
                                 daemon.group, daemon.comm);
  }
  for (const KnownDaemon& application : kApplications) {
    const bool found =
        std::any_of(look.processes.begin(), look.processes.end(),
                    [&](const FoundProcess& process) { return runs(process, application.comm); });
    if (!found) continue;
    proposal.toml += fmt::format(
        "[[process_group]]\nname = \"{0}\"\ncmdline = ['(^|[ /]){1}(:| |$)']\nmin = 1\n",
        application.group, application.comm);
  }
  proposal.toml += unit_groups(look);
  if (!proposal.toml.empty()) out.push_back(std::move(proposal));
  if (trials.files.exists("/sys/fs/cgroup/cgroup.controllers")) {
    const bool docker = !look.named({"dockerd"}).empty();
    out.push_back({{docker ? "CPU, memory and limits of each service and container."
                           : "CPU, memory and limits of each service."},
                   "[cgroups]\ngroups_max = 200\n"});
  }
}

void propose_files(const HostLook&, const Trials& trials, std::vector<Proposal>& out) {
  constexpr std::array<const char*, 8> kBackups{"/var/backups/postgresql",
                                                "/var/backups/pgsql",
                                                "/var/backups/db",
                                                "/var/lib/pgbackrest",
                                                "/var/lib/barman",
                                                "/backup",
                                                "/srv/backup",
                                                "/backups"};
  UniqueNames names;
  for (const char* folder : kBackups) {
    if (!trials.files.is_folder(folder)) continue;
    out.push_back(
        {{fmt::format("{} looks like a place of backups. Set kind and path to what is in it.",
                      folder)},
         fmt::format("[[backup]]\nname = {}\nkind = \"files\"\npath = [\"{}/*\"]\n",
                     toml_string(names.take("backup", "backup")), folder),
         false});
  }
  if (trials.files.is_folder("/var/lib/tocsin/smart")) {
    out.push_back({{"Reports of disks, written by a timer of root's."},
                   "[smart]\nfiles = [\"/var/lib/tocsin/smart/*.json\"]\n"});
  }
  propose_plugins(trials, out);
}

}  // namespace tocsin::agent

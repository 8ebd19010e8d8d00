#include "agent/collectors/probe/served_certificates.h"

#include <fmt/format.h>
#include <openssl/ssl.h>

#include <algorithm>
#include <array>

#include "agent/collectors/probe/probes.h"

namespace tocsin::agent {

namespace {

constexpr std::size_t kQuestionsMax = 100;

/// One server, one name, and the files that are for it.
struct Question {
  ProbeRoute route;
  std::vector<const StoredCertificate*> files;
};

std::string first_name(const StoredCertificate& stored) {
  for (const std::string& name : stored.facts.names) {
    // Whoever serves "*.example.org" serves any name below it.
    return name.starts_with("*.") ? "tocsin" + name.substr(1) : name;
  }
  return stored.facts.subject_cn;
}

std::vector<Question> questions_of(const CertificateSettings& settings,
                                   const std::vector<StoredCertificate>& stored) {
  std::vector<Question> questions;
  for (const ProbeRoute& route : settings.served_by) {
    if (!route.server_name.empty()) {
      Question question{route, {}};
      for (const StoredCertificate& file : stored) {
        if (stored.size() == 1 || is_for(*file.chain.front(), route.server_name)) {
          question.files.push_back(&file);
        }
      }
      questions.push_back(std::move(question));
      continue;
    }
    for (const StoredCertificate& file : stored) {
      Question question{route, {&file}};
      question.route.server_name = first_name(file);
      if (!question.route.server_name.empty()) questions.push_back(std::move(question));
    }
  }
  if (questions.size() > kQuestionsMax) questions.resize(kQuestionsMax);
  return questions;
}

std::string target_of(const ProbeRoute& route) {
  const std::string host = route.address.host.find(':') == std::string::npos
                               ? route.address.host
                               : "[" + route.address.host + "]";
  const std::string target = fmt::format("{}:{}", host, route.address.port);
  return route.server_name == route.address.host ? target : target + "/" + route.server_name;
}

Probed<void> show(ProbeSocket& socket, const CertificateSettings& settings, const ProbeRoute& route,
                  TlsVersions versions) {
  TC_TRY(socket.connect(route));
  TC_TRY(prepare_start_tls(socket, settings.start_tls));
  return socket.start_tls(route, versions);
}

ServedCertificate ask_one(const CertificateSettings& settings, const Question& question,
                          const base::Clock& clock, base::MonotonicTime deadline) {
  ServedCertificate served;
  served.target = target_of(question.route);
  {
    ProbeSocket socket(clock, deadline);
    const auto shown = show(socket, settings, question.route, {});
    if (!shown) served.failure = shown.error();
    served.tls = std::move(socket.tls);
  }
  if (served.tls.seen) served.failure.reset();  // what comes after it is not the question
  if (question.files.empty()) return served;
  const auto same = std::find_if(
      question.files.begin(), question.files.end(), [&](const StoredCertificate* file) {
        return file->facts.fingerprint == served.tls.certificate.fingerprint;
      });
  served.matches_file = same != question.files.end();
  const auto newest =
      std::max_element(question.files.begin(), question.files.end(),
                       [](const auto* a, const auto* b) { return a->modified < b->modified; });
  served.path = (served.matches_file ? *same : *newest)->path;
  return served;
}

}  // namespace

std::vector<ServedCertificate> ask_servers(const CertificateSettings& settings,
                                           const std::vector<StoredCertificate>& stored,
                                           const base::Clock& clock, base::MonotonicTime deadline) {
  std::vector<ServedCertificate> all;
  for (const Question& question : questions_of(settings, stored)) {
    all.push_back(ask_one(settings, question, clock, deadline));
  }
  return all;
}

Probed<std::vector<WeakProtocol>> ask_weak_protocols(const CertificateSettings& settings,
                                                     const ProbeRoute& route,
                                                     const base::Clock& clock,
                                                     base::MonotonicTime deadline) {
  static constexpr std::array kVersions = {std::pair{TLS1_VERSION, "TLS 1.0"},
                                           std::pair{TLS1_1_VERSION, "TLS 1.1"}};
  std::vector<WeakProtocol> all;
  for (const auto& [version, name] : kVersions) {
    ProbeSocket socket(clock, deadline);
    const auto shown = show(socket, settings, route, {version, version});
    // A refusal is one of TLS; a server that hangs up at once refuses too.
    if (!shown && shown.error().reason != ProbeReason::Tls) return shown.error();
    all.push_back({target_of(route), name, static_cast<bool>(shown)});
  }
  return all;
}

}  // namespace tocsin::agent

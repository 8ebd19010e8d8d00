// Registries that answer as they should and otherwise, and the dates of contracts.
#include <doctest/doctest.h>

#include "agent/collectors/blocking/recording_round.h"
#include "agent/collectors/kept/test_source.h"
#include "agent/collectors/parties/contracts_source.h"
#include "agent/collectors/parties/domains_source.h"
#include "agent/collectors/parties/rdap.h"
#include "common/config/source.h"
#include "common/config/table.h"
#include "common/config/toml.h"

namespace tocsin::agent {
namespace {

constexpr const char* kBootstrap = R"({"version": "1.0", "services": [
  [["org", "ngo"], ["http://rdap.example/", "https://rdap.example/rdap"]],
  [["uk"], ["https://uk.example/"]], [["co.uk"], ["https://co.example/"]]]})";

std::string answer_of(const std::string& name, const char* expires, const char* status = "") {
  return R"({"objectClassName": "domain", "ldhName": ")" + name + R"(", "status": [)" + status +
         R"(], "events": [{"eventAction": "registration", "eventDate": "1995-08-14T04:00:00Z"},
         {"eventAction": "expiration", "eventDate": ")" +
         expires + R"("}]})";
}

PartiesSettings read(const std::string& text, std::string* messages) {
  const config::Source source{"agent.toml", text};
  base::Diagnostics diagnostics;
  const config::Node document = config::parse_toml(source, diagnostics);
  const auto files = base::make_real_file_system();
  config::Context context{source, diagnostics, *files};
  config::Table root(context, &document);
  PartiesSettings settings = read_parties_settings(root, base::Duration(15'000));
  for (const auto& each : diagnostics) *messages += each.message + "\n";
  return settings;
}

std::string mistakes(const std::string& text) {
  std::string messages;
  read(text, &messages);
  return messages;
}

}  // namespace

TEST_CASE("rdap: who answers for a zone") {
  const auto servers = parse_rdap_bootstrap(kBootstrap);
  REQUIRE(servers.has_value());
  CHECK(*rdap_server(*servers, "example.org") == "https://rdap.example/rdap/");
  CHECK(*rdap_server(*servers, "shop.co.uk") == "https://co.example/");
  CHECK(*rdap_server(*servers, "gov.uk") == "https://uk.example/");
  CHECK(rdap_server(*servers, "school.edu.kh") == nullptr);
  CHECK(rdap_server(*servers, "org") == nullptr);
  CHECK(!parse_rdap_bootstrap("[]").has_value());
  CHECK(!parse_rdap_bootstrap("{}").has_value());
  CHECK(!parse_rdap_bootstrap(R"({"services": [[["org"]]]})").has_value());
  CHECK(!parse_rdap_bootstrap(R"({"services": [[["org"], []]]})").has_value());
}

TEST_CASE("rdap: what a registry says of a domain") {
  const auto good = parse_rdap_domain(
      answer_of("EXAMPLE.ORG.", "2027-08-13T04:00:00Z", R"("client transfer prohibited")"),
      "example.org");
  REQUIRE(good.has_value());
  CHECK(base::format_rfc3339(*good->expires).starts_with("2027-08-13T04:00:00"));
  CHECK(good->problems == std::map<std::string, bool>{{"unregistered", false},
                                                      {"hold", false},
                                                      {"redemption", false},
                                                      {"pending_delete", false}});
  const auto held =
      parse_rdap_domain(answer_of("example.org", "2027-08-13T04:00:00+07:00",
                                  R"("serverHold", "redemption period", "pending delete")"),
                        "example.org");
  REQUIRE(held.has_value());
  CHECK(held->problems.at("hold"));
  CHECK(held->problems.at("redemption"));
  CHECK(held->problems.at("pending_delete"));
  for (const std::string& bad :
       {answer_of("evil.org", "2027-08-13T04:00:00Z"), answer_of("example.org", "soon"),
        std::string("<html>"), std::string("[]"), std::string()}) {
    CHECK(!parse_rdap_domain(bad, "example.org").has_value());
  }
  CHECK(is_domain("xn--bcher-kva.example"));
  CHECK(!is_domain("example"));
  CHECK(!is_domain("a/b.example"));
  CHECK(!is_domain("-a.example"));
  CHECK(!is_domain("a..example"));
}

TEST_CASE("domains: asked seldom, told always; failures keep what was known") {
  TestSource world;
  DomainsSettings settings;
  settings.names = {"example.org", "gone.org", "school.edu.kh", "odd.org"};
  settings.dates = {{"school.edu.kh", base::wall_time(1'800'000'000'000)}};
  settings.interval = settings.retry = settings.look = base::Duration(0);
  int asked = 0;
  std::string example = answer_of("example.org", "2027-08-13T04:00:00Z");
  const auto fetch = [&](const std::string& url, const std::string&) -> base::Result<std::string> {
    ++asked;
    if (url == settings.bootstrap_url) return std::string(kBootstrap);
    if (url == "https://rdap.example/rdap/domain/gone.org") {
      return base::error(base::ErrorCode::NotFound, "status 404");
    }
    if (url == "https://rdap.example/rdap/domain/example.org" && !example.empty()) return example;
    return base::error(base::ErrorCode::Unavailable, "status 503");
  };
  const SlowWorld slow = world.world();
  const DomainsWorld parts{slow.executor, slow.files, slow.failures};
  world.restart(make_domains_source(settings, parts, fetch));
  const RecordingRound first = world.round();
  CHECK(asked == 4);  // the list once; nobody is asked about Cambodia
  CHECK(first.value("domain_expiry_timestamp_seconds,domain=example.org") == 1818129600);
  CHECK(first.value("domain_expiry_timestamp_seconds,domain=school.edu.kh") == 1800000000);
  CHECK(first.value("domain_problem,domain=gone.org,problem=unregistered") == 1);
  CHECK(first.value("domain_problem,domain=example.org,problem=unregistered") == 0);
  CHECK(!first.value("domain_expiry_timestamp_seconds,domain=odd.org"));
  CHECK(first.value("tocsin_agent_check_failed,check=odd.org,reason=unavailable") == 1);
  CHECK(!first.value("tocsin_agent_check_failed,check=school.edu.kh,reason=not_found"));
  example.clear();
  const RecordingRound second = world.round();
  CHECK(asked == 7);  // not the list
  CHECK(second.value("domain_expiry_timestamp_seconds,domain=example.org") == 1818129600);
  CHECK(second.value("tocsin_agent_check_failed,check=example.org,reason=unavailable") == 1);

  settings.interval = settings.retry = base::Duration(3'600'000);
  world.restart(make_domains_source(settings, parts, fetch));
  world.round();
  world.round();
  CHECK(asked == 11);  // of those that failed, too, nobody is asked again within the hour
}

TEST_CASE("contracts: dates as they are") {
  std::string messages;
  const PartiesSettings settings = read(
      "[[contract]]\nname = \"mail\"\nends = \"2027-03-31\"\nnotice = \"90d\"\n"
      "[[contract]]\nname = \"dns\"\nreviewed = \"2026-01-02\"\n",
      &messages);
  CHECK(messages.empty());
  RecordingRound round;
  const auto source = make_contracts_source(settings.contracts);
  source->start({}, [&](const Fill& fill) { fill(round); });
  CHECK(round.value("contract_end_timestamp_seconds,contract=mail") == 1806451200);
  CHECK(round.value("contract_notice_seconds,contract=mail") == 90 * 86400);
  CHECK(round.value("contract_reviewed_timestamp_seconds,contract=dns") == 1767312000);
  CHECK(round.value("contract_review_interval_seconds,contract=dns") == 365 * 86400);
}

TEST_CASE("parties: mistakes of the settings") {
  CHECK(mistakes("[domains]\n") == "no domain is named\n");
  CHECK(mistakes("[domains]\nnames = [\"example.org\", \"EXAMPLE.org\", \"a b\"]\n") ==
        "'example.org' is named twice\n'a b' is no domain\n");
  CHECK(mistakes("[domains]\nnames = [\"a.kh\"]\nexpires = { \"b.kh\" = \"2027-01-01\" }\n") ==
        "'b.kh' is not in names\n");
  CHECK(mistakes("[domains]\nnames = [\"a.kh\"]\nexpires = { \"a.kh\" = \"2027-1-1\" }\n") ==
        "'2027-1-1' is no day\n");
  CHECK(mistakes("[domains]\nnames = [\"a.kh\"]\nservers = { kh = \"ftp://x\" }\n") ==
        "'ftp://x' is no http:// or https:// address\n");
  CHECK(mistakes("[[contract]]\nname = \"a\"\n") == "a contract has ends, reviewed, or both\n");
  CHECK(mistakes("[[contract]]\nname = \"a\"\nends = \"2027-02-31\"\n") ==
        "'2027-02-31' is no day\n");
}

}  // namespace tocsin::agent

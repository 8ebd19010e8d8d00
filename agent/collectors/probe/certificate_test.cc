// Chains, keys and stores that are made here, and read through a disk in memory.
#include <doctest/doctest.h>
#include <fmt/format.h>

#include "agent/collectors/probe/certificate_files.h"
#include "agent/collectors/probe/test_certificates.h"
#include "common/base/base64.h"
#include "common/base/file_system.h"
#include "common/config/source.h"
#include "common/config/table.h"
#include "common/config/toml.h"
#include "common/net/test_support.h"
#include "common/sim/test_folder.h"

namespace tocsin::agent {
namespace {

using test::Made;

/// An authority, an intermediate, and what it signed for a shop.
struct Authority {
  Made root{{.common_name = "Root", .authority = true}};
  Made middle{{.common_name = "Middle", .authority = true}, &root};
  Made shop{{.common_name = "shop.example", .names = "DNS:shop.example,DNS:*.shop.example"},
            &middle};

  StorePointer store(const sim::TestFolder& folder) const {
    const auto files = base::make_real_file_system();
    REQUIRE(files->write_atomic(folder.file("ca.pem"), root.pem(), 0644));
    return trusted(folder.file("ca.pem")).value();
  }
};

std::string problems(const std::string& pem, x509_store_st& store) {
  const auto chain = parse_certificates(pem);
  if (!chain) return chain.error().message;
  const ChainProblems found = chain_problems(*chain, store);
  return std::string(found.order ? "order " : "") + (found.incomplete ? "incomplete" : "");
}

}  // namespace

TEST_CASE("certificate: facts, names and keys") {
  const Authority made;
  const CertificateFacts facts = facts_of(made.shop.certificate());
  CHECK(facts.subject_cn == "shop.example");
  CHECK(facts.issuer == "CN=Middle");
  CHECK(facts.names == std::vector<std::string>{"shop.example", "*.shop.example"});
  CHECK(facts.fingerprint.size() == 64);
  CHECK(!facts.self_signed);
  CHECK(facts.not_after - facts.not_before == std::chrono::hours(25));
  CHECK(is_for(made.shop.certificate(), "shop.example"));
  CHECK(is_for(made.shop.certificate(), "www.shop.example"));
  CHECK(!is_for(made.shop.certificate(), "a.www.shop.example"));
  CHECK(!is_for(made.shop.certificate(), "10.0.0.1"));
  const Made by_address({.common_name = "x", .names = "IP:10.0.0.1,IP:::1"});
  CHECK(is_for(by_address.certificate(), "10.0.0.1"));
  CHECK(is_for(by_address.certificate(), "::1"));
  CHECK(facts_of(by_address.certificate()).names == std::vector<std::string>{"10.0.0.1", "::1"});
  const auto key = parse_private_key(made.shop.key_pem());
  REQUIRE(key);
  CHECK(key_matches(made.shop.certificate(), **key));
  CHECK(!key_matches(made.middle.certificate(), **key));
  CHECK(parse_private_key(made.shop.pem()).error().code == base::ErrorCode::NotFound);
}

TEST_CASE("certificate: chains whole, out of order, and without an intermediate") {
  const sim::TestFolder folder;
  const Authority made;
  const StorePointer store = made.store(folder);
  const std::string shop = made.shop.pem();
  CHECK(problems(shop + made.middle.pem(), *store) == "");
  CHECK(problems(shop + made.middle.pem() + made.root.pem(), *store) == "");
  CHECK(problems(shop, *store) == "incomplete");
  CHECK(problems(shop + made.root.pem() + made.middle.pem(), *store) == "order ");
  CHECK(problems(made.shop.key_pem() + shop + made.middle.pem(), *store) == "");
  const Authority other;
  CHECK(problems(other.shop.pem() + other.middle.pem(), *store) == "incomplete");  // unknown root
  CHECK(problems(Made({.common_name = "alone"}).pem(), *store) == "");             // by itself
  CHECK(problems("nothing", *store) == "no certificate in PEM form");
  CHECK(problems(shop + "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n", *store) ==
        "certificate 2 cannot be read");
  CHECK(problems(shop.substr(0, shop.size() / 2), *store) != "");
  CHECK(!trusted("/nonexistent/ca.pem"));
}

TEST_CASE("certificate: files by pattern, their keys beside them, and what cannot be read") {
  const sim::TestFolder folder;
  const auto files = base::make_real_file_system();
  const Authority made;
  const std::string live = folder.file("live/shop");
  REQUIRE(files->create_folders(live));
  REQUIRE(files->create_folders(folder.file("live/broken")));
  REQUIRE(files->write_atomic(live + "/fullchain.pem", made.shop.pem() + made.middle.pem(), 0644));
  REQUIRE(files->write_atomic(live + "/privkey.pem", made.shop.key_pem(), 0600));
  REQUIRE(files->write_atomic(folder.file("live/broken/fullchain.pem"), "oops", 0644));
  CertificateSettings settings;
  settings.files = {folder.file("live/*/fullchain.pem"), folder.file("other/*.pem")};
  StoredCertificates found = read_certificates(settings, *files);
  REQUIRE(found.all.size() == 1);
  CHECK(found.all[0].path == live + "/fullchain.pem");
  CHECK(found.all[0].chain.size() == 2);
  CHECK(found.all[0].key_matches == true);
  CHECK(found.all[0].key_exposed == false);
  REQUIRE(found.failures.size() == 2);
  CHECK(found.failures[0].error.message.find("no certificate in PEM form") != std::string::npos);
  CHECK(found.failures[1].error.code == base::ErrorCode::NotFound);
  // Somebody put the wrong key there, for everybody to read.
  REQUIRE(files->write_atomic(live + "/privkey.pem", made.middle.key_pem(), 0644));
  settings.files = {live + "/fullchain.pem"};
  found = read_certificates(settings, *files);
  REQUIRE(found.all.size() == 1);
  CHECK(found.all[0].key_matches == false);
  CHECK(found.all[0].key_exposed == true);
  // A key that was named must be there.
  settings.key_file = live + "/none.pem";
  found = read_certificates(settings, *files);
  CHECK(found.all.size() == 1);
  REQUIRE(found.failures.size() == 1);
  CHECK(found.failures[0].path == live + "/none.pem");
}

TEST_CASE("certificate: where keys usually are") {
  CHECK(usual_key_files("/a/fullchain.pem") == std::vector<std::string>{"/a/privkey.pem"});
  CHECK(usual_key_files("/a/b.crt").front() == "/a/b.key");
  CHECK(usual_key_files("/a/b").front() == "/a/b.key");
}

TEST_CASE("certificate: Traefik's store") {
  const Authority made;
  const std::string entry = fmt::format(
      R"({{"domain":{{"main":"shop.example"}},"certificate":"{}","key":"{}"}})",
      base::base64(made.shop.pem() + made.middle.pem()), base::base64(made.shop.key_pem()));
  const auto stored = parse_acme_store(R"({"le":{"Account":{},"Certificates":[)" + entry +
                                       R"(]},"other":{"Certificates":null}})");
  REQUIRE(stored);
  REQUIRE(stored->size() == 1);
  CHECK(parse_certificates(stored->front().certificate)->size() == 2);
  CHECK(parse_private_key(stored->front().key));
  CHECK(parse_acme_store(R"({"Certificates":[)" + entry + "]}")->size() == 1);  // Traefik 1
  CHECK(parse_acme_store("")->empty());
  CHECK(!parse_acme_store("[]"));
  CHECK(!parse_acme_store(R"({"le":{"Certificates":3}})"));
  CHECK(
      parse_acme_store(R"({"le":{"Certificates":[{"certificate":"%%"}]}})")->front().certificate ==
      "");
}

TEST_CASE("certificate: settings say what they cannot read") {
  std::vector<CertificateSettings> all;
  const auto wrong = [&all](const std::string& keys) {
    const config::Source source{"agent.toml", "[[certificate]]\nname = \"web\"\n" + keys};
    base::Diagnostics diagnostics;
    const config::Node document = config::parse_toml(source, diagnostics);
    const auto files = base::make_real_file_system();
    config::Context context{source, diagnostics, *files};
    config::Table root(context, &document);
    all = read_certificate_settings(root, base::Duration{15'000});
    std::string messages;
    for (const auto& each : diagnostics) messages += each.message + "\n";
    return messages;
  };
  CHECK(wrong("") == "no files and no acme_files\n");
  CHECK(wrong("files = \"a.pem\"\n") == "'a.pem' is not an absolute path\n");
  CHECK(wrong("files = \"/a.pem\"\nweak_protocols = true\n") ==
        "weak_protocols asks the servers of served_by: there are none\n");
  CHECK(wrong("files = \"/a.pem\"\ninterval = \"2d\"\n") == "interval must be 1s to 1d\n");
  CHECK(wrong("files = \"/a.pem\"\nstart_tls = \"ftp\"\n") != "");
  CHECK(wrong("files = \"/a.pem\"\n[[certificate]]\nname = \"web\"\nfiles = \"/b.pem\"\n") ==
        "two certificates are called 'web'\n");
  CHECK(wrong("served_by = \"mail:993\"\nserver_name = \"mail.example\"\n") == "");
  CHECK(wrong("files = \"/a.pem\"\nserved_by = [\"127.0.0.1\", \"[::1]:8443\"]\n") == "");
  REQUIRE(all.size() == 1);
  CHECK(all[0].served_by[0].address.port == 443);
  CHECK(all[0].served_by[1].address.port == 8443);
  CHECK(all[0].interval == base::Duration{300'000});
}

}  // namespace tocsin::agent

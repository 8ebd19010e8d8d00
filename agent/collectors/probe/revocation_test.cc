// Authorities of the test's own that answer by OCSP and with lists: good answers, and bad ones.
#include <doctest/doctest.h>
#include <openssl/ocsp.h>

#include "agent/collectors/probe/revocation.h"
#include "agent/collectors/probe/test_certificates.h"
#include "common/base/file_system.h"
#include "common/net/test_support.h"
#include "common/sim/test_folder.h"

namespace tocsin::agent {
namespace {

using test::Made;

template <class Object, class Encode>
std::string der_of(Object* object, Encode encode) {
  unsigned char* bytes = nullptr;
  const int size = encode(object, &bytes);
  std::string text(reinterpret_cast<const char*>(bytes), static_cast<std::size_t>(size));
  OPENSSL_free(bytes);
  return text;
}

struct Authority {
  Made root{{.common_name = "Root", .authority = true}};
  Made stranger{{.common_name = "Root", .authority = true}};
  Made shop{{.common_name = "shop.example", .responder = "http://ocsp.example/"}, &root};
  Made listed{{.common_name = "list.example", .list = "http://list.example/root.crl"}, &root};
  Made plain{{.common_name = "plain.example"}, &root};
  sim::TestFolder folder;

  StorePointer store() const {
    const auto files = base::make_real_file_system();
    REQUIRE(files->write_atomic(folder.file("ca.pem"), root.pem(), 0644));
    return trusted(folder.file("ca.pem")).value();
  }

  /// An answer to `request` by `signer`; `state` as OpenSSL counts them, made `age` seconds ago and
  /// good for an hour.
  std::string response(const std::string& request, int state, const Made& signer, long age) const {
    const auto* bytes = reinterpret_cast<const unsigned char*>(request.data());
    OCSP_REQUEST* asked = d2i_OCSP_REQUEST(nullptr, &bytes, static_cast<long>(request.size()));
    REQUIRE(asked != nullptr);
    OCSP_CERTID* id = OCSP_onereq_get0_id(OCSP_request_onereq_get0(asked, 0));
    OCSP_BASICRESP* basic = OCSP_BASICRESP_new();
    ASN1_TIME* from = X509_gmtime_adj(nullptr, -age);
    ASN1_TIME* until = X509_gmtime_adj(nullptr, 3600 - age);
    OCSP_basic_add1_status(basic, id, state, 0, state == V_OCSP_CERTSTATUS_REVOKED ? from : nullptr,
                           from, until);
    OCSP_basic_sign(basic, const_cast<X509*>(&signer.certificate()), &signer.key(), EVP_sha256(),
                    nullptr, 0);
    OCSP_RESPONSE* whole = OCSP_response_create(OCSP_RESPONSE_STATUS_SUCCESSFUL, basic);
    std::string text = der_of(whole, i2d_OCSP_RESPONSE);
    OCSP_RESPONSE_free(whole);
    OCSP_BASICRESP_free(basic);
    OCSP_REQUEST_free(asked);
    ASN1_TIME_free(from);
    ASN1_TIME_free(until);
    return text;
  }

  /// A list by `signer` that ends in `ends_in` seconds.
  static std::string list(const Made& signer, const Made* revoked, long ends_in) {
    X509_CRL* crl = X509_CRL_new();
    X509_CRL_set_version(crl, 1);
    X509_CRL_set_issuer_name(crl, X509_get_subject_name(&signer.certificate()));
    ASN1_TIME* from = X509_gmtime_adj(nullptr, -60);
    ASN1_TIME* until = X509_gmtime_adj(nullptr, ends_in);
    X509_CRL_set1_lastUpdate(crl, from);
    X509_CRL_set1_nextUpdate(crl, until);
    if (revoked != nullptr) {
      X509_REVOKED* entry = X509_REVOKED_new();
      X509_REVOKED_set_serialNumber(
          entry, const_cast<ASN1_INTEGER*>(X509_get0_serialNumber(&revoked->certificate())));
      X509_REVOKED_set_revocationDate(entry, from);
      X509_CRL_add0_revoked(crl, entry);
    }
    X509_CRL_sort(crl);
    X509_CRL_sign(crl, &signer.key(), EVP_sha256());
    std::string text = der_of(crl, i2d_X509_CRL);
    X509_CRL_free(crl);
    ASN1_TIME_free(from);
    ASN1_TIME_free(until);
    return text;
  }
};

std::vector<X509Pointer> chain_of(const Made& one, const Made& issuer) {
  return parse_certificates(one.pem() + issuer.pem()).value();
}

/// "good", "revoked", "nobody", or the error.
std::string outcome(const std::vector<X509Pointer>& chain, x509_store_st& trust,
                    const RevocationFetch& fetch) {
  const auto answer = any_revoked(chain, trust, fetch);
  if (!answer) return answer.error().message;
  return !*answer ? "nobody" : **answer ? "revoked" : "good";
}

bool has(const std::string& text, const char* part) {
  return text.find(part) != std::string::npos;
}

}  // namespace

TEST_CASE("revocation: who is to be asked") {
  const Authority made;
  CHECK(revocation_sources(made.shop.certificate()).responders ==
        std::vector<std::string>{"http://ocsp.example/"});
  CHECK(revocation_sources(made.listed.certificate()).lists ==
        std::vector<std::string>{"http://list.example/root.crl"});
  const Made odd({.common_name = "x", .responder = "file:///etc/passwd", .list = "ldap://x/"});
  CHECK(revocation_sources(odd.certificate()).responders.empty());
  CHECK(revocation_sources(odd.certificate()).lists.empty());
  const auto never = [](const std::string&, const std::string&) -> base::Result<std::string> {
    FAIL("nobody is to be asked");
    return std::string();
  };
  CHECK(outcome(chain_of(made.plain, made.root), *made.store(), never) == "nobody");
}

TEST_CASE("revocation: answers of a responder") {
  const Authority made;
  const StorePointer store = made.store();
  const auto chain = chain_of(made.shop, made.root);
  const auto answer = [&](int state, const Made& signer, long age) {
    return outcome(chain, *store, [&, state, age](const std::string& url, const std::string& body) {
      CHECK(url == "http://ocsp.example/");
      return base::Result<std::string>(made.response(body, state, signer, age));
    });
  };
  CHECK(answer(V_OCSP_CERTSTATUS_GOOD, made.root, 60) == "good");
  CHECK(answer(V_OCSP_CERTSTATUS_REVOKED, made.root, 60) == "revoked");
  CHECK(has(answer(V_OCSP_CERTSTATUS_UNKNOWN, made.root, 60), "does not know the certificate"));
  CHECK(has(answer(V_OCSP_CERTSTATUS_GOOD, made.root, 7200), "not of now"));
  CHECK(has(answer(V_OCSP_CERTSTATUS_GOOD, made.stranger, 60), "is not good"));
  CHECK(has(answer(V_OCSP_CERTSTATUS_GOOD, made.plain, 60), "is not good"));  // no right to answer
  // Without the authority in the file it is found among those that are trusted.
  const auto alone = parse_certificates(made.shop.pem()).value();
  CHECK(outcome(alone, *store, [&](const std::string&, const std::string& body) {
          return base::Result<std::string>(
              made.response(body, V_OCSP_CERTSTATUS_REVOKED, made.root, 60));
        }) == "revoked");
  const Made other({.common_name = "o", .responder = "http://ocsp.example/"}, &made.stranger);
  CHECK(has(outcome(parse_certificates(other.pem()).value(), *store,
                    [](const std::string&, const std::string&) {
                      return base::Result<std::string>(std::string());
                    }),
            "nobody knows who signed"));
  // An answer about another certificate.
  std::string about;
  outcome(chain_of(Made({.common_name = "b", .responder = "http://ocsp.example/"}, &made.root),
                   made.root),
          *store, [&](const std::string&, const std::string& body) {
            about = made.response(body, V_OCSP_CERTSTATUS_GOOD, made.root, 60);
            return base::Result<std::string>(about);
          });
  for (const std::string& text : {about, std::string(), std::string("<html>")}) {
    CHECK(has(outcome(chain, *store,
                      [&](const std::string&, const std::string&) {
                        return base::Result<std::string>(text);
                      }),
              "is not good"));
  }
  CHECK(has(outcome(chain, *store,
                    [](const std::string&, const std::string&) -> base::Result<std::string> {
                      return base::error(base::ErrorCode::Unavailable, "no answer in time");
                    }),
            "no answer in time"));
}

TEST_CASE("revocation: lists, and a list where the responder is silent") {
  const Authority made;
  const StorePointer store = made.store();
  const auto chain = chain_of(made.listed, made.root);
  const auto looked_up = [&](const std::string& list) {
    return outcome(chain, *store, [&](const std::string& url, const std::string& body) {
      CHECK(url == "http://list.example/root.crl");
      CHECK(body.empty());
      return base::Result<std::string>(list);
    });
  };
  CHECK(looked_up(Authority::list(made.root, nullptr, 3600)) == "good");
  CHECK(looked_up(Authority::list(made.root, &made.shop, 3600)) == "good");
  CHECK(looked_up(Authority::list(made.root, &made.listed, 3600)) == "revoked");
  CHECK(has(looked_up(Authority::list(made.root, nullptr, -30)), "too old"));
  CHECK(has(looked_up(Authority::list(made.stranger, nullptr, 3600)), "not signed by"));
  CHECK(has(looked_up("no list"), "is not good"));
  const Made both({.common_name = "both",
                   .responder = "http://ocsp.example/",
                   .list = "http://list.example/root.crl"},
                  &made.root);
  CHECK(outcome(chain_of(both, made.root), *store,
                [&](const std::string&, const std::string& body) -> base::Result<std::string> {
                  if (!body.empty()) return base::error(base::ErrorCode::Unavailable, "gone");
                  return Authority::list(made.root, &both, 3600);
                }) == "revoked");
}

}  // namespace tocsin::agent

#include "agent/collectors/probe/revocation.h"

#include <fmt/format.h>
#include <openssl/err.h>
#include <openssl/ocsp.h>
#include <openssl/x509v3.h>

#include <memory>

#include "common/base/strings.h"

namespace tocsin::agent {

using base::ErrorCode;
using base::Result;

namespace {

constexpr long kClockSkewSeconds = 300;

struct OcspFree {
  void operator()(OCSP_REQUEST* request) const { OCSP_REQUEST_free(request); }
  void operator()(OCSP_RESPONSE* response) const { OCSP_RESPONSE_free(response); }
  void operator()(OCSP_BASICRESP* response) const { OCSP_BASICRESP_free(response); }
  void operator()(X509_CRL* list) const { X509_CRL_free(list); }
  void operator()(CRL_DIST_POINTS* points) const { CRL_DIST_POINTS_free(points); }
  void operator()(STACK_OF(X509) * stack) const { sk_X509_free(stack); }  // not what is in it
};
template <class T>
using Owner = std::unique_ptr<T, OcspFree>;

/// Empties OpenSSL's queue, and says what was the last.
std::string openssl_error() {
  const unsigned long code = ERR_peek_last_error();
  const char* text = ERR_reason_error_string(code);
  ERR_clear_error();
  return text == nullptr ? "malformed" : text;
}

base::Error bad(const std::string& source, const std::string& why) {
  return {ErrorCode::InvalidArgument,
          fmt::format("the answer of {} is not good: {}", base::escape_control(source), why)};
}

std::string text_of(const ASN1_STRING* string) {
  return {reinterpret_cast<const char*>(ASN1_STRING_get0_data(string)),
          static_cast<std::size_t>(ASN1_STRING_length(string))};
}

void add_http(std::string url, std::vector<std::string>& urls) {
  if (base::to_lower(url).starts_with("http://")) urls.push_back(std::move(url));
}

std::string encoded(OCSP_REQUEST* request) {
  unsigned char* bytes = nullptr;
  const int size = i2d_OCSP_REQUEST(request, &bytes);
  if (size <= 0) return {};
  std::string text(reinterpret_cast<const char*>(bytes), static_cast<std::size_t>(size));
  OPENSSL_free(bytes);
  return text;
}

/// What the responder is asked about.
struct Question {
  X509* certificate;
  X509* issuer;
  const std::vector<X509Pointer>& chain;
  X509_STORE& trust;
};

Result<bool> read_response(const std::string& url, const std::string& answer,
                           const Question& question, OCSP_CERTID* id) {
  const auto* bytes = reinterpret_cast<const unsigned char*>(answer.data());
  const Owner<OCSP_RESPONSE> response(
      d2i_OCSP_RESPONSE(nullptr, &bytes, static_cast<long>(answer.size())));
  if (!response) return bad(url, openssl_error());
  const int status = OCSP_response_status(response.get());
  if (status != OCSP_RESPONSE_STATUS_SUCCESSFUL) {
    return bad(url, OCSP_response_status_str(status));
  }
  const Owner<OCSP_BASICRESP> basic(OCSP_response_get1_basic(response.get()));
  if (!basic) return bad(url, openssl_error());
  const Owner<STACK_OF(X509)> known(sk_X509_new_null());
  sk_X509_push(known.get(), question.issuer);
  for (const X509Pointer& each : question.chain) sk_X509_push(known.get(), each.get());
  if (OCSP_basic_verify(basic.get(), known.get(), &question.trust, 0) != 1) {
    return bad(url, openssl_error());
  }
  int state = 0;
  int reason = 0;
  ASN1_GENERALIZEDTIME* revoked = nullptr;
  ASN1_GENERALIZEDTIME* from = nullptr;
  ASN1_GENERALIZEDTIME* until = nullptr;
  if (OCSP_resp_find_status(basic.get(), id, &state, &reason, &revoked, &from, &until) != 1) {
    return bad(url, "it is about other certificates");
  }
  if (OCSP_check_validity(from, until, kClockSkewSeconds, -1) != 1) {
    ERR_clear_error();
    return bad(url, "it is not of now: too old, or a clock is wrong");
  }
  if (state == V_OCSP_CERTSTATUS_GOOD) return false;
  if (state == V_OCSP_CERTSTATUS_REVOKED) return true;
  return bad(url, "the authority does not know the certificate");
}

Result<bool> ask_responder(const std::string& url, const Question& question,
                           const RevocationFetch& fetch) {
  // Every responder knows SHA-1 here (RFC 5019); it identifies, it protects nothing.
  OCSP_CERTID* id = OCSP_cert_to_id(EVP_sha1(), question.certificate, question.issuer);
  const Owner<OCSP_REQUEST> request(OCSP_REQUEST_new());
  if (id == nullptr || !request || OCSP_request_add0_id(request.get(), id) == nullptr) {
    OCSP_CERTID_free(id);
    return bad(url, openssl_error());
  }
  TC_TRY(const std::string answer, fetch(url, encoded(request.get())));
  return read_response(url, answer, question, id);
}

Result<bool> look_up(const std::string& url, const Question& question,
                     const RevocationFetch& fetch) {
  TC_TRY(const std::string answer, fetch(url, {}));
  const auto* bytes = reinterpret_cast<const unsigned char*>(answer.data());
  const Owner<X509_CRL> list(d2i_X509_CRL(nullptr, &bytes, static_cast<long>(answer.size())));
  if (!list) return bad(url, openssl_error());
  const bool signed_by_issuer =
      X509_NAME_cmp(X509_CRL_get_issuer(list.get()), X509_get_subject_name(question.issuer)) == 0 &&
      X509_CRL_verify(list.get(), X509_get0_pubkey(question.issuer)) == 1;
  ERR_clear_error();
  if (!signed_by_issuer) return bad(url, "the list is not signed by the certificate's issuer");
  const ASN1_TIME* until = X509_CRL_get0_nextUpdate(list.get());
  if (until == nullptr || X509_cmp_current_time(until) <= 0) {
    return bad(url, "the list is too old, or a clock is wrong");
  }
  X509_REVOKED* entry = nullptr;
  return X509_CRL_get0_by_cert(list.get(), &entry, question.certificate) == 1;
}

/// Returns the first answer that is good, else the last error.
template <class Ask>
Result<bool> first_answer(const std::vector<std::string>& urls, const Ask& ask) {
  Result<bool> answer = base::error(ErrorCode::NotFound, "no address");
  for (const std::string& url : urls) {
    answer = ask(url);
    if (answer) break;
  }
  return answer;
}

}  // namespace

RevocationSources revocation_sources(const x509_st& certificate) {
  RevocationSources sources;
  if (auto* urls = X509_get1_ocsp(const_cast<X509*>(&certificate))) {
    for (int i = 0; i < sk_OPENSSL_STRING_num(urls); ++i) {
      add_http(sk_OPENSSL_STRING_value(urls, i), sources.responders);
    }
    X509_email_free(urls);
  }
  const Owner<CRL_DIST_POINTS> points(static_cast<CRL_DIST_POINTS*>(
      X509_get_ext_d2i(&certificate, NID_crl_distribution_points, nullptr, nullptr)));
  for (int i = 0; points && i < sk_DIST_POINT_num(points.get()); ++i) {
    const DIST_POINT* point = sk_DIST_POINT_value(points.get(), i);
    // A part of the reasons only, or signed by another: not for us.
    if (point->reasons != nullptr || point->CRLissuer != nullptr) continue;
    if (point->distpoint == nullptr || point->distpoint->type != 0) continue;
    const GENERAL_NAMES* names = point->distpoint->name.fullname;
    for (int j = 0; j < sk_GENERAL_NAME_num(names); ++j) {
      const GENERAL_NAME* name = sk_GENERAL_NAME_value(names, j);
      if (name->type == GEN_URI) {
        add_http(text_of(name->d.uniformResourceIdentifier), sources.lists);
      }
    }
  }
  ERR_clear_error();
  return sources;
}

Result<std::optional<bool>> is_revoked(x509_st& certificate, const std::vector<X509Pointer>& chain,
                                       x509_store_st& trust, const RevocationFetch& fetch) {
  const RevocationSources sources = revocation_sources(certificate);
  if (sources.responders.empty() && sources.lists.empty()) return std::optional<bool>();
  const X509Pointer issuer = issuer_of(certificate, chain, trust);
  if (!issuer) {
    return base::error(ErrorCode::NotFound,
                       fmt::format("nobody knows who signed '{}', so nobody can be asked",
                                   facts_of(certificate).subject));
  }
  const Question question{&certificate, issuer.get(), chain, trust};
  const auto ask = [&](const std::string& url) { return ask_responder(url, question, fetch); };
  const auto look = [&](const std::string& url) { return look_up(url, question, fetch); };
  Result<bool> answer = first_answer(sources.responders, ask);
  if (!answer && !sources.lists.empty()) answer = first_answer(sources.lists, look);
  if (!answer) return answer.error();
  return std::optional<bool>(*answer);
}

Result<std::optional<bool>> any_revoked(const std::vector<X509Pointer>& chain, x509_store_st& trust,
                                        const RevocationFetch& fetch) {
  std::optional<bool> any;
  for (std::size_t i = 0; i < chain.size(); ++i) {
    if (facts_of(*chain[i]).self_signed) continue;
    TC_TRY(const std::optional<bool> one, is_revoked(*chain[i], chain, trust, fetch));
    if (i == 0 && !one) return std::optional<bool>();
    any = any.value_or(false) || one.value_or(false);
  }
  return any;
}

}  // namespace tocsin::agent

#include "agent/collectors/probe/tls_facts.h"

#include <fmt/format.h>
#include <openssl/err.h>
#include <openssl/ssl.h>
#include <openssl/x509_vfy.h>

#include <algorithm>

#include "common/base/strings.h"

namespace tocsin::agent {

namespace {

constexpr std::size_t kLabelBytesMax = 256;

constexpr MetricInfo kEarliest{"probe_ssl_earliest_cert_expiry",
                               "The earliest expiry of the certificates the server sends, in "
                               "seconds since 1970."};
constexpr MetricInfo kChain{"probe_ssl_last_chain_expiry_timestamp_seconds",
                            "When the chain that was verified ends."};
constexpr MetricInfo kChainInfo{"probe_ssl_last_chain_info", "The server's certificate."};
constexpr MetricInfo kVersion{"probe_tls_version_info", "The TLS version that was agreed on."};
constexpr MetricInfo kCipher{"probe_tls_cipher_info", "The cipher that was agreed on."};

/// What the callback is given.
struct Recorder {
  std::string host;
  OnBadCertificate on_bad;
  TlsFacts* facts;
};

int recorder_index() {
  static const int index = SSL_CTX_get_ex_new_index(
      0, nullptr, nullptr, nullptr, [](void*, void* recorder, CRYPTO_EX_DATA*, int, long, void*) {
        delete static_cast<Recorder*>(recorder);
      });
  return index;
}

// As Go says it, and with it every dashboard: "TLS 1.3" for OpenSSL's "TLSv1.3".
std::string version_text(const SSL* ssl) {
  std::string_view text = SSL_get_version(ssl);
  if (!text.starts_with("TLSv")) return std::string(text);
  text.remove_prefix(4);
  return fmt::format("TLS {}{}", text, text.find('.') == std::string_view::npos ? ".0" : "");
}

base::WallTime earliest_of(const STACK_OF(X509) * chain) {
  base::WallTime earliest{};
  for (int i = 0; i < sk_X509_num(chain); ++i) {
    const base::WallTime end = facts_of(*sk_X509_value(chain, i)).not_after;
    if (i == 0 || end < earliest) earliest = end;
  }
  return earliest;
}

void record_chain(X509_STORE_CTX* store, TlsFacts& facts) {
  const STACK_OF(X509)* sent = X509_STORE_CTX_get0_untrusted(store);
  facts.earliest_expiry = earliest_of(sent);
  facts.chain.clear();
  for (int i = 0; i < sk_X509_num(sent); ++i) {
    X509* one = sk_X509_value(sent, i);
    X509_up_ref(one);
    facts.chain.emplace_back(one);
  }
  if (facts.verified) facts.verified_expiry = earliest_of(X509_STORE_CTX_get0_chain(store));
}

int verify(X509_STORE_CTX* store, void* given) {
  const auto& recorder = *static_cast<const Recorder*>(given);
  TlsFacts& facts = *recorder.facts;
  const int good = X509_verify_cert(store);
  const int error = X509_STORE_CTX_get_error(store);
  auto* ssl =
      static_cast<SSL*>(X509_STORE_CTX_get_ex_data(store, SSL_get_ex_data_X509_STORE_CTX_idx()));
  facts.seen = true;
  facts.verified = good == 1;
  facts.expired = error == X509_V_ERR_CERT_HAS_EXPIRED || error == X509_V_ERR_CERT_NOT_YET_VALID;
  facts.verify_text = facts.verified ? "" : X509_verify_cert_error_string(error);
  facts.version = version_text(ssl);
  const SSL_CIPHER* cipher = SSL_get_pending_cipher(ssl);
  if (cipher != nullptr) facts.cipher = SSL_CIPHER_standard_name(cipher);
  const X509* leaf = X509_STORE_CTX_get0_cert(store);
  facts.certificate = facts_of(*leaf);
  const char* asked = SSL_get_servername(ssl, TLSEXT_NAMETYPE_host_name);
  facts.named = is_for(*leaf, asked != nullptr ? std::string(asked) : recorder.host);
  record_chain(store, facts);
  return recorder.on_bad == OnBadCertificate::GoOn ? 1 : good;
}

}  // namespace

void record_tls_facts(ssl_ctx_st* context, const std::string& host, OnBadCertificate on_bad,
                      TlsFacts* facts) {
  auto* recorder = new Recorder{host, on_bad, facts};  // the context deletes it
  SSL_CTX_set_ex_data(context, recorder_index(), recorder);
  SSL_CTX_set_cert_verify_callback(context, verify, recorder);
}

base::Result<void> use_tls_options(ssl_ctx_st* context, const net::TlsOptions& options) {
  const auto bad = [](std::string what) {
    ERR_clear_error();
    return base::error(base::ErrorCode::InvalidArgument, std::move(what));
  };
  if (options.ca_file.empty()) {
    SSL_CTX_set_default_verify_paths(context);
  } else if (SSL_CTX_load_verify_locations(context, options.ca_file.c_str(), nullptr) != 1) {
    return bad(fmt::format("ca_file '{}' cannot be read as certificates", options.ca_file));
  }
  if (!options.client_cert_file.empty() &&
      (SSL_CTX_use_certificate_chain_file(context, options.client_cert_file.c_str()) != 1 ||
       SSL_CTX_use_PrivateKey_file(context, options.client_key_file.c_str(), SSL_FILETYPE_PEM) !=
           1)) {
    return bad(fmt::format("client certificate '{}' and its key cannot be used",
                           options.client_cert_file));
  }
  return base::ok();
}

std::optional<ProbeFailure> certificate_failure(const TlsFacts& facts) {
  if (!facts.seen) return std::nullopt;
  if (facts.expired) {
    return ProbeFailure{ProbeReason::CertificateExpired,
                        fmt::format("{}: the certificate ends {}", facts.verify_text,
                                    base::format_rfc3339(facts.certificate.not_after))};
  }
  if (!facts.verified) {
    return ProbeFailure{ProbeReason::CertificateChain,
                        fmt::format("{} (issuer '{}', {} sent)", facts.verify_text,
                                    facts.certificate.issuer, facts.chain.size())};
  }
  if (!facts.named) {
    return ProbeFailure{
        ProbeReason::CertificateName,
        fmt::format("the certificate is for {}", base::join(facts.certificate.names, ", "))};
  }
  return std::nullopt;
}

void add_tls(const TlsFacts& facts, ProbeResult& result) {
  if (!facts.seen) return;
  result.add(kEarliest, base::to_seconds(facts.earliest_expiry));
  if (facts.verified) result.add(kChain, base::to_seconds(facts.verified_expiry));
  std::string names = base::join(facts.certificate.names, ",");
  names.resize(std::min(names.size(), kLabelBytesMax));
  result.add(kChainInfo,
             {{"fingerprint_sha256", facts.certificate.fingerprint},
              {"issuer", facts.certificate.issuer},
              {"subject", facts.certificate.subject},
              {"subjectalternative", std::move(names)}},
             1);
  result.add(kVersion, {{"version", facts.version}}, 1);
  result.add(kCipher, {{"cipher", facts.cipher}}, 1);
}

}  // namespace tocsin::agent

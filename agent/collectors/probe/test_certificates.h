// Certificates made for tests: an authority, an intermediate, a server's; each with its key.
#pragma once

#include <openssl/evp.h>
#include <openssl/pem.h>
#include <openssl/x509v3.h>

#include <memory>
#include <string>

#include "agent/collectors/probe/x509.h"

namespace tocsin::agent::test {

/// What a certificate is to say.
struct Wanted {
  std::string common_name;
  std::string names = {};  ///< As OpenSSL writes them: "DNS:a.example,IP:10.0.0.1".
  bool authority = false;
  long ends_in_seconds = 86'400;
  std::string responder = {};  ///< URL of OCSP.
  std::string list = {};       ///< URL of the CRL.
};

/// A certificate with its key; signs others.
class Made {
 public:
  /// Signed by `issuer`, or by itself.
  explicit Made(const Wanted& wanted, const Made* issuer = nullptr)
      : key_(EVP_EC_gen("P-256")), certificate_(X509_new()) {
    X509* one = certificate_.get();
    X509_set_version(one, 2);
    static long serial = 1;
    ASN1_INTEGER_set(X509_get_serialNumber(one), ++serial);
    X509_gmtime_adj(X509_getm_notBefore(one), -3600);
    X509_gmtime_adj(X509_getm_notAfter(one), wanted.ends_in_seconds);
    X509_set_pubkey(one, key_.get());
    X509_NAME_add_entry_by_txt(X509_get_subject_name(one), "CN", MBSTRING_ASC,
                               reinterpret_cast<const unsigned char*>(wanted.common_name.c_str()),
                               -1, -1, 0);
    const Made& signer = issuer == nullptr ? *this : *issuer;
    X509_set_issuer_name(one, X509_get_subject_name(signer.certificate_.get()));
    if (!wanted.names.empty()) add(NID_subject_alt_name, wanted.names);
    if (!wanted.responder.empty()) add(NID_info_access, "OCSP;URI:" + wanted.responder);
    if (!wanted.list.empty()) add(NID_crl_distribution_points, "URI:" + wanted.list);
    if (wanted.authority) add(NID_basic_constraints, "critical,CA:TRUE");
    X509_sign(one, signer.key_.get(), EVP_sha256());
  }

  std::string pem() const {
    return text([this](BIO* out) { PEM_write_bio_X509(out, certificate_.get()); });
  }
  std::string key_pem() const {
    return text([this](BIO* out) {
      PEM_write_bio_PrivateKey(out, key_.get(), nullptr, nullptr, 0, nullptr, nullptr);
    });
  }
  const X509& certificate() const { return *certificate_; }
  EVP_PKEY& key() const { return *key_; }

 private:
  void add(int what, const std::string& value) {
    X509_EXTENSION* extension = X509V3_EXT_conf_nid(nullptr, nullptr, what, value.c_str());
    X509_add_ext(certificate_.get(), extension, -1);
    X509_EXTENSION_free(extension);
  }
  template <class Write>
  static std::string text(Write write) {
    BIO* memory = BIO_new(BIO_s_mem());
    write(memory);
    char* data = nullptr;
    const long size = BIO_get_mem_data(memory, &data);
    std::string copy(data, static_cast<std::size_t>(size));
    BIO_free(memory);
    return copy;
  }

  KeyPointer key_;
  X509Pointer certificate_;
};

}  // namespace tocsin::agent::test

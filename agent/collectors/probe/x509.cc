#include "agent/collectors/probe/x509.h"

#include <arpa/inet.h>
#include <fmt/format.h>
#include <openssl/err.h>
#include <openssl/evp.h>
#include <openssl/pem.h>
#include <openssl/x509v3.h>

#include <algorithm>
#include <array>
#include <ctime>

#include "common/base/strings.h"

namespace tocsin::agent {

using base::ErrorCode;
using base::Result;

void X509Free::operator()(x509_st* certificate) const {
  X509_free(certificate);
}
void X509Free::operator()(evp_pkey_st* key) const {
  EVP_PKEY_free(key);
}
void X509Free::operator()(x509_store_st* store) const {
  X509_STORE_free(store);
}

namespace {

constexpr std::size_t kCertificatesMax = 50;
constexpr std::size_t kNamesMax = 100;
constexpr std::size_t kNameBytesMax = 256;

struct BioFree {
  void operator()(BIO* bio) const { BIO_free_all(bio); }
};
using BioPointer = std::unique_ptr<BIO, BioFree>;

struct NamesFree {
  void operator()(GENERAL_NAMES* names) const { GENERAL_NAMES_free(names); }
};

BioPointer reader_of(std::string_view text) {
  return BioPointer(BIO_new_mem_buf(text.data(), static_cast<int>(text.size())));
}

// Nobody is there to be asked for a pass phrase.
int no_pass_phrase(char*, int, int, void* asked) {
  *static_cast<bool*>(asked) = true;
  return -1;
}

std::string shortened(std::string text) {
  if (text.size() > kNameBytesMax) text.resize(kNameBytesMax);
  text = base::escape_control(text);
  return base::is_utf8(text) ? text : std::string("<not UTF-8>");
}

std::string text_of(const X509_NAME* name) {
  const BioPointer out(BIO_new(BIO_s_mem()));
  X509_NAME_print_ex(out.get(), name, 0, XN_FLAG_RFC2253 & ~ASN1_STRFLGS_ESC_MSB);
  char* data = nullptr;
  const long size = BIO_get_mem_data(out.get(), &data);
  return size > 0 ? shortened(std::string(data, static_cast<std::size_t>(size))) : std::string();
}

std::string common_name_of(const X509_NAME* name) {
  const int at = X509_NAME_get_index_by_NID(name, NID_commonName, -1);
  if (at < 0) return {};
  unsigned char* utf8 = nullptr;
  const int size =
      ASN1_STRING_to_UTF8(&utf8, X509_NAME_ENTRY_get_data(X509_NAME_get_entry(name, at)));
  if (size < 0) return {};
  std::string text(reinterpret_cast<const char*>(utf8), static_cast<std::size_t>(size));
  OPENSSL_free(utf8);
  return shortened(std::move(text));
}

base::WallTime time_of(const ASN1_TIME* time) {
  tm parts{};
  if (ASN1_TIME_to_tm(time, &parts) != 1) return {};
  return base::wall_time(static_cast<std::int64_t>(timegm(&parts)) * 1000);
}

std::vector<std::string> names_of(const X509& certificate) {
  std::vector<std::string> names;
  const std::unique_ptr<GENERAL_NAMES, NamesFree> list(static_cast<GENERAL_NAMES*>(
      X509_get_ext_d2i(&certificate, NID_subject_alt_name, nullptr, nullptr)));
  if (!list) return names;
  const int count = std::min(sk_GENERAL_NAME_num(list.get()), static_cast<int>(kNamesMax));
  for (int i = 0; i < count; ++i) {
    const GENERAL_NAME* name = sk_GENERAL_NAME_value(list.get(), i);
    if (name->type == GEN_DNS) {
      const ASN1_STRING* text = name->d.dNSName;
      names.push_back(
          shortened(std::string(reinterpret_cast<const char*>(ASN1_STRING_get0_data(text)),
                                static_cast<std::size_t>(ASN1_STRING_length(text)))));
    } else if (name->type == GEN_IPADD) {
      char text[INET6_ADDRSTRLEN] = "";
      const int size = ASN1_STRING_length(name->d.iPAddress);
      if (size != 4 && size != 16) continue;
      inet_ntop(size == 4 ? AF_INET : AF_INET6, ASN1_STRING_get0_data(name->d.iPAddress), text,
                sizeof text);
      names.emplace_back(text);
    }
  }
  return names;
}

std::string fingerprint_of(const X509& certificate) {
  std::array<unsigned char, EVP_MAX_MD_SIZE> digest{};
  unsigned size = 0;
  if (X509_digest(&certificate, EVP_sha256(), digest.data(), &size) != 1) return {};
  std::string text;
  for (unsigned i = 0; i < size; ++i) text += fmt::format("{:02x}", digest[i]);
  return text;
}

/// By name and by signature: two authorities may have one name.
bool signs(X509* issuer, X509* certificate) {
  const bool good = X509_check_issued(issuer, certificate) == X509_V_OK &&
                    X509_verify(certificate, X509_get0_pubkey(issuer)) == 1;
  ERR_clear_error();
  return good;
}

}  // namespace

Result<std::vector<X509Pointer>> parse_certificates(std::string_view pem) {
  const BioPointer in = reader_of(pem);
  std::vector<X509Pointer> chain;
  ERR_clear_error();
  bool asked = false;
  while (X509* one = PEM_read_bio_X509(in.get(), nullptr, no_pass_phrase, &asked)) {
    chain.emplace_back(one);
    if (chain.size() > kCertificatesMax) {
      return base::error(ErrorCode::LimitExceeded,
                         fmt::format("more than {} certificates", kCertificatesMax));
    }
  }
  const bool at_end = ERR_GET_REASON(ERR_peek_last_error()) == PEM_R_NO_START_LINE;
  ERR_clear_error();
  if (!at_end) {
    return base::error(ErrorCode::InvalidArgument,
                       fmt::format("certificate {} cannot be read", chain.size() + 1));
  }
  if (chain.empty()) {
    return base::error(ErrorCode::InvalidArgument, "no certificate in PEM form");
  }
  return chain;
}

Result<KeyPointer> parse_private_key(std::string_view pem) {
  const BioPointer in = reader_of(pem);
  bool asked = false;
  ERR_clear_error();
  KeyPointer key(PEM_read_bio_PrivateKey(in.get(), nullptr, no_pass_phrase, &asked));
  ERR_clear_error();
  if (key) return key;
  if (asked) return base::error(ErrorCode::PermissionDenied, "the key has a pass phrase");
  if (pem.find("PRIVATE KEY-----") == std::string_view::npos) {
    return base::error(ErrorCode::NotFound, "no private key in PEM form");
  }
  return base::error(ErrorCode::InvalidArgument, "the private key cannot be read");
}

CertificateFacts facts_of(const x509_st& certificate) {
  CertificateFacts facts;
  const X509_NAME* subject = X509_get_subject_name(&certificate);
  facts.subject = text_of(subject);
  facts.subject_cn = common_name_of(subject);
  facts.issuer = text_of(X509_get_issuer_name(&certificate));
  facts.names = names_of(certificate);
  facts.fingerprint = fingerprint_of(certificate);
  facts.not_before = time_of(X509_get0_notBefore(&certificate));
  facts.not_after = time_of(X509_get0_notAfter(&certificate));
  facts.self_signed = X509_NAME_cmp(subject, X509_get_issuer_name(&certificate)) == 0;
  return facts;
}

bool is_ip_address(const std::string& host) {
  unsigned char bytes[16];
  return inet_pton(AF_INET, host.c_str(), bytes) == 1 ||
         inet_pton(AF_INET6, host.c_str(), bytes) == 1;
}

bool is_for(const x509_st& certificate, const std::string& host) {
  X509* one = const_cast<X509*>(&certificate);
  const int found = is_ip_address(host)
                        ? X509_check_ip_asc(one, host.c_str(), 0)
                        : X509_check_host(one, host.data(), host.size(), 0, nullptr);
  ERR_clear_error();
  return found == 1;
}

bool key_matches(const x509_st& certificate, const evp_pkey_st& key) {
  const bool same =
      X509_check_private_key(const_cast<X509*>(&certificate), const_cast<EVP_PKEY*>(&key)) == 1;
  ERR_clear_error();
  return same;
}

Result<StorePointer> trusted(const std::string& ca_file) {
  StorePointer store(X509_STORE_new());
  if (!store) return base::error(ErrorCode::LimitExceeded, "no memory for certificates");
  // The system's are looked up one by one, by the hash of their names; the whole bundle is large.
  const bool read = ca_file.empty() ? X509_STORE_set_default_paths(store.get()) == 1
                                    : X509_STORE_load_file(store.get(), ca_file.c_str()) == 1;
  ERR_clear_error();
  if (!read) {
    return base::error(ErrorCode::InvalidArgument,
                       fmt::format("ca_file '{}' cannot be read as certificates", ca_file));
  }
  return store;
}

X509Pointer issuer_of(x509_st& certificate, const std::vector<X509Pointer>& chain,
                      x509_store_st& store) {
  for (const X509Pointer& each : chain) {
    if (each.get() == &certificate || !signs(each.get(), &certificate)) continue;
    X509_up_ref(each.get());
    return X509Pointer(each.get());
  }
  const std::unique_ptr<X509_STORE_CTX, decltype(&X509_STORE_CTX_free)> context(
      X509_STORE_CTX_new(), &X509_STORE_CTX_free);
  X509* issuer = nullptr;
  if (context && X509_STORE_CTX_init(context.get(), &store, &certificate, nullptr) == 1) {
    X509_STORE_CTX_get1_issuer(&issuer, context.get(), &certificate);
  }
  X509Pointer owner(issuer);
  if (owner && !signs(owner.get(), &certificate)) owner.reset();
  ERR_clear_error();
  return owner;
}

ChainProblems chain_problems(const std::vector<X509Pointer>& chain, x509_store_st& store) {
  ChainProblems problems;
  for (std::size_t i = 0; i + 1 < chain.size(); ++i) {
    if (!signs(chain[i + 1].get(), chain[i].get())) problems.order = true;
  }
  // Up from the server's own, whatever the order, as far as the file goes.
  X509* top = chain.front().get();
  for (std::size_t steps = 0; steps < chain.size(); ++steps) {
    if (signs(top, top)) return problems;  // a root, or signed by itself
    const auto next = std::find_if(chain.begin(), chain.end(), [top](const X509Pointer& each) {
      return each.get() != top && signs(each.get(), top);
    });
    if (next == chain.end()) break;
    top = next->get();
  }
  problems.incomplete = !signs(top, top) && !issuer_of(*top, {}, store);
  return problems;
}

}  // namespace tocsin::agent

#include "common/net/curl_tls.h"

#include <curl/curl.h>

namespace tocsin::net {

void set_tls_options(void* easy, const TlsOptions& tls) {
  CURL* handle = easy;
  curl_easy_setopt(handle, CURLOPT_SSLVERSION, static_cast<long>(CURL_SSLVERSION_TLSv1_2));
  if (!tls.ca_file.empty()) {
    // Only this bundle: without clearing the folder, the system's authorities would be trusted too.
    curl_easy_setopt(handle, CURLOPT_CAINFO, tls.ca_file.c_str());
    curl_easy_setopt(handle, CURLOPT_CAPATH, nullptr);
  }
  if (!tls.client_cert_file.empty()) {
    curl_easy_setopt(handle, CURLOPT_SSLCERT, tls.client_cert_file.c_str());
    const std::string& key =
        tls.client_key_file.empty() ? tls.client_cert_file : tls.client_key_file;
    curl_easy_setopt(handle, CURLOPT_SSLKEY, key.c_str());
  }
  if (tls.insecure) {
    curl_easy_setopt(handle, CURLOPT_SSL_VERIFYPEER, 0L);
    curl_easy_setopt(handle, CURLOPT_SSL_VERIFYHOST, 0L);
  }
}

}  // namespace tocsin::net

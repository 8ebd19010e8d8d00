// What the tests of this folder share: waiting for an answer, a raw connection, a certificate.
#pragma once

#include <arpa/inet.h>
#include <doctest/doctest.h>
#include <netinet/in.h>
#include <openssl/evp.h>
#include <openssl/pem.h>
#include <openssl/x509v3.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <unistd.h>

#include <memory>
#include <optional>
#include <string>

#include "common/base/file_system.h"
#include "common/base/mutex.h"

namespace tocsin::net::test {

/// A value that another thread delivers.
template <class T>
class Waiter {
 public:
  void set(T value) {
    base::MutexLock lock(mutex_);
    value_.emplace(std::move(value));
    changed_.notify_all();
  }
  /// Returns the value, or nullopt after ten seconds.
  std::optional<T> wait() {
    base::MutexLock lock(mutex_);
    changed_.wait_for(mutex_, std::chrono::seconds(10), [this] { return value_.has_value(); });
    return std::move(value_);
  }

 private:
  base::Mutex mutex_;
  base::Condition changed_;
  std::optional<T> value_;
};

/// A blocking TCP connection to loopback, for saying what no client would.
class RawConnection {
 public:
  explicit RawConnection(unsigned short port) : fd_(::socket(AF_INET, SOCK_STREAM, 0)) {
    sockaddr_in address{};
    address.sin_family = AF_INET;
    address.sin_port = htons(port);
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    const timeval limit{10, 0};
    ::setsockopt(fd_, SOL_SOCKET, SO_RCVTIMEO, &limit, sizeof limit);
    connected_ = ::connect(fd_, reinterpret_cast<sockaddr*>(&address), sizeof address) == 0;
  }
  ~RawConnection() { ::close(fd_); }
  RawConnection(const RawConnection&) = delete;
  RawConnection& operator=(const RawConnection&) = delete;

  bool connected() const { return connected_; }
  bool send(std::string_view text) {
    return ::send(fd_, text.data(), text.size(), MSG_NOSIGNAL) == static_cast<ssize_t>(text.size());
  }
  /// Reads until the text contains `mark` or the peer closes.
  std::string read_until(std::string_view mark) {
    std::string text;
    char buffer[4096];
    while (mark.empty() || text.find(mark) == std::string::npos) {
      const ssize_t length = ::recv(fd_, buffer, sizeof buffer, 0);
      if (length <= 0) break;
      text.append(buffer, static_cast<std::size_t>(length));
    }
    return text;
  }
  std::string read_all() { return read_until(""); }

 private:
  int fd_;
  bool connected_ = false;
};

/// A socket that listens on a free port of loopback, for servers that do what no server should.
class Listener {
 public:
  Listener() {
    sockaddr_in address{};
    address.sin_family = AF_INET;
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    socklen_t length = sizeof address;
    REQUIRE(::bind(fd_, reinterpret_cast<sockaddr*>(&address), length) == 0);
    REQUIRE(::listen(fd_, 16) == 0);
    ::getsockname(fd_, reinterpret_cast<sockaddr*>(&address), &length);
    port_ = ntohs(address.sin_port);
  }
  ~Listener() { ::close(fd_); }
  Listener(const Listener&) = delete;
  Listener& operator=(const Listener&) = delete;

  unsigned short port() const { return port_; }
  /// Returns the next connection, or -1 after stop().
  int accept() const { return ::accept(fd_, nullptr, nullptr); }
  void stop() const { ::shutdown(fd_, SHUT_RDWR); }

 private:
  const int fd_ = ::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
  unsigned short port_ = 0;
};

/// Writes a self-signed certificate for 127.0.0.1 and localhost, and its key with `key_mode`.
inline void write_certificate(const std::string& cert_file, const std::string& key_file,
                              mode_t key_mode = 0600) {
  EVP_PKEY* key = EVP_EC_gen("P-256");
  X509* cert = X509_new();
  X509_set_version(cert, 2);
  ASN1_INTEGER_set(X509_get_serialNumber(cert), 1);
  X509_gmtime_adj(X509_getm_notBefore(cert), -3600);
  X509_gmtime_adj(X509_getm_notAfter(cert), 3600);
  X509_set_pubkey(cert, key);
  X509_NAME* name = X509_get_subject_name(cert);
  const unsigned char common_name[] = "localhost";
  X509_NAME_add_entry_by_txt(name, "CN", MBSTRING_ASC, common_name, -1, -1, 0);
  X509_set_issuer_name(cert, name);
  X509_EXTENSION* names =
      X509V3_EXT_conf_nid(nullptr, nullptr, NID_subject_alt_name, "IP:127.0.0.1,DNS:localhost");
  X509_add_ext(cert, names, -1);
  X509_sign(cert, key, EVP_sha256());

  const auto text_of = [](auto write) {
    BIO* memory = BIO_new(BIO_s_mem());
    write(memory);
    char* data = nullptr;
    const long size = BIO_get_mem_data(memory, &data);
    std::string text(data, static_cast<std::size_t>(size));
    BIO_free(memory);
    return text;
  };
  const auto files = base::make_real_file_system();
  (void)files->write_atomic(cert_file, text_of([&](BIO* out) { PEM_write_bio_X509(out, cert); }),
                            0644);
  (void)files->write_atomic(key_file, text_of([&](BIO* out) {
                              PEM_write_bio_PrivateKey(out, key, nullptr, nullptr, 0, nullptr,
                                                       nullptr);
                            }),
                            key_mode);
  X509_EXTENSION_free(names);
  X509_free(cert);
  EVP_PKEY_free(key);
}

}  // namespace tocsin::net::test

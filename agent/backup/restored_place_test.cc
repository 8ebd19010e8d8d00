// Signatures, tablespaces, and what differs between two places.
#include <doctest/doctest.h>
#include <openssl/evp.h>
#include <openssl/pem.h>

#include <filesystem>
#include <memory>

#include "agent/backup/backup_settings.h"
#include "agent/backup/digest.h"
#include "agent/backup/environment.h"
#include "agent/backup/signature.h"
#include "agent/backup/tablespaces.h"
#include "agent/backup/verify.h"
#include "common/sim/test_folder.h"

namespace tocsin::agent {
namespace {

using Key = std::unique_ptr<EVP_PKEY, decltype(&EVP_PKEY_free)>;

Key make_key(const char* type) {
  if (std::string_view(type) == "EC") return {EVP_EC_gen("P-256"), &EVP_PKEY_free};
  if (std::string_view(type) == "RSA") return {EVP_RSA_gen(2048), &EVP_PKEY_free};
  return {EVP_PKEY_Q_keygen(nullptr, nullptr, type), &EVP_PKEY_free};
}

std::string public_pem(const Key& key) {
  BIO* memory = BIO_new(BIO_s_mem());
  PEM_write_bio_PUBKEY(memory, key.get());
  char* data = nullptr;
  const long size = BIO_get_mem_data(memory, &data);
  std::string text(data, static_cast<std::size_t>(size));
  BIO_free(memory);
  return text;
}

/// As `openssl dgst -sha256 -sign` does.
std::string sign(const Key& key, std::string_view text) {
  EVP_MD_CTX* context = EVP_MD_CTX_new();
  REQUIRE(EVP_DigestSignInit(context, nullptr, EVP_sha256(), nullptr, key.get()) == 1);
  std::size_t size = 0;
  const auto* bytes = reinterpret_cast<const unsigned char*>(text.data());
  REQUIRE(EVP_DigestSign(context, nullptr, &size, bytes, text.size()) == 1);
  std::string signature(size, '\0');
  REQUIRE(EVP_DigestSign(context, reinterpret_cast<unsigned char*>(signature.data()), &size, bytes,
                         text.size()) == 1);
  signature.resize(size);
  EVP_MD_CTX_free(context);
  return signature;
}

std::string sha256(std::string_view text) {
  const auto digest = make_digest("SHA256");
  digest->update(text);
  return digest->hex();
}

}  // namespace

TEST_CASE("signatures of RSA and ECDSA, and what is none") {
  for (const char* type : {"RSA", "EC"}) {
    const Key key = make_key(type);
    const std::string pem = public_pem(key);
    const std::string signature = sign(key, "backup");
    CHECK(is_signed_by(pem, sha256("backup"), signature).value());
    CHECK(!is_signed_by(pem, sha256("backuP"), signature).value());
    CHECK(!is_signed_by(public_pem(make_key(type)), sha256("backup"), signature).value());
    CHECK(!is_signed_by(pem, sha256("backup"), "").value());
    CHECK(!is_signed_by(pem, sha256("backup"), "text").value());
  }
  CHECK(!is_signed_by("", sha256("x"), "x").has_value());
  CHECK(!is_signed_by(public_pem(make_key("ED25519")), sha256("x"), "x").has_value());
}

TEST_CASE("a backup that must be signed") {
  const sim::TestFolder folder;
  const base::RealClock clock;
  const Key key = make_key("EC");
  const std::string text(5'000, 'x');
  const std::string path = folder.write("site.img", text);
  VerifyRequest request;
  request.path = path;
  request.size_min = 1;
  const auto reason = [&](VerifyLevel level) {
    request.level = level;
    const auto verdict = verify_backup(request, {*folder.files, clock, {}}).value();
    return verdict.found ? verdict.found->reason : "good";
  };
  CHECK(reason(VerifyLevel::Structure) == "good");
  request.signature_key = folder.write("key.pem", public_pem(key));
  CHECK(reason(VerifyLevel::Size) == "good");  // not read so far
  CHECK(reason(VerifyLevel::Structure) == "signature_missing");
  folder.write("site.img.sig", sign(key, text));
  CHECK(reason(VerifyLevel::Structure) == "good");
  CHECK(reason(VerifyLevel::Checksum) == "good");
  folder.write("site.img.sig", sign(make_key("EC"), text));
  CHECK(reason(VerifyLevel::Structure) == "signature_wrong");
  folder.write("key.pem", "no key");
  CHECK(reason(VerifyLevel::Checksum) == "signature_key");
  request.path = folder.path();
  request.must_be_dump = false;
  CHECK(reason(VerifyLevel::Structure) == "signature_missing");  // a folder without a manifest
}

TEST_CASE("tablespaces: tar files, links beside the backup, and links to who knows where") {
  const sim::TestFolder folder;
  std::vector<Tablespace> found;
  const auto reason = [&](const char* name, const std::vector<std::string>& allowed = {}) {
    found.clear();
    const Found bad = find_tablespaces(*folder.files, folder.file(name), allowed, found);
    return bad ? bad->reason : "good";
  };
  folder.write("tar/base.tar.gz", "");
  folder.write("tar/pg_wal.tar.gz", "");
  CHECK(reason("tar") == "good");
  CHECK(found.empty());
  folder.write("tar/16385.tar.gz", "");
  CHECK(reason("tar") == "good");
  REQUIRE(found.size() == 1);
  CHECK(found[0].oid == "16385");
  CHECK(found[0].tar);

  folder.write("plain/PG_VERSION", "15\n");
  CHECK(reason("plain") == "good");
  std::filesystem::create_directories(folder.file("plain/pg_tblspc"));
  CHECK(reason("plain") == "good");
  const std::string link = folder.file("plain/pg_tblspc/16385");
  std::filesystem::create_directory_symlink(folder.file("ts"), link);
  CHECK(reason("plain") == "good");
  REQUIRE(found.size() == 1);
  CHECK(found[0].from == folder.file("ts"));
  std::filesystem::remove(link);
  std::filesystem::create_directory_symlink("/srv/fast", link);
  CHECK(reason("plain") == "tablespaces");
  CHECK(reason("plain", {"/srv/fas"}) == "tablespaces");
  CHECK(reason("plain", {"/srv/"}) == "good");
  std::filesystem::remove(link);
  std::filesystem::create_directory_symlink(folder.file("../live"), link);
  CHECK(reason("plain") == "tablespaces");
  std::filesystem::remove(link);
  std::filesystem::create_directories(link);
  CHECK(reason("plain") == "tablespaces");  // no link
}

TEST_CASE("what differs between where data come from and where they were restored") {
  DatabaseEnvironment live{15, "UTF8", "en_US.UTF-8", {{"plpgsql", "1.0"}, {"citext", "1.6"}}, {}};
  DatabaseEnvironment restored = live;
  using Parts = std::map<std::string, bool>;
  CHECK(differences(live, restored) ==
        Parts{{"version", false}, {"encoding", false}, {"locale", false}, {"extensions", false}});
  restored.locale = "C";  // of the scratch cluster
  CHECK(differences(live, restored)["locale"]);
  restored.known_locales = {locale_key("en_US.utf8")};
  CHECK(!differences(live, restored)["locale"]);
  restored.major_version = 14;
  restored.encoding = "SQL_ASCII";
  restored.extensions["citext"] = "1.5";
  CHECK(differences(live, restored) ==
        Parts{{"version", true}, {"encoding", true}, {"locale", false}, {"extensions", true}});
  CHECK(locale_key("POSIX") == locale_key("C"));
}

}  // namespace tocsin::agent

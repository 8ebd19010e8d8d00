// The signature of a backup: whoever may write where backups lie may write their checksums too, but
// has not the key.
//
// What is signed is the file itself, or of a base backup its backup_manifest, which has the
// checksums of all else: `openssl dgst -sha256 -sign KEY -out FILE.sig FILE`.
#pragma once

#include <string>
#include <string_view>

#include "agent/backup/finding.h"
#include "common/base/file_system.h"

namespace tocsin::agent {

/// Returns whether `signature` is one of the SHA-256 `digest_hex`, by the public key in `key_pem`
/// (RSA with PKCS #1 padding, or ECDSA). Errors: InvalidArgument (no such key). Pure.
base::Result<bool> is_signed_by(std::string_view key_pem, std::string_view digest_hex,
                                std::string_view signature);

/// Checks `file`.sig. Findings: "signature_missing", "signature_wrong", "signature_key" (the key
/// cannot be used, so nothing is known).
Found check_signature(const base::FileSystem& files, const std::string& key_file,
                      const std::string& file, std::string_view digest_hex);

}  // namespace tocsin::agent

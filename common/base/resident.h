// Memory that only the start needed, given back.
//
// Reading a configuration, TLS's set-up and the first connections run through megabytes of code of
// two dozen libraries, which then stay resident although nothing comes by again. The pages are
// clean: dropped, they come back from the page cache with a minor fault each if they are needed
// after all.
#pragma once

#include <cstddef>

#include "common/base/file_system.h"
#include "common/base/result.h"

namespace tocsin::base {

/// Drops the resident pages of this process's mapped code. Returns the bytes of the mappings.
/// Writable, relocated and anonymous memory is left alone: it could not come back.
/// Errors: Io (/proc is not there, or the kernel refuses). Thread: any.
/// Source: madvise(2), MADV_DONTNEED on private file mappings; proc(5), "/proc/pid/maps".
Result<std::size_t> release_code_pages(const FileSystem& files);

}  // namespace tocsin::base

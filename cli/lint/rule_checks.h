// Checks of rules as a whole: duplicates, severity, texts, times. Internal to the folder.
#pragma once

#include "cli/lint/reporter.h"
#include "common/base/file_system.h"

namespace tocsin::lint {

/// `for` against the interval of the group.
void check_times(const Subject& subject, Reporter& reporter);
/// Severity, summary, runbook. `files` is asked whether a runbook exists.
void check_texts(const Subject& subject, Reporter& reporter, const base::FileSystem& files);
/// The same alert twice, or the same condition under two names, over all files.
void check_duplicates(Reporter& reporter);

/// What the reader of rule files said, as findings with ids. The wording of the reader decides the
/// id; a test holds the two together. Its hints and places stay.
Finding from_diagnostic(const base::Diagnostic& diagnostic, std::string_view default_id);

}  // namespace tocsin::lint

// Forgiving look-ups in a parsed YAML file: what is not there is empty.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "cli/convert/rule_draft.h"
#include "common/config/node.h"

namespace tocsin::cli::convert {

/// Returns the text under `key`, or "".
std::string text_at(const config::Node& node, std::string_view key);

/// Returns whether `key` is there and says true.
bool is_true(const config::Node& node, std::string_view key);
bool is_false(const config::Node& node, std::string_view key);

/// Returns the items of the list under `key`; a single text counts as a list of one.
std::vector<const config::Node*> items_at(const config::Node& node, std::string_view key);

/// Returns their texts.
std::vector<std::string> texts_at(const config::Node& node, std::string_view key);

/// A path of a secret that a person has to write: "/etc/tocsin/NAME".
std::string secret_path(std::string_view name);

/// Returns the text with everything but letters, digits, '.', '_' and '-' as '-', at most 60 bytes:
/// for file names made of names.
std::string file_word(std::string_view text);

/// Says that a key does not carry over: a warning at its place, and a comment in the output.
void not_carried(const Reading& reading, TomlWriter& out, base::Position at,
                 const std::string& what, const std::string& why);

}  // namespace tocsin::cli::convert

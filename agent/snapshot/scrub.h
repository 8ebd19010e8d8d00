// Secrets out of texts that leave their place: command lines, log lines.
#pragma once

#include <string>
#include <string_view>

namespace tocsin::agent {

/// Returns `text` with "***" in place of what looks like a secret: values of names such as
/// password, token and api_key (name=value, name: value, --name value), of Authorization headers,
/// user information of URLs, `-p` of MySQL's programs, private keys in PEM, keys of AWS, GitHub,
/// Slack and Stripe, JSON web tokens. Bytes that are no UTF-8 or are control characters become
/// \xNN.
///
/// What it does not know it cannot take out: such a text is still for few eyes.
/// Thread: any.
std::string scrub(std::string_view text);

/// The arguments of a process as one line, scrubbed. `cmdline` is the text of /proc/PID/cmdline.
std::string scrub_command_line(std::string_view cmdline);

}  // namespace tocsin::agent

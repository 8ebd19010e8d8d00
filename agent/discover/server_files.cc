#include "agent/discover/server_files.h"

#include <fnmatch.h>

#include <algorithm>

#include "common/base/strings.h"

namespace tocsin::agent {
namespace {

constexpr std::size_t kFileBytesMax = 1 << 20;
constexpr int kDepthMax = 3;
constexpr int kFilesMax = 200;

/// The words of an nginx configuration: ';', '{' and '}' are words of their own.
std::vector<std::string> nginx_words(std::string_view text) {
  std::vector<std::string> words;
  std::string word;
  const auto end_word = [&] {
    if (!word.empty()) words.push_back(std::move(word));
    word.clear();
  };
  char quote = 0;
  for (std::size_t at = 0; at < text.size(); ++at) {
    const char c = text[at];
    if (quote != 0) {
      if (c == '\\' && at + 1 < text.size()) {
        word.push_back(text[++at]);
      } else if (c == quote) {
        quote = 0;
      } else {
        word.push_back(c);
      }
    } else if (c == '#' && word.empty()) {
      at = std::min(text.find('\n', at), text.size());
    } else if ((c == '"' || c == '\'') && word.empty()) {
      quote = c;
    } else if (c == ';' || c == '{' || c == '}') {
      end_word();
      words.emplace_back(1, c);
    } else if (c == ' ' || c == '\t' || c == '\n' || c == '\r') {
      end_word();
    } else {
      word.push_back(c);
    }
  }
  end_word();
  return words;
}

void add_once(std::vector<std::string>& list, const std::string& text) {
  if (std::find(list.begin(), list.end(), text) == list.end()) list.push_back(text);
}

class NginxReader {
 public:
  NginxReader(const base::FileSystem& files, std::string prefix)
      : files_(files), prefix_(std::move(prefix)) {}

  void read(const std::string& path, int depth) {
    if (depth > kDepthMax || ++count_ > kFilesMax) return;
    const auto text = files_.read(path, kFileBytesMax);
    if (!text) return;
    std::vector<std::string> directive;
    for (const std::string& word : nginx_words(*text)) {
      if (word == ";" || word == "{" || word == "}") {
        if (word == ";" && directive.size() > 1) take(directive, depth);
        directive.clear();
      } else {
        directive.push_back(word);
      }
    }
  }

  NginxFiles found;

 private:
  std::string absolute(const std::string& path) const {
    return path.starts_with('/') ? path : base::join_path(prefix_, path);
  }

  void take(const std::vector<std::string>& directive, int depth) {
    const std::string& name = directive[0];
    const std::string& value = directive[1];
    if (name == "include") {
      include(absolute(value), depth + 1);
    } else if (value.find('$') != std::string::npos) {
      return;  // only nginx knows
    } else if (name == "access_log" && value != "off" && !value.starts_with("syslog:")) {
      add_once(found.access_logs, absolute(value));
    } else if (name == "ssl_certificate") {
      const std::string path = absolute(value);
      fresh_ = std::find(found.certificates.begin(), found.certificates.end(), path) ==
               found.certificates.end();
      if (!fresh_) return;
      found.certificates.push_back(path);
      found.certificate_keys.emplace_back();
    } else if (name == "ssl_certificate_key" && fresh_) {
      found.certificate_keys.back() = absolute(value);
      fresh_ = false;
    } else if (name == "server_name") {
      for (std::size_t at = 1; at < directive.size(); ++at) add_once(found.names, directive[at]);
    }
  }

  void include(const std::string& glob, int depth) {
    const std::size_t slash = glob.rfind('/');
    const std::string folder = glob.substr(0, slash);
    const std::string last = glob.substr(slash + 1);
    if (last.find_first_of("*?[") == std::string::npos) {
      read(glob, depth);
      return;
    }
    const auto names = files_.list(folder);
    if (!names) return;
    for (const std::string& one : *names) {
      if (::fnmatch(last.c_str(), one.c_str(), FNM_PERIOD) == 0) {
        read(base::join_path(folder, one), depth);
      }
    }
  }

  const base::FileSystem& files_;
  std::string prefix_;
  int count_ = 0;
  bool fresh_ = false;  // the key that follows belongs to a certificate that was added
};

}  // namespace

NginxFiles read_nginx_files(const base::FileSystem& files, const std::string& path,
                            const std::string& prefix) {
  NginxReader reader(files, prefix);
  reader.read(path, 0);
  return std::move(reader.found);
}

std::vector<NrpeCommand> parse_nrpe_commands(std::string_view text,
                                             std::vector<std::string>& others) {
  constexpr std::string_view kBegin = "command[";
  std::vector<NrpeCommand> commands;
  base::for_each_line(text, [&](std::string_view line) {
    line = base::trim(line);
    const std::size_t end = line.find("]=");
    if (!line.starts_with(kBegin) || end == std::string_view::npos) return;
    NrpeCommand command;
    command.name = std::string(line.substr(kBegin.size(), end - kBegin.size()));
    const std::string_view rest = base::trim(line.substr(end + 2));
    if (!rest.starts_with('/') ||
        rest.find_first_of("\"'`$|&;<>(){}*?\\~") != std::string_view::npos) {
      others.push_back(command.name);
      return;
    }
    for (const std::string_view word : base::split_fields(rest)) {
      command.arguments.emplace_back(word);
    }
    commands.push_back(std::move(command));
  });
  return commands;
}

}  // namespace tocsin::agent

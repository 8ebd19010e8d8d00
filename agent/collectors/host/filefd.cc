#include "agent/collectors/host/filefd.h"

#include "common/base/strings.h"

namespace tocsin::agent {
namespace {

constexpr MetricInfo kAllocated{"node_filefd_allocated", "File handles in use on the host.",
                                model::MetricType::Gauge};
constexpr MetricInfo kMaximum{"node_filefd_maximum", "Most file handles the host allows.",
                              model::MetricType::Gauge};

class FilefdCollector final : public Collector {
 public:
  explicit FilefdCollector(const HostPaths& paths) : path_(paths.proc + "/sys/fs/file-nr") {}

  std::string_view name() const override { return "filefd"; }

  base::Result<void> collect(MetricSink& sink) override {
    TC_TRY(const std::string_view text, reader_.read(path_));
    TC_TRY(const FileHandles handles, parse_file_nr(text));
    sink.add(kAllocated, handles.allocated);
    sink.add(kMaximum, handles.maximum);
    return base::ok();
  }

 private:
  std::string path_;
  FileReader reader_;
};

}  // namespace

base::Result<FileHandles> parse_file_nr(std::string_view text) {
  Fields fields(base::trim(text));
  const auto allocated = fields.next_number();
  const auto unused = fields.next_number();
  const auto maximum = fields.next_number();
  if (!allocated || !unused || !maximum) return malformed("/proc/sys/fs/file-nr", text);
  return FileHandles{static_cast<double>(*allocated), static_cast<double>(*maximum)};
}

std::unique_ptr<Collector> make_filefd_collector(const HostPaths& paths) {
  return std::make_unique<FilefdCollector>(paths);
}

}  // namespace tocsin::agent

#include "alertd/app/task_link.h"

namespace tocsin::alertd {

base::Result<std::unique_ptr<TaskKeeper>> make_task_keeper(const TaskLinkWorld& world,
                                                           const tasks::ClockSettings& settings,
                                                           const std::string& path,
                                                           const std::string& host_name) {
  const auto authenticate = [&ingest = world.ingest, host_name](
                                const net::ServerRequest& request) -> base::Result<BeatSender> {
    TC_TRY(const std::shared_ptr<const ingest::Agent> agent, ingest.authenticate(request));
    // As with samples: programs on this host may speak for any.
    if (!agent) return BeatSender{host_name, [](std::string_view) { return true; }};
    return BeatSender{agent->name,
                      [agent](std::string_view host) { return agent->may_send_for(host); }};
  };
  const auto enrolled = [&agents = world.agents] {
    std::set<std::string> names;
    for (const ingest::Agent& agent : agents.list()) names.insert(agent.name);
    return names;
  };
  auto keeper =
      std::make_unique<TaskKeeper>(TaskKeeperWorld{world.executor, world.files, world.appender,
                                                   world.metrics, authenticate, enrolled},
                                   settings, path);
  TC_TRY(keeper->load());
  world.ingest.hear_with(
      [keeper = keeper.get()](std::span<const model::LabelView> labels, model::Sample sample) {
        keeper->hear(labels, sample);
      });
  return keeper;
}

}  // namespace tocsin::alertd

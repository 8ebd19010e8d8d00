// The parts of the daemon as the API sees them: api/views.h on one side, the parts on the other.
#pragma once

#include <functional>
#include <memory>
#include <string>

#include "alertd/api/views.h"
#include "alertd/app/rules_git.h"
#include "alertd/incident/dispatcher.h"
#include "alertd/ingest/agent_registry.h"
#include "alertd/ingest/remote_write_handler.h"
#include "alertd/ruler/ruler.h"

namespace tocsin::alertd {

/// The ruler's snapshot in the API's words. Thread: any.
class RuleViewAdapter final : public api::RuleView {
 public:
  /// `rules_git` may be null; else it knows where each rule comes from.
  RuleViewAdapter(const ruler::Ruler& ruler, const RulesGit* rules_git)
      : ruler_(ruler), rules_git_(rules_git) {}
  std::vector<api::RuleGroupInfo> groups() const override;

 private:
  const ruler::Ruler& ruler_;
  const RulesGit* rules_git_;
};

/// Incidents from the state store, and what people do to them through the dispatcher. Thread: any;
/// answers come on `executor`.
class IncidentAdapter final : public api::IncidentView, public api::IncidentCommands {
 public:
  /// The ruler is told when a person closes alerts about label sets that vanished.
  IncidentAdapter(incident::Dispatcher& dispatcher, incident::StateStore& state,
                  base::Executor& executor, ruler::Ruler& ruler)
      : dispatcher_(dispatcher), state_(state), executor_(executor), ruler_(ruler) {}

  void list(api::IncidentFilter filter, api::Done<std::vector<api::IncidentInfo>> done) override;
  void find(std::string id, api::Done<api::IncidentInfo> done) override;
  void acknowledge(api::IncidentCommand command, api::Done<api::IncidentInfo> done) override;
  void resolve(api::IncidentCommand command, api::Done<api::IncidentInfo> done) override;
  void act(api::IncidentAction action, api::IncidentCommand command,
           api::Done<api::IncidentInfo> done) override;

 private:
  using Snapshot = std::shared_ptr<const incident::Snapshot>;
  void command(incident::Command::Kind kind, api::IncidentCommand request,
               api::Done<api::IncidentInfo> done);
  void with_snapshot(std::function<void(Snapshot)> next);

  incident::Dispatcher& dispatcher_;
  incident::StateStore& state_;
  base::Executor& executor_;
  ruler::Ruler& ruler_;
};

/// The token registry; its file is written on `executor`, never on a thread that serves requests.
class AgentAdapter final : public api::AgentDirectory {
 public:
  /// The ruler is told who is gone for good: nobody waits for a removed host's data.
  AgentAdapter(ingest::AgentRegistry& registry, ingest::RemoteWriteHandler& ingest,
               base::Executor& executor, ruler::Ruler& ruler)
      : registry_(registry), ingest_(ingest), executor_(executor), ruler_(ruler) {}

  void list(api::Done<std::vector<api::AgentInfo>> done) override;
  void add(api::AgentRequest request, api::Done<api::EnrolledAgent> done) override;
  void remove(std::string name, std::string source, api::Done<void> done) override;

 private:
  api::AgentInfo to_api(const ingest::Agent& agent) const;

  ingest::AgentRegistry& registry_;
  ingest::RemoteWriteHandler& ingest_;
  base::Executor& executor_;
  ruler::Ruler& ruler_;
};

}  // namespace tocsin::alertd

// The desk that answers "why was nobody called": gathers the evidence, then tells the story.
//
//   Desk desk({dispatcher, store, witness, executor});
//   desk.tell({.labels = ...}, [](base::Result<Story> story) { ... });
//
// The route walk and what hides the alert come from the pipeline that decides, the reasons from the
// rows that it wrote when it decided. Nothing is decided here.
#pragma once

#include <atomic>
#include <memory>

#include "alertd/incident/dispatcher.h"
#include "alertd/story/evidence.h"
#include "alertd/story/story.h"
#include "alertd/story/witness.h"

namespace tocsin::story {

struct DeskWorld {
  incident::Dispatcher& dispatcher;
  incident::StateStore& store;
  Witness& witness;
  base::Executor& executor;  ///< One task at a time; where the evidence is put together.
};

/// Thread: tell() from any. What it stands on outlives every answer.
class Desk final : public Storyteller {
 public:
  explicit Desk(const DeskWorld& world) : world_(world) {}

  void tell(Question question, std::function<void(base::Result<Story>)> done) override;

 private:
  DeskWorld world_;
  /// Questions on their way; each may evaluate expressions and read thousands of rows.
  std::shared_ptr<std::atomic<std::size_t>> running_ =
      std::make_shared<std::atomic<std::size_t>>(0);
};

/// Returns whether an alert with these labels is meant by `asked`: it has all of them. `severity`
/// may be that of the alert, beside its labels.
bool is_meant(const model::Labels& asked, const model::Labels& labels,
              std::optional<model::Severity> severity);

/// Returns the labels that the text of a decision begins with; nullopt: none, or they were cut.
std::optional<model::Labels> labels_of(const std::string& decision_text);

/// Writes the evidence down, with its cause in front.
Story write_story(const Evidence& evidence);

}  // namespace tocsin::story

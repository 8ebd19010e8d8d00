// Inhibition: an alert that explains others keeps them quiet while it fires.
//
// For each rule and each combination of values of the `equal` labels there is a bucket with the SET
// of its firing sources: when one of several resolves, the others still inhibit. (Keeping one for
// each key, as Alertmanager does, forgets them until they are sent again.) A silenced or inhibited
// source inhibits all the same: this looks at what fires, not at what is told. Buckets also hold
// the targets, so that those whom a change concerns are known at once. Source:
// shared/reference/routing.md, section 1, "Inhibition".
#pragma once

#include <cstdint>
#include <set>
#include <string>
#include <unordered_map>
#include <vector>

#include "alertd/routing/alert_labels.h"

namespace tocsin::routing {

using Fingerprint = std::uint64_t;

struct InhibitRule {
  std::string name;  ///< May be empty.
  /// Each list of matchers names one kind of source; of each kind at least one must fire. (One
  /// list: Alertmanager's rule.)
  std::vector<std::vector<model::Matcher>> sources;
  std::vector<model::Matcher> target;
  /// Labels that must be the same in sources and target; one that is not there is "".
  std::vector<std::string> equal;
};

/// Which alerts inhibit which. Pure. Owner: the pipeline.
class Inhibition {
 public:
  explicit Inhibition(std::vector<InhibitRule> rules = {}) : rules_(std::move(rules)) {
    buckets_.resize(rules_.size());
  }

  /// An alert fires, or fires with another severity. Returns the alerts that may be inhibited now
  /// and were not, or the other way round; itself included if it is a target.
  std::set<Fingerprint> fires(Fingerprint alert, const AlertLabels& labels);

  /// It does not fire any more. Returns as fires() does.
  std::set<Fingerprint> ends(Fingerprint alert);

  /// Returns who inhibits this firing alert, sorted: one source of each kind, of the first rule
  /// that applies; empty: nobody. An alert that is on both sides of a rule is not inhibited by
  /// another that is on both sides of it, nor by itself.
  std::vector<Fingerprint> inhibitors(const AlertLabels& labels) const;

  /// Returns the name or number of the rule that inhibits; for texts. Empty: none does.
  std::string inhibiting_rule(const AlertLabels& labels) const;

  bool empty() const { return rules_.empty(); }

 private:
  struct Kind {
    std::set<Fingerprint> one_sided;
    std::set<Fingerprint> two_sided;  ///< Sources that are targets too.
  };
  struct Bucket {
    std::vector<Kind> kinds;
    std::set<Fingerprint> targets;
  };
  struct Place {
    std::size_t rule;
    std::string key;
  };
  struct Found {
    std::size_t rule = 0;
    std::vector<Fingerprint> by;
  };

  Found find(const AlertLabels& labels) const;
  static std::vector<Fingerprint> active(const Bucket& bucket, bool two_sided);
  std::string key_of(const InhibitRule& rule, const AlertLabels& labels) const;

  std::vector<InhibitRule> rules_;
  std::vector<std::unordered_map<std::string, Bucket>> buckets_;  ///< By rule.
  std::unordered_map<Fingerprint, std::vector<Place>> places_;
};

}  // namespace tocsin::routing

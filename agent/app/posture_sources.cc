#include "agent/app/posture_sources.h"

#include "agent/collectors/findings/findings_source.h"
#include "agent/collectors/inventory/inventory_source.h"
#include "agent/collectors/packages/packages_source.h"
#include "agent/collectors/parties/contracts_source.h"
#include "agent/collectors/parties/domains_source.h"
#include "agent/snapshot/snapshot_source.h"

namespace tocsin::agent {

PostureSettings read_posture_settings(config::Table& root, base::Duration interval,
                                      const std::string& spool_folder) {
  const std::string beside = spool_folder.substr(0, spool_folder.rfind('/'));
  PostureSettings settings;
  settings.inventory = read_inventory_settings(root, interval, beside);
  settings.packages = read_packages_settings(root, interval, beside);
  settings.findings = read_findings_settings(root, interval, beside);
  settings.snapshots = read_snapshot_settings(root, interval, beside);
  settings.parties = read_parties_settings(root, interval);
  return settings;
}

void add_posture_sources(Sampler::Sources& sources, PostureSettings settings,
                         const PostureWorld& world) {
  if (settings.parties.domains) {
    sources.async.push_back(make_domains_source(*settings.parties.domains,
                                                {world.executor, world.files, world.failures}));
  }
  if (!settings.parties.contracts.empty()) {
    sources.async.push_back(make_contracts_source(settings.parties.contracts));
  }
  const bool any = settings.inventory || settings.packages || settings.snapshots ||
                   !settings.findings.tools.empty();
  if (!any) return;
  const SlowWorld slow{world.executor, make_slow_pool(world.executor), world.files, world.failures};
  if (settings.inventory) {
    settings.inventory->state.read_only = world.look_only;
    sources.async.push_back(make_inventory_source(*settings.inventory, slow));
  }
  if (settings.packages) {
    settings.packages->state.read_only = world.look_only;
    sources.async.push_back(make_packages_source(*settings.packages, slow));
  }
  if (!settings.findings.tools.empty()) {
    settings.findings.state.read_only = world.look_only;
    sources.async.push_back(make_findings_source(settings.findings, slow));
  }
  if (settings.snapshots) {
    settings.snapshots->look_only = world.look_only;
    sources.async.push_back(make_snapshot_source(*settings.snapshots, slow));
  }
}

}  // namespace tocsin::agent

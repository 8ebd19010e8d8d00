// The sections of reports: each asks, judges and says what proves it. Internal to the folder.
#pragma once

#include "alertd/bulletin/builder.h"

namespace tocsin::bulletin {

// sections_incidents.cc
Section incidents_section(const Builder& builder);
Section firing_section(const Builder& builder);
Section noise_section(const Builder& builder);
Section response_section(const Builder& builder);  ///< Times to acknowledge and resolve.

// sections_evidence.cc
Section watching_section(const Builder& builder);  ///< What was not watched.
Section backups_section(const Builder& builder);
Section restore_section(const Builder& builder);
Section certificates_section(const Builder& builder);
Section tasks_section(const Builder& builder);
Section agents_section(const Builder& builder);
Section patches_section(const Builder& builder);

// sections_now.cc
Section disks_section(const Builder& builder);
Section resources_section(const Builder& builder);
Section log_errors_section(const Builder& builder);
Section queues_section(const Builder& builder);

// sections_trend.cc
Section comparison_section(const Builder& builder);  ///< Beside the time before.
Section slow_statements_section(const Builder& builder);
Section unused_indexes_section(const Builder& builder);
Section availability_section(const Builder& builder);

// sections_capacity.cc
Section filesystem_growth_section(const Builder& builder);
Section database_growth_section(const Builder& builder);
Section connections_growth_section(const Builder& builder);
Section memory_growth_section(const Builder& builder);

// sections_compliance.cc
Section controls_section(const Builder& builder);

}  // namespace tocsin::bulletin

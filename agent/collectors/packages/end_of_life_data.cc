// The last day of security updates that cost nothing extra, as the makers had announced it by
// kEndOfLifeDataOf: makers move such days, so `[packages] end_of_life` overrides any line, and
// node_end_of_life_data_timestamp_seconds tells how old the table is. A month without a day is its
// last day.
//
// Debian: of LTS. Ubuntu: of the standard support. RHEL and those that follow it: of maintenance.
#include "agent/collectors/packages/end_of_life.h"

namespace tocsin::agent {

std::string_view end_of_life_data() {
  return R"(debian 9 2022-06-30
debian 10 2024-06-30
debian 11 2026-08-31
debian 12 2028-06-30
debian 13 2030-06-30
ubuntu 16.04 2021-04-30
ubuntu 18.04 2023-05-31
ubuntu 20.04 2025-05-31
ubuntu 22.04 2027-04-30
ubuntu 24.04 2029-04-30
ubuntu 24.10 2025-07-10
ubuntu 25.04 2026-01-15
ubuntu 25.10 2026-07-31
centos 7 2024-06-30
centos 8 2021-12-31
rhel 7 2024-06-30
rhel 8 2029-05-31
rhel 9 2032-05-31
rhel 10 2035-05-31
rocky 8 2029-05-31
rocky 9 2032-05-31
rocky 10 2035-05-31
almalinux 8 2029-03-01
almalinux 9 2032-05-31
almalinux 10 2035-05-31
ol 7 2024-12-31
ol 8 2029-07-31
ol 9 2032-06-30
amzn 2 2026-06-30
amzn 2023 2029-06-30
postgresql 9.6 2021-11-11
postgresql 10 2022-11-10
postgresql 11 2023-11-09
postgresql 12 2024-11-21
postgresql 13 2025-11-13
postgresql 14 2026-11-12
postgresql 15 2027-11-11
postgresql 16 2028-11-09
postgresql 17 2029-11-08
postgresql 18 2030-11-14
python 3.7 2023-06-27
python 3.8 2024-10-07
python 3.9 2025-10-31
python 3.10 2026-10-31
python 3.11 2027-10-31
python 3.12 2028-10-31
python 3.13 2029-10-31
python 3.14 2030-10-31
django 2.2 2022-04-11
django 3.2 2024-04-30
django 4.0 2023-04-30
django 4.1 2023-12-31
django 4.2 2026-04-30
django 5.0 2025-04-30
django 5.1 2025-12-31
django 5.2 2028-04-30
django 6.0 2027-04-30
)";
}

}  // namespace tocsin::agent

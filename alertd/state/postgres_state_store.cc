#include "alertd/state/postgres_state_store.h"

#include "alertd/state/postgres_schema.h"
#include "alertd/state/postgres_tables.h"

namespace tocsin::state {

using base::Result;

namespace {

constexpr base::Duration kPauseMin{100};
constexpr base::Duration kPauseMax{5'000};

}  // namespace

Result<void> PostgresTables::connect() {
  TC_TRY(auto connection, postgres::Connection::connect(settings_));
  TC_TRY(migrate_postgres(*connection, clock_.wall()));
  connection_ = std::move(connection);
  return base::ok();
}

Result<void> PostgresTables::prepare() {
  if (connection_ && !connection_->broken()) return base::ok();
  if (pause_.count() > 0 && clock_.monotonic() < next_try_) {
    return base::error(base::ErrorCode::Unavailable,
                       "state store: no connection to PostgreSQL; it is tried again soon");
  }
  connection_.reset();
  Result<void> connected = connect();
  if (connected) {
    if (pause_.count() > 0) failures_.clear("connection");
    pause_ = base::Duration{0};
    return connected;
  }
  pause_ = std::clamp(pause_ * 2, kPauseMin, kPauseMax);
  next_try_ = clock_.monotonic() + pause_;
  failures_.report("connection", connected.error().message);
  return connected;
}

bool PostgresTables::recover() {
  if (connection_ && !connection_->broken()) return false;
  return static_cast<bool>(prepare());
}

Result<std::unique_ptr<incident::StateStore>> open_postgres_state_store(postgres::Settings settings,
                                                                        AsyncOptions options,
                                                                        const base::Clock& clock) {
  auto tables = std::make_unique<PostgresTables>(std::move(settings), clock);
  TC_TRY(tables->prepare());
  return make_async_state_store(std::move(tables), options, clock);
}

}  // namespace tocsin::state

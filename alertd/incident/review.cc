#include "alertd/incident/review.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <boost/json.hpp>

#include "alertd/incident/incident.h"
#include "alertd/incident/json_values.h"
#include "common/base/strings.h"

namespace tocsin::incident {

namespace json = boost::json;
using base::ErrorCode;
using base::Result;

namespace {

constexpr std::array<std::string_view, 3> kTypes{"prevent", "detect", "mitigate"};
constexpr std::array<std::string_view, 4> kStates{"investigating", "identified", "monitoring",
                                                  "resolved"};
constexpr std::size_t kShortTextMax = 1000;
constexpr std::size_t kFieldsMax = 200;

constexpr std::array<ReviewField, 9> kFields{{
    {"summary", "Summary"},
    {"users", "Users affected"},
    {"root_cause", "Root cause"},
    {"contributing_factors", "Contributing factors"},
    {"went_well", "What went well"},
    {"went_badly", "What went badly"},
    {"lucky", "Where we were lucky"},
    {"follow_up", "Follow-up"},
    {"participants", "Who took part"},
}};

template <class Enum, std::size_t N>
std::optional<Enum> find_word(const std::array<std::string_view, N>& words, std::string_view text) {
  const auto found = std::find(words.begin(), words.end(), text);
  if (found == words.end()) return std::nullopt;
  return static_cast<Enum>(found - words.begin());
}

base::Error invalid(std::string message) {
  return base::error(ErrorCode::InvalidArgument, std::move(message));
}

base::Error too_long(std::string_view what, std::size_t bytes, std::size_t max) {
  return base::error(ErrorCode::LimitExceeded,
                     fmt::format("{} is {} bytes, limit {}", what, bytes, max));
}

Result<void> check_field(const std::string& name, const std::string& text) {
  if (text.size() > kReviewTextMax) {
    return too_long("field '" + name + "' of the report", text.size(), kReviewTextMax);
  }
  if (name.starts_with(kNoisePrefix) && name.size() > kNoisePrefix.size() &&
      name.size() <= kShortTextMax) {
    return base::ok();
  }
  std::vector<std::string> known;
  for (const ReviewField& field : kFields) {
    if (field.name == name) return base::ok();
    known.emplace_back(field.name);
  }
  const auto near = base::closest(name, known);
  return invalid(fmt::format("a report has no field '{}'; {}", name.substr(0, kShortTextMax),
                             near ? "did you mean '" + *near + "'?"
                                  : "fields are " + base::join(known, ", ") + ", noise.<rule>"));
}

Result<void> check_action(const ActionItem& item) {
  if (base::trim(item.text).empty()) return invalid("the action item says nothing");
  for (const std::string* text : {&item.text, &item.owner, &item.ticket}) {
    if (text->size() > kShortTextMax) {
      return too_long("a text of the action item", text->size(), kShortTextMax);
    }
  }
  return base::ok();
}

json::object action_value(const ActionItem& item) {
  json::object object{{"number", item.number},
                      {"text", item.text},
                      {"type", to_string(item.type)},
                      {"created_at", base::to_ms(item.created_at)},
                      {"created_by", item.created_by}};
  if (!item.owner.empty()) object["owner"] = item.owner;
  if (item.due) object["due"] = base::to_ms(*item.due);
  if (!item.ticket.empty()) object["ticket"] = item.ticket;
  if (item.done_at) object["done_at"] = base::to_ms(*item.done_at);
  if (!item.done_by.empty()) object["done_by"] = item.done_by;
  return object;
}

Result<ActionItem> read_action(const json::object& object) {
  FieldReader reader(object);
  ActionItem item;
  item.number = reader.integer("number");
  item.text = reader.string("text");
  item.owner = reader.string("owner");
  item.due = reader.optional_time("due");
  item.type = reader.word("type", parse_action_type);
  item.ticket = reader.string("ticket");
  item.created_at = reader.time("created_at");
  item.created_by = reader.string("created_by");
  item.done_at = reader.optional_time("done_at");
  item.done_by = reader.string("done_by");
  TC_TRY(reader.finish("action item"));
  return item;
}

json::object news_value(const News& news) {
  json::array audiences;
  for (const std::string& name : news.audiences) audiences.emplace_back(name);
  json::object object{{"at", base::to_ms(news.at)},
                      {"state", to_string(news.state)},
                      {"audiences", std::move(audiences)}};
  if (!news.by.empty()) object["by"] = news.by;
  if (!news.text.empty()) object["text"] = news.text;
  if (!news.everybody) object["chosen"] = true;
  if (news.next_update) object["next_update"] = base::to_ms(*news.next_update);
  return object;
}

Result<News> read_news(const json::object& object) {
  FieldReader reader(object);
  News news;
  news.at = reader.time("at");
  news.by = reader.string("by");
  news.state = reader.word("state", parse_news_state);
  news.text = reader.string("text");
  news.everybody = !reader.boolean("chosen");
  news.next_update = reader.optional_time("next_update");
  if (const json::array* audiences = reader.array("audiences")) {
    for (const json::value& each : *audiences) {
      if (const json::string* name = each.if_string()) {
        news.audiences.emplace_back(name->data(), name->size());
      }
    }
  }
  TC_TRY(reader.finish("news"));
  return news;
}

template <class T, class Read>
Result<std::vector<T>> read_list(const json::array* array, Read read) {
  std::vector<T> list;
  if (!array) return list;
  for (const json::value& each : *array) {
    const json::object* object = each.if_object();
    if (!object) return base::error(ErrorCode::Corruption, "report: an element is no object");
    TC_TRY(T one, read(*object));
    list.push_back(std::move(one));
  }
  return list;
}

}  // namespace

std::string_view to_string(ActionType type) {
  return kTypes[static_cast<std::size_t>(type)];
}

std::optional<ActionType> parse_action_type(std::string_view text) {
  return find_word<ActionType>(kTypes, text);
}

std::string_view to_string(NewsState state) {
  return kStates[static_cast<std::size_t>(state)];
}

std::optional<NewsState> parse_news_state(std::string_view text) {
  return find_word<NewsState>(kStates, text);
}

std::string action_id(std::int64_t incident, std::int64_t item) {
  return fmt::format("A-{}-{}", incident, item);
}

std::optional<std::pair<std::int64_t, std::int64_t>> parse_action_id(std::string_view id) {
  const std::vector<std::string_view> parts = base::split(id, '-');
  if (parts.size() != 3 || parts[0] != "A") return std::nullopt;
  const auto incident = base::parse_i64(parts[1]);
  const auto item = base::parse_i64(parts[2]);
  if (!incident || !item || *incident <= 0 || *item <= 0) return std::nullopt;
  return std::pair(*incident, *item);
}

std::vector<ReviewField> review_fields() {
  return {kFields.begin(), kFields.end()};
}

Result<std::int64_t> apply_edit(Review& review, const ReviewEdit& edit, const std::string& actor,
                                base::WallTime now) {
  Review changed = review;
  std::int64_t number = 0;
  for (const auto& [name, text] : edit.fields) {
    TC_TRY(check_field(name, text));
    if (base::trim(text).empty()) {
      changed.fields.erase(name);
    } else {
      changed.fields[name] = text;
    }
  }
  if (changed.fields.size() > kFieldsMax) {
    return base::error(ErrorCode::LimitExceeded,
                       fmt::format("a report has at most {} fields", kFieldsMax));
  }
  if (edit.new_action) {
    TC_TRY(check_action(*edit.new_action));
    if (changed.actions.size() >= kActionsMax) {
      return base::error(ErrorCode::LimitExceeded,
                         fmt::format("an incident has at most {} action items", kActionsMax));
    }
    ActionItem item = *edit.new_action;
    item.number = changed.actions.empty() ? 1 : changed.actions.back().number + 1;
    item.created_at = now;
    item.created_by = actor;
    number = item.number;
    changed.actions.push_back(std::move(item));
  }
  if (edit.action != 0) {
    const auto item = std::find_if(changed.actions.begin(), changed.actions.end(),
                                   [&](const auto& each) { return each.number == edit.action; });
    if (item == changed.actions.end()) {
      return base::error(ErrorCode::NotFound, fmt::format("there is no action item {}",
                                                          action_id(review.incident, edit.action)));
    }
    if (edit.done && item->done_at) {
      return invalid(fmt::format("action item {} is done already, by {}",
                                 action_id(review.incident, edit.action), item->done_by));
    }
    if (edit.owner) item->owner = *edit.owner;
    if (edit.due) item->due = edit.due;
    TC_TRY(check_action(*item));
    if (edit.done) {
      item->done_at = now;
      item->done_by = actor;
    }
    number = edit.action;
  }
  changed.updated_at = now;
  if (const std::size_t bytes = review_record(changed).body.size(); bytes > kKeptBodyBytesMax) {
    return too_long("the report's own part", bytes, kKeptBodyBytesMax);
  }
  review = std::move(changed);
  return number;
}

KeptRecord review_record(const Review& review) {
  json::array actions;
  for (const ActionItem& item : review.actions) actions.push_back(action_value(item));
  json::array news;
  for (const News& each : review.news) news.push_back(news_value(each));
  json::object object{{"fields", strings_value(review.fields)},
                      {"actions", std::move(actions)},
                      {"news", std::move(news)},
                      {"updated_at", base::to_ms(review.updated_at)}};
  if (review.reminded_at) object["reminded_at"] = base::to_ms(*review.reminded_at);
  return {std::string(kReviewKind), Incident::incident_id(review.incident),
          json::serialize(object)};
}

Result<Review> review_from_record(const KeptRecord& record) {
  TC_TRY(const json::object object, parse_object(record.body, "report"));
  FieldReader reader(object);
  Review review;
  const auto number = record.key.starts_with("T-")
                          ? base::parse_i64(std::string_view(record.key).substr(2))
                          : std::nullopt;
  if (!number) {
    return base::error(ErrorCode::Corruption, "report: '" + record.key + "' is no incident");
  }
  review.incident = *number;
  review.fields = reader.strings("fields");
  TC_TRY(review.actions, read_list<ActionItem>(reader.array("actions"), read_action));
  TC_TRY(review.news, read_list<News>(reader.array("news"), read_news));
  review.reminded_at = reader.optional_time("reminded_at");
  review.updated_at = reader.time("updated_at");
  TC_TRY(reader.finish("report"));
  return review;
}

}  // namespace tocsin::incident

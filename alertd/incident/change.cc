#include "alertd/incident/change.h"

#include <fmt/format.h>

#include <boost/json.hpp>

#include "alertd/incident/json_values.h"

namespace tocsin::incident {

namespace json = boost::json;
using base::Result;

std::string Change::describe() const {
  std::string text_out = service.empty() ? "change" : "change of " + service;
  if (!version.empty()) text_out += " " + version;
  if (!author.empty()) text_out += " by " + author;
  if (!text.empty()) text_out += ": " + text;
  if (!link.empty()) text_out += " (" + link + ")";
  return text_out;
}

KeptRecord change_record(const Change& change) {
  json::object object{{"at", base::to_ms(change.at)}};
  const auto put = [&object](const char* name, const std::string& value) {
    if (!value.empty()) object[name] = value;
  };
  put("service", change.service);
  put("version", change.version);
  put("author", change.author);
  put("link", change.link);
  put("text", change.text);
  return {std::string(kChangeKind), change.id, json::serialize(object)};
}

Result<Change> change_from_record(const KeptRecord& record) {
  TC_TRY(const json::object object, parse_object(record.body, "change"));
  FieldReader reader(object);
  Change change;
  change.id = record.key;
  change.at = reader.time("at");
  change.service = reader.string("service");
  change.version = reader.string("version");
  change.author = reader.string("author");
  change.link = reader.string("link");
  change.text = reader.string("text");
  TC_TRY(reader.finish("change"));
  return change;
}

}  // namespace tocsin::incident

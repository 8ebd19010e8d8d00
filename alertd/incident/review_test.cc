#include "alertd/incident/review.h"

#include <doctest/doctest.h>

namespace tocsin::incident {
namespace {

using base::ErrorCode;
using std::chrono::hours;

const base::WallTime kNow = base::wall_time(1'700'000'000'000);

ReviewEdit field(const std::string& name, const std::string& text) {
  ReviewEdit edit;
  edit.fields[name] = text;
  return edit;
}

ReviewEdit item(const std::string& text) {
  ReviewEdit edit;
  edit.new_action.emplace();
  edit.new_action->text = text;
  edit.new_action->owner = "ada";
  edit.new_action->due = kNow + hours(24);
  return edit;
}

TEST_CASE("review: fields are set and taken back, unknown ones refused with the nearest") {
  Review review;
  review.incident = 12;
  CHECK(apply_edit(review, field("root_cause", "the disk"), "ada", kNow).value() == 0);
  CHECK(review.fields.at("root_cause") == "the disk");
  CHECK(apply_edit(review, field("noise.DiskFull", "useful"), "ada", kNow));
  const auto wrong = apply_edit(review, field("root_case", "x"), "ada", kNow);
  REQUIRE(!wrong);
  CHECK(wrong.error().message == "a report has no field 'root_case'; did you mean 'root_cause'?");
  const auto huge = apply_edit(review, field("summary", std::string(20'000, 'x')), "ada", kNow);
  REQUIRE(!huge);
  CHECK(huge.error().code == ErrorCode::LimitExceeded);
  CHECK(huge.error().message == "field 'summary' of the report is 20000 bytes, limit 16384");
  CHECK(apply_edit(review, field("root_cause", " "), "ada", kNow));
  CHECK(!review.fields.contains("root_cause"));
}

TEST_CASE("review: action items are numbered, changed and done once") {
  Review review;
  review.incident = 12;
  CHECK(apply_edit(review, item("alert on inodes"), "ada", kNow).value() == 1);
  CHECK(apply_edit(review, item("bigger disk"), "ada", kNow).value() == 2);
  CHECK(apply_edit(review, item(" "), "ada", kNow).error().message ==
        "the action item says nothing");
  CHECK(!review.actions[0].overdue(kNow));
  CHECK(review.actions[0].overdue(kNow + hours(24)));
  ReviewEdit done;
  done.action = 1;
  done.done = true;
  CHECK(apply_edit(review, done, "ben", kNow + hours(1)).value() == 1);
  CHECK(!review.actions[0].overdue(kNow + hours(48)));
  CHECK(apply_edit(review, done, "eve", kNow).error().message ==
        "action item A-12-1 is done already, by ben");
  done.action = 3;
  const auto missing = apply_edit(review, done, "eve", kNow);
  CHECK(missing.error().code == ErrorCode::NotFound);
  ReviewEdit later;
  later.action = 2;
  later.due = kNow + hours(48);
  later.owner = "eve";
  CHECK(apply_edit(review, later, "ben", kNow));
  CHECK(review.actions[1].owner == "eve");
  CHECK(!review.actions[1].overdue(kNow + hours(25)));
}

TEST_CASE("review: an edit that fails changes nothing") {
  Review review;
  review.incident = 12;
  ReviewEdit edit = field("summary", "short");
  edit.action = 9;
  CHECK(!apply_edit(review, edit, "ada", kNow));
  CHECK(review.fields.empty());
  for (std::size_t i = 0; i < kActionsMax; ++i) REQUIRE(apply_edit(review, item("x"), "a", kNow));
  CHECK(apply_edit(review, item("one more"), "ada", kNow).error().code == ErrorCode::LimitExceeded);
}

TEST_CASE("review: stored and read back whole; damaged texts are named") {
  Review review;
  review.incident = 12;
  REQUIRE(apply_edit(review, field("lucky", "it was \"Sunday\""), "ada", kNow));
  REQUIRE(apply_edit(review, item("alert on inodes"), "ada", kNow));
  News news;
  news.at = kNow;
  news.state = NewsState::Identified;
  news.by = "ben";
  news.text = "words";
  news.audiences = {"dean"};
  news.everybody = false;
  news.next_update = kNow + hours(1);
  review.news.push_back(news);
  review.reminded_at = kNow + hours(2);
  const KeptRecord record = review_record(review);
  CHECK(record.kind == "report");
  CHECK(record.key == "T-12");
  const Review read = review_from_record(record).value();
  CHECK(review_record(read).body == record.body);
  CHECK(read.incident == 12);
  CHECK(read.news.at(0).state == NewsState::Identified);
  CHECK(!read.news.at(0).everybody);
  CHECK(read.actions.at(0).due == kNow + hours(24));
  CHECK(review_from_record({"report", "T-12", "{\"actions\":[{\"type\":\"x\"}]}"}).error().code ==
        ErrorCode::Corruption);
  CHECK(review_from_record({"report", "12", "{}"}).error().code == ErrorCode::Corruption);
}

TEST_CASE("review: ids of action items") {
  CHECK(action_id(1042, 3) == "A-1042-3");
  CHECK(parse_action_id("A-1042-3") == std::pair<std::int64_t, std::int64_t>(1042, 3));
  for (const char* wrong : {"", "A-1042", "T-1042-3", "A-1042-x", "A-0-1", "A-1-2-3", "A--1-2"}) {
    CHECK_MESSAGE(!parse_action_id(wrong), wrong);
  }
}

}  // namespace
}  // namespace tocsin::incident

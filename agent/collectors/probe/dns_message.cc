#include "agent/collectors/probe/dns_message.h"

#include <arpa/inet.h>
#include <arpa/nameser.h>
#include <fmt/format.h>
#include <resolv.h>

#include <algorithm>
#include <array>

#include "common/base/strings.h"

namespace tocsin::agent {

using base::ErrorCode;
using base::Result;

namespace {

constexpr std::size_t kRecordsMax = 200;

struct Named {
  const char* name;
  int number;
};
constexpr std::array kTypes = {
    Named{"A", ns_t_a},     Named{"AAAA", ns_t_aaaa}, Named{"CNAME", ns_t_cname},
    Named{"MX", ns_t_mx},   Named{"NS", ns_t_ns},     Named{"PTR", ns_t_ptr},
    Named{"SOA", ns_t_soa}, Named{"SRV", ns_t_srv},   Named{"TXT", ns_t_txt}};
constexpr std::array kRcodes = {Named{"NOERROR", ns_r_noerror},   Named{"FORMERR", ns_r_formerr},
                                Named{"SERVFAIL", ns_r_servfail}, Named{"NXDOMAIN", ns_r_nxdomain},
                                Named{"NOTIMP", ns_r_notimpl},    Named{"REFUSED", ns_r_refused}};

template <class Table>
std::vector<std::string> names_in(const Table& table) {
  std::vector<std::string> names;
  for (const Named& one : table) names.emplace_back(one.name);
  return names;
}

base::Error damaged() {
  return base::error(ErrorCode::InvalidArgument, "the answer is damaged");
}

/// The data of one record; names in it may point into the message.
class RecordData {
 public:
  RecordData(const ns_msg& message, const ns_rr& record)
      : message_(message), at_(ns_rr_rdata(record)), left_(ns_rr_rdlen(record)) {}

  Result<unsigned> number(std::size_t bytes) {
    if (left_ < bytes) return damaged();
    unsigned value = 0;
    for (std::size_t i = 0; i < bytes; ++i) value = value << 8U | at_[i];
    skip(bytes);
    return value;
  }
  Result<std::string> name() {
    std::array<char, NS_MAXDNAME> text{};
    const int size = ns_name_uncompress(ns_msg_base(message_), ns_msg_end(message_), at_,
                                        text.data(), text.size());
    if (size < 0 || static_cast<std::size_t>(size) > left_) return damaged();
    skip(static_cast<std::size_t>(size));
    return base::to_lower(text.data());
  }
  Result<std::string> address(int family, std::size_t bytes) {
    std::array<char, INET6_ADDRSTRLEN> text{};
    if (left_ != bytes || inet_ntop(family, at_, text.data(), text.size()) == nullptr) {
      return damaged();
    }
    return std::string(text.data());
  }
  Result<std::string> strings() {
    std::string text;
    while (left_ > 0) {
      const std::size_t size = *at_;
      if (size >= left_) return damaged();
      text.append(reinterpret_cast<const char*>(at_ + 1), size);
      skip(size + 1);
    }
    return base::to_lower(text);
  }

 private:
  void skip(std::size_t bytes) {
    at_ += bytes;
    left_ -= bytes;
  }

  const ns_msg& message_;
  const unsigned char* at_;
  std::size_t left_;
};

Result<std::string> text_of(const ns_msg& message, const ns_rr& record, DnsAnswer& answer) {
  RecordData data(message, record);
  switch (ns_rr_type(record)) {
    case ns_t_a:
      return data.address(AF_INET, 4);
    case ns_t_aaaa:
      return data.address(AF_INET6, 16);
    case ns_t_txt:
      return data.strings();
    case ns_t_mx: {
      TC_TRY(const unsigned preference, data.number(2));
      TC_TRY(const std::string name, data.name());
      return fmt::format("{} {}", preference, name);
    }
    case ns_t_srv: {
      TC_TRY(const unsigned priority, data.number(2));
      TC_TRY(const unsigned weight, data.number(2));
      TC_TRY(const unsigned port, data.number(2));
      TC_TRY(const std::string name, data.name());
      return fmt::format("{} {} {} {}", priority, weight, port, name);
    }
    case ns_t_soa: {
      TC_TRY(const std::string primary, data.name());
      TC_TRY(const std::string mailbox, data.name());
      TC_TRY(const unsigned serial, data.number(4));
      answer.serial = serial;
      return fmt::format("{} {} {}", primary, mailbox, serial);
    }
    default:
      return data.name();
  }
}

bool same_name(std::string_view a, std::string_view b) {
  const auto bare = [](std::string_view name) {
    if (name.ends_with('.')) name.remove_suffix(1);
    return base::to_lower(name);
  };
  return bare(a) == bare(b);
}

Result<void> check_question(ns_msg& message, const DnsQuestion& question) {
  const auto other = [] {
    return base::error(ErrorCode::InvalidArgument, "an answer to another question");
  };
  if (ns_msg_id(message) != question.id || ns_msg_getflag(message, ns_f_qr) != 1) return other();
  if (ns_msg_count(message, ns_s_qd) == 0) return base::ok();  // some leave it out with an error
  ns_rr asked;
  if (ns_parserr(&message, ns_s_qd, 0, &asked) != 0) return damaged();
  if (!same_name(ns_rr_name(asked), question.name) || ns_rr_type(asked) != question.type) {
    return other();
  }
  return base::ok();
}

}  // namespace

Result<std::string> make_dns_query(const DnsQuestion& question) {
  const auto bad = [&] {
    return base::error(ErrorCode::InvalidArgument,
                       fmt::format("'{}' is no name for DNS", base::escape_control(question.name)));
  };
  std::string out;
  const auto put = [&out](unsigned number) {
    out += static_cast<char>(number >> 8U & 0xffU);
    out += static_cast<char>(number & 0xffU);
  };
  put(question.id);
  put(question.recursion ? 0x0100U : 0U);
  for (const unsigned count : {1U, 0U, 0U, 0U}) put(count);
  std::array<unsigned char, NS_MAXCDNAME> name{};
  const int size = question.name.empty() ? -1
                                         : ns_name_compress(question.name.c_str(), name.data(),
                                                            name.size(), nullptr, nullptr);
  if (size < 0 || base::escape_control(question.name) != question.name) return bad();
  out.append(reinterpret_cast<const char*>(name.data()), static_cast<std::size_t>(size));
  put(static_cast<unsigned>(question.type));
  put(ns_c_in);
  return out;
}

Result<DnsAnswer> parse_dns_answer(std::string_view bytes, const DnsQuestion& question) {
  ns_msg message;
  if (ns_initparse(reinterpret_cast<const unsigned char*>(bytes.data()),
                   static_cast<int>(bytes.size()), &message) != 0) {
    return damaged();
  }
  TC_TRY(check_question(message, question));
  DnsAnswer answer;
  const int rcode = ns_msg_getflag(message, ns_f_rcode);
  const auto named = std::find_if(kRcodes.begin(), kRcodes.end(),
                                  [rcode](const Named& one) { return one.number == rcode; });
  answer.rcode = named == kRcodes.end() ? std::to_string(rcode) : named->name;
  answer.truncated = ns_msg_getflag(message, ns_f_tc) == 1;
  answer.answers = ns_msg_count(message, ns_s_an);
  answer.authorities = ns_msg_count(message, ns_s_ns);
  answer.additionals = ns_msg_count(message, ns_s_ar);
  for (std::size_t i = 0; i < std::min(answer.answers, kRecordsMax); ++i) {
    ns_rr record;
    if (ns_parserr(&message, ns_s_an, static_cast<int>(i), &record) != 0) return damaged();
    if (ns_rr_type(record) != question.type) continue;  // a CNAME on the way
    TC_TRY(std::string text, text_of(message, record, answer));
    answer.records.push_back(std::move(text));
  }
  return answer;
}

std::vector<std::string> dns_record_names() {
  return names_in(kTypes);
}

int dns_record_type(std::string_view name) {
  const auto found = std::find_if(kTypes.begin(), kTypes.end(),
                                  [name](const Named& one) { return one.name == name; });
  return found == kTypes.end() ? ns_t_a : found->number;
}

std::vector<std::string> dns_rcode_names() {
  return names_in(kRcodes);
}

}  // namespace tocsin::agent

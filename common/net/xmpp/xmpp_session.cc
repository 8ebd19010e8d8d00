// Source: RFC 6120, RFC 6121, XEP-0045 (rooms), XEP-0199 (ping).
#include "common/net/xmpp/xmpp_session.h"

#include <fmt/core.h>

#include <string_view>

#include "common/base/strings.h"

namespace tocsin::net {
namespace {

constexpr const char* kMucNamespace = "http://jabber.org/protocol/muc";
constexpr const char* kMucUserNamespace = "http://jabber.org/protocol/muc#user";
constexpr unsigned long kTurnMs = 50;

std::string_view attribute(xmpp_stanza_t* stanza, const char* name) {
  const char* value = stanza == nullptr ? nullptr : xmpp_stanza_get_attribute(stanza, name);
  return value == nullptr ? std::string_view() : std::string_view(value);
}

TalkOutcome taken(std::string reply) {
  return {true, false, false, std::move(reply)};
}

// What <error type="auth"><forbidden/></error> means.
TalkOutcome refusal(xmpp_stanza_t* stanza) {
  xmpp_stanza_t* error = xmpp_stanza_get_child_by_name(stanza, "error");
  const std::string type(attribute(error, "type"));
  xmpp_stanza_t* condition = error == nullptr ? nullptr : xmpp_stanza_get_children(error);
  const char* name = condition == nullptr ? nullptr : xmpp_stanza_get_name(condition);
  TalkOutcome outcome;
  outcome.permanent = type != "wait";
  outcome.auth = type == "auth";
  outcome.reply = base::escape_control(
      fmt::format("refused: {} {}", type, name == nullptr ? "without a reason" : name));
  return outcome;
}

bool has_status(xmpp_stanza_t* presence, std::string_view code) {
  xmpp_stanza_t* x = xmpp_stanza_get_child_by_ns(presence, kMucUserNamespace);
  for (xmpp_stanza_t* one = x == nullptr ? nullptr : xmpp_stanza_get_children(x); one != nullptr;
       one = xmpp_stanza_get_next(one)) {
    if (attribute(one, "code") == code) return true;
  }
  return false;
}

}  // namespace

XmppSession::XmppSession(const XmppAccount& account, std::function<bool()> expired)
    : account_(account), expired_(std::move(expired)), log_{on_log, this} {
  context_.reset(xmpp_ctx_new(nullptr, &log_));
  connection_.reset(xmpp_conn_new(context_.get()));
}

XmppSession::~XmppSession() {
  if (state_ == State::Ready) {
    xmpp_disconnect(connection_.get());
    for (int i = 0; i < 10 && state_ == State::Ready; ++i) turn(kTurnMs);
  }
}

void XmppSession::turn(unsigned long ms) {
  xmpp_run_once(context_.get(), ms);
}

void XmppSession::on_log(void* self, xmpp_log_level_t level, const char*, const char* text) {
  auto& session = *static_cast<XmppSession*>(self);
  const std::string_view words(text);
  // The only place where libstrophe tells a refused password from a lost connection.
  if (words.find("auth failed") != std::string_view::npos) session.refused_login_ = true;
  if (level == XMPP_LEVEL_ERROR || level == XMPP_LEVEL_WARN) {
    // Its words for a certificate that nobody vouches for.
    const bool stranger = words.find("certfail") != std::string_view::npos;
    session.trouble_ = stranger ? "the server's certificate is not trusted; is ca_file missing?"
                                : base::escape_control(words.substr(0, 200));
  }
}

void XmppSession::on_event(xmpp_conn_t*, xmpp_conn_event_t event, int error,
                           xmpp_stream_error_t* stream_error, void* self) {
  auto& session = *static_cast<XmppSession*>(self);
  if (event == XMPP_CONN_CONNECT) {
    session.state_ = State::Ready;
    return;
  }
  session.state_ = State::Lost;
  session.rooms_.clear();
  if (stream_error != nullptr && stream_error->text != nullptr) {
    session.trouble_ = base::escape_control(stream_error->text);
  } else if (error != 0 && session.trouble_.empty()) {
    session.trouble_ = fmt::format("connection lost (error {})", error);
  }
}

base::Result<TalkOutcome> XmppSession::log_in() {
  xmpp_conn_t* connection = connection_.get();
  long flags = XMPP_CONN_FLAG_DISABLE_SM | XMPP_CONN_FLAG_MANDATORY_TLS;
  if (account_.insecure) flags |= XMPP_CONN_FLAG_TRUST_TLS;
  if (xmpp_conn_set_flags(connection, flags) != 0) {
    return base::error(base::ErrorCode::InvalidArgument, "the TLS settings exclude each other");
  }
  xmpp_conn_set_jid(connection, account_.jid.c_str());
  xmpp_conn_set_pass(connection, account_.password.reveal().c_str());
  if (!account_.ca_file.empty()) xmpp_conn_set_cafile(connection, account_.ca_file.c_str());
  xmpp_handler_add(connection, on_message, nullptr, "message", nullptr, this);
  xmpp_handler_add(connection, on_presence, nullptr, "presence", nullptr, this);
  xmpp_handler_add(connection, on_iq, nullptr, "iq", nullptr, this);
  state_ = State::Connecting;
  const char* host = account_.host.empty() ? nullptr : account_.host.c_str();
  if (xmpp_connect_client(connection, host, host == nullptr ? 0 : account_.port, on_event, this) !=
      XMPP_EOK) {
    state_ = State::Lost;
  }
  while (state_ == State::Connecting && !expired_()) turn(kTurnMs);
  if (state_ == State::Ready) return taken({});
  if (refused_login_) {
    return TalkOutcome{false, true, true, "the server refused the login: check jid and password"};
  }
  if (state_ == State::Connecting) {
    return base::error(base::ErrorCode::Timeout, "no login within the time-out");
  }
  return base::error(
      base::ErrorCode::Unavailable,
      fmt::format("cannot log in: {}", trouble_.empty() ? "connection closed" : trouble_));
}

base::Result<TalkOutcome> XmppSession::wait() {
  while (!answer_ && state_ == State::Ready && !expired_()) turn(kTurnMs);
  if (answer_) return *answer_;
  if (state_ != State::Ready) {
    return base::error(base::ErrorCode::Unavailable, fmt::format("connection lost: {}", trouble_));
  }
  return base::error(base::ErrorCode::Timeout, "no answer within the time-out");
}

XmppSession::StanzaPtr XmppSession::child(xmpp_stanza_t* parent, const char* name, const char* ns) {
  StanzaPtr stanza(xmpp_stanza_new(context_.get()));
  xmpp_stanza_set_name(stanza.get(), name);
  if (ns != nullptr) xmpp_stanza_set_ns(stanza.get(), ns);
  if (parent != nullptr) xmpp_stanza_add_child(parent, stanza.get());
  return stanza;
}

void XmppSession::add_text(xmpp_stanza_t* parent, const std::string& text) {
  const StanzaPtr stanza(xmpp_stanza_new(context_.get()));
  xmpp_stanza_set_text(stanza.get(), text.c_str());
  xmpp_stanza_add_child(parent, stanza.get());
}

base::Result<TalkOutcome> XmppSession::enter(const XmppMessage& message) {
  const std::string place = message.to + "/" + message.nick;
  if (rooms_.count(place) > 0) return taken({});
  const StanzaPtr presence = child(nullptr, "presence", nullptr);
  xmpp_stanza_set_attribute(presence.get(), "to", place.c_str());
  const StanzaPtr x = child(presence.get(), "x", kMucNamespace);
  const StanzaPtr history = child(x.get(), "history", nullptr);
  xmpp_stanza_set_attribute(history.get(), "maxstanzas", "0");
  if (!message.room_password.empty()) {
    const StanzaPtr password = child(x.get(), "password", nullptr);
    add_text(password.get(), message.room_password.reveal());
  }
  answer_.reset();
  waiting_room_ = message.to;
  xmpp_send(connection_.get(), presence.get());
  auto entered = wait();
  waiting_room_.clear();
  if (entered && entered->delivered) rooms_.insert(place);
  return entered;
}

base::Result<TalkOutcome> XmppSession::deliver(const XmppMessage& message) {
  if (message.is_room) {
    TC_TRY(TalkOutcome entered, enter(message));
    if (!entered.delivered) return entered;
  }
  const StanzaPtr stanza(xmpp_message_new(context_.get(), message.is_room ? "groupchat" : "chat",
                                          message.to.c_str(), message.id.c_str()));
  xmpp_message_set_body(stanza.get(), message.body.c_str());
  if (!message.thread.empty()) {
    const StanzaPtr thread = child(stanza.get(), "thread", nullptr);
    add_text(thread.get(), message.thread);
  }
  answer_.reset();
  waiting_id_ = message.id;
  xmpp_send(connection_.get(), stanza.get());
  if (!message.is_room) {
    waiting_ping_ = fmt::format("tocsin-ping-{}", ++pings_);
    const StanzaPtr ping = child(nullptr, "iq", nullptr);
    xmpp_stanza_set_attribute(ping.get(), "type", "get");
    xmpp_stanza_set_attribute(ping.get(), "id", waiting_ping_.c_str());
    const StanzaPtr inner = child(ping.get(), "ping", "urn:xmpp:ping");
    xmpp_send(connection_.get(), ping.get());
  }
  auto result = wait();
  waiting_id_.clear();
  waiting_ping_.clear();
  if (!result || !result->delivered) rooms_.clear();  // perhaps we were put out
  return result;
}

int XmppSession::on_message(xmpp_conn_t*, xmpp_stanza_t* stanza, void* self) {
  auto& session = *static_cast<XmppSession*>(self);
  if (session.waiting_id_.empty() || attribute(stanza, "id") != session.waiting_id_) return 1;
  if (attribute(stanza, "type") == "error") {
    session.answer_ = refusal(stanza);
  } else if (attribute(stanza, "type") == "groupchat") {
    session.answer_ = taken("sent back by the room");
  }
  return 1;
}

int XmppSession::on_presence(xmpp_conn_t*, xmpp_stanza_t* stanza, void* self) {
  auto& session = *static_cast<XmppSession*>(self);
  const std::string_view from = attribute(stanza, "from");
  const std::string_view room = from.substr(0, from.find('/'));
  if (has_status(stanza, "110") && attribute(stanza, "type") == "unavailable") {
    session.rooms_.clear();
    return 1;
  }
  if (session.waiting_room_.empty() || room != session.waiting_room_) return 1;
  if (attribute(stanza, "type") == "error") {
    session.answer_ = refusal(stanza);
  } else if (has_status(stanza, "110")) {
    session.answer_ = taken({});
  }
  return 1;
}

int XmppSession::on_iq(xmpp_conn_t* connection, xmpp_stanza_t* stanza, void* self) {
  auto& session = *static_cast<XmppSession*>(self);
  const std::string_view type = attribute(stanza, "type");
  if (!session.waiting_ping_.empty() && attribute(stanza, "id") == session.waiting_ping_) {
    // Also an error is an answer: the server has worked through what came before.
    if (!session.answer_) session.answer_ = taken("taken by the server");
  } else if (type == "get" && xmpp_stanza_get_child_by_ns(stanza, "urn:xmpp:ping") != nullptr) {
    const StanzaPtr pong(xmpp_stanza_reply(stanza));
    xmpp_stanza_set_type(pong.get(), "result");
    xmpp_send(connection, pong.get());
  }
  return 1;
}

}  // namespace tocsin::net

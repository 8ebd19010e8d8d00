// One login of libstrophe, driven step by step. Internal to this folder.
#pragma once

#include <strophe.h>

#include <functional>
#include <memory>
#include <optional>
#include <set>
#include <string>

#include "common/net/xmpp/xmpp_client.h"

namespace tocsin::net {

/// Owner: one thread. Every step waits by turning libstrophe's loop until `expired` says so.
class XmppSession {
 public:
  XmppSession(const XmppAccount& account, std::function<bool()> expired);
  ~XmppSession();
  XmppSession(const XmppSession&) = delete;
  XmppSession& operator=(const XmppSession&) = delete;

  /// Connects and authenticates.
  base::Result<TalkOutcome> log_in();
  /// Enters the room if need be, sends, and waits for the proof.
  base::Result<TalkOutcome> deliver(const XmppMessage& message);
  /// Turns the loop once, for at most `ms`.
  void turn(unsigned long ms);
  bool alive() const { return state_ == State::Ready; }

 private:
  enum class State { Idle, Connecting, Ready, Lost };

  struct ContextFree {
    void operator()(xmpp_ctx_t* context) const { xmpp_ctx_free(context); }
  };
  struct ConnectionFree {
    void operator()(xmpp_conn_t* connection) const { xmpp_conn_release(connection); }
  };
  struct StanzaFree {
    void operator()(xmpp_stanza_t* stanza) const { xmpp_stanza_release(stanza); }
  };
  using StanzaPtr = std::unique_ptr<xmpp_stanza_t, StanzaFree>;

  static void on_log(void* self, xmpp_log_level_t level, const char* area, const char* text);
  static void on_event(xmpp_conn_t*, xmpp_conn_event_t event, int error,
                       xmpp_stream_error_t* stream_error, void* self);
  static int on_message(xmpp_conn_t*, xmpp_stanza_t* stanza, void* self);
  static int on_presence(xmpp_conn_t*, xmpp_stanza_t* stanza, void* self);
  static int on_iq(xmpp_conn_t*, xmpp_stanza_t* stanza, void* self);

  base::Result<TalkOutcome> wait();
  base::Result<TalkOutcome> enter(const XmppMessage& message);
  StanzaPtr child(xmpp_stanza_t* parent, const char* name, const char* ns);
  void add_text(xmpp_stanza_t* parent, const std::string& text);

  XmppAccount account_;
  std::function<bool()> expired_;
  xmpp_log_t log_{};
  std::unique_ptr<xmpp_ctx_t, ContextFree> context_;
  std::unique_ptr<xmpp_conn_t, ConnectionFree> connection_;
  State state_ = State::Idle;
  std::string trouble_;  ///< The last complaint in libstrophe's log.
  bool refused_login_ = false;
  std::set<std::string> rooms_;  ///< "room/nick" where we are.
  std::string waiting_room_;     ///< Entering it.
  std::string waiting_id_;       ///< Of the message sent.
  std::string waiting_ping_;     ///< Of the ping after it.
  std::optional<TalkOutcome> answer_;
  std::uint64_t pings_ = 0;
};

}  // namespace tocsin::net

// What all chat products over HTTP have in common: one message an incident, kept up to date.
//
// The first message of an incident starts a thread and leaves a receipt (the product's id of it).
// A later one edits the first in place, where the product can, and is said in one line in the
// thread, so that people see it. A repeat of the same delivery therefore changes nothing: the edit
// says the same again. If the first message is gone, a new one takes its place.
//
// A product is a small class that writes requests and reads answers; it keeps no state.
#pragma once

#include <memory>
#include <optional>
#include <string>

#include "alertd/notify/channel.h"
#include "alertd/notify/channels.h"
#include "alertd/notify/chat_outcome.h"
#include "alertd/notify/chat_text.h"

namespace tocsin::notify {

/// What a request says.
enum class Words {
  Full,   ///< Title and text.
  Brief,  ///< ChatMessage::brief only.
};

/// One product. Thread: the notify executor.
class ChatProduct {
 public:
  virtual ~ChatProduct() = default;

  virtual TextRules rules() const = 0;

  /// Names the place the messages go to; no secret. Receipts of another place are not used.
  virtual std::string place() const = 0;

  /// Returns the request for a new message. `first` is the id of the thread's first message, empty
  /// if this is the first.
  virtual net::HttpRequest post(const ChatMessage& message, Words words,
                                const std::string& first) const = 0;

  /// Returns the request that replaces the first message, or nullopt if the product cannot.
  virtual std::optional<net::HttpRequest> edit(const ChatMessage& message,
                                               const std::string& first) const {
    static_cast<void>(message);
    static_cast<void>(first);
    return std::nullopt;
  }

  /// Returns whether messages of one incident hang together by something else than receipts
  /// (a key or topic of ours): then the later ones are brief also without a receipt.
  virtual bool threads_by_key() const { return false; }
  /// Returns whether the product drops a message that it has already, by our key.
  virtual bool drops_repeats() const { return false; }

  /// Reads an answer; `id` of a new message becomes the receipt.
  virtual ChatAnswer read(const base::Result<net::HttpResponse>& response,
                          base::WallTime now) const = 0;
};

std::unique_ptr<Channel> make_chat_channel(std::unique_ptr<ChatProduct> product,
                                           const ChannelSettings& settings,
                                           const NotifySettings& notify, const ChannelWorld& world);

/// Returns a request with a JSON body.
net::HttpRequest json_request(std::string method, std::string url, std::string body,
                              const net::TlsOptions& tls);

}  // namespace tocsin::notify

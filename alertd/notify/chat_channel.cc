#include "alertd/notify/chat_channel.h"

#include <boost/json.hpp>

#include "common/base/hash.h"

namespace tocsin::notify {
namespace {

namespace json = boost::json;

constexpr std::size_t kAnswerBytesMax = 256 << 10;

// {"place":"...","id":"..."}: what the store keeps of a first message.
std::string receipt_text(const std::string& place, const std::string& id) {
  return json::serialize(json::object{{"place", place}, {"id", id}});
}

// The newest first message that still counts; empty if there is none.
std::string first_message(const DeliveryKey& key, const std::string& place) {
  for (auto receipt = key.earlier.rbegin(); receipt != key.earlier.rend(); ++receipt) {
    boost::system::error_code bad;
    const json::value value = json::parse(receipt->text, bad);
    const json::object* object = bad ? nullptr : value.if_object();
    const json::value* where = object == nullptr ? nullptr : object->if_contains("place");
    const json::value* id = object == nullptr ? nullptr : object->if_contains("id");
    if (where == nullptr || id == nullptr || !where->is_string() || !id->is_string()) continue;
    if (where->get_string() == place) return std::string(id->get_string());
    return {};
  }
  return {};
}

class ChatChannel final : public Channel {
 public:
  ChatChannel(std::unique_ptr<ChatProduct> product, const ChannelSettings& settings,
              const NotifySettings& notify, const ChannelWorld& world)
      : product_(std::move(product)),
        timeout_(settings.timeout),
        external_url_(notify.external_url),
        writer_(settings, notify, world.executor.clock()),
        executor_(world.executor),
        client_(world.http),
        failures_(world.metrics, settings) {}

  bool wants_receipts() const override { return true; }

  void send(const incident::Notification& notification, const DeliveryKey& key,
            SendDone done) override {
    auto job = std::make_shared<Job>();
    job->message = words(notification, key);
    job->built_in = [this, notification, repeated = said_repeated(key)] {
      ChannelSettings bare;
      const NotifySettings none;
      const MessageWriter writer(bare, none, executor_.clock());
      return chat_message(writer, notification, external_url_, product_->rules(), repeated);
    };
    job->done = std::move(done);
    job->is_test = notification.kind == incident::NotificationKind::Test;
    job->later = !says_all(notification);
    if (!job->is_test) job->first = first_message(key, product_->place());
    start(job);
  }

 private:
  /// One delivery on its way through at most two requests: edit the first message, say it below.
  struct Job {
    ChatMessage message;
    std::function<ChatMessage()> built_in;  ///< The same without the receiver's templates.
    SendDone done;
    std::string first;
    std::string note;
    bool is_test = false;
    bool later = false;        ///< Not the first of its incident.
    bool plain_words = false;  ///< built_in was used already.
    bool edit_failed = false;  ///< The thread has to say everything.
  };
  using JobPtr = std::shared_ptr<Job>;

  bool said_repeated(const DeliveryKey& key) const {
    return key.maybe_repeated && !product_->drops_repeats();
  }

  ChatMessage words(const incident::Notification& notification, const DeliveryKey& key) {
    ChatMessage message =
        chat_message(writer_, notification, external_url_, product_->rules(), said_repeated(key));
    message.key = key.value;
    failures_.note(message.template_failure);
    return message;
  }

  void start(const JobPtr& job) {
    if (!job->first.empty()) {
      if (auto request = product_->edit(job->message, job->first)) {
        exchange(std::move(*request),
                 [this, job](ChatAnswer answer) { edited(job, std::move(answer)); });
        return;
      }
    }
    post(job);
  }

  void edited(const JobPtr& job, ChatAnswer answer) {
    if (answer.markup_refused && !job->plain_words) {
      use_built_in(job);
      start(job);
    } else if (answer.gone) {
      job->first.clear();
      post(job);
    } else if (answer.outcome.verdict == Verdict::Retry) {
      finish(job, std::move(answer.outcome));
    } else {
      if (answer.outcome.verdict == Verdict::Permanent) {
        job->edit_failed = true;
        job->note = "first message not edited: " + answer.outcome.text;
      }
      post(job);
    }
  }

  void post(const JobPtr& job) {
    const bool in_thread =
        !job->first.empty() || (product_->threads_by_key() && job->later && !job->is_test);
    const Words words = in_thread && !job->edit_failed ? Words::Brief : Words::Full;
    exchange(product_->post(job->message, words, job->first), [this, job](ChatAnswer answer) {
      if (answer.markup_refused && !job->plain_words) {
        use_built_in(job);
        post(job);
        return;
      }
      if (answer.gone && !job->first.empty()) {
        job->first.clear();
        job->edit_failed = true;
        post(job);
        return;
      }
      if (job->first.empty() && !answer.id.empty() && !job->is_test) {
        answer.outcome.receipt = receipt_text(product_->place(), answer.id);
      }
      finish(job, std::move(answer.outcome));
    });
  }

  void use_built_in(const JobPtr& job) {
    const std::string key = job->message.key;
    job->message = job->built_in();
    job->message.key = key;
    job->message.template_failure = "the markup was refused; the built-in text was sent";
    job->plain_words = true;
    failures_.note(job->message.template_failure);
  }

  void exchange(net::HttpRequest request, std::function<void(ChatAnswer)> then) {
    // Two requests must end before the notifier stops waiting.
    request.timeout = timeout_ / 2;
    request.response_bytes_max = kAnswerBytesMax;
    client_.send(std::move(request), executor_,
                 [this, then = std::move(then)](const base::Result<net::HttpResponse>& response) {
                   then(product_->read(response, executor_.clock().wall()));
                 });
  }

  static void finish(const JobPtr& job, Outcome outcome) {
    for (const std::string* note : {&job->note, &job->message.template_failure}) {
      if (!note->empty()) outcome.text += "; " + *note;
    }
    job->done(std::move(outcome));
  }

  std::unique_ptr<ChatProduct> product_;
  base::Duration timeout_;
  std::string external_url_;
  MessageWriter writer_;
  base::Executor& executor_;
  net::HttpClient& client_;
  TemplateFailures failures_;
};

}  // namespace

std::unique_ptr<Channel> make_chat_channel(std::unique_ptr<ChatProduct> product,
                                           const ChannelSettings& settings,
                                           const NotifySettings& notify,
                                           const ChannelWorld& world) {
  return std::make_unique<ChatChannel>(std::move(product), settings, notify, world);
}

net::HttpRequest json_request(std::string method, std::string url, std::string body,
                              const net::TlsOptions& tls) {
  net::HttpRequest request;
  request.method = std::move(method);
  request.url = std::move(url);
  request.body = std::move(body);
  request.headers.emplace_back("Content-Type", "application/json; charset=utf-8");
  request.tls = tls;
  return request;
}

}  // namespace tocsin::notify

// A hub's DNS client: many queries in flight, each parking the fiber that asked. Belongs to its hub; only fibers of it may call.
//
// While anything is in flight a driver fiber (Weft's own, not counted as the program's) waits on c-ares' sockets and timeouts; it
// ends with the last answer. A query belongs to a job that is shared by the asking fiber and c-ares: a fiber that is cancelled
// just leaves, and the answer finds nobody.
#pragma once

#include <cstddef>
#include <memory>
#include <span>
#include <string>
#include <vector>

#include "dns/channel.hpp"
#include "dns/file.hpp"
#include "dns/resolv_conf.hpp"
#include "weft/cancel.hpp"
#include "weft/detail/runtime.hpp"

namespace weft::detail {
struct hub_state;
}

namespace weft::dns {

// How a question ended.
enum class verdict {
  ok,         // the message holds an answer
  no_data,    // the name exists, nothing of that type does
  not_found,  // NXDOMAIN
  refused,    // the servers answered, but would or could not say (SERVFAIL): another name may fare better
  no_answer,  // no server answered in time, or none can be reached
  bad_name,   // no such name can be asked for
  unusable,   // an answer, with nothing of that type in it: aliases that lead nowhere, damaged records
  no_memory,
};

struct reply {
  verdict is = verdict::no_answer;
  std::basic_string<unsigned char> message;
};

class resolver {
public:
  // The hub's resolver, made on first use; null when c-ares cannot be loaded.
  static resolver* of(detail::hub& h);

  // Asks for records of each of `types` of `name` at once and parks until all are answered; `replies` has one for each. When the
  // wait ends otherwise (cancelled, ...), says so and leaves.
  detail::wake ask(const std::string& name, std::span<const int> types, std::vector<reply>& replies);

  // What resolv.conf says now; the file is read again when it changes.
  const resolv_conf& configuration();

  const cares& library() const noexcept { return library_; }

  resolver(detail::hub& h, const cares& library);
  ~resolver();
  resolver(const resolver&) = delete;
  resolver& operator=(const resolver&) = delete;

private:
  struct job;
  struct question;

  channel& channel_for(std::size_t queries);
  void drive();
  void start_driver();
  void wake_driver() noexcept;
  void drop_idle_channels();
  std::size_t in_flight() const noexcept;
  unsigned socket_version() const noexcept;
  static void end(detail::hub& h);
  bool over() const;  // its hub has ended

  detail::hub& home_;
  detail::hub_state* state_;  // kept, so that its address names this hub for as long as this object lives
  const cares& library_;
  std::vector<std::unique_ptr<channel>> channels_;
  resolv_conf conf_;
  std::string conf_path_;
  file_stamp conf_stamp_;
  long pid_ = 0;
  std::size_t asking_ = 0;      // fibers parked in ask()
  bool driving_ = false;
  bool ending_ = false;
  cancel_scope* poll_ = nullptr;  // around the driver's wait, to interrupt it
  unsigned polled_version_ = 0;   // socket_version() as of that wait
  detail::waiter* ended_ = nullptr;
};

}  // namespace weft::dns

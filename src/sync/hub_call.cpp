// hub::call: a function goes to another OS thread's hub, its outcome comes back to who waits: a fiber, or an OS thread without a hub.
//
// The way back is a node that was made with the call, so that nothing can fail on it. A fiber that waits no longer is not told.
#include <condition_variable>
#include <cxxabi.h>
#include <mutex>

#include "core/hub_state.hpp"
#include "sync/pool_thread.hpp"
#include "weft/detail/sync.hpp"
#include "weft/fiber.hpp"
#include "weft/hub.hpp"

namespace weft {
namespace detail {
namespace {

// One call on its way there and back.
struct errand : std::enable_shared_from_this<errand> {
  explicit errand(std::shared_ptr<hub_call> what) : call(std::move(what)), job_of(waits_for_job()) {
    hub* h = try_hub();
    if (h == nullptr) return;
    check_cancelled(*h);
    if (core::parking_impossible(*h)) throw_if_ended(*h, wake::impossible, "hub.call");
    asker = &hub_state::of(*h);
    asker->retain();
  }
  ~errand() {
    if (asker != nullptr) asker->release();
  }
  errand(const errand&) = delete;
  errand& operator=(const errand&) = delete;

  void wait() {
    if (asker == nullptr) {
      std::unique_lock guard(lock);
      told.wait(guard, [&] { return over; });
      return;
    }
    // Meanwhile the hub can be woken from outside, which the deadlock report and a virtual clock have to know.
    struct outside {
      hub& h;
      explicit outside(hub& home) : h(home) { h.external.add(1); }
      ~outside() { h.external.sub(1); }
    } while_waiting(current_hub());
    while (!over) {
      waiter w("hub.call");
      line.push_back(w);
      wait_on(current_hub(), w);
    }
  }

  // Over there, when `failure` says how it went. Who calls holds on to it: the asker may be through with it before this returns.
  void finish() noexcept {
    if (asker == nullptr) {
      const std::lock_guard guard(lock);
      over = true;
      told.notify_all();
      return;
    }
    back.of = shared_from_this();
    back.run = [](hub&, core::remote_node* n) noexcept {
      std::shared_ptr<errand> me = std::move(static_cast<way_back*>(n)->of);
      me->over = true;
      me->line.notify_all();
      if (me.use_count() > 1) return;
      // Nobody wants the result: the user's destructor runs in a fiber, not in the hub's own time.
      try {
        spawn([last = std::move(me)] {});
      } catch (const out_of_stacks&) {
      }
    };
    if (!core::post_node(*asker, back)) back.of.reset();
  }

  const std::shared_ptr<hub_call> call;
  hub* const job_of;  // where the job of a pool that calls is waited for
  std::exception_ptr failure;

private:
  struct way_back : core::remote_node {
    std::shared_ptr<errand> of;
  };
  hub_state* asker = nullptr;  // null: an OS thread without a hub
  way_back back;
  waiting_list line;
  bool over = false;  // of a hub's fiber: on that hub
  std::mutex lock;
  std::condition_variable told;
};

// The errand while it is on its way, or done. One that is dropped before it began finds a hub that has ended.
struct courier {
  explicit courier(std::shared_ptr<errand> e) noexcept : carries(std::move(e)) {}
  courier(const courier&) = delete;
  courier& operator=(const courier&) = delete;
  ~courier() {
    if (carries == nullptr) return;
    carries->failure = std::make_exception_ptr(hub_closed());
    carries->finish();
  }
  void deliver() {
    const std::shared_ptr<errand> e = std::move(carries);
    // Meanwhile a job that calls the hub which waits for it waits itself, and is nobody who could wake that hub from outside.
    hub& h = current_hub();
    const bool job_waits = e->job_of == &h;
    if (job_waits) h.external.sub(1);
    struct finisher {
      errand& of;
      hub* counts;
      ~finisher() {
        if (counts != nullptr) counts->external.add(1);
        of.finish();
      }
    } at_end{*e, job_waits ? &h : nullptr};
    try {
      e->call->run();
    } catch (const cancelled&) {
      e->failure = std::make_exception_ptr(fiber_cancelled());
      throw;
    } catch (const abi::__forced_unwind&) {
      e->failure = std::make_exception_ptr(fiber_cancelled());
      throw;
    } catch (...) {
      e->failure = std::current_exception();
    }
  }

private:
  std::shared_ptr<errand> carries;
};

}  // namespace

hub_call::~hub_call() = default;

}  // namespace detail

bool hub::is_here() const noexcept {
  detail::hub* h = detail::try_hub();
  return h != nullptr && h->face == state_;
}

void hub::call_there(const std::shared_ptr<detail::hub_call>& c) const {
  const auto e = std::make_shared<detail::errand>(c);
  post([one = std::make_shared<detail::courier>(e)] { one->deliver(); });
  e->wait();
  if (e->failure != nullptr) std::rethrow_exception(e->failure);
}

}  // namespace weft

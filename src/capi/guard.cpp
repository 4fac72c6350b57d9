#include "capi/guard.hpp"

#include <cxxabi.h>
#include <new>
#include <stdexcept>
#include <system_error>

#include "sys/report.hpp"
#include "weft/greenlet_value.hpp"

namespace weft::capi {

int errno_of_current_exception() {
  try {
    throw;
  } catch (const cancelled&) {
    return ECANCELED;
  } catch (const timeout_error&) {
    return ETIMEDOUT;
  } catch (const wrong_hub&) {
    return EPERM;
  } catch (const self_join&) {
    return EDEADLK;
  } catch (const deadlock& e) {
    sys::report() << e.what() << "\n";
    return EDEADLK;
  } catch (const out_of_stacks&) {
    return ENOMEM;
  } catch (const std::bad_alloc&) {
    return ENOMEM;
  } catch (const would_block_hub&) {
    return ENOTSUP;
  } catch (const hub_closed&) {
    return ESRCH;
  } catch (const no_fiber&) {
    return EINVAL;
  } catch (const not_owner&) {
    return EPERM;
  } catch (const queue_closed&) {
    return EPIPE;
  } catch (const std::invalid_argument&) {
    return EINVAL;
  } catch (const greenlet_error&) {
    return EPERM;
  } catch (const std::system_error& e) {
    return e.code().value();
  } catch (const abi::__forced_unwind&) {
    throw;
  } catch (...) {
    return EINTR;
  }
}

}  // namespace weft::capi

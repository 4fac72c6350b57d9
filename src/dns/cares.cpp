#include "dns/cares.hpp"

#include <dlfcn.h>

#include <atomic>
#include <memory>
#include <type_traits>

#include "sys/report.hpp"

namespace weft::dns {

namespace {

std::unique_ptr<cares> load() {
  auto table = std::make_unique<cares>();
  void* library = dlopen("libcares.so.2", RTLD_NOW | RTLD_LOCAL);
  if (library == nullptr) {
    sys::report() << "no libcares.so.2: names are looked up by libc\n";
    return nullptr;
  }
  const char* missing = nullptr;
  const auto find = [&](auto& slot, const char* name) {
    slot = reinterpret_cast<std::remove_reference_t<decltype(slot)>>(dlsym(library, name));
    if (slot == nullptr) missing = name;
  };
  find(table->library_init, "ares_library_init");
  find(table->init_options, "ares_init_options");
  find(table->destroy, "ares_destroy");
  find(table->cancel, "ares_cancel");
  find(table->query, "ares_query");
  find(table->process_fd, "ares_process_fd");
  find(table->timeout, "ares_timeout");
  find(table->set_servers_ports_csv, "ares_set_servers_ports_csv");
  find(table->set_socket_functions, "ares_set_socket_functions");
  find(table->expand_name, "ares_expand_name");
  find(table->free_string, "ares_free_string");
  if (missing == nullptr && table->library_init(ARES_LIB_INIT_ALL) == ARES_SUCCESS) return table;
  sys::report() << "libcares.so.2 is unusable (" << (missing != nullptr ? missing : "ares_library_init")
                << "): names are looked up by libc\n";
  return nullptr;
}

}  // namespace

const cares* cares::get() {
  // Not a guarded static: loading reads files, and a fiber that parked there would leave the guard locked under its own thread.
  static std::atomic<const cares*> loaded{nullptr};
  static std::atomic<bool> tried{false};
  if (tried.load(std::memory_order_acquire)) return loaded.load(std::memory_order_acquire);
  std::unique_ptr<cares> mine = load();
  const cares* none = nullptr;
  if (mine != nullptr && loaded.compare_exchange_strong(none, mine.get())) mine.release();
  tried.store(true, std::memory_order_release);
  return loaded.load(std::memory_order_acquire);
}

}  // namespace weft::dns

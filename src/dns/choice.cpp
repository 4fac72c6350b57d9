#include "dns/choice.hpp"

#include <string_view>

#include "core/hub.hpp"
#include "sys/features.hpp"
#include "sys/report.hpp"

namespace weft::dns {

namespace {

bool read_choice() {
  const char* value = sys::env("WEFT_RESOLVER");
  const std::string_view word = value != nullptr ? value : "";
  if (!word.empty() && word != "ares" && word != "libc")
    sys::report() << "WEFT_RESOLVER=" << value << " is neither ares nor libc: taken as ares\n";
  return word == "libc";
}

}  // namespace

bool own_resolv_conf() {
  const char* named = sys::env("WEFT_RESOLV_CONF");
  return named != nullptr && *named != '\0';
}

bool libc_wanted() {
  static const bool wanted = read_choice();
  return wanted;
}

bool weft_answers() {
  if (libc_wanted()) return false;
  if (own_resolv_conf()) return true;
  const detail::hub* h = detail::try_hub();
  return h != nullptr && h->live > 1;
}

}  // namespace weft::dns

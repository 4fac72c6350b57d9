// The functions of c-ares that Weft uses, loaded when the first name is looked up: a program that looks up none pays nothing.
#pragma once

#include <ares.h>

namespace weft::dns {

struct cares {
  decltype(&ares_library_init) library_init;
  decltype(&ares_init_options) init_options;
  decltype(&ares_destroy) destroy;
  decltype(&ares_cancel) cancel;
  decltype(&ares_query) query;
  decltype(&ares_process_fd) process_fd;
  decltype(&ares_timeout) timeout;
  decltype(&ares_set_servers_ports_csv) set_servers_ports_csv;
  decltype(&ares_set_socket_functions) set_socket_functions;
  decltype(&ares_expand_name) expand_name;
  decltype(&ares_free_string) free_string;

  // Null when libcares.so.2 cannot be loaded or lacks something; said once on standard error.
  static const cares* get();
};

}  // namespace weft::dns

// The echo server as a user of Boost.Asio's coroutines writes it, on an io_context of one thread. Prints its port, serves until a signal.
#include <boost/asio.hpp>

#include <cstdio>

namespace {

namespace asio = boost::asio;
using asio::ip::tcp;

constexpr std::size_t buffer_size = 512;

asio::awaitable<void> serve(tcp::socket connection) {
  char buffer[buffer_size];
  try {
    for (;;) {
      const std::size_t n = co_await connection.async_read_some(asio::buffer(buffer), asio::use_awaitable);
      co_await asio::async_write(connection, asio::buffer(buffer, n), asio::use_awaitable);
    }
  } catch (const boost::system::system_error&) {
    // closed by the other side
  }
}

asio::awaitable<void> accept_all(tcp::acceptor& acceptor) {
  for (;;) {
    tcp::socket connection = co_await acceptor.async_accept(asio::use_awaitable);
    asio::co_spawn(acceptor.get_executor(), serve(std::move(connection)), asio::detached);
  }
}

}  // namespace

int main() {
  asio::io_context context{1};  // the hint of one thread leaves the locks out
  tcp::acceptor acceptor(context, {asio::ip::address_v4::loopback(), 0}, false);
  acceptor.listen(4096);
  std::printf("%d\n", acceptor.local_endpoint().port());
  std::fflush(stdout);
  asio::co_spawn(context, accept_all(acceptor), asio::detached);
  context.run();
}

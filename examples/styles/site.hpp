// A small web site on loopback for the crawler and the downloader: pages with links, images of some size. Every answer takes its time.
#pragma once

#include <weft/weft.hpp>

#include <chrono>
#include <map>
#include <stdexcept>
#include <string>

class site {
public:
  explicit site(std::chrono::milliseconds delay)
      : server_(weft::listener("127.0.0.1", 0), [this, delay](weft::stream s, const weft::endpoint&) {
          const auto request = s.read_line();
          while (auto line = s.read_line())
            if (line->empty()) break;
          if (!request) return;
          const std::string path = request->substr(4, request->find(' ', 4) - 4);
          weft::this_fiber::sleep_for(delay);
          const auto page = pages.find(path);
          const std::string body = page != pages.end() ? page->second : "";
          s.write_all((page != pages.end() ? "HTTP/1.0 200 OK\r\n" : "HTTP/1.0 404 Not Found\r\n") + std::string("\r\n") + body);
        }) {
    server_.start();
  }
  std::uint16_t port() const { return server_.local_endpoint().port(); }

  std::map<std::string, std::string> pages;

private:
  weft::stream_server server_;
};

// The body of an answer. Throws std::runtime_error for a status that is not 200.
inline std::string body_of(const std::string& path, const std::string& answer) {
  if (answer.compare(9, 3, "200") != 0) throw std::runtime_error(path + ": " + answer.substr(9, answer.find('\r') - 9));
  return answer.substr(answer.find("\r\n\r\n") + 4);
}

// GET: the body. For fibers, and for tasks.
inline std::string get(std::uint16_t port, const std::string& path) {
  auto s = weft::stream::connect("127.0.0.1", port);
  s.write_all("GET " + path + " HTTP/1.0\r\n\r\n");
  return body_of(path, s.read_all());
}
inline weft::task<std::string> async_get(std::uint16_t port, std::string path) {
  auto s = co_await weft::async::connect("127.0.0.1", port);
  co_await weft::async::write_all(s, "GET " + path + " HTTP/1.0\r\n\r\n");
  const std::string answer = co_await weft::async::read_all(s);
  co_return body_of(path, answer);
}

// A crawler with at most four requests under way: each page is fetched by a fiber of its own, which spawns fibers for the links it
// finds. The site is a small HTTP server in the same program, where page N links to pages 2N and 2N+1.
//
// Prints:
//   fetched 31 pages, not one twice
//   most requests at once: 4
//   broken links: 1
#include <algorithm>
#include <chrono>
#include <iostream>
#include <mutex>
#include <regex>
#include <set>
#include <string>

#include <weft/listener.hpp>
#include <weft/server.hpp>
#include <weft/stream.hpp>
#include <weft/weft.hpp>

using namespace std::chrono_literals;

static int at_once = 0, most_at_once = 0;

static void serve(weft::stream connection, const weft::endpoint&) {
  const std::string request = connection.read_until("\r\n\r\n");
  most_at_once = std::max(most_at_once, ++at_once);
  weft::this_fiber::sleep_for(2ms);  // a server far away
  --at_once;
  const int page = std::stoi(request.substr(request.find("/page/") + 6));
  std::string body;
  if (page < 16)
    for (int link : {2 * page, 2 * page + 1}) body += "<a href=\"/page/" + std::to_string(link) + "\">more</a>\n";
  if (page == 31) body = "<a href=\"/page/99\">gone</a><a href=\"/page/1\">home</a>";
  const char* status = page < 32 ? "200 OK" : "404 Not Found";
  connection.write_all(std::string("HTTP/1.0 ") + status + "\r\n\r\n" + body);
}

class crawler {
public:
  explicit crawler(const weft::endpoint& site) : site_(site) {}

  void run(const std::string& start) {
    weft::task_group pages;
    pages.run([&] { visit(pages, start); });
    std::cout << "fetched " << fetched_ << " pages, " << (fetched_ + broken_ == seen_.size() ? "not one twice" : "some twice") << '\n';
    std::cout << "most requests at once: " << most_at_once << '\n';
    std::cout << "broken links: " << broken_ << '\n';
  }

private:
  void visit(weft::task_group& pages, const std::string& path) {
    if (seen_.insert(path).second) pages.spawn([this, &pages, path] { fetch(pages, path); });
  }

  void fetch(weft::task_group& pages, const std::string& path) {
    std::string answer;
    {
      std::lock_guard slot(slots_);
      weft::stream s = weft::stream::connect(site_);
      s.write_all("GET " + path + " HTTP/1.0\r\n\r\n");
      answer = s.read_all();
    }
    if (answer.compare(9, 3, "200") != 0) {
      ++broken_;
      return;
    }
    ++fetched_;
    static const std::regex link("href=\"([^\"]*)\"");
    for (std::sregex_iterator m(answer.begin(), answer.end(), link), end; m != end; ++m) visit(pages, (*m)[1]);
  }

  weft::endpoint site_;
  weft::semaphore slots_{4};
  std::set<std::string> seen_;
  std::size_t fetched_ = 0, broken_ = 0;
};

int main() {
  weft::stream_server site(weft::listener("127.0.0.1", 0), serve);
  site.start();
  crawler(site.local_endpoint()).run("/page/1");
  site.stop();
}

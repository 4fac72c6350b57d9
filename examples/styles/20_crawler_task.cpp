// The link crawler: fetch pages, parse the links in them, write what was found; pages that fail are told, and hurt nobody. Each page is
// a task; a pool lets 3 requests be under way, each of which takes a second.
//
// Prints:
//    0.0 s  crawl begins at /
//    1.0 s  / has 3 links
//    2.0 s  /a has 2 links
//    2.0 s  /b has 1 links
//    2.0 s  failed: /missing: 404 Not Found
//    3.0 s  /c has 0 links
//    3.0 s  found: / /a /b /c
#include "site.hpp"
#include "stage.hpp"

#include <set>
#include <string>
#include <vector>

using namespace std::chrono_literals;
namespace async = weft::async;

static std::vector<std::string> links_in(const std::string& page) {
  std::vector<std::string> links;
  for (std::size_t at = 0; (at = page.find("href=\"", at)) != page.npos;) {
    at += 6;
    links.push_back(page.substr(at, page.find('"', at) - at));
  }
  return links;
}

struct crawler {
  const stage& s;
  std::uint16_t port;
  weft::task_group& crawl;
  weft::pool fetchers{3};
  std::set<std::string> seen{}, found{};

  weft::task<> visit(std::string path) {
    std::string page;
    try {
      page = co_await async::apply(fetchers, async_get, port, path);
    } catch (const std::runtime_error& e) {
      s.say("failed: %s", e.what());
      co_return;
    }
    found.insert(path);
    const auto links = links_in(page);
    s.say("%s has %zu links", path.c_str(), links.size());
    for (const std::string& link : links) begin(link);
  }
  void begin(const std::string& path) {
    if (seen.insert(path).second) crawl.spawn([this, path] { return visit(path); });
  }
};

int main() {
  stage s;
  site web(1s);
  web.pages = {{"/", R"(<a href="/a"> <a href="/b"> <a href="/missing">)"},
               {"/a", R"(<a href="/b"> <a href="/c">)"},
               {"/b", R"(<a href="/">)"},
               {"/c", "the end"}};

  weft::task_group crawl;
  crawler c{s, web.port(), crawl};
  s.say("crawl begins at /");
  c.begin("/");
  crawl.join();
  std::string all;
  for (const std::string& path : c.found) all += ' ' + path;
  s.say("found:%s", all.c_str());
}

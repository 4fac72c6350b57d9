// The link crawler: fetch pages, parse the links in them, write what was found; pages that fail are told, and hurt nobody. Each page is
// a fiber of a pool of 3, so at most 3 requests are under way; each takes a second.
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

static std::vector<std::string> links_in(const std::string& page) {
  std::vector<std::string> links;
  for (std::size_t at = 0; (at = page.find("href=\"", at)) != page.npos;) {
    at += 6;
    links.push_back(page.substr(at, page.find('"', at) - at));
  }
  return links;
}

int main() {
  stage s;
  site web(1s);
  web.pages = {{"/", R"(<a href="/a"> <a href="/b"> <a href="/missing">)"},
               {"/a", R"(<a href="/b"> <a href="/c">)"},
               {"/b", R"(<a href="/">)"},
               {"/c", "the end"}};

  weft::pool fetchers(3);
  weft::group crawl;
  std::set<std::string> seen{"/"}, found;
  auto visit = [&](const auto& self, const std::string& path) -> void {
    std::string page;
    try {
      page = fetchers.apply(get, web.port(), path);
    } catch (const std::runtime_error& e) {
      s.say("failed: %s", e.what());
      return;
    }
    found.insert(path);
    const auto links = links_in(page);
    s.say("%s has %zu links", path.c_str(), links.size());
    for (const std::string& link : links)
      if (seen.insert(link).second) crawl.spawn([&, link] { self(self, link); });
  };

  s.say("crawl begins at /");
  crawl.spawn([&] { visit(visit, "/"); });
  crawl.join();
  std::string all;
  for (const std::string& path : found) all += ' ' + path;
  s.say("found:%s", all.c_str());
}

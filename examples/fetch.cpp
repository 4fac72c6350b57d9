// fetch: the crawler of every asyncio tutorial, with other people's blocking code. Each fiber runs libcurl's BLOCKING easy
// API; because of weft::patch_all() (or LD_PRELOAD=libweft-shim.so) a wait inside libcurl or getaddrinfo parks only that
// fiber. --sequential and --threads run the very same function without Weft, for comparison.
//
//   fetch URLS ROWS [--fibers | --threads | --sequential] [--limit N] [--sample N] [--timeout SECONDS] [--hosts FILE]
//
// Reads one URL a line, writes one "source<TAB>link" row for each link found, in the order of the URLs.
// --limit bounds the fetches in flight in the fibers mode. --hosts names a hosts file that is asked before getaddrinfo.
#include <weft/weft.hpp>

#include <arpa/inet.h>
#include <curl/curl.h>
#include <netdb.h>
#include <sys/resource.h>
#include <unistd.h>

#include <atomic>
#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <fstream>
#include <iostream>
#include <map>
#include <memory>
#include <sstream>
#include <string>
#include <thread>
#include <vector>

namespace {

struct settings {
  std::string urls, rows, mode = "fibers", hosts;
  std::size_t limit = 1000, sample = 0;
  long timeout = 20;
};

struct page {
  std::string url, error;            // an empty error: fetched
  std::vector<std::string> links;
};

using url_handle = std::unique_ptr<CURLU, decltype(&curl_url_cleanup)>;

std::map<std::string, std::string> hosts;     // of --hosts; read only once the fetching starts
std::atomic<std::size_t> finished{0};
std::atomic<int> most_threads{1};

// A figure of this process as the kernel counts it, such as "Threads:" or "VmHWM:" (in KiB).
int process_status(const std::string& field) {
  std::ifstream status("/proc/self/status");
  for (std::string line; std::getline(status, line);)
    if (line.starts_with(field)) return std::atoi(line.c_str() + field.size());
  return 0;
}

std::string url_part(CURLU* url, CURLUPart part) {
  char* text = nullptr;
  if (curl_url_get(url, part, &text, CURLU_DEFAULT_PORT) != CURLUE_OK) return {};
  std::string result = text;
  curl_free(text);
  return result;
}

// The links of a page, resolved against its address, in the order they stand there.
std::vector<std::string> extract_links(const std::string& base, const std::string& html) {
  std::vector<std::string> links;
  for (std::size_t at = html.find("href="); at != std::string::npos; at = html.find("href=", at)) {
    at += 5;
    const char quote = at < html.size() ? html[at] : '\0';
    if (quote != '"' && quote != '\'') continue;
    const std::size_t end = html.find(quote, at + 1);
    if (end == std::string::npos) break;
    url_handle url(curl_url(), curl_url_cleanup);
    curl_url_set(url.get(), CURLUPART_URL, base.c_str(), 0);
    if (curl_url_set(url.get(), CURLUPART_URL, html.substr(at + 1, end - at - 1).c_str(), 0) == CURLUE_OK)
      links.push_back(url_part(url.get(), CURLUPART_URL));
    at = end;
  }
  return links;
}

// The address of a host as text; an empty one sets `error`.
std::string look_up(const std::string& host, std::string& error) {
  if (const auto known = hosts.find(host); known != hosts.end()) return known->second;
  addrinfo wanted{}, *found = nullptr;
  wanted.ai_family = AF_INET;
  wanted.ai_socktype = SOCK_STREAM;
  if (const int code = getaddrinfo(host.c_str(), nullptr, &wanted, &found); code != 0) {
    error = host + ": " + gai_strerror(code);
    return {};
  }
  char text[INET_ADDRSTRLEN];
  inet_ntop(AF_INET, &reinterpret_cast<sockaddr_in*>(found->ai_addr)->sin_addr, text, sizeof text);
  freeaddrinfo(found);
  return text;
}

std::size_t append_body(char* data, std::size_t, std::size_t size, void* body) {
  static_cast<std::string*>(body)->append(data, size);
  return size;
}

// One blocking fetch, from the look-up to the links. It knows nothing of fibers: this is the code one already has.
void fetch(page& p, const settings& s) {
  url_handle url(curl_url(), curl_url_cleanup);
  if (curl_url_set(url.get(), CURLUPART_URL, p.url.c_str(), 0) != CURLUE_OK) { p.error = "not a URL"; return; }
  const std::string host = url_part(url.get(), CURLUPART_HOST);
  const std::string address = look_up(host, p.error);
  if (address.empty()) return;

  const std::unique_ptr<CURL, decltype(&curl_easy_cleanup)> easy(curl_easy_init(), curl_easy_cleanup);
  const std::string entry = host + ":" + url_part(url.get(), CURLUPART_PORT) + ":" + address;
  const std::unique_ptr<curl_slist, decltype(&curl_slist_free_all)> resolved(
    curl_slist_append(nullptr, entry.c_str()), curl_slist_free_all);
  const std::string agent = "weft-fetch/" + s.mode;
  std::string body;
  curl_easy_setopt(easy.get(), CURLOPT_URL, p.url.c_str());
  curl_easy_setopt(easy.get(), CURLOPT_RESOLVE, resolved.get());
  curl_easy_setopt(easy.get(), CURLOPT_PROXY, "");
  curl_easy_setopt(easy.get(), CURLOPT_USERAGENT, agent.c_str());
  curl_easy_setopt(easy.get(), CURLOPT_NOSIGNAL, 1L);
  curl_easy_setopt(easy.get(), CURLOPT_TIMEOUT, s.timeout);
  curl_easy_setopt(easy.get(), CURLOPT_WRITEFUNCTION, append_body);
  curl_easy_setopt(easy.get(), CURLOPT_WRITEDATA, &body);
  if (const CURLcode code = curl_easy_perform(easy.get()); code != CURLE_OK) {
    p.error = curl_easy_strerror(code);
    return;
  }
  long status = 0;
  curl_easy_getinfo(easy.get(), CURLINFO_RESPONSE_CODE, &status);
  if (status != 200) p.error = "HTTP " + std::to_string(status);
  else p.links = extract_links(p.url, body);
}

void fetch_and_count(page& p, const settings& s, std::size_t total) {
  fetch(p, s);
  const std::size_t done = ++finished;
  if (done % 16 == 1) {
    const int now = process_status("Threads:");
    for (int most = most_threads; now > most && !most_threads.compare_exchange_weak(most, now);) {}
  }
  static const bool terminal = isatty(STDERR_FILENO) != 0;
  if (terminal) std::fprintf(stderr, "\r%zu/%zu fetched%s", done, total, done == total ? "\n" : "");
}

void run_fibers(std::vector<page>& pages, const settings& s) {
  weft::patch_all();
  weft::semaphore places(static_cast<int>(s.limit));
  std::vector<weft::fiber<void>> fibers;
  for (page& p : pages) {
    places.acquire();                       // parks main while `limit` fetches are in flight
    fibers.push_back(weft::spawn([&] {
      fetch_and_count(p, s, pages.size());
      places.release();
    }));
  }
  weft::joinall(fibers);
}

void run_threads(std::vector<page>& pages, const settings& s) {
  std::vector<std::thread> threads;
  for (page& p : pages) threads.emplace_back([&] { fetch_and_count(p, s, pages.size()); });
  for (std::thread& t : threads) t.join();
}

settings parse(int argc, char** argv) {
  settings s;
  std::vector<std::string> files;
  for (int i = 1; i < argc; ++i) {
    const std::string word = argv[i];
    const bool has_value = i + 1 < argc;
    if (word == "--fibers" || word == "--threads" || word == "--sequential") s.mode = word.substr(2);
    else if (word == "--limit" && has_value) s.limit = std::strtoul(argv[++i], nullptr, 10);
    else if (word == "--sample" && has_value) s.sample = std::strtoul(argv[++i], nullptr, 10);
    else if (word == "--timeout" && has_value) s.timeout = std::strtol(argv[++i], nullptr, 10);
    else if (word == "--hosts" && has_value) s.hosts = argv[++i];
    else files.push_back(word);
  }
  if (files.size() != 2 || files[0][0] == '-' || files[1][0] == '-' || s.limit == 0) {
    std::cerr << "usage: fetch URLS ROWS [--fibers | --threads | --sequential] [--limit N] [--sample N]"
                 " [--timeout SECONDS] [--hosts FILE]\n";
    std::exit(2);
  }
  s.urls = files[0];
  s.rows = files[1];
  return s;
}

std::vector<page> read_urls(const settings& s) {
  std::vector<page> pages;
  std::ifstream in(s.urls);
  for (std::string line; std::getline(in, line) && (s.sample == 0 || pages.size() < s.sample);)
    if (!line.empty() && line[0] != '#') pages.push_back({line, {}, {}});
  return pages;
}

double cpu_seconds() {
  rusage used{};
  getrusage(RUSAGE_SELF, &used);
  const auto seconds = [](const timeval& t) { return static_cast<double>(t.tv_sec) + static_cast<double>(t.tv_usec) / 1e6; };
  return seconds(used.ru_utime) + seconds(used.ru_stime);
}

// What was fetched, to the rows file; what was not, to standard error. Returns how many were.
std::size_t write_rows(const std::vector<page>& pages, const std::string& file, std::size_t& links) {
  std::ofstream rows(file);
  std::size_t ok = 0;
  for (const page& p : pages) {
    if (p.error.empty()) ++ok;
    else std::cerr << "failed: " << p.url << ": " << p.error << '\n';
    for (const std::string& link : p.links) rows << p.url << '\t' << link << '\n';
    links += p.links.size();
  }
  if (!rows.flush()) { std::cerr << "fetch: cannot write " << file << '\n'; std::exit(1); }
  return ok;
}

}  // namespace

int main(int argc, char** argv) {
  const settings s = parse(argc, argv);
  if (!s.hosts.empty()) {
    std::ifstream in(s.hosts);
    for (std::string line; std::getline(in, line);) {
      std::istringstream words(line);
      std::string address, name;
      for (words >> address; words >> name;) hosts.emplace(name, address);
    }
  }
  std::vector<page> pages = read_urls(s);
  if (pages.empty()) { std::cerr << "fetch: no URLs in " << s.urls << '\n'; return 1; }
  rlimit files{};
  getrlimit(RLIMIT_NOFILE, &files);
  files.rlim_cur = files.rlim_max;            // a fetch in flight holds up to three descriptors
  setrlimit(RLIMIT_NOFILE, &files);
  curl_global_init(CURL_GLOBAL_DEFAULT);

  const auto begin = std::chrono::steady_clock::now();
  const double cpu_begin = cpu_seconds();
  if (s.mode == "fibers") run_fibers(pages, s);
  else if (s.mode == "threads") run_threads(pages, s);
  else for (page& p : pages) fetch_and_count(p, s, pages.size());
  const std::chrono::duration<double> wall = std::chrono::steady_clock::now() - begin;
  const double cpu = cpu_seconds() - cpu_begin;

  std::size_t links = 0;
  const std::size_t ok = write_rows(pages, s.rows, links);
  std::printf("fetch: mode=%s urls=%zu ok=%zu failed=%zu links=%zu wall_s=%.3f cpu_s=%.3f os_threads=%d peak_rss_kb=%d\n",
        s.mode.c_str(), pages.size(), ok, pages.size() - ok, links, wall.count(), cpu, most_threads.load(),
        process_status("VmHWM:"));
  if (s.mode == "fibers") {
    const auto patched = weft::patch_info().sites_patched;
    const auto stats = weft::this_hub().stats();
    std::printf("weft: sites_patched=%zu parks=%zu fibers=%zu switches=%zu\n", static_cast<std::size_t>(patched),
          static_cast<std::size_t>(stats.parks), static_cast<std::size_t>(stats.fibers_created),
          static_cast<std::size_t>(stats.switches));
    // Without these the answers would be right all the same, one after the other: that must not look like success.
    if (patched == 0 || stats.parks < pages.size()) {
      std::cerr << "fetch: the blocking calls did not park their fibers\n";
      return 1;
    }
  }
  return 0;
}

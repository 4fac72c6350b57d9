// libcurl's blocking easy API with TLS, unmodified, in fibers of one OS thread against nginx. libcurl resolves names in threads of its
// own, which are native pthreads beside the hub: the names here come from a slow DNS server, through libc's resolver.
#include "together.hpp"

#include <curl/curl.h>

#include <algorithm>
#include <memory>

using weft_test::many;

namespace {

using handle = std::unique_ptr<CURL, decltype(&curl_easy_cleanup)>;

struct page {
  CURLcode code = CURLE_OK;
  long status = 0;
  std::string body, error;
  double resolved = 0;  // seconds until the name was known
};

std::size_t append(char* data, std::size_t size, std::size_t count, void* body) {
  static_cast<std::string*>(body)->append(data, size * count);
  return size * count;
}

bool names_are_private() { return std::getenv("WEFT_TEST_NAME_SERVER") != nullptr; }

// A name that only the tests' DNS server knows; without a private resolv.conf (see run.py) the address itself.
std::string host(int i) {
  return names_are_private() ? "host" + std::to_string(i) + ".weft.test" : "127.0.0.1";
}

page fetch(const std::string& host, const std::string& path, long timeout_ms = 50'000, bool trusted = true) {
  const handle c(curl_easy_init(), curl_easy_cleanup);
  page p;
  const std::string url = "https://" + host + ":" + weft_test::setting("WEFT_TEST_PORT") + path;
  curl_easy_setopt(c.get(), CURLOPT_URL, url.c_str());
  if (trusted) curl_easy_setopt(c.get(), CURLOPT_CAINFO, weft_test::setting("WEFT_TEST_CERTIFICATE").c_str());
  curl_easy_setopt(c.get(), CURLOPT_NOSIGNAL, 1L);
  curl_easy_setopt(c.get(), CURLOPT_PROXY, "");
  curl_easy_setopt(c.get(), CURLOPT_TIMEOUT_MS, timeout_ms);
  curl_easy_setopt(c.get(), CURLOPT_WRITEFUNCTION, append);
  curl_easy_setopt(c.get(), CURLOPT_WRITEDATA, &p.body);
  char error[CURL_ERROR_SIZE] = "";
  curl_easy_setopt(c.get(), CURLOPT_ERRORBUFFER, error);
  p.code = curl_easy_perform(c.get());
  p.error = error;
  curl_easy_getinfo(c.get(), CURLINFO_RESPONSE_CODE, &p.status);
  curl_easy_getinfo(c.get(), CURLINFO_NAMELOOKUP_TIME, &p.resolved);
  return p;
}

// What nginx counts as being answered now: "... Reading: 0 Writing: 101 Waiting: 0".
int being_answered() {
  const page p = fetch("127.0.0.1", "/status");
  const std::size_t at = p.body.find("Writing: ");
  return at == std::string::npos ? -1 : std::stoi(p.body.substr(at + 9));
}

std::string content(int i) {
  std::string text;
  for (int k = 0; k <= i; ++k) text += "page " + std::to_string(i) + "\n";
  return text;
}

}  // namespace

TEST_CASE("100 fibers resolve 100 names in libcurl's threads and fetch 100 pages by TLS") {
  REQUIRE((curl_version_info(CURLVERSION_NOW)->features & CURL_VERSION_ASYNCHDNS) != 0);
  curl_global_init(CURL_GLOBAL_DEFAULT);
  int good = 0;
  weft_test::together(many, [&](int i) {
    const page p = fetch(host(i), "/" + std::to_string(i));
    CHECK(p.error == "");
    CHECK(p.code == CURLE_OK);
    CHECK(p.status == 200);
    CHECK(p.body == content(i));
    if (names_are_private()) CHECK(p.resolved >= 0.05);  // the server's delay: a real look-up
    good += p.code == CURLE_OK;
  });
  CHECK(good == many);
}

TEST_CASE("100 fibers wait for 100 slow answers at once") {
  while (being_answered() > 1) usleep(10'000);  // what an earlier run left behind (below)
  int most = 0;
  for (const char* slow : {"/wait300/", "/wait1000/", "/wait3000/"}) {
    int done = 0;
    weft_test::together(
        many,
        [&](int i) {
          const std::string path = slow + std::to_string(i);
          CHECK(fetch("127.0.0.1", path).body == "waited " + path + "\n");
          ++done;
        },
        [&] {
          while (done < many) {
            most = std::max(most, being_answered() - 1);  // without this one
            weft::this_fiber::sleep_for(std::chrono::milliseconds(5));
          }
        });
    if (most >= many) break;
  }
  CHECK(most == many);
}

TEST_CASE("timeouts, strangers' certificates and unknown names are libcurl's own errors") {
  weft_test::together(10, [&](int i) {
    CHECK(fetch("127.0.0.1", "/wait1000/" + std::to_string(i), 100).code == CURLE_OPERATION_TIMEDOUT);
    CHECK(fetch("127.0.0.1", "/1", 50'000, false).code == CURLE_PEER_FAILED_VERIFICATION);
    CHECK(fetch("127.0.0.1", "/none").status == 404);
    if (names_are_private()) CHECK(fetch("missing.weft.test", "/1").code == CURLE_COULDNT_RESOLVE_HOST);
  });
}

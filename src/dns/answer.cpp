#include "dns/answer.hpp"

#include "dns/host_name.hpp"
#include "dns/words.hpp"

namespace weft::dns {

namespace {

constexpr int type_cname = 5;

// Walks over a message (RFC 1035, 4.1); c-ares reads the names, which may be compressed. Lengths found in it are never trusted.
class walker {
public:
  walker(const cares& library, message m) : library_(library), message_(m) {}

  bool skip(std::size_t n) {
    if (message_.size() - at_ < n) return false;
    at_ += n;
    return true;
  }
  bool number(unsigned& value) {
    if (message_.size() - at_ < 2) return false;
    value = static_cast<unsigned>(message_[at_]) << 8 | message_[at_ + 1];
    at_ += 2;
    return true;
  }
  bool name(std::string& text) {
    if (at_ >= message_.size()) return false;
    char* read = nullptr;
    long length = 0;
    if (library_.expand_name(message_.data() + at_, message_.data(), static_cast<int>(message_.size()), &read, &length) != ARES_SUCCESS)
      return false;
    text = read;
    library_.free_string(read);
    at_ += static_cast<std::size_t>(length);
    return true;
  }
  bool bytes(std::size_t n, std::string& to) {
    if (message_.size() - at_ < n) return false;
    to.assign(message_.begin() + static_cast<std::ptrdiff_t>(at_), message_.begin() + static_cast<std::ptrdiff_t>(at_ + n));
    at_ += n;
    return true;
  }

private:
  const cares& library_;
  message message_;
  std::size_t at_ = 0;
};

// One record of the answer section. False when the message is damaged.
bool take_record(walker& in, int type, answer& into) {
  std::string owner, data;
  unsigned kind, kind_class, size;
  if (!in.name(owner) || !in.number(kind) || !in.number(kind_class) || !in.skip(4) || !in.number(size)) return false;
  const bool alias = kind == type_cname, wanted = static_cast<int>(kind) == type;
  if (!alias && !wanted) return in.skip(size);
  const bool is_name = alias || type == type_ptr;
  if (is_name ? !in.name(data) : !in.bytes(size, data)) return false;
  if (!same_name(owner, into.canonical)) return true;
  if (alias) {
    if (!is_host_name(data) && type != type_ptr) return true;
    into.aliases.push_back(into.canonical);
    into.canonical = data;
  } else if (is_name ? is_host_name(data) : data.size() == (type == type_a ? 4u : 16u)) {
    into.data.push_back(data);
  }
  return true;
}

}  // namespace

answer read_answer(const cares& library, message m, int type) {
  answer out;
  walker in(library, m);
  unsigned questions = 0, answers = 0;
  out.damaged = !in.skip(4) || !in.number(questions) || !in.number(answers) || !in.skip(4) || questions != 1 || !in.name(out.canonical) ||
                !in.skip(4);
  for (; answers > 0 && !out.damaged; --answers) out.damaged = !take_record(in, type, out);
  return out;
}

}  // namespace weft::dns

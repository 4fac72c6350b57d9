// The chess exhibition: a master plays 24 boards. She needs 5 seconds for a move, her opponents 55; a game has 30 pairs of moves. One game
// after the other takes 12 hours. Walking from board to board, she moves and goes on: one hour.
//
// Prints:
//   one after the other: 24 games in 12.0 hours
//   all at once: 24 games in 1.0 hours
#include "stage.hpp"

#include <vector>

using namespace std::chrono_literals;
namespace async = weft::async;

constexpr int boards = 24, move_pairs = 30;

// The master is one person: she moves at one board at a time.
static weft::task<> game(weft::mutex& master) {
  for (int i = 0; i < move_pairs; ++i) {
    {
      auto here = co_await async::lock(master);
      co_await async::sleep_for(5s);
    }
    co_await async::sleep_for(55s);
  }
}

static weft::task<> one_after_the_other(const stage& s, weft::mutex& master) {
  for (int i = 0; i < boards; ++i) co_await game(master);
  std::printf("one after the other: %d games in %.1f hours\n", boards, s.now() / 3600);
}

static weft::task<> all_at_once(const stage& s, weft::mutex& master) {
  std::vector<weft::fiber<>> games;
  for (int i = 0; i < boards; ++i) games.push_back(weft::spawn(game(master)));
  co_await async::joinall(games, {.raise_error = true});
  std::printf("all at once: %d games in %.1f hours\n", boards, s.now() / 3600);
}

int main() {
  weft::mutex master;
  {
    stage s;
    weft::await(one_after_the_other(s, master));
  }
  stage s;
  weft::await(all_at_once(s, master));
}

// The chess exhibition: a master plays 24 boards. She needs 5 seconds for a move, her opponents 55; a game has 30 pairs of moves. One game
// after the other takes 12 hours. Walking from board to board, she moves and goes on: one hour.
//
// Prints:
//   one after the other: 24 games in 12.0 hours
//   all at once: 24 games in 1.0 hours
#include "stage.hpp"

#include <mutex>
#include <vector>

using namespace std::chrono_literals;
using weft::this_fiber::sleep_for;

constexpr int boards = 24, move_pairs = 30;

// The master is one person: she moves at one board at a time.
static void game(weft::mutex& master) {
  for (int i = 0; i < move_pairs; ++i) {
    {
      std::lock_guard here(master);
      sleep_for(5s);
    }
    sleep_for(55s);
  }
}

int main() {
  weft::mutex master;
  {
    stage s;
    for (int i = 0; i < boards; ++i) game(master);
    std::printf("one after the other: %d games in %.1f hours\n", boards, s.now() / 3600);
  }
  stage s;
  std::vector<weft::fiber<>> games;
  for (int i = 0; i < boards; ++i) games.push_back(weft::spawn(game, std::ref(master)));
  weft::joinall(games, {.raise_error = true});
  std::printf("all at once: %d games in %.1f hours\n", boards, s.now() / 3600);
}

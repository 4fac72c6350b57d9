// Everything that a coroutine can co_await, besides tasks and waitables: namespace weft::async has the awaited form of what parks a fiber.
#pragma once

#include "weft/task.hpp"
#include "weft/task/channel.hpp"
#include "weft/task/dns.hpp"
#include "weft/task/file.hpp"
#include "weft/task/in_fiber.hpp"
#include "weft/task/io.hpp"
#include "weft/task/locks.hpp"
#include "weft/task/net.hpp"
#include "weft/task/pool.hpp"
#include "weft/task/process.hpp"
#include "weft/task/queue.hpp"
#include "weft/task/scope.hpp"
#include "weft/task/select.hpp"
#include "weft/task/sync.hpp"
#include "weft/task/time.hpp"
#include "weft/task/wait.hpp"

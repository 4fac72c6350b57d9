// All of Weft's C++ API.
#pragma once

#include "weft/async_result.hpp"
#include "weft/cancel.hpp"
#include "weft/condition_variable.hpp"
#include "weft/error.hpp"
#include "weft/event.hpp"
#include "weft/fiber.hpp"
#include "weft/fiber_local.hpp"
#include "weft/hub.hpp"
#include "weft/mutex.hpp"
#include "weft/patch.hpp"
#include "weft/queue.hpp"
#include "weft/semaphore.hpp"
#include "weft/task_group.hpp"
#include "weft/thread_pool.hpp"
#include "weft/timer.hpp"
#include "weft/waitable.hpp"

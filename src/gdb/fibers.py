# Part two: the fibers of all hubs, and what they wait for. Lists may be half changed where the program was stopped, so walks are bounded.


class WeftHub:
    """One OS thread's fibers."""

    def __init__(self, layout, at):
        self.at = at
        hub = WeftStruct(layout, at, "hub")
        self.lwp = hub["thread"]
        self.driver, self.idler = hub["tasks.driver"], hub["idler"]
        self.by_fiber = hub["tasks.by_fiber"]
        self.block = hub["block"]
        self.current = layout.member(self.block, "carrier.current")
        self.own_fs = hub["own_fs"] or hub["fs"]
        self.signal_stack = (layout.member(self.block, "carrier.signal_stack"), layout.member(self.block, "carrier.signal_stack_size"))
        self.main = at + layout["hub.main"]
        self.ready_first = hub["ready_first"]
        self.pages = (hub["fds.pages"], hub["fds.page_count"])
        self.awaited_fds = hub["fd_waiters"]
        self.sleeping = hub["sleeping"] != 0


class WeftFiber:
    """What is known of one fiber without looking at its stack."""

    STATES = ("created", "ready", "running", "parked", "done")

    def __init__(self, layout, at, hub):
        self.layout, self.at, self.hub = layout, at, hub
        self.number, self.part = 0, ""
        it = WeftStruct(layout, at, "fiber")
        flags = it["flags"]
        self.state = self.STATES[min(it["state"], 4)]
        self.context = it["context"]
        self.waiter = it["parked"] if self.state == "parked" else 0
        self.unlisted = bool(flags & layout["fiber.flags:unlisted"])
        self.is_main = bool(flags & layout["fiber.flags:is_main"])
        self.service = bool(flags & layout["fiber.flags:service"])
        self.green = bool(flags & layout["fiber.flags:green"])
        self.next, self.all_next = it["next"], it["all_next"]
        # The flag is also the running fiber's, while it runs a coroutine as a part of itself.
        self.task = bool(flags & layout["fiber.flags:in_task"]) and not (at == hub.current and hub.by_fiber)
        self.leaf = it["leaf"] if self.task and self.state in ("parked", "ready") else 0
        self.thread_pointer = it["thread_pointer"] if self.green else hub.own_fs
        self.stack, self.stack_log2 = 0 if self.task or self.green or self.is_main else it["stk"], it["stack_log2"]
        self.site = it["site"]
        self.extra = it["extra"]
        # On its processor registers, whatever its state says: who finds nobody ready polls on the stack of the fiber that parked.
        self.live = at == hub.current
        self.awaits = 0
        self.reason = None
        self.fd = self.futex = None
        self.tid = self.tid_word = None
        self.name = layout.string(layout.member(self.extra, "extra.name")) if self.extra else None
        if self.waiter:
            self.reason = layout.string(layout.member(self.waiter, "waiter.reason"))
            if not self.task and layout.member(self.waiter, "waiter.awaited"):
                self.awaits = self.waiter - layout["suspension:size"]
        if self.live and self.unlisted and hub.sleeping and self.state == "running" and not (self.service or self.is_main):
            self.state = "ended"  # and found nobody ready: its hub waits on its stack
        if at == hub.driver:
            self.name = self.name or "tasks' driver"
        elif at == hub.idler:
            self.name = self.name or "idler"
        elif self.is_main:
            leads = hub.lwp == layout.inferior.pid
            self.name = self.name or ("main" if leads else "main of LWP %d" % hub.lwp)

    def id(self):
        return "%d%s" % (self.number, self.part)

    def greenlets(self):
        """Those of its stacks on which it does not stand: suspended greenlets and stackful generators, and its own stack."""
        layout = self.layout
        tree = self.extra and layout.member(self.extra, "extra.greenlets")
        if not tree:
            return
        current = layout.member(tree, "greenlet_tree.current")
        at, seen = layout.member(tree, "greenlet_tree.live"), []
        while at and at not in seen and len(seen) < 1_000_000:
            seen.append(at)
            at = layout.member(at, "greenlet.next")
        root = seen[0] if seen else 0
        while root and not layout.member(root, "greenlet.is_root"):
            root = layout.member(root, "greenlet.parent")
        seen.reverse()  # the last one comes first in the list
        for i, at in enumerate(seen + [root] if root else []):
            if at != current:
                yield WeftGreenlet(self, at, i + 1)

    def title(self):
        words = "Fiber " + self.id()
        if self.name:
            words += ' "%s"' % self.name
        return words + " (%s)" % self.describe()

    def describe(self):
        """Kind and state in words."""
        words = []
        if self.task:
            words.append("task")
        if self.tid is not None:
            words.append("tid %d" % self.tid)
        if self.state == "parked":
            words.append("parked: " + (self.reason or "?"))
        else:
            words.append("not begun" if self.state == "created" else self.state)
        if self.fd is not None:
            words[-1] += ", descriptor %d" % self.fd
        if self.futex is not None:
            words[-1] += " at 0x%x" % self.futex
        return ", ".join(words)


class WeftGreenlet(WeftFiber):
    """A stack of a fiber's on which it does not stand."""

    def __init__(self, owner, at, part):
        self.__dict__.update(owner.__dict__)
        self.owner, self.at, self.part = owner, at, ".%d" % part
        self.context = owner.layout.member(at, "greenlet.context")
        self.live = self.task = self.is_main = False
        self.state, self.name, self.tid, self.tid_word = "suspended", None, None, None
        self.awaits = self.leaf = self.waiter = 0
        self.fd = self.futex = self.reason = None
        self.own = bool(owner.layout.member(at, "greenlet.is_root"))

    def describe(self):
        return "its own stack, suspended" if self.own else "greenlet, suspended"


class WeftProcess:
    """All hubs and fibers of the selected inferior, at this stop."""

    MOST = 5_000_000
    FIRST_TID = 1 << 24  # of green threads: above any that the kernel gives

    numbers = {}  # per inferior: fiber's address -> the number that users know it by
    highest = {}
    latest = None

    @classmethod
    def now(cls, settled=True):
        """As it is at this stop; looked at once. Not `settled`: in the middle of an unwinder, which may select no thread."""
        inferior = gdb.selected_inferior()
        key = (inferior.num, inferior.pid)
        if cls.latest is None or cls.latest.key != key:
            cls.latest = cls()
            cls.latest.key, cls.latest.settled = key, False
        if settled and not cls.latest.settled:
            cls.latest.settled = True
            weft_settle(cls.latest)
        return cls.latest

    @classmethod
    def look_again(cls, *_):
        cls.latest = None

    def __init__(self):
        self.layout = WeftLayout()
        self.hubs, self.fibers = [], []
        self.threads = None  # gdb's, by the kernel's id
        self.targets = None
        at = self.layout.word(self.layout.roots["hubs"])
        while at and len(self.hubs) < 100_000:
            self.hubs.append(WeftHub(self.layout, at))
            at = self.layout.member(at, "hub.next_hub")
        self.hubs.sort(key=lambda h: h.lwp)
        for hub in self.hubs:
            self.fibers += self.fibers_of(hub)
        self.name_threads()
        self.number()

    def fibers_of(self, hub):
        found = {}

        def add(at):
            if at and at not in found:
                found[at] = WeftFiber(self.layout, at, hub)
            return found.get(at)

        def walk(at, link, wanted):
            seen = set()
            while at and at not in seen and len(seen) < self.MOST:
                seen.add(at)
                try:
                    f = found.get(at) or WeftFiber(self.layout, at, hub)
                except gdb.MemoryError:
                    return
                if wanted(f):
                    found.setdefault(at, f)
                at = getattr(f, link)

        walk(hub.main, "all_next", lambda f: True)
        walk(hub.ready_first, "next", lambda f: f.unlisted)
        for at in (hub.current, hub.driver, hub.idler):
            add(at)
        main = found.pop(hub.main)
        rest = sorted((f for f in found.values() if f.state != "done"), key=lambda f: f.at)
        if any(f.reason for f in [main] + rest):
            fds, words = self.awaited_fds(hub), self.awaited_words()
            for f in [main] + rest:
                if f.waiter:
                    f.fd, f.futex = fds.get(f.waiter), words.get(f.waiter)
        return [main] + rest

    def awaited_fds(self, hub):
        """Waiter -> descriptor."""
        layout, found = self.layout, {}
        pages, count = hub.pages
        if not hub.awaited_fds or not pages:
            return found
        size, per_page = layout["fd_entry:size"], layout["fd_table:page_entries"]
        target = layout["fd_node.target"]
        for p, page in enumerate(struct.unpack("<%dQ" % count, layout.read(pages, 8 * count))):
            if page == 0:
                continue
            entries = layout.read(page, size * per_page)
            for i in range(per_page):
                head = page + i * size + layout["fd_entry.waiters"]
                node = int.from_bytes(entries[i * size + layout["fd_entry.waiters"] :][:8], "little")
                steps = 0
                while node and node != head and steps < self.MOST:
                    found[layout.word(node + target)] = p * per_page + i
                    node = layout.word(node + layout["wait_node.next"])
                    steps += 1
        return found

    def awaited_words(self):
        """Waiter -> address of the futex."""
        layout, found = self.layout, {}
        if hasattr(self, "words"):
            return self.words
        size = layout["futex_bucket:size"]
        buckets = layout.read(layout.roots["futex_buckets"], size * layout["futex_table:buckets"])
        for at in range(layout["futex_bucket.first"], len(buckets), size):
            node = int.from_bytes(buckets[at : at + 8], "little")
            steps = 0
            while node and steps < self.MOST:
                found[layout.word(node + layout["futex_node.target"])] = layout.word(node + layout["futex_node.address"])
                node = layout.word(node + layout["futex_node.after"])
                steps += 1
        self.words = found
        return found

    def name_threads(self):
        layout = self.layout
        if not any(f.green for f in self.fibers):
            return
        leader = layout.word(layout.roots["leader"])
        leaders_fiber = layout.member(leader, "thread.fiber")
        for f in self.fibers:
            if not f.green:
                continue
            thread = leader if f.at == leaders_fiber else f.at
            f.tid = layout.member(thread, "thread.tid")
            f.tid_word = layout.member(thread, "thread.clear_tid")
            rare = layout.member(thread, "thread.rare")
            if rare and layout.member(rare, "thread_rare.named"):
                f.name = layout.string(rare + layout["thread_rare.name"], 16)

    def number(self):
        """Numbers stay with a fiber for its life; who comes later gets the next ones."""
        key = gdb.selected_inferior().num
        known, highest = self.numbers.get(key, {}), self.highest.get(key, 0)
        now = {}
        for f in sorted(self.fibers, key=lambda f: f.service):
            if f.at in known:
                f.number = known[f.at]
            else:
                highest += 1
                f.number = highest
            now[f.at] = f.number
        self.numbers[key], self.highest[key] = now, highest
        self.fibers.sort(key=lambda f: f.number)
        self.fibers = [g for f in self.fibers for g in [f, *f.greenlets()]]

    @classmethod
    def forget(cls, inferior):
        cls.numbers.pop(inferior, None)
        cls.highest.pop(inferior, None)

    def target_of(self, f):
        """What it waits for beyond the reason, in words that follow its state."""
        if self.targets is None:
            self.targets = WeftTargets(self)
        return self.targets.words(f)

    def thread_of(self, f, by_itself=True):
        """gdb's thread that shows the fiber: a green thread's own, where libthread_db makes one, or that which runs its hub."""
        threads = self.threads_by_lwp()
        found = by_itself and threads.get(f.tid) or threads.get(f.hub.lwp)
        return found or gdb.selected_thread() or next(iter(threads.values()), None)

    def threads_by_lwp(self):
        if self.threads is None:
            self.threads = {t.ptid[1]: t for t in self.layout.inferior.threads()}
        return self.threads

    def owner_of(self, hub, sp):
        """The fiber of the hub on whose stack an address lies. None where that cannot be told."""
        if 0 <= sp - hub.signal_stack[0] < hub.signal_stack[1]:
            return None
        mine = [f for f in self.fibers if f.hub is hub and not f.part]
        for f in mine:
            if f.stack and 0 <= sp - (self.layout.member(f.stack, "stack.base") & ~7) < 1 << f.stack_log2:
                return f
        # A thread's control block lies at the upper end of its stack; but for main, whose stack is elsewhere.
        above = [f for f in mine if f.green and not f.is_main and 0 < f.thread_pointer - sp < 1 << 30]
        if above:
            return min(above, key=lambda f: f.thread_pointer)
        return next((f for f in mine if f.is_main), None) if not any(f.extra for f in mine) else None

    def find(self, text):
        """A fiber by number, name, thread id or address."""
        text = text.strip()
        for f in self.fibers:
            if text == f.id():
                return f
        for f in self.fibers:
            if text.strip('"') == f.name:
                return f
        try:
            value = int(gdb.parse_and_eval(text))
        except (gdb.error, ValueError):
            raise WeftError("No fiber %s." % text) from None
        for f in self.fibers:
            if value in (f.at, f.tid) or (value == f.number and not (text.isdigit() or f.part)):
                return f
        raise WeftError("No fiber %s." % text)

# What a wait is for beyond its reason: a lock and who holds it, or whose end. As `weft ps` tells it (src/inspect/holders.cpp).


class WeftTargets:
    """Of all waits of a process, at this stop. Other objects have other things at the same places, so nobody is named who is not there."""

    TID_BITS = 0x3FFFFFFF

    def __init__(self, process):
        self.process, self.layout = process, process.layout
        self.by_at = {f.at: f for f in process.fibers}
        self.by_waiter = {f.waiter: f for f in process.fibers if f.waiter}
        self.by_tid = {f.tid: f for f in process.fibers if f.tid is not None}
        self.lwps = {h.lwp: h for h in process.hubs}
        self.heads = {}
        self.joined = None

    def words(self, f):
        """Behind the state: ", held by 3", ", the end of 2"; empty where nothing is known."""
        if not f.waiter or not f.reason:
            return ""
        try:
            return self.own_lock(f) or self.pthread(f) or self.end_of(f)
        except gdb.MemoryError:
            return ""

    def head_of(self, waiter):
        """The ring of waiters runs through its head, which lies inside of what they wait for: by the one link that is no waiter's."""
        path, at, after = [], waiter, self.layout["wait_node.next"]
        while at in self.by_waiter and at not in self.heads and len(path) <= len(self.by_waiter):
            path.append(at)
            self.heads[at] = 0  # until the head is found: a ring without one was stopped half changed
            at = self.layout.word(at + after)
        head = self.heads[at] if at in self.by_waiter else at
        for each in path:
            self.heads[each] = head
        return head

    def own_lock(self, f):
        """Weft's mutexes. A wait for a condition ends by locking the mutex again, under the same name where a coroutine does it."""
        kind = "mutex" if f.reason in ("mutex.lock", "condition_variable.wait") else "shared_mutex"
        if kind == "shared_mutex" and not f.reason.startswith("shared_mutex.lock"):
            return ""
        head = self.head_of(f.waiter)
        lock = head - self.layout[kind + ".waiters"]
        if not head or self.layout.word(lock + self.layout[kind + ".home"]) != f.hub.at:
            return ""
        owner = self.layout.word(lock + self.layout[kind + ".owner"])
        if owner in self.by_at:
            return " at 0x%x, held by %s" % (lock, self.by_at[owner].id())
        if kind == "mutex" or owner != 0:
            return ""
        readers = self.layout.word(lock + self.layout["shared_mutex.readers"])
        return " at 0x%x, held by %d reader%s" % (lock, readers, "" if readers == 1 else "s")

    def pthread(self, f):
        if f.futex is None:
            return ""
        if self.joined is None:
            self.joined = {f.tid_word: f for f in self.process.fibers if f.tid_word}
        if f.futex in self.joined:
            return ", the end of " + self.joined[f.futex].id()
        tid = self.mutex_holder(f.futex) or self.rwlock_writer(f.futex)
        if tid in self.by_tid:
            return ", held by " + self.by_tid[tid].id()
        if tid in self.lwps:  # such a lock knows the OS thread that took it, and no fiber
            return ", held by a fiber of LWP %d" % tid
        return ", held by LWP %d" % tid if tid else ""

    def is_thread(self, tid):
        return tid in self.by_tid or tid in self.lwps or tid in self.process.threads_by_lwp()

    def mutex_holder(self, word):
        """glibc's struct __pthread_mutex_s begins with the word that its waiters wait on."""
        lock, _, owner, users, kind = struct.unpack("<5I", self.layout.read(word, 20))
        if lock != 2:  # priority-inheriting and robust ones have the owner in the word itself
            owner, users, kind = lock & self.TID_BITS, 1, 0
        return owner if kind <= 0x3FF and users != 0 and self.is_thread(owner) else 0

    def rwlock_writer(self, word):
        """And its struct __pthread_rwlock_arch_t, whose waiters wait on either of two words."""
        for offset in (8, 12):
            try:
                readers, _, _, _, pad, more, writer, shared = struct.unpack("<8I", self.layout.read(word - offset, 32))
            except gdb.MemoryError:
                continue
            if readers & 3 == 3 and pad == more == 0 and shared <= 1 and self.is_thread(writer):
                return writer
        return 0

    def end_of(self, f):
        """Who joins a fiber stands in its list."""
        if f.reason != "join":
            return ""
        head = self.head_of(f.waiter)
        whose = self.by_at.get(head - self.layout["fiber.completion"])
        return ", the end of " + whose.id() if head and whose is not None else ""

// Go: the work of the style comparison, in goroutines on one processor. Usage: micro | memory N | timers N; one line of JSON. CPU time
// of the process, its collector included. The echo server is ../../echo/go_server.
package main

import (
	"bufio"
	"fmt"
	"math/rand"
	"os"
	"runtime"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"time"
)

const count = 500_000

func cpuSeconds() float64 {
	var used syscall.Rusage
	syscall.Getrusage(syscall.RUSAGE_SELF, &used)
	return time.Duration(used.Utime.Nano() + used.Stime.Nano()).Seconds()
}

func footprintKB() int {
	file, err := os.Open("/proc/self/status")
	if err != nil {
		panic(err)
	}
	defer file.Close()
	kb := 0
	for lines := bufio.NewScanner(file); lines.Scan(); {
		if fields := strings.Fields(lines.Text()); fields[0] == "VmRSS:" || fields[0] == "VmPTE:" {
			n, _ := strconv.Atoi(fields[1])
			kb += n
		}
	}
	return kb
}

// beside runs body in a goroutine while another yields for ever.
func beside(body func()) {
	var over atomic.Bool
	var both sync.WaitGroup
	both.Add(2)
	go func() { defer both.Done(); body(); over.Store(true) }()
	go func() {
		defer both.Done()
		for !over.Load() {
			runtime.Gosched()
		}
	}()
	both.Wait()
}

func takeTurns() {
	beside(func() {
		for i := 0; i < count; i += 2 {
			runtime.Gosched()
		}
	})
}

func spawn() {
	for i := 0; i < count; i++ {
		over := make(chan struct{})
		go func() { close(over) }()
		<-over
	}
}

func queue() {
	there, back := make(chan int, 1), make(chan int, 1)
	go func() {
		for n := range there {
			back <- n + 1
		}
	}()
	for n := 0; n < count; n++ {
		there <- n
		<-back
	}
	close(there)
}

//go:noinline
func yieldAt(levels int) int {
	if levels > 1 {
		return yieldAt(levels-1) + 1
	}
	for i := 0; i < count; i++ {
		runtime.Gosched()
	}
	return 1
}

//go:noinline
func descend(levels int) int {
	if levels == 1 {
		return 1
	}
	return descend(levels-1) + 1
}

func callMany(levels int) func() {
	return func() {
		for i := 0; i < count; i++ {
			descend(levels)
		}
	}
}

func leaf(levels int) func() {
	return func() { beside(func() { yieldAt(levels) }) }
}

func micro() {
	works := []struct {
		name string
		do   func()
	}{{"switch", takeTurns}, {"spawn", spawn}, {"queue", queue}, {"leaf/1", leaf(1)}, {"leaf/10", leaf(10)}, {"call/1", callMany(1)}, {"call/10", callMany(10)}}
	var parts []string
	for _, work := range works {
		began := cpuSeconds()
		work.do()
		parts = append(parts, fmt.Sprintf("%q: %.2f", work.name, (cpuSeconds()-began)*1e9/count))
	}
	fmt.Printf("{%s}\n", strings.Join(parts, ", "))
}

func many(what string, n int) {
	before, began := footprintKB(), cpuSeconds()
	var awaited sync.WaitGroup
	awaited.Add(n)
	for i := 0; i < n; i++ {
		go func() {
			if what == "memory" {
				awaited.Done()
				time.Sleep(time.Hour)
			} else {
				time.Sleep(time.Duration(rand.Int63n(int64(time.Second))))
				awaited.Done()
			}
		}()
	}
	awaited.Wait()
	runtime.Gosched()
	fmt.Printf("{\"count\": %d, \"cpu_s\": %.6f, \"bytes_each\": %.1f}\n", n, cpuSeconds()-began, 1024*float64(footprintKB()-before)/float64(n))
}

func main() {
	runtime.GOMAXPROCS(1)
	if len(os.Args) == 2 && os.Args[1] == "micro" {
		micro()
		return
	}
	n, err := strconv.Atoi(os.Args[len(os.Args)-1])
	if len(os.Args) != 3 || err != nil || (os.Args[1] != "memory" && os.Args[1] != "timers") {
		fmt.Fprintln(os.Stderr, "usage: go_peer micro | memory N | timers N")
		os.Exit(2)
	}
	many(os.Args[1], n)
}

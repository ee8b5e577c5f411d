// The cases `mix` and `blocking` in Go: tickers of 1 ms and an echo once a millisecond beside
// goroutines that block.
//
//	go run . mix|blocking BLOCKERS BLOCK_US LENGTH_US
//
// Prints one line of JSON, in microseconds. nanosleep is called directly, because time.Sleep would
// only park the goroutine.
package main

import (
	"fmt"
	"io"
	"net"
	"os"
	"sort"
	"strconv"
	"sync"
	"sync/atomic"
	"syscall"
	"time"
)

const (
	tickers = 8
	tick    = time.Millisecond
	pause   = 5 * time.Millisecond
)

var (
	stop  int32
	calls int64
	lock  sync.Mutex
	late  []float64
	trips []float64
)

func stopped() bool { return atomic.LoadInt32(&stop) != 0 }

func block(length time.Duration) {
	left := syscall.NsecToTimespec(length.Nanoseconds())
	for syscall.Nanosleep(&left, &left) == syscall.EINTR {
	}
}

func ticker() {
	var own []float64
	for !stopped() {
		before := time.Now()
		time.Sleep(tick)
		own = append(own, float64((time.Since(before)-tick).Nanoseconds())/1e3)
	}
	lock.Lock()
	late = append(late, own...)
	lock.Unlock()
}

func echo() {
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	check(err)
	go func() {
		server, err := listener.Accept()
		check(err)
		io.Copy(server, server)
	}()
	client, err := net.Dial("tcp", listener.Addr().String())
	check(err)
	var own []float64
	bytes := make([]byte, 8)
	for !stopped() {
		time.Sleep(tick)
		before := time.Now()
		_, err := client.Write(bytes)
		check(err)
		_, err = io.ReadFull(client, bytes)
		check(err)
		own = append(own, float64(time.Since(before).Nanoseconds())/1e3)
	}
	lock.Lock()
	trips = append(trips, own...)
	lock.Unlock()
}

func cpu() time.Duration {
	var usage syscall.Rusage
	check(syscall.Getrusage(syscall.RUSAGE_SELF, &usage))
	return time.Duration(usage.Utime.Nano() + usage.Stime.Nano())
}

func quantile(values []float64, q float64) float64 {
	if len(values) == 0 {
		check(fmt.Errorf("nothing was measured"))
	}
	sort.Float64s(values)
	return values[int(q*float64(len(values)-1))]
}

func check(err error) {
	if err != nil {
		fmt.Fprintln(os.Stderr, "go:", err)
		os.Exit(1)
	}
}

func main() {
	if len(os.Args) != 5 {
		check(fmt.Errorf("usage: go run . mix|blocking BLOCKERS BLOCK_US LENGTH_US"))
	}
	number := func(at int) int {
		n, err := strconv.Atoi(os.Args[at])
		check(err)
		return n
	}
	mix := os.Args[1] == "mix"
	blocking := time.Duration(number(3)) * time.Microsecond
	length := time.Duration(number(4)) * time.Microsecond

	for i := 0; i < tickers; i++ {
		go ticker()
	}
	go echo()
	for i := 0; i < number(2); i++ {
		go func() {
			for !stopped() {
				block(blocking)
				atomic.AddInt64(&calls, 1)
				if mix {
					time.Sleep(pause)
				}
			}
		}()
	}
	// The first blocks bring the threads; in the mix they count too.
	if !mix {
		time.Sleep(length / 4)
	}
	before, first := cpu(), atomic.LoadInt64(&calls)
	time.Sleep(length)
	used, made := cpu()-before, atomic.LoadInt64(&calls)-first
	atomic.StoreInt32(&stop, 1)
	time.Sleep(300 * time.Millisecond)

	lock.Lock()
	fmt.Printf(`{"ticker_p50":%f,"ticker_p99":%f,"echo_p99":%f,"calls":%d,"cpu_per_call":%f}`+"\n",
		quantile(late, 0.5), quantile(late, 0.99), quantile(trips, 0.99), made,
		float64(used.Nanoseconds())/1e3/float64(made))
}

package host

import (
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/google/uuid"
)

// Errors of a worker.
var (
	errGaveUp     = errors.New("exceeded http worker restart retry count")
	errNotStarted = errors.New("the handler could not be started")
	errStopped    = errors.New("the host is stopping")
	errTimedOut   = errors.New("function timeout")
)

const (
	readyPoll     = 25 * time.Millisecond
	maxCrashes    = 3
	crashMemory   = 30 * time.Minute
	exitRestart   = 200
	waitForWorker = 120 * time.Second // (3 + 1) times 30 s, §1.3
)

// worker is the handler process of one functions host, through all its restarts (§1.5).
type worker struct {
	h     *Host
	group string
	port  int
	wire  *wire
	// fail ends the functions host.
	fail func(error)

	mu      sync.Mutex
	process Process
	// start numbers the process starts; timed is the start that a function timeout killed.
	start, timed int
	ready        chan struct{} // closed when the current process answers, or never will
	crashes      int
	lastCrash    time.Time
	stopped      bool
	exited       chan struct{} // closed when the current process has ended
	tail         []string      // the last lines of stderr
}

// newWorker picks the port. It keeps it for all starts (§1.2).
func newWorker(h *Host, group string, fail func(error)) (*worker, error) {
	l, err := net.Listen("tcp4", "127.0.0.1:0")
	if err != nil {
		return nil, fmt.Errorf("no free port for the handler: %w", err)
	}
	port := l.Addr().(*net.TCPAddr).Port
	if err := l.Close(); err != nil {
		return nil, err
	}
	return &worker{h: h, group: group, port: port, wire: newWire(port), fail: fail, ready: make(chan struct{})}, nil
}

// command is what is started (§1.1, §1.4).
func (w *worker) command() Command {
	root := w.h.root
	env := append([]string(nil), w.h.settings.env...)
	id := uuid.NewString()
	port := strconv.Itoa(w.port)
	env = append(env, "FUNCTIONS_CUSTOMHANDLER_PORT="+port, "FUNCTIONS_HTTPWORKER_PORT="+port,
		"FUNCTIONS_CUSTOMHANDLER_WORKER_ID="+id, "FUNCTIONS_HTTPWORKER_ID="+id, "FUNCTIONS_APP_ROOT_PATH="+root)
	if w.group != "" {
		env = append(env, "FUNCTIONS_TARGET_GROUP="+w.group)
	}
	set := newSettings(env)
	d := w.h.config.handler
	path := set.expandLoosely(d.DefaultExecutablePath)
	if !filepath.IsAbs(path) {
		base := under(root, set.expandLoosely(d.WorkerDirectory))
		if info, err := os.Stat(filepath.Join(base, path)); err == nil && !info.IsDir() {
			path = filepath.Join(base, path)
		}
	}
	words := append([]string(nil), d.Arguments...)
	if d.DefaultWorkerPath != "" {
		words = append(words, `"`+d.DefaultWorkerPath+`"`)
	}
	words = append(words, d.WorkerArguments...)
	return Command{
		Path: path, Args: splitArguments(set.expandLoosely(strings.Join(words, " "))),
		Dir: under(root, set.expandLoosely(d.WorkingDirectory)), Env: env, Output: w.output,
	}
}

func under(root, dir string) string {
	if filepath.IsAbs(dir) {
		return dir
	}
	return filepath.Join(root, dir)
}

// splitArguments cuts a command line at blanks outside quotes, as no shell is involved.
func splitArguments(line string) []string {
	var out []string
	var word strings.Builder
	quoted, any := false, false
	flush := func() {
		if any {
			out = append(out, word.String())
		}
		word.Reset()
		any = false
	}
	for i := 0; i < len(line); i++ {
		switch c := line[i]; {
		case c == '\\' && i+1 < len(line) && line[i+1] == '"':
			word.WriteByte('"')
			any = true
			i++
		case c == '"':
			quoted, any = !quoted, true
		case (c == ' ' || c == '\t') && !quoted:
			flush()
		default:
			word.WriteByte(c)
			any = true
		}
	}
	flush()
	return out
}

// output passes on a line and keeps the last three of stderr for the crash message.
func (w *worker) output(stderr bool, line string) {
	if stderr {
		w.mu.Lock()
		w.tail = append(w.tail, line)
		w.tail = w.tail[max(0, len(w.tail)-3):]
		w.mu.Unlock()
	}
	w.h.console(stderr, line)
}

// launch starts the process. One that cannot be started is logged and not tried again.
func (w *worker) launch() {
	command := w.command()
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.stopped {
		return
	}
	process, err := w.h.options.Launcher.Start(command)
	if err != nil {
		w.h.print(Error, categoryHost, "", fmt.Sprintf("failed to start the handler %q: %v; it is not tried again", command.Path, err))
		return
	}
	w.start++
	w.process, w.exited = process, make(chan struct{})
	go w.watch(w.start, process, w.exited)
	go w.probe(w.start)
}

// watch waits for the end of a process and decides what follows.
func (w *worker) watch(start int, process Process, exited chan<- struct{}) {
	code := process.Wait()
	close(exited)
	w.wire.closeAll()
	w.mu.Lock()
	stopped, timed, tail := w.stopped, w.timed == start, strings.Join(w.tail, "\n")
	w.tail = nil
	w.mu.Unlock()
	switch {
	case stopped:
	case timed || code == exitRestart:
		w.again(start)
	case code == 0:
		w.h.print(Error, categoryHost, "", "the handler exited with code 0: it is not restarted, and calls fail from now on")
		w.open(start)
	default:
		w.h.print(Error, categoryHost, "", fmt.Sprintf("the handler exited with code %d. %s", code, tail))
		w.crashed(start)
	}
}

// crashed counts, and restarts or gives up.
func (w *worker) crashed(start int) {
	now := w.h.clock.now()
	w.mu.Lock()
	if w.crashes > 0 && now.Sub(w.lastCrash) > crashMemory {
		w.crashes = 0
	}
	w.crashes++
	w.lastCrash = now
	over := w.crashes >= maxCrashes
	w.mu.Unlock()
	if over {
		w.fail(errGaveUp)
		return
	}
	w.again(start)
}

// again starts the next process on the same port.
func (w *worker) again(start int) {
	w.mu.Lock()
	if w.start == start {
		select {
		case <-w.ready:
			w.ready = make(chan struct{})
		default:
		}
	}
	w.mu.Unlock()
	w.h.restarts.Add(1)
	w.launch()
}

// probe asks GET / until there is any reply (§1.3).
func (w *worker) probe(start int) {
	ctx, cancel := context.WithCancel(context.Background())
	defer cancel()
	late := w.h.clock.after(w.h.config.initialization, cancel)
	defer late.stop()
	ping := []byte("GET / HTTP/1.1\r\nHost: " + w.wire.addr + "\r\n\r\n")
	for {
		// Broken and garbled replies count as replies; only a refused connection does
		// not. A handler that accepts and does not answer is waited for without limit.
		_, err := w.wire.do(context.WithoutCancel(ctx), "GET", ping)
		var refused *net.OpError
		if !errors.As(err, &refused) || refused.Op != "dial" {
			w.open(start)
			return
		}
		if !w.current(start) {
			return
		}
		if ctx.Err() != nil {
			w.h.print(Error, categoryHost, "", "the handler did not listen in time")
			w.kill(start, false)
			return
		}
		_ = w.h.clock.sleep(ctx, readyPoll)
	}
}

func (w *worker) current(start int) bool {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.start == start && !w.stopped
}

// open lets those pass who wait for this start.
func (w *worker) open(start int) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.start != start {
		return
	}
	select {
	case <-w.ready:
	default:
		close(w.ready)
	}
}

// await returns when the handler can be called, with the number of its start. When it
// does not come up the functions host ends.
func (w *worker) await(ctx context.Context) (start int, err error) {
	w.mu.Lock()
	start, ready := w.start, w.ready
	w.mu.Unlock()
	select {
	case <-ready:
		return start, nil
	default:
	}
	late := make(chan struct{})
	alarm := w.h.clock.after(waitForWorker, func() { close(late) })
	defer alarm.stop()
	select {
	case <-ready:
		w.mu.Lock()
		defer w.mu.Unlock()
		return w.start, nil
	case <-late:
		w.fail(errNotStarted)
		return 0, errNotStarted
	case <-ctx.Done():
		return 0, context.Cause(ctx)
	}
}

// gone is closed when the process of a start has ended.
func (w *worker) gone(start int) <-chan struct{} {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.start == start && w.exited != nil {
		return w.exited
	}
	over := make(chan struct{})
	close(over)
	return over
}

// kill ends the process if it is still that start. A timeout does not count as a crash.
func (w *worker) kill(start int, timedOut bool) {
	w.mu.Lock()
	process := w.process
	if w.start != start {
		process = nil
	} else if timedOut {
		w.timed = start
	}
	w.mu.Unlock()
	if process != nil {
		process.Kill()
	}
}

// killNow ends whatever process there is.
func (w *worker) killNow() {
	w.mu.Lock()
	process := w.process
	w.mu.Unlock()
	if process != nil {
		process.Kill()
	}
}

// stop ends the process for good.
func (w *worker) stop() {
	w.mu.Lock()
	w.stopped = true
	w.mu.Unlock()
	w.killNow()
	w.wire.closeAll()
}

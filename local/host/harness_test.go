package host

import (
	"bufio"
	"bytes"
	"context"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"
)

// call is what the handler got.
type call struct {
	head   string // request line and headers, as they came
	method string
	target string
	header http.Header
	host   string
	body   string
	port   string
}

// fakeHandler is a custom handler that records raw requests. It answers GET / at once.
type fakeHandler struct {
	calls chan call
	exits chan struct{} // ends a handler started by runOnce

	mu       sync.Mutex
	answer   func(call) string // makes the raw response; nil means 200 and {}
	launched []Command
}

const okEmpty = "HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: 2\r\n\r\n{}"

func newHandler() *fakeHandler {
	return &fakeHandler{calls: make(chan call, 10000), exits: make(chan struct{})}
}

// run is the in-process handler.
func (h *fakeHandler) run(ctx context.Context, c Command) int {
	h.mu.Lock()
	h.launched = append(h.launched, c)
	h.mu.Unlock()
	port := newSettings(c.Env).get("FUNCTIONS_CUSTOMHANDLER_PORT")
	l, err := net.Listen("tcp4", "127.0.0.1:"+port)
	if err != nil {
		return 3
	}
	var open sync.Map
	var serving sync.WaitGroup
	closed := make(chan struct{})
	go func() {
		defer close(closed)
		<-ctx.Done()
		_ = l.Close()
	}()
	for {
		conn, err := l.Accept()
		if err != nil {
			break // before the port is free again
		}
		open.Store(conn, nil)
		serving.Go(func() {
			defer func() { _ = conn.Close() }()
			h.serve(conn, port)
		})
	}
	open.Range(func(k, _ any) bool { _ = k.(net.Conn).Close(); return true })
	<-closed
	return 137
}

// set chooses the answer to all calls from now on.
func (h *fakeHandler) set(answer func(call) string) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.answer = answer
}

func (h *fakeHandler) reply(c call) string {
	h.mu.Lock()
	answer := h.answer
	h.mu.Unlock()
	if answer == nil {
		return okEmpty
	}
	return answer(c)
}

func (h *fakeHandler) starts() []Command {
	h.mu.Lock()
	defer h.mu.Unlock()
	return slices.Clone(h.launched)
}

func (h *fakeHandler) serve(conn net.Conn, port string) {
	var raw bytes.Buffer
	br := bufio.NewReaderSize(io.TeeReader(conn, &raw), 1<<20)
	for {
		raw.Reset()
		r, err := http.ReadRequest(br)
		if err != nil {
			return
		}
		body, err := io.ReadAll(r.Body)
		if err != nil {
			return
		}
		head, _, _ := strings.Cut(raw.String(), "\r\n\r\n")
		c := call{head, r.Method, r.RequestURI, r.Header, r.Host, string(body), port}
		answer := "HTTP/1.1 404 Not Found\r\nContent-Length: 0\r\n\r\n"
		if r.RequestURI != "/" || len(r.Header) > 0 {
			h.calls <- c
			answer = h.reply(c)
		}
		if _, err := io.WriteString(conn, answer); err != nil || answer == "" || r.Close {
			return
		}
	}
}

// next waits for the next call.
func (h *fakeHandler) next(t testing.TB) call {
	t.Helper()
	select {
	case c := <-h.calls:
		return c
	case <-time.After(10 * time.Second):
		t.Fatal("the handler was not called")
		return call{}
	}
}

// none fails if the handler was called. Use it after a reply, when a call would be recorded already.
func (h *fakeHandler) none(t testing.TB) {
	t.Helper()
	select {
	case c := <-h.calls:
		t.Errorf("the handler was called: %s", c.head)
	default:
	}
}

const plainHostJSON = `{"version":"2.0","functionTimeout":"00:05:00","customHandler":{"description":{"defaultExecutablePath":"handler"},` +
	`"enableForwardingHttpRequest":true},"extensions":{"serviceBus":{"maxConcurrentSessions":4,"maxConcurrentCalls":4,` +
	`"maxAutoLockRenewalDuration":"00:10:00","sessionIdleTimeout":"00:00:01"}}}`

// httpFunction is the function.json of a pure HTTP function.
func httpFunction(level, route string, methods ...string) string {
	list := ""
	if len(methods) > 0 {
		list = `"methods":["` + strings.Join(methods, `","`) + `"],`
	}
	return fmt.Sprintf(`{"bindings":[{"type":"httpTrigger","direction":"in","name":"req","authLevel":%q,%s"route":%q},`+
		`{"type":"http","direction":"out","name":"res"}]}`, level, list, route)
}

// writeRoot makes a script root; functions are by name.
func writeRoot(t testing.TB, hostJSON string, functions map[string]string) string {
	t.Helper()
	root := t.TempDir()
	put(t, filepath.Join(root, "host.json"), hostJSON)
	for name, text := range functions {
		put(t, filepath.Join(root, name, "function.json"), text)
	}
	return root
}

func put(t testing.TB, path, text string) {
	t.Helper()
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(path, []byte(text), 0o644); err != nil {
		t.Fatal(err)
	}
}

// logs collects lines and lets a test wait for one.
type logs struct {
	mu    sync.Mutex
	lines []Line
	more  chan struct{}
}

func newLogs() *logs { return &logs{more: make(chan struct{}, 1)} }

func (l *logs) add(line Line) {
	l.mu.Lock()
	l.lines = append(l.lines, line)
	l.mu.Unlock()
	select {
	case l.more <- struct{}{}:
	default:
	}
}

func (l *logs) find(text string) (Line, bool) {
	l.mu.Lock()
	defer l.mu.Unlock()
	for _, line := range l.lines {
		if strings.Contains(line.Text, text) {
			return line, true
		}
	}
	return Line{}, false
}

func (l *logs) await(t testing.TB, text string) Line {
	t.Helper()
	late := time.After(10 * time.Second)
	for {
		if line, ok := l.find(text); ok {
			return line
		}
		select {
		case <-l.more:
		case <-late:
			t.Fatalf("no log line with %q", text)
		}
	}
}

// manualClock is a clock that tests move.
type manualClock struct {
	mu  sync.Mutex
	now time.Time
}

func (c *manualClock) Now() time.Time {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.now
}

func (c *manualClock) advance(d time.Duration) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.now = c.now.Add(d)
}

// running is a host that runs until the test ends.
type running struct {
	*Host
	handler *fakeHandler
	log     *logs
}

// start runs a host over root with the fake handler.
func start(t testing.TB, root string, handler *fakeHandler, change func(*Options)) *running {
	t.Helper()
	log := newLogs()
	o := Options{Addr: "127.0.0.1:0", Env: []string{}, Launcher: InProcess(handler.run), Log: log.add}
	if change != nil {
		change(&o)
	}
	h, err := New(root, o)
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	ended := make(chan error, 1)
	go func() { ended <- h.Run(ctx) }()
	t.Cleanup(func() {
		cancel()
		if err := <-ended; err != nil {
			t.Errorf("Run: %v", err)
		}
	})
	return &running{h, handler, log}
}

// awaitReady waits until every handler answered.
func (r *running) awaitReady(t testing.TB) {
	t.Helper()
	select {
	case <-r.Ready():
	case <-time.After(10 * time.Second):
		t.Fatal("the host did not become ready")
	}
}

// raw sends bytes to the front door and reads the response.
func (r *running) raw(t testing.TB, request string) (*http.Response, string) {
	t.Helper()
	conn, err := net.Dial("tcp", strings.TrimPrefix(r.URL(), "http://"))
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = conn.Close() }()
	if _, err := io.WriteString(conn, request); err != nil {
		t.Fatal(err)
	}
	resp, err := http.ReadResponse(bufio.NewReader(conn), nil)
	if err != nil {
		t.Fatalf("%q: %v", request, err)
	}
	body, err := io.ReadAll(resp.Body)
	if err != nil {
		t.Fatal(err)
	}
	return resp, string(body)
}

// get is a raw request line with Host and more headers.
func get(target string, headers ...string) string { return request("GET", target, "", headers...) }

func request(method, target, body string, headers ...string) string {
	all := append([]string{method + " " + target + " HTTP/1.1", "Host: app.example"}, headers...)
	if body != "" {
		all = append(all, fmt.Sprintf("Content-Length: %d", len(body)))
	}
	return strings.Join(all, "\r\n") + "\r\n\r\n" + body
}

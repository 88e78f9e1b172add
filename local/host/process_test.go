package host

import (
	"context"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

// awaitStarts waits for the n-th start of the handler.
func (h *fakeHandler) awaitStarts(t testing.TB, n int) []Command {
	t.Helper()
	for range 2000 {
		if s := h.starts(); len(s) >= n {
			return s
		}
		pause(t)
	}
	t.Fatalf("%d starts of the handler, want %d", len(h.starts()), n)
	return nil
}

// pause lets a moment pass between two looks at a counter.
func pause(t testing.TB) {
	ctx, cancel := context.WithTimeout(t.Context(), 5*time.Millisecond)
	defer cancel()
	<-ctx.Done()
}

func TestEnvelopeOnTheWire(t *testing.T) {
	h := start(t, writeRoot(t, plainHostJSON, map[string]string{"Sweep": timerFunction}), newHandler(), nil)
	h.raw(t, request("POST", "/admin/functions/sweep", `{"input":""}`, "x-functions-key: "+MasterKey))
	c := h.handler.next(t)
	lines := strings.Split(c.head, "\r\n")
	for i, want := range []string{
		"POST /Sweep HTTP/1.1", "Host: 127.0.0.1:" + c.port, "X-Azure-Functions-HostVersion: 4.1037.0", "X-Azure-Functions-InvocationId: ",
		"User-Agent: Azure-Functions-Host/4.1037.0", "Transfer-Encoding: chunked", "traceparent: 00-", "Content-Type: application/json; charset=utf-8",
	} {
		if i >= len(lines) || !strings.HasPrefix(lines[i], want) {
			t.Fatalf("line %d of\n%s\nwant %s", i, c.head, want)
		}
	}
	if len(lines) != 8 {
		t.Errorf("more headers than the host sends:\n%s", c.head)
	}
	if !strings.HasPrefix(c.body, `{"Data":{"timer":{"Schedule":{"AdjustForDST":true},"ScheduleStatus":{"Last":"0001-01-01T00:00:00",`) {
		t.Errorf("body %s", c.body)
	}
}

func TestUnderCoreToolsEnvelopesCarryALength(t *testing.T) {
	h := start(t, writeRoot(t, plainHostJSON, map[string]string{"Sweep": timerFunction}), newHandler(), func(o *Options) {
		o.Env = []string{"FUNCTIONS_CORETOOLS_ENVIRONMENT=1"}
	})
	h.raw(t, request("POST", "/admin/functions/Sweep", `{}`, "x-functions-key: "+MasterKey))
	c := h.handler.next(t)
	if c.header.Get("Content-Length") == "" || strings.Contains(c.head, "chunked") {
		t.Error(c.head)
	}
}

func TestHandlerIsStartedAsDescribed(t *testing.T) {
	hostJSON := `{"version":"2.0","customHandler":{"description":{"defaultExecutablePath":"bin/%NAME%","workingDirectory":"sub",` +
		`"arguments":["--port","%FUNCTIONS_CUSTOMHANDLER_PORT%","%MISSING%x"],"defaultWorkerPath":"a b.js","workerArguments":["last"]}}}`
	root := writeRoot(t, hostJSON, map[string]string{"Sweep": timerFunction})
	put(t, filepath.Join(root, "bin", "handler"), "x")
	handler := newHandler()
	h := start(t, root, handler, func(o *Options) { o.Env = []string{"NAME=handler", "SECRET=s"} })
	h.awaitReady(t)
	c := handler.starts()[0]
	set := newSettings(c.Env)
	port := set.get("FUNCTIONS_CUSTOMHANDLER_PORT")
	if c.Path != filepath.Join(root, "bin", "handler") || c.Dir != filepath.Join(root, "sub") {
		t.Errorf("path %s in %s", c.Path, c.Dir)
	}
	if got := strings.Join(c.Args, "|"); got != "--port|"+port+"|x|a b.js|last" {
		t.Errorf("arguments %s", got)
	}
	for name, want := range map[string]string{
		"FUNCTIONS_HTTPWORKER_PORT": port, "FUNCTIONS_APP_ROOT_PATH": root, "SECRET": "s",
		"FUNCTIONS_HTTPWORKER_ID": set.get("FUNCTIONS_CUSTOMHANDLER_WORKER_ID"),
	} {
		if got := set.get(name); got != want || got == "" {
			t.Errorf("%s = %q, want %q", name, got, want)
		}
	}
}

func TestCallsInFlightAreCounted(t *testing.T) {
	handler := newHandler()
	release := make(chan struct{})
	handler.set(func(call) string { <-release; return okEmpty })
	h := start(t, webRoot(t), handler, nil)
	h.awaitReady(t)
	answered := make(chan struct{})
	go func() { defer close(answered); h.raw(t, get("/api/items/7")) }()
	handler.next(t)
	if n := h.Calls(); n != 1 {
		t.Errorf("%d calls in flight, want 1", n)
	}
	close(release)
	<-answered
	if n := h.Calls(); n != 0 {
		t.Errorf("%d calls in flight after the answer", n)
	}
}

func TestKilledHandlerComesBackOnTheSamePort(t *testing.T) {
	h := start(t, webRoot(t), newHandler(), nil)
	h.awaitReady(t)
	h.raw(t, get("/api/items/7"))
	before := h.handler.next(t)
	h.KillHandlers()
	h.handler.awaitStarts(t, 2)
	for {
		if resp, _ := h.raw(t, get("/api/items/8")); resp.StatusCode == 200 {
			break
		}
		pause(t)
	}
	if after := h.handler.next(t); after.port != before.port {
		t.Errorf("port %s, before %s", after.port, before.port)
	}
	if h.Restarts() != 1 || h.Hosts() != 1 {
		t.Errorf("%d restarts, %d hosts", h.Restarts(), h.Hosts())
	}
}

func TestThirdCrashEndsTheHostAndThePlatformStartsAnother(t *testing.T) {
	clock := &manualClock{now: time.Date(2026, 11, 21, 9, 0, 0, 0, time.UTC)}
	h := start(t, webRoot(t), newHandler(), func(o *Options) { o.Now = clock.Now })
	h.awaitReady(t)
	for n := 2; n <= 3; n++ {
		h.KillHandlers()
		h.handler.awaitStarts(t, n)
	}
	h.KillHandlers()
	h.log.await(t, "exceeded http worker restart retry count")
	if resp, body := h.raw(t, get("/api/items/7")); resp.StatusCode != 503 || body != "Function host is not running." {
		t.Errorf("%d %q while there is no host", resp.StatusCode, body)
	}
	for len(h.handler.starts()) < 4 {
		clock.advance(time.Second)
		h.Tick()
		pause(t)
	}
	starts := h.handler.starts()
	first, last := newSettings(starts[2].Env).get("FUNCTIONS_CUSTOMHANDLER_WORKER_ID"), newSettings(starts[3].Env).get("FUNCTIONS_CUSTOMHANDLER_WORKER_ID")
	if first == last || h.Hosts() != 2 {
		t.Errorf("%d hosts", h.Hosts())
	}
	h.KillHandlers() // the counter is at zero again
	h.handler.awaitStarts(t, 5)
}

func TestCrashesHalfAnHourApartDoNotAddUp(t *testing.T) {
	clock := &manualClock{now: time.Date(2026, 11, 21, 9, 0, 0, 0, time.UTC)}
	h := start(t, webRoot(t), newHandler(), func(o *Options) { o.Now = clock.Now })
	h.awaitReady(t)
	for n := 2; n <= 6; n++ {
		h.KillHandlers()
		h.handler.awaitStarts(t, n)
		// Until then the host waits for it, and for 30 seconds at most.
		for answered := false; !answered; {
			resp, _ := h.raw(t, get("/api/items/7"))
			if answered = resp.StatusCode == 200; !answered {
				pause(t)
			}
		}
		clock.advance(31 * time.Minute)
		h.Tick()
	}
	if h.Hosts() != 1 {
		t.Errorf("%d hosts", h.Hosts())
	}
}

// TestExitCodes: 0 is never restarted and calls fail, 200 is restarted and not counted.
func TestExitCodeZeroIsNotRestarted(t *testing.T) {
	handler := newHandler()
	h := start(t, webRoot(t), handler, func(o *Options) {
		o.Launcher = InProcess(func(ctx context.Context, c Command) int { _ = handler.runOnce(ctx, c); return 0 })
	})
	handler.exit(t)
	h.log.await(t, "code 0")
	if resp, body := h.raw(t, get("/api/items/7")); resp.StatusCode != 500 || body != "" {
		t.Errorf("%d %q", resp.StatusCode, body)
	}
	if len(handler.starts()) != 1 {
		t.Errorf("%d starts", len(handler.starts()))
	}
}

func TestExitCode200IsRestartedWithoutCounting(t *testing.T) {
	handler := newHandler()
	h := start(t, webRoot(t), handler, func(o *Options) {
		o.Launcher = InProcess(func(ctx context.Context, c Command) int { _ = handler.runOnce(ctx, c); return 200 })
	})
	for n := 2; n <= 6; n++ {
		handler.exit(t)
		handler.awaitStarts(t, n)
	}
	if h.Hosts() != 1 {
		t.Errorf("%d hosts", h.Hosts())
	}
}

// runOnce runs the handler until exit is called.
func (h *fakeHandler) runOnce(ctx context.Context, c Command) int {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	go func() {
		select {
		case <-h.exits:
			cancel()
		case <-ctx.Done():
		}
	}()
	return h.run(ctx, c)
}

// exit ends the running handler by itself.
func (h *fakeHandler) exit(t testing.TB) {
	t.Helper()
	select {
	case h.exits <- struct{}{}:
	case <-time.After(10 * time.Second):
		t.Fatal("no handler runs")
	}
}

func TestProgramThatCannotBeStartedEndsTheHostAfterTwoMinutes(t *testing.T) {
	clock := &manualClock{now: time.Date(2026, 11, 21, 9, 0, 0, 0, time.UTC)}
	h := start(t, webRoot(t), newHandler(), func(o *Options) { o.Launcher, o.Now = Programs{}, clock.Now })
	h.log.await(t, "failed to start the handler")
	done := make(chan int, 1)
	go func() {
		resp, _ := h.raw(t, get("/api/items/7"))
		done <- resp.StatusCode
	}()
	for ended := false; !ended; {
		select {
		case status := <-done:
			ended = true
			if status != 500 && status != 503 {
				t.Errorf("status %d", status)
			}
		default:
			clock.advance(121 * time.Second)
			h.Tick()
			pause(t)
		}
	}
	h.log.await(t, "could not be started")
}

func TestFunctionTimeoutKillsEveryCallInFlight(t *testing.T) {
	clock := &manualClock{now: time.Date(2026, 11, 21, 9, 0, 0, 0, time.UTC)}
	handler := newHandler()
	release := make(chan struct{})
	handler.set(func(call) string { <-release; return okEmpty })
	h := start(t, webRoot(t), handler, func(o *Options) { o.Now = clock.Now })
	t.Cleanup(func() { close(release) })
	h.awaitReady(t)
	status := make(chan int, 2)
	for range 2 {
		go func() {
			resp, _ := h.raw(t, get("/api/items/7"))
			status <- resp.StatusCode
		}()
		handler.next(t)
		clock.advance(3 * time.Minute)
		h.Tick()
	}
	for range 2 {
		if got := <-status; got != 500 {
			t.Errorf("status %d", got)
		}
	}
	handler.awaitStarts(t, 2)
	if h.Hosts() != 1 {
		t.Error("a timeout counted as a crash")
	}
}

func TestOutputOfTheHandlerIsLogged(t *testing.T) {
	root := writeRoot(t, strings.Replace(plainHostJSON, `"handler"`, `"handler.sh"`, 1), map[string]string{"Sweep": timerFunction})
	script := filepath.Join(root, "handler.sh")
	put(t, script, "#!/bin/sh\necho plain $FUNCTIONS_APP_ROOT_PATH; echo a WARNing >&2; echo bad >&2; echo LanguageWorkerConsoleLoghello; exit 7\n")
	if err := os.Chmod(script, 0o755); err != nil {
		t.Fatal(err)
	}
	h := start(t, root, newHandler(), func(o *Options) { o.Launcher = Programs{} })
	for text, want := range map[string]Line{
		"plain " + root: {Level: Information, Category: "Host.Function.Console"},
		"a WARNing":     {Level: Warning, Category: "Host.Function.Console"},
		"bad":           {Level: Error, Category: "Host.Function.Console"},
		"hello":         {Level: Information, Category: "Host"},
	} {
		if got := h.log.await(t, text); got.Level != want.Level || got.Category != want.Category {
			t.Errorf("%q: %s in %s", text, got.Level, got.Category)
		}
	}
	if line := h.log.await(t, "code 7"); !strings.Contains(line.Text, "bad") {
		t.Errorf("the crash does not show stderr: %s", line.Text)
	}
}

func TestStopLetsRunningCallsEnd(t *testing.T) {
	handler := newHandler()
	release := make(chan struct{})
	handler.set(func(call) string { <-release; return okEmpty })
	h := start(t, webRoot(t), handler, nil)
	h.awaitReady(t)
	status := make(chan int, 1)
	go func() {
		resp, _ := h.raw(t, get("/api/items/7"))
		status <- resp.StatusCode
	}()
	handler.next(t)
	h.Stop()
	close(release)
	if got := <-status; got != 200 {
		t.Errorf("status %d", got)
	}
}

func TestStopEndsCallsAfterTenSeconds(t *testing.T) {
	clock := &manualClock{now: time.Date(2026, 11, 21, 9, 0, 0, 0, time.UTC)}
	handler := newHandler()
	release := make(chan struct{})
	handler.set(func(call) string { <-release; return okEmpty })
	t.Cleanup(func() { close(release) })
	h := start(t, webRoot(t), handler, func(o *Options) { o.Now = clock.Now })
	h.awaitReady(t)
	status := make(chan int, 1)
	go func() {
		resp, _ := h.raw(t, get("/api/items/7"))
		status <- resp.StatusCode
	}()
	handler.next(t)
	h.Stop()
	for {
		select {
		case got := <-status:
			if got != 500 {
				t.Errorf("status %d", got)
			}
			return
		default:
			clock.advance(11 * time.Second)
			h.Tick()
			pause(t)
		}
	}
}

func TestFlexRunsOneProcessPerGroup(t *testing.T) {
	h := start(t, writeRoot(t, plainHostJSON, map[string]string{
		"A": httpFunction("anonymous", "a"), "B": httpFunction("anonymous", "b"), "Sweep": timerFunction, "Other": timerFunction,
	}), newHandler(), func(o *Options) { o.PerFunctionGroup = true })
	h.awaitReady(t)
	groups := map[string]string{}
	for _, c := range h.handler.starts() {
		set := newSettings(c.Env)
		groups[set.get("FUNCTIONS_TARGET_GROUP")] = set.get("FUNCTIONS_CUSTOMHANDLER_PORT")
	}
	if len(groups) != 3 || len(h.handler.starts()) != 3 {
		t.Fatalf("groups %v", groups)
	}
	h.raw(t, get("/api/a"))
	h.raw(t, get("/api/b"))
	if a, b := h.handler.next(t), h.handler.next(t); a.port != groups["http"] || b.port != groups["http"] {
		t.Errorf("HTTP functions were called on %s and %s, want %s", a.port, b.port, groups["http"])
	}
	h.raw(t, request("POST", "/admin/functions/Sweep", `{}`, "x-functions-key: "+MasterKey))
	if c := h.handler.next(t); c.port != groups["function:Sweep"] {
		t.Errorf("Sweep was called on %s of %v", c.port, groups)
	}
}

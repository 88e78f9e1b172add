package host

import (
	"fmt"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"

	"github.com/calbridge/calbridge/shared/queue"
)

// handlerVariable turns the test binary into a handler program.
const handlerVariable = "HOST_TEST_HANDLER"

func TestMain(m *testing.M) {
	if os.Getenv(handlerVariable) != "" {
		os.Exit(handlerProgram())
	}
	os.Exit(m.Run())
}

// handlerProgram serves /api/pid, /api/exit and envelopes.
func handlerProgram() int {
	exit := make(chan int, 1)
	mux := http.NewServeMux()
	mux.HandleFunc("/api/pid/x", func(w http.ResponseWriter, _ *http.Request) { _, _ = io.WriteString(w, strconv.Itoa(os.Getpid())) })
	mux.HandleFunc("/api/exit/x", func(_ http.ResponseWriter, r *http.Request) {
		code, _ := strconv.Atoi(r.URL.Query().Get("code"))
		exit <- code
		<-r.Context().Done()
	})
	mux.HandleFunc("/Work", func(w http.ResponseWriter, r *http.Request) {
		body, _ := io.ReadAll(r.Body)
		fmt.Printf("work %d\n", len(body))
		w.Header().Set("Content-Type", "application/json")
		_, _ = io.WriteString(w, "{}")
	})
	go func() {
		err := http.ListenAndServe("127.0.0.1:"+os.Getenv("FUNCTIONS_CUSTOMHANDLER_PORT"), mux)
		fmt.Fprintln(os.Stderr, err)
		exit <- 9
	}()
	return <-exit
}

// programHost runs the test binary as the handler of a host.
func programHost(t *testing.T, functions map[string]string, env ...string) *running {
	t.Helper()
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	root := writeRoot(t, strings.Replace(plainHostJSON, `"handler"`, strconv.Quote(filepath.ToSlash(self)), 1), functions)
	h := start(t, root, newHandler(), func(o *Options) {
		o.Launcher, o.Env = Programs{}, append([]string{handlerVariable + "=1"}, env...)
	})
	h.awaitReady(t)
	return h
}

// pid asks the handler for its process, until it answers.
func (r *running) pid(t *testing.T) string {
	t.Helper()
	for range 1000 {
		if resp, body := r.raw(t, get("/api/pid/x")); resp.StatusCode == 200 {
			return body
		}
		pause(t)
	}
	t.Fatal("the handler does not answer")
	return ""
}

func programFunctions() map[string]string {
	return map[string]string{"Pid": httpFunction("anonymous", "pid/x"), "Exit": httpFunction("anonymous", "exit/x")}
}

func TestProgramIsKilledAndStartedAgain(t *testing.T) {
	h := programHost(t, programFunctions())
	before := h.pid(t)
	h.KillHandlers()
	h.log.await(t, "exited with code -1")
	if after := h.pid(t); after == before {
		t.Error("the same process answers")
	}
}

func TestProgramThatExitsByItself(t *testing.T) {
	h := programHost(t, programFunctions())
	before := h.pid(t)
	if resp, _ := h.raw(t, get("/api/exit/x?code=200")); resp.StatusCode != 500 {
		t.Errorf("a call in flight: %d", resp.StatusCode)
	}
	second := h.pid(t)
	h.raw(t, get("/api/exit/x?code=3"))
	h.log.await(t, "exited with code 3")
	if third := h.pid(t); before == second || second == third {
		t.Errorf("processes %s, %s, %s", before, second, third)
	}
	h.raw(t, get("/api/exit/x?code=0"))
	h.log.await(t, "exited with code 0")
	if resp, _ := h.raw(t, get("/api/pid/x")); resp.StatusCode != 500 {
		t.Errorf("status %d after exit code 0", resp.StatusCode)
	}
}

// TestProgramKilledAmongMessagesLosesNone kills a real process again and again.
func TestProgramKilledAmongMessagesLosesNone(t *testing.T) {
	b, s := newBroker(t, nil)
	h := programHost(t, map[string]string{"Work": busFunction("sturdy", true, binaryData)}, "BUS="+s.ConnectionString())
	for i := range 200 {
		send(t, b, "sturdy", queue.Message{ID: fmt.Sprint(i), SessionID: fmt.Sprint(i % 8), Body: []byte("x")})
		if i%90 == 89 {
			h.log.await(t, "work")
			h.KillHandlers()
		}
	}
	drained(t, b, "sturdy", 0)
	if dead := b.Peek("sturdy/$deadletterqueue"); len(dead) > 0 {
		t.Errorf("%d messages were dead-lettered: the gap between two processes cost them 20 tries", len(dead))
	}
}

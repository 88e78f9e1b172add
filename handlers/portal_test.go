package handlers

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/calbridge/calbridge/shared/portal"
)

// stubPages notes what was asked for.
type stubPages struct {
	calls     []string
	panicking any
	answer    portal.Answer
}

func (s *stubPages) note(call string) portal.Answer {
	s.calls = append(s.calls, call)
	if s.panicking != nil {
		panic(s.panicking)
	}
	a := s.answer
	if a.Status == 0 {
		a = portal.Answer{Status: 200, Header: http.Header{"Content-Type": {"text/html; charset=utf-8"}}, Body: []byte("<p>")}
	}
	return a
}

func (s *stubPages) Serve(_ context.Context, _ *http.Request, page, id, action string) portal.Answer {
	return s.note(fmt.Sprintf("portal %q %q %q", page, id, action))
}
func (s *stubPages) ConsentStart(context.Context, *http.Request) portal.Answer {
	return s.note("consent start")
}
func (s *stubPages) ConsentCallback(_ context.Context, r *http.Request) portal.Answer {
	return s.note("consent callback " + r.URL.Query().Get("code"))
}
func (s *stubPages) ConnectStart(context.Context, *http.Request) portal.Answer {
	return s.note("connect start")
}
func (s *stubPages) ConnectCallback(_ context.Context, r *http.Request) portal.Answer {
	return s.note("connect callback " + r.URL.Query().Get("code"))
}
func (s *stubPages) Failure(_ *http.Request, cause error) portal.Answer {
	return portal.Answer{Status: 503, Header: http.Header{"Content-Type": {"text/html; charset=utf-8"}}, Body: []byte("<h1>sorry"), Cause: cause}
}

func pageServer(s *stubPages, log *bytes.Buffer) *Server {
	return New("127.0.0.1:1", "https://calendar.example.com", Deps{Pages: s}, &Options{Logger: slog.New(slog.NewJSONHandler(log, nil))})
}

func ask(server *Server, method, target string) *httptest.ResponseRecorder {
	w := httptest.NewRecorder()
	server.ServeHTTP(w, httptest.NewRequest(method, target, nil))
	return w
}

func TestPagesGetTheSegmentsOfTheirPathAndNothingElseOfIt(t *testing.T) {
	for target, want := range map[string]string{
		"GET /api/portal":                             `portal "" "" ""`,
		"GET /api/portal/":                            `portal "" "" ""`,
		"GET /api/portal/setup/abc":                   `portal "setup" "abc" ""`,
		"POST /api/portal/setup/abc/sync":             `portal "setup" "abc" "sync"`,
		"HEAD /api/portal/go/abc?r=x&s=y":             "",
		"GET /api/portal/go/abc/?r=x&s=y":             `portal "go" "abc" ""`,
		"GET /api/connect/callback/?code=M.C5":        "connect callback M.C5",
		"POST /api/consent/start/":                    "consent start",
		"GET /API/Connect/Start":                      "connect start",
		"GET /api/PORTAL/setup/Abc":                   `portal "setup" "Abc" ""`,
		"GET /api/consent/start//":                    "",
		"GET /api/portal/assets/style-a_B-9":          `portal "assets" "style-a_B-9" ""`,
		"GET /api/consent/start?grant=x":              "consent start",
		"POST /api/consent/start":                     "consent start",
		"GET /api/consent/callback?code=0.AX-_~&s=;x": "consent callback 0.AX-_~",
		"GET /api/connect/start":                      "connect start",
		"GET /api/connect/callback?code=M.C5":         "connect callback M.C5",
		"GET /api/portal/a/b/c/d":                     "",
		"GET /api/portals":                            "",
		"GET /api/portal/a%2Fb":                       "",
		"GET /api/portal/..":                          "",
		"GET /api/portal/a.b":                         "",
		"PUT /api/portal/setup":                       "",
		"POST /api/consent/callback":                  "",
		"GET /api/consent/callback/x":                 "",
		"GET /api/consent":                            "",
		"GET /portal/setup":                           "",
	} {
		var s stubPages
		method, path, _ := strings.Cut(target, " ")
		w := ask(pageServer(&s, &bytes.Buffer{}), method, path)
		if got := strings.Join(s.calls, "; "); got != want || want == "" && w.Code != http.StatusNotFound {
			t.Errorf("%s: %q, %d; want %q", target, got, w.Code, want)
		}
	}
}

func TestAPagesHeadersGoOutAsTheyAreWithSeveralCookies(t *testing.T) {
	s := &stubPages{answer: portal.Answer{Status: 303, Header: http.Header{"Set-Cookie": {"a=1", "b=2"}, "Location": {"/api/portal/x"}, "Cache-Control": {"public"}}}}
	w := ask(pageServer(s, &bytes.Buffer{}), "GET", "/api/portal/go/x")
	if w.Code != 303 || len(w.Header()["Set-Cookie"]) != 2 || w.Header().Get("Cache-Control") != "public" || w.Header().Get("Content-Length") != "0" {
		t.Errorf("%d %v", w.Code, w.Header())
	}
}

// identity.md section 5: people get pages, whatever happens, and the log says why.
func TestAPanicOnAPageIsAPageAndIsLoggedWithoutItsValue(t *testing.T) {
	var log bytes.Buffer
	s := &stubPages{panicking: "aino@acme.example"}
	w := ask(pageServer(s, &log), "GET", "/api/portal/setup/x")
	if w.Code != 503 || w.Body.String() != "<h1>sorry" || !strings.Contains(log.String(), `"panic"`) || strings.Contains(log.String(), "aino@") {
		t.Errorf("%d %s\n%s", w.Code, w.Body, &log)
	}
}

func TestWhatFailedBehindAPageIsLoggedWithoutItsPathAndQuery(t *testing.T) {
	var log bytes.Buffer
	s := &stubPages{answer: portal.Answer{Status: 503, Header: http.Header{}, Cause: errors.New("tables are down")}}
	ask(pageServer(s, &log), "GET", "/api/consent/callback?code=s3cret&state=s3cret")
	if !strings.Contains(log.String(), "tables are down") || strings.Contains(log.String(), "s3cret") || !strings.Contains(log.String(), "ConsentCallback") {
		t.Error(log.String())
	}
}

// A program that asks for JSON gets the documents of the API: its codes and no others, and
// the invocation by which the log is searched.
func TestTroubleOnAPageIsADocumentOfTheAPIForPrograms(t *testing.T) {
	for name, want := range map[string]string{
		"not-found": `{"type":"urn:calbridge:problem:not-found","title":"Not found.","status":404,"detail":"Nothing and nobody.","instance":"11111111-2222-4333-8444-555555555555"}`,
		"":          `{"type":"about:blank","title":"Forbidden","status":403,"detail":"Nothing and nobody.","instance":"11111111-2222-4333-8444-555555555555"}`,
	} {
		status := map[string]int{"not-found": 404, "": 403}[name]
		stub := &stubPages{answer: portal.Answer{Status: status, Header: http.Header{"Content-Type": {"application/problem+json"}},
			Document: &portal.Document{Code: name, Detail: "Nothing and nobody."}}}
		r := httptest.NewRequest(http.MethodGet, "/api/portal/setup/x", nil)
		r.Header.Set("X-Azure-Functions-Invocationid", "11111111-2222-4333-8444-555555555555")
		w := httptest.NewRecorder()
		pageServer(stub, &bytes.Buffer{}).ServeHTTP(w, r)
		if got := w.Body.String(); w.Code != status || got != want || w.Header().Get("Content-Length") != fmt.Sprint(len(got)) {
			t.Errorf("%d %v\n%s\n%s", w.Code, w.Header(), got, want)
		}
	}
}

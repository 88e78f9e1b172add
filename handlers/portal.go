package handlers

import (
	"context"
	"encoding/json"
	"fmt"
	"log/slog"
	"net/http"
	"net/url"
	"reflect"
	"regexp"
	"runtime"
	"runtime/debug"
	"slices"
	"strconv"
	"strings"

	"github.com/calbridge/calbridge/shared/portal"
	"github.com/calbridge/calbridge/shared/queue"
)

// Pages are what people see; *portal.Portal is.
type Pages interface {
	// Serve answers portal/{page}/{id}/{action}; what the path left out is "".
	Serve(ctx context.Context, r *http.Request, page, id, action string) portal.Answer
	ConsentStart(ctx context.Context, r *http.Request) portal.Answer
	ConsentCallback(ctx context.Context, r *http.Request) portal.Answer
	ConnectStart(ctx context.Context, r *http.Request) portal.Answer
	ConnectCallback(ctx context.Context, r *http.Request) portal.Answer
	// Failure is the page of a fault of ours.
	Failure(r *http.Request, cause error) portal.Answer
}

// page is one function that answers browsers: with pages (identity.md section 5). Only who asks
// for JSON, and for no HTML, is told of trouble by a problem document. Its path may have up to parameters further segments.
type page struct {
	function, path string
	methods        []string
	parameters     int
	serve          func(ctx context.Context, r *http.Request, parameters [3]string) portal.Answer
}

// installPages lists them: who calls each. HEAD, which mail scanners send to links too, is
// not among the methods of design.md: the host answers it with 404, and nothing is opened.
func installPages(p Pages) []page {
	plain := func(serve func(Pages, context.Context, *http.Request) portal.Answer) func(context.Context, *http.Request, [3]string) portal.Answer {
		return func(ctx context.Context, r *http.Request, _ [3]string) portal.Answer { return serve(p, ctx, r) }
	}
	get, post := http.MethodGet, http.MethodPost
	return []page{
		// People with a link or a session, and the set-up page's script every ten seconds.
		{"Portal", "portal", []string{get, post}, 3, func(ctx context.Context, r *http.Request, s [3]string) portal.Answer {
			return p.Serve(ctx, r, s[0], s[1], s[2])
		}},
		// Entra admins before they leave for Microsoft, and when Microsoft sends them back.
		{"ConsentStart", "consent/start", []string{get, post}, 0, plain(Pages.ConsentStart)},
		{"ConsentCallback", "consent/callback", []string{get}, 0, plain(Pages.ConsentCallback)},
		// People who connect an account, and room managers.
		{"ConnectStart", "connect/start", []string{get, post}, 0, plain(Pages.ConnectStart)},
		{"ConnectCallback", "connect/callback", []string{get}, 0, plain(Pages.ConnectCallback)},
	}
}

// pageSegment is what the routes allow a parameter to be.
var pageSegment = regexp.MustCompile(`^[A-Za-z0-9_-]*$`)

// matchPage finds the page of a path as it came. As in the host's routes, the letter case
// of what is not a parameter does not count, nor does a slash at the end (contract 3.2):
// what the host lets through would else be a problem document in somebody's browser.
func matchPage(pages []page, method, path string) (page, [3]string, bool) {
	for _, p := range pages {
		prefix := "/api/" + p.path
		if len(path) < len(prefix) || !strings.EqualFold(path[:len(prefix)], prefix) || !slices.Contains(p.methods, method) {
			continue
		}
		rest := path[len(prefix):]
		if rest != "" && rest[0] != '/' {
			continue
		}
		var found [3]string
		segments := strings.Split(strings.TrimSuffix(rest, "/"), "/")[1:]
		if len(segments) > p.parameters {
			continue
		}
		fits := true
		for i, s := range segments {
			decoded, err := url.PathUnescape(s)
			fits = fits && err == nil && pageSegment.MatchString(decoded)
			found[i] = decoded
		}
		if fits {
			return p, found, true
		}
	}
	return page{}, [3]string{}, false
}

// servePage answers a browser.
func (s *Server) servePage(w http.ResponseWriter, r *http.Request, id string, p page, parameters [3]string) {
	log := s.opts.Logger.With("invocation", id, "function", p.function)
	defer s.recoverPage(w, r, id, log)
	ctx, cancel := context.WithTimeout(r.Context(), Deadline)
	defer cancel()
	a := p.serve(queue.WithTrace(ctx, traceParent(r.Header)), r, parameters)
	if a.Cause != nil {
		log.Error("page failed", "status", a.Status, "error", a.Cause)
	} else {
		log.Debug("page done", "status", a.Status)
	}
	writePage(w, r, id, a)
}

// recoverPage is recover with a page as its answer.
func (s *Server) recoverPage(w http.ResponseWriter, r *http.Request, id string, log *slog.Logger) {
	v := recover()
	if v == nil {
		return
	}
	what := reflect.TypeOf(v).String()
	if err, ok := v.(runtime.Error); ok {
		what = err.Error()
	}
	log.Error("panic", "panic", what, "stack", string(debug.Stack()))
	if s.deps.Pages != nil {
		writePage(w, r, id, s.deps.Pages.Failure(r, fmt.Errorf("panic: %s", what)))
	}
}

// writePage sends a page. What is a document instead has the form that those of the API have.
func writePage(w http.ResponseWriter, r *http.Request, id string, a portal.Answer) {
	if a.Document != nil {
		a.Body = documentOf(id, a)
	}
	for name, values := range a.Header {
		w.Header()[name] = values
	}
	if r.Method != http.MethodHead {
		w.Header().Set("Content-Length", strconv.Itoa(len(a.Body)))
	}
	w.WriteHeader(a.Status)
	_, _ = w.Write(a.Body) // nobody is told when the browser is gone
}

// documentOf is the problem document of a page's trouble.
func documentOf(id string, a portal.Answer) []byte {
	d := document{Type: "about:blank", Title: http.StatusText(a.Status), Status: a.Status, Detail: a.Document.Detail, Instance: id}
	if kind, known := kinds[code(a.Document.Code)]; known {
		d.Type, d.Title = "urn:calbridge:problem:"+a.Document.Code, kind.title
	}
	text, err := json.Marshal(d)
	if err != nil {
		panic(err) // of our own types
	}
	return text
}

package handlers

import (
	"context"
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

// page is one function that answers browsers: with pages, never with problem documents
// (identity.md section 5). Its path may have up to parameters further segments.
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
	defer s.recoverPage(w, r, log)
	ctx, cancel := context.WithTimeout(r.Context(), Deadline)
	defer cancel()
	a := p.serve(queue.WithTrace(ctx, traceParent(r.Header)), r, parameters)
	if a.Cause != nil {
		log.Error("page failed", "status", a.Status, "error", a.Cause)
	} else {
		log.Debug("page done", "status", a.Status)
	}
	writePage(w, r, a)
}

// recoverPage is recover with a page as its answer.
func (s *Server) recoverPage(w http.ResponseWriter, r *http.Request, log *slog.Logger) {
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
		writePage(w, r, s.deps.Pages.Failure(r, fmt.Errorf("panic: %s", what)))
	}
}

func writePage(w http.ResponseWriter, r *http.Request, a portal.Answer) {
	for name, values := range a.Header {
		w.Header()[name] = values
	}
	if r.Method != http.MethodHead {
		w.Header().Set("Content-Length", strconv.Itoa(len(a.Body)))
	}
	w.WriteHeader(a.Status)
	_, _ = w.Write(a.Body) // nobody is told when the browser is gone
}

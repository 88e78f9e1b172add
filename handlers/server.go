package handlers

import (
	"context"
	"io"
	"net/http"
	"net/url"
	"reflect"
	"regexp"
	"runtime"
	"runtime/debug"
	"strings"

	"github.com/google/uuid"

	"github.com/calbridge/calbridge/shared/key"
	"github.com/calbridge/calbridge/shared/queue"
)

// ServeHTTP answers one request of the host.
func (s *Server) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	id := invocationID(r.Header)
	defer s.recover(w, id)
	if !s.guards.request(r) {
		s.opts.Logger.Warn("request refused: forwarding headers that bend paths", "invocation", id)
		write(w, id, problemAnswer(codeInvalid, "The request's forwarding headers are not acceptable."))
		return
	}
	if r.RequestURI == "/" {
		ready(w)
		return
	}
	if function, ok := s.queues[r.RequestURI]; ok {
		s.serveQueue(w, r, id, function)
		return
	}
	s.serveWeb(w, r, id)
}

// ready answers the host's poll for readiness. A stranger can imitate it, so it
// says nothing (contract 1.3, 2.1).
func ready(w http.ResponseWriter) {
	w.Header().Set("Content-Type", "text/plain; charset=utf-8")
	_, _ = io.WriteString(w, "ready\n") // nobody is told when the host hangs up
}

// recover keeps a panic from ending the process, and with it every other
// invocation in flight. The value is shown only where it is the runtime's own:
// another could hold what must not be logged.
func (s *Server) recover(w http.ResponseWriter, id string) {
	v := recover()
	if v == nil {
		return
	}
	what := reflect.TypeOf(v).String()
	if err, ok := v.(runtime.Error); ok {
		what = err.Error()
	}
	s.opts.Logger.Error("panic", "invocation", id, "panic", what, "stack", string(debug.Stack()))
	write(w, id, internalAnswer())
}

// serveQueue answers an envelope. Its deadline is its own: that the host hung up
// is no reason to leave a write half done.
func (s *Server) serveQueue(w http.ResponseWriter, r *http.Request, id string, function queueFunction) {
	if !s.guards.envelope(r) || r.Method != http.MethodPost {
		s.opts.Logger.Warn("request refused: not an envelope of the host", "invocation", id, "function", function.name)
		write(w, id, notFound("There is nothing here."))
		return
	}
	ctx, cancel := context.WithTimeout(context.WithoutCancel(r.Context()), Deadline)
	defer cancel()
	log := s.opts.Logger.With("invocation", id, "function", function.name)
	body, err := io.ReadAll(http.MaxBytesReader(w, r.Body, maxEnvelope))
	if err == nil {
		var inv Invocation
		if inv, err = DecodeInvocation(body); err == nil {
			inv.Function, inv.ID, inv.Trace = function.name, id, traceParent(r.Header)
			if waited := inv.waited(s.opts.Now()); waited >= lateAfter {
				log.Warn(lateLine, "seconds", int(waited.Seconds()))
			}
			err = function.call(inv.Message.Traced(queue.WithTrace(ctx, inv.Trace)), inv)
		}
	}
	if err != nil {
		log.Error("invocation failed, the message will come again", "error", err)
		write(w, id, internalAnswer())
		return
	}
	log.Debug("invocation done")
	w.Header().Set("Content-Type", "application/json")
	_, _ = io.WriteString(w, "{}") // an answer that is lost means a redelivery
}

// serveWeb answers a forwarded web request.
func (s *Server) serveWeb(w http.ResponseWriter, r *http.Request, id string) {
	if p, parameters, ok := matchPage(s.pages, r.Method, r.URL.EscapedPath()); ok {
		s.servePage(w, r, id, p, parameters)
		return
	}
	route, parameters, ok := match(s.web, r.Method, r.URL.EscapedPath())
	if !ok {
		write(w, id, notFound("There is nothing here, or not in this version, or not for this method."))
		return
	}
	if !readableQuery(r) {
		write(w, id, problemAnswer(codeInvalid, "The query could not be read: encode it as RFC 3986 says."))
		return
	}
	ctx, cancel := context.WithTimeout(r.Context(), Deadline)
	defer cancel()
	ctx = queue.WithTrace(ctx, traceParent(r.Header))
	connection, _ := key.Parse(parameters["connection"]) // zero where the path names none
	answer := route.serve(ctx, &request{Request: r, writer: w, organization: parameters["organization"], connection: connection})
	log := s.opts.Logger.With("invocation", id, "function", route.function)
	if organization := parameters["organization"]; organization != "" {
		log = log.With("organization", organization)
	}
	if answer.cause != nil {
		log.Error("request failed", "status", answer.status, "error", answer.cause)
	} else {
		log.Debug("request done", "status", answer.status)
	}
	write(w, id, answer)
}

// readableQuery makes the query one that can be read as a whole, and reports
// whether it is. The host decodes a query and writes it again without encoding a
// semicolon, at which net/url drops the pair in silence: a filter would be gone,
// and a list would show everybody.
func readableQuery(r *http.Request) bool {
	r.URL.RawQuery = strings.ReplaceAll(r.URL.RawQuery, ";", "%3B")
	_, err := url.ParseQuery(r.URL.RawQuery)
	return err == nil
}

var (
	guid  = regexp.MustCompile(`(?:^|[, ])([0-9A-Fa-f]{8}(?:-[0-9A-Fa-f]{4}){3}-[0-9A-Fa-f]{12})$`)
	trace = regexp.MustCompile(`^[0-9a-f]{2}-[0-9a-f]{32}-[0-9a-f]{16}-[0-9a-f]{2}$`)
)

// invocationID is the host's id of this call. A web caller's own ids come first
// in the same header (contract 2.1), so only the last one counts, and only if it
// is a GUID; else we make one. It proves nothing.
func invocationID(h http.Header) string {
	lines := h.Values("X-Azure-Functions-InvocationId")
	if len(lines) > 0 {
		if m := guid.FindStringSubmatch(strings.TrimSpace(lines[len(lines)-1])); m != nil {
			return strings.ToLower(m[1])
		}
	}
	return uuid.NewString()
}

// traceParent is the W3C trace of the call, "" when there is none or it is malformed.
func traceParent(h http.Header) string {
	if t := h.Get("Traceparent"); trace.MatchString(t) {
		return t
	}
	return ""
}

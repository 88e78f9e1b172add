package host

import (
	"io"
	"net/http"
	"strconv"
	"strings"
)

// incoming is a web request as the host sees it after the header fix-up (§2.1).
type incoming struct {
	r *http.Request
	// scheme and host are taken unchecked from X-Forwarded-Proto and DISGUISED-HOST.
	scheme, host string
	// path is decoded (and routed), rawQuery as it came.
	path, rawQuery string
	query          []param
	values         []routeValue
	body           []byte
}

// maxBody is the largest request body, in bytes (§2.2, limits).
const maxBody = 100 << 20

// serve is the front door.
func (h *Host) serve(w http.ResponseWriter, r *http.Request) {
	for name, value := range h.config.headers {
		w.Header().Set(name, value)
	}
	req, status := readTarget(r)
	if status != 0 {
		w.WriteHeader(status)
		return
	}
	if h.admin(w, req) {
		return
	}
	f := h.route(req)
	switch {
	case f == nil && req.path == "/":
		h.homePage(w)
	case f == nil:
		w.WriteHeader(http.StatusNotFound)
	case granted(r.Header, req.query) < f.auth:
		w.WriteHeader(http.StatusUnauthorized)
	default:
		h.invokeHTTP(w, req, f)
	}
}

// readTarget decodes the request target and believes the two headers of the front end.
// A status other than 0 is the whole answer.
func readTarget(r *http.Request) (*incoming, int) {
	raw, query, _ := strings.Cut(r.RequestURI, "?")
	path, err := decodePath(raw)
	if err != nil {
		return nil, http.StatusBadRequest
	}
	req := &incoming{r: r, scheme: "http", host: r.Host, path: path, query: parseQuery(query)}
	if query != "" {
		req.rawQuery = "?" + query
	}
	switch disguised := r.Header.Values("Disguised-Host"); {
	case len(disguised) > 1:
		return nil, http.StatusInternalServerError
	case len(disguised) == 1:
		req.host = disguised[0]
	}
	if proto := r.Header.Values("X-Forwarded-Proto"); len(proto) > 0 {
		req.scheme = proto[0]
	}
	return req, 0
}

// route finds the function whose template and methods take the request. An excluded
// method is no match: 404 in the end.
func (h *Host) route(req *incoming) *function {
	path, ok := cutPrefixFold(strings.TrimPrefix(req.path, "/"), h.config.routePrefix)
	if !ok {
		return nil
	}
	for _, f := range h.routes {
		if !f.takes(req.r.Method) {
			continue
		}
		if values, ok := f.route.match(path); ok {
			req.values = values
			return f
		}
	}
	return nil
}

func (f *function) takes(method string) bool {
	for _, m := range f.trigger.Methods {
		if strings.EqualFold(m, method) {
			return true
		}
	}
	return len(f.trigger.Methods) == 0
}

// cutPrefixFold removes the segments of prefix, regardless of case.
func cutPrefixFold(path, prefix string) (string, bool) {
	if prefix == "" {
		return path, true
	}
	if len(path) < len(prefix) || !strings.EqualFold(path[:len(prefix)], prefix) {
		return "", false
	}
	path = path[len(prefix):]
	if path == "" {
		return "", true
	}
	return strings.CutPrefix(path, "/")
}

func (h *Host) homePage(w http.ResponseWriter) {
	if strings.EqualFold(h.settings.get("AzureWebJobsDisableHomepage"), "true") {
		w.WriteHeader(http.StatusNoContent)
		return
	}
	w.Header().Set("Content-Type", "text/html; charset=utf-8")
	_, _ = io.WriteString(w, "<!doctype html><title>Functions</title><p>Your functions host (local stand-in) is up and running.\n")
}

// invokeHTTP forwards the request, or wraps it into an envelope (§2.2).
func (h *Host) invokeHTTP(w http.ResponseWriter, req *incoming, f *function) {
	in := h.instance(f)
	if in == nil || !in.enter() {
		w.Header().Set("Content-Type", "text/plain; charset=utf-8")
		w.WriteHeader(http.StatusServiceUnavailable)
		_, _ = io.WriteString(w, "Function host is not running.")
		return
	}
	defer in.leave()
	if req.r.ContentLength > 0 {
		body, err := io.ReadAll(http.MaxBytesReader(w, req.r.Body, maxBody))
		if err != nil {
			w.WriteHeader(http.StatusRequestEntityTooLarge)
			return
		}
		req.body = body
	}
	if h.config.forward && f.pure() {
		in.forward(w, req, f)
		return
	}
	in.wrap(w, req, f)
}

// write sends a whole response, buffered, with its length.
func write(w http.ResponseWriter, status int, body []byte) {
	w.Header().Set("Content-Length", strconv.Itoa(len(body)))
	w.WriteHeader(status)
	_, _ = w.Write(body)
}

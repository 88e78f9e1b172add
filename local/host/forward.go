package host

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/textproto"
	"slices"
	"strconv"
	"strings"

	"github.com/google/uuid"
)

// errRefused is a request that the real host fails on before it calls the handler.
var errRefused = errors.New("the request cannot be forwarded")

// contentHeaders are .NET's content headers: they are not copied (§2.2).
var contentHeaders = []string{
	"Allow", "Content-Disposition", "Content-Encoding", "Content-Language", "Content-Length", "Content-Location",
	"Content-Md5", "Content-Range", "Content-Type", "Expires", "Last-Modified",
}

// forward passes a web request on and its answer back, with the faults of §2.2. A
// failure is a bare 500.
func (in *instance) forward(w http.ResponseWriter, req *incoming, f *function) {
	id := uuid.NewString()
	r, err := in.forwarded(req, f, id)
	if err != nil {
		in.h.print(Error, "Function."+f.name, id, fmt.Sprintf("Executed 'Functions.%s' (Failed): %v", f.name, err))
		w.Header().Del("Content-Type")
		write(w, http.StatusInternalServerError, nil)
		return
	}
	if r.status == http.StatusNoContent || r.status == http.StatusNotModified {
		in.h.print(Error, categoryHost, id, fmt.Sprintf("an unhandled exception has occurred while sending a %d; the connection is closed", r.status))
		w.Header().Set("Connection", "close")
	}
	copyReply(w, req.r.Method, r)
}

// forwarded makes the call, bounded by functionTimeout.
func (in *instance) forwarded(req *incoming, f *function, id string) (*reply, error) {
	if len(req.r.TransferEncoding) > 0 {
		return nil, fmt.Errorf("%w: its body is chunked", errRefused)
	}
	in.h.calls.Add(1)
	defer in.h.calls.Add(-1)
	ctx, cancel := context.WithCancelCause(in.calls)
	defer cancel(nil)
	if d := in.h.config.functionTimeout; d > 0 {
		defer in.h.clock.after(d, func() { cancel(errTimedOut) }).stop()
	}
	start, err := in.worker.await(ctx)
	if err != nil {
		return nil, err
	}
	request, err := req.rewrite(id)
	if err != nil {
		return nil, err
	}
	r, err := in.worker.wire.do(ctx, req.r.Method, request)
	if errors.Is(err, errTimedOut) {
		in.worker.kill(start, true)
	}
	if err != nil {
		return nil, err
	}
	return r, checkHeader(r.header)
}

// rewrite writes the request that the handler gets: path rebuilt, query joined,
// headers copied.
func (req *incoming) rewrite(id string) ([]byte, error) {
	path, err := rebuildPath(req.scheme, req.host, req.path, req.rawQuery)
	if err != nil {
		return nil, err
	}
	header := req.r.Header
	if err := checkHeader(header); err != nil {
		return nil, err
	}
	b := bytes.NewBuffer(make([]byte, 0, 1024+len(req.body)))
	b.WriteString(req.r.Method + " " + path + rebuildQuery(req.query) + " HTTP/1.1\r\n")
	line := func(name, value string) { b.WriteString(name + ": " + value + "\r\n") }
	line("Host", req.host)
	for _, name := range headerNames(header) {
		switch name {
		case "User-Agent", "X-Azure-Functions-Hostversion", "X-Azure-Functions-Invocationid":
		default:
			line(name, strings.Join(header[name], ", "))
		}
	}
	line("User-Agent", merged(header, "User-Agent", " ", product))
	line("X-Azure-Functions-HostVersion", merged(header, "X-Azure-Functions-Hostversion", ", ", hostVersion))
	line("X-Azure-Functions-InvocationId", merged(header, "X-Azure-Functions-Invocationid", ", ", id))
	if header.Get("Traceparent") == "" {
		line("traceparent", newTrace())
	}
	if err := req.content(line); err != nil {
		return nil, err
	}
	b.WriteString("\r\n")
	b.Write(req.body)
	return b.Bytes(), nil
}

// content writes the headers of the body.
func (req *incoming) content(line func(name, value string)) error {
	switch {
	case len(req.body) > 0:
		if media := req.r.Header.Values("Content-Type"); len(media) > 0 {
			if len(media) > 1 || !isMediaType(media[0]) {
				return fmt.Errorf("%w: Content-Type is malformed", errRefused)
			}
			line("Content-Type", media[0])
		}
		line("Content-Length", strconv.Itoa(len(req.body)))
	case slices.Contains([]string{"POST", "PUT", "PATCH"}, req.r.Method):
		line("Content-Length", "0")
	}
	return nil
}

// merged joins what the caller sent, his first, with what the host adds.
func merged(header http.Header, name, between, own string) string {
	return strings.Join(append(slices.Clip(header[name]), own), between)
}

// headerNames lists the headers that are copied, sorted: Go does not keep their order.
func headerNames(header http.Header) []string {
	names := make([]string, 0, len(header))
	for name := range header {
		if !slices.Contains(contentHeaders, name) {
			names = append(names, name)
		}
	}
	slices.Sort(names)
	return names
}

// checkHeader refuses values that are not ASCII, in either direction.
func checkHeader(header http.Header) error {
	for name, values := range header {
		for _, v := range values {
			for i := 0; i < len(v); i++ {
				if v[i] >= 0x80 {
					return fmt.Errorf("%w: header %s is not ASCII", errRefused, name)
				}
			}
		}
	}
	return nil
}

// isMediaType is a media type with well-formed parameters, as .NET parses it.
func isMediaType(text string) bool {
	media, parameters, more := strings.Cut(text, ";")
	kind, sub, ok := strings.Cut(strings.TrimSpace(media), "/")
	if !ok || !isToken(kind) || !isToken(sub) {
		return false
	}
	if !more {
		return true
	}
	for p := range strings.SplitSeq(parameters, ";") {
		if p = strings.TrimSpace(p); p == "" {
			continue
		}
		name, value, ok := strings.Cut(p, "=")
		value = strings.TrimSpace(value)
		quoted := len(value) > 1 && value[0] == '"' && value[len(value)-1] == '"'
		if !ok || !isToken(strings.TrimSpace(name)) || !quoted && !isToken(value) {
			return false
		}
	}
	return true
}

func isToken(s string) bool {
	for i := 0; i < len(s); i++ {
		if s[i] <= ' ' || s[i] >= 0x7f || strings.IndexByte(`()<>@,;:\"/[]?={}`, s[i]) >= 0 {
			return false
		}
	}
	return s != ""
}

// hopHeaders belong to the connection with the handler.
var hopHeaders = []string{"Connection", "Keep-Alive", "Transfer-Encoding", "Trailer", "Upgrade", "Content-Length"}

// copyReply sends the handler's answer, buffered, with its length.
func copyReply(w http.ResponseWriter, method string, r *reply) {
	out := w.Header()
	for name, values := range r.header {
		if !slices.Contains(hopHeaders, textproto.CanonicalMIMEHeaderKey(name)) {
			out[name] = values
		}
	}
	if _, ok := out["Content-Type"]; !ok {
		out["Content-Type"] = nil // Go must not guess one
	}
	switch {
	case method == http.MethodHead:
		if r.length >= 0 {
			out.Set("Content-Length", strconv.FormatInt(r.length, 10))
		}
		w.WriteHeader(r.status)
	case r.status == http.StatusNoContent || r.status == http.StatusNotModified:
		w.WriteHeader(r.status)
	default:
		write(w, r.status, r.body)
	}
}

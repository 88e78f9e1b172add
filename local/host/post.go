package host

import (
	"context"
	"crypto/rand"
	"encoding/hex"
	"errors"
	"net/http"
	"net/url"
	"strconv"
	"strings"
)

const (
	hostVersion = "4.1037.0"
	product     = "Azure-Functions-Host/" + hostVersion
	maxHops     = 50
)

// post sends an envelope (§2.1). Without forwarding the real host's client follows
// redirects.
func (in *instance) post(ctx context.Context, f *function, id string, envelope []byte) (*reply, error) {
	method, path := "POST", "/"+f.name
	for range maxHops {
		r, err := in.worker.wire.do(ctx, method, in.request(method, path, id, envelope))
		if err != nil || in.h.config.forward || !isRedirect(r.status) {
			return r, err
		}
		next, err := in.redirect(path, r.header.Get("Location"))
		if err != nil {
			return nil, err
		}
		path = next
		if r.status < http.StatusTemporaryRedirect {
			method, envelope = "GET", nil
		}
	}
	return nil, errors.New("too many redirects")
}

func isRedirect(status int) bool {
	switch status {
	case 301, 302, 303, 307, 308:
		return true
	}
	return false
}

// redirect resolves a Location; the stand-in does not leave the handler.
func (in *instance) redirect(from, location string) (string, error) {
	base := &url.URL{Scheme: "http", Host: in.worker.wire.addr, Path: from}
	to, err := base.Parse(location)
	if err != nil || to.Host != base.Host {
		return "", errors.New("the handler redirects to another place")
	}
	return to.RequestURI(), nil
}

// request writes an envelope call; the order of the headers is that of the real host.
func (in *instance) request(method, path, id string, body []byte) []byte {
	b := make([]byte, 0, len(body)+512)
	b = append(b, method...)
	b = append(b, ' ')
	b = append(b, path...)
	b = append(b, " HTTP/1.1\r\nHost: "...)
	b = append(b, in.worker.wire.addr...)
	b = append(b, "\r\nX-Azure-Functions-HostVersion: "+hostVersion+"\r\nX-Azure-Functions-InvocationId: "...)
	b = append(b, id...)
	b = append(b, "\r\nUser-Agent: "+product...)
	if method == "POST" && !in.coreTools {
		b = append(b, "\r\nTransfer-Encoding: chunked"...)
	}
	b = append(b, "\r\ntraceparent: "...)
	b = append(b, newTrace()...)
	if method != "POST" {
		return append(b, "\r\n\r\n"...)
	}
	b = append(b, "\r\nContent-Type: application/json; charset=utf-8"...)
	if in.coreTools {
		b = append(b, "\r\nContent-Length: "...)
		b = strconv.AppendInt(b, int64(len(body)), 10)
		b = append(b, "\r\n\r\n"...)
		return append(b, body...)
	}
	b = append(b, "\r\n\r\n"...)
	b = strconv.AppendInt(b, int64(len(body)), 16)
	b = append(b, "\r\n"...)
	b = append(b, body...)
	return append(b, "\r\n0\r\n\r\n"...)
}

// newTrace is a traceparent header of the host's own.
func newTrace() string {
	var ids [24]byte
	_, _ = rand.Read(ids[:])
	var b strings.Builder
	b.Grow(55)
	b.WriteString("00-")
	b.WriteString(hex.EncodeToString(ids[:16]))
	b.WriteByte('-')
	b.WriteString(hex.EncodeToString(ids[16:]))
	b.WriteString("-00")
	return b.String()
}

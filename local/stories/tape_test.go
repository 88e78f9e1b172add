package stories

import (
	"bytes"
	"io"
	"net/http"
	"net/http/httptest"
	"net/http/httputil"
	"net/url"
	"slices"
	"sync"
	"sync/atomic"
	"testing"
)

// taped is one request and what was answered.
type taped struct {
	Method, URL     string // the URL's path and query
	Asked, Answered http.Header
	AskedBody, Body string
	Status          int
}

// tape is a proxy that keeps everything.
type tape struct {
	URL    string
	target atomic.Pointer[url.URL]
	// fails are requests that are answered with 503 instead; nil for none.
	fails atomic.Pointer[func(*http.Request) bool]
	mu    sync.Mutex
	all   []taped
}

// record starts a proxy, which answers 502 until it is told where to.
func record(t testing.TB) *tape {
	t.Helper()
	tape := &tape{}
	proxy := &httputil.ReverseProxy{
		Transport: &http.Transport{MaxIdleConnsPerHost: 32},
		Rewrite: func(r *httputil.ProxyRequest) {
			if target := tape.target.Load(); target != nil {
				r.SetURL(target)
			}
			r.Out.Host = r.In.Host
		},
	}
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		asked, err := io.ReadAll(r.Body)
		if err != nil {
			return // whoever asked is gone
		}
		r.Body = io.NopCloser(bytes.NewReader(asked))
		one := taped{Method: r.Method, URL: r.URL.RequestURI(), Asked: r.Header.Clone(), AskedBody: string(asked)}
		kept := &keeper{ResponseWriter: w}
		if fails := tape.fails.Load(); fails != nil && (*fails)(r) {
			kept.WriteHeader(http.StatusServiceUnavailable)
		} else {
			proxy.ServeHTTP(kept, r)
		}
		one.Status, one.Answered, one.Body = kept.status, w.Header().Clone(), kept.body.String()
		tape.add(one)
	}))
	t.Cleanup(server.Close)
	tape.URL = server.URL
	return tape
}

// to says where.
func (t *tape) to(origin string) {
	u, err := url.Parse(origin)
	if err != nil {
		panic(err)
	}
	t.target.Store(u)
}

// add keeps one.
func (t *tape) add(one taped) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.all = append(t.all, one)
}

// list is everything so far.
func (t *tape) list() []taped {
	t.mu.Lock()
	defer t.mu.Unlock()
	return slices.Clone(t.all)
}

// keeper copies an answer as it is written.
type keeper struct {
	http.ResponseWriter
	status int
	body   bytes.Buffer
}

func (k *keeper) WriteHeader(status int) {
	if k.status == 0 {
		k.status = status
	}
	k.ResponseWriter.WriteHeader(status)
}

func (k *keeper) Write(b []byte) (int, error) {
	if k.status == 0 {
		k.status = http.StatusOK
	}
	k.body.Write(b)
	return k.ResponseWriter.Write(b)
}

// Unwrap lets the proxy flush.
func (k *keeper) Unwrap() http.ResponseWriter { return k.ResponseWriter }

package notify

import (
	"bytes"
	"context"
	"io"
	"net/http"
	"time"
)

// Post sends one POST to a subscriber and gives the answer. Its error means that there
// was none; it returns by the deadline of ctx.
type Post func(ctx context.Context, url, contentType string, body []byte) (Reply, error)

// Reply is a subscriber's answer.
type Reply struct {
	Status      int
	ContentType string
	Body        []byte
	// Took is how long it took, where that is pretended; 0 is as long as it did.
	Took time.Duration
}

// largestReply bounds what is read of an answer.
const largestReply = 1 << 16

// OverHTTP posts with a client, which follows no redirects. Without a transport it uses
// one that leaves no connection open behind.
func OverHTTP(transport http.RoundTripper) Post {
	if transport == nil {
		transport = &http.Transport{DisableKeepAlives: true}
	}
	client := &http.Client{Transport: transport, CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }}
	return func(ctx context.Context, url, contentType string, body []byte) (Reply, error) {
		req, err := http.NewRequestWithContext(ctx, http.MethodPost, url, bytes.NewReader(body))
		if err != nil {
			return Reply{}, err
		}
		req.Header.Set("Content-Type", contentType)
		resp, err := client.Do(req)
		if err != nil {
			return Reply{}, err
		}
		defer resp.Body.Close()
		answer, err := io.ReadAll(io.LimitReader(resp.Body, largestReply))
		return Reply{Status: resp.StatusCode, ContentType: resp.Header.Get("Content-Type"), Body: answer}, err
	}
}

// To posts straight to a handler, in memory.
func To(handler http.Handler) Post {
	return func(ctx context.Context, url, contentType string, body []byte) (Reply, error) {
		req, err := http.NewRequestWithContext(ctx, http.MethodPost, url, bytes.NewReader(body))
		if err != nil {
			return Reply{}, err
		}
		req.Header.Set("Content-Type", contentType)
		req.RequestURI = req.URL.RequestURI()
		w := &recorder{header: http.Header{}}
		handler.ServeHTTP(w, req)
		if w.status == 0 {
			w.status = http.StatusOK
		}
		return Reply{Status: w.status, ContentType: w.header.Get("Content-Type"), Body: w.body.Bytes()}, nil
	}
}

// recorder is an answer in memory.
type recorder struct {
	header http.Header
	status int
	body   bytes.Buffer
}

func (r *recorder) Header() http.Header { return r.header }

func (r *recorder) WriteHeader(status int) {
	if r.status == 0 {
		r.status = status
	}
}

func (r *recorder) Write(b []byte) (int, error) {
	r.WriteHeader(http.StatusOK)
	return r.body.Write(b)
}

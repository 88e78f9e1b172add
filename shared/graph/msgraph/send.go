package msgraph

import (
	"bytes"
	"context"
	"errors"
	"io"
	"net/http"
	"net/http/httptrace"
	"net/url"
	"strings"
	"sync/atomic"

	"github.com/calbridge/calbridge/shared/graph"
)

// An answer is what came back for one request: a failure without an answer, or
// status, header and body.
type answer struct {
	failure *graph.Error // no answer: status is 0
	status  int
	header  http.Header
	body    []byte
	// unreadable says that the body was not received whole, or is too long.
	unreadable bool
	// tooLarge says that it is too long.
	tooLarge bool
}

// send makes one request to Graph for all of requests and returns one answer
// for each.
func (c *Client) send(ctx context.Context, token string, requests []request) []answer {
	if len(requests) == 1 {
		return []answer{c.exchange(ctx, token, requests[0])}
	}
	outer := c.exchange(ctx, token, request{method: http.MethodPost, path: "/$batch", body: encodeBatch(requests)})
	if outer.failure == nil && outer.status == http.StatusOK {
		return decodeBatch(outer, len(requests))
	}
	answers := make([]answer, len(requests))
	for i := range answers {
		answers[i] = outer
	}
	return answers
}

// exchange makes one HTTP request.
func (c *Client) exchange(ctx context.Context, token string, r request) answer {
	ctx, cancel := context.WithTimeout(ctx, c.timeout)
	defer cancel()
	var sent atomic.Bool // the transport writes on a goroutine of its own
	trace := &httptrace.ClientTrace{WroteHeaders: func() { sent.Store(true) }}
	req, err := c.newRequest(httptrace.WithClientTrace(ctx, trace), token, r)
	if err != nil {
		return answer{failure: refused(err)}
	}
	resp, err := c.http.Do(req)
	if err != nil {
		return answer{failure: &graph.Error{Kind: graph.Transient, Unanswered: sent.Load(), Cause: withoutURL(err)}}
	}
	defer resp.Body.Close()
	most := max(r.maxAnswer, c.maxAnswer)
	body, err := io.ReadAll(io.LimitReader(resp.Body, most+1))
	a := answer{status: resp.StatusCode, header: resp.Header, body: body}
	if err != nil || int64(len(body)) > most {
		a.unreadable, a.tooLarge, a.body = true, int64(len(body)) > most, nil
	}
	if a.header.Get("Date") == "" {
		a.header.Set("Date", c.now().UTC().Format(http.TimeFormat))
	}
	return a
}

func (c *Client) newRequest(ctx context.Context, token string, r request) (*http.Request, error) {
	var body io.Reader
	if r.body != nil {
		body = bytes.NewReader(r.body)
	}
	target, err := url.Parse(c.base.String() + r.path)
	if err != nil {
		return nil, errors.New("the call makes no URL")
	}
	req, err := http.NewRequestWithContext(ctx, r.method, "", body)
	if err != nil {
		return nil, withoutURL(err)
	}
	req.URL, req.Host = target, target.Host
	req.Header.Set("Authorization", "Bearer "+token)
	req.Header.Set("Accept", "application/json")
	req.Header.Set("Prefer", strings.Join(append([]string{preferImmutable}, r.prefer...), ", "))
	if r.body != nil {
		req.Header.Set("Content-Type", "application/json")
	}
	if r.ifMatch != "" {
		req.Header.Set("If-Match", r.ifMatch)
	}
	return req, nil
}

// withoutURL drops the URL from an error's text: its path names the mailbox.
func withoutURL(err error) error {
	var u *url.Error
	if errors.As(err, &u) {
		return u.Err
	}
	return err
}

package state

import (
	"bytes"
	"context"
	"errors"
	"net/http"

	"github.com/Azure/azure-sdk-for-go/sdk/azcore/policy"
	"github.com/Azure/azure-sdk-for-go/sdk/azcore/runtime"
	"github.com/Azure/azure-sdk-for-go/sdk/azcore/streaming"
)

// exchange is one call through aztables. aztables addresses, signs and sends; the
// two bodies are ours, put in and taken out by a policy in its pipeline, because
// what version 1.4.1 does with them
//   - drops the ETags that a transaction answers with, which Apply must return,
//   - turns the double 5.0 into the integer 5 on the way out of Get and Query,
//   - forgets to double quotes in the keys of a transaction,
//   - hides the refused change of a transaction behind status 202 and no code,
//   - and parses and writes every entity twice in each direction.
//
// So after an exchange the SDK always returns errAnswered, and the answer is here.
type exchange struct {
	// What to send. With a nil body the SDK's own stays.
	body        []byte
	contentType string
	quiet       bool // ask for no content in answer to an insert

	// What came.
	status int
	header http.Header
	answer []byte
}

type exchangeKey struct{}

// errAnswered ends an SDK call whose answer has been taken.
var errAnswered = errors.New("answered")

// exchangePolicy runs once per call, before retries and signing. The shared-key
// signature of the table service does not cover bodies.
type exchangePolicy struct{}

func (exchangePolicy) Do(req *policy.Request) (*http.Response, error) {
	x, ok := req.Raw().Context().Value(exchangeKey{}).(*exchange)
	if !ok {
		return req.Next()
	}
	if x.body != nil {
		if err := req.SetBody(streaming.NopCloser(bytes.NewReader(x.body)), x.contentType); err != nil {
			return nil, err
		}
	}
	if x.quiet {
		req.Raw().Header.Set("Prefer", "return-no-content")
	}
	resp, err := req.Next()
	if err != nil {
		return nil, err
	}
	if x.answer, err = runtime.Payload(resp); err != nil {
		return nil, err
	}
	x.status, x.header = resp.StatusCode, resp.Header
	return nil, errAnswered
}

// do runs one SDK call as an exchange. Its error is that of an exchange without
// an answer: for a write, an unknown outcome.
func (x *exchange) do(ctx context.Context, call func(context.Context) error) error {
	err := call(context.WithValue(ctx, exchangeKey{}, x))
	switch {
	case errors.Is(err, errAnswered):
		return nil
	case err == nil: // the call never reached the policy
		return errors.New("aztables answered by itself")
	}
	return bare(err)
}

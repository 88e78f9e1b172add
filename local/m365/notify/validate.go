package notify

import (
	"context"
	"errors"
	"mime"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"time"

	"github.com/google/uuid"

	"github.com/calbridge/calbridge/local/m365/exchange"
)

// validate is the handshake of 6.3 with one address; "" needs none.
func (h *Hub) validate(ctx context.Context, address string) error {
	if address == "" {
		return nil
	}
	h.mu.Lock()
	h.count++
	request := uuid.NewSHA1(uuid.NameSpaceURL, []byte("validation "+strconv.Itoa(h.count)))
	switches := h.switches
	h.mu.Unlock()
	token := "Validation: Testing client application reachability for subscription Request-Id: " + request.String()
	mark := "?"
	if strings.Contains(address, "?") {
		mark = "&"
	}
	ctx, cancel := context.WithTimeout(ctx, h.patience.Validation)
	defer cancel()
	reply, err := h.post(ctx, address+mark+"validationToken="+url.QueryEscape(token), "text/plain; charset=utf-8", nil)
	late := errors.Is(err, context.DeadlineExceeded) || ctx.Err() != nil || reply.Took > h.patience.Validation
	failure := &exchange.Error{Status: http.StatusBadRequest, Code: "ValidationError"}
	if switches.ValidationCode != "" {
		failure.Code = switches.ValidationCode
	}
	if late {
		failure.Message = "Subscription validation request timed out."
		return failure
	}
	failure.Message = "Subscription validation request failed. Notification endpoint must respond with 200 OK to validation request."
	if switches.NameStatus && err == nil {
		failure.Message += " HTTP status code is '" + strings.ReplaceAll(http.StatusText(reply.Status), " ", "") + "'."
	}
	kind, _, _ := mime.ParseMediaType(reply.ContentType)
	if err != nil || reply.Status != http.StatusOK || kind != "text/plain" || string(reply.Body) != token {
		return failure
	}
	return nil
}

// spent is how long an answer took.
func (r Reply) spent(since time.Time) time.Duration {
	if r.Took > 0 {
		return r.Took
	}
	return time.Since(since)
}

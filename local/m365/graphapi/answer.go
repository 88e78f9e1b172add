package graphapi

import (
	"errors"
	"net/http"
	"strconv"
	"time"

	"github.com/calbridge/calbridge/local/m365/exchange"
	"github.com/calbridge/calbridge/local/m365/faults"
)

// answer is what a request gets: a status, headers and a body. cut says that the
// connection ends instead.
type answer struct {
	status int
	header http.Header
	body   []byte // nil: none
	cut    bool
	html   bool
}

const jsonType = "application/json;odata.metadata=minimal;odata.streaming=true;IEEE754Compatible=false;charset=utf-8"

func ok(status int, body object) answer {
	return answer{status: status, header: http.Header{}, body: body.append(nil)}
}

// call identifies a request in its answer.
type call struct {
	id       string // request-id
	clientID string // client-request-id
	at       time.Time
}

// fail answers with an error as Graph words it.
func (c call) fail(err error) answer {
	var e *exchange.Error
	if !errors.As(err, &e) {
		e = &exchange.Error{Status: http.StatusInternalServerError, Code: "InternalServerError", Message: err.Error()}
	}
	return c.refusal(e.Status, e.Code, e.Message, e.ExistingID)
}

func (c call) refusal(status int, code, message, existing string) answer {
	o := object{{"code", code}, {"message", message}}
	if existing != "" {
		o = append(o, member{"@event.existingEventId", existing})
	}
	return ok(status, object{{"error", append(o, c.inner())}})
}

// inner is innerError (section 9).
func (c call) inner() member {
	return member{"innerError", object{
		{"date", c.at.UTC().Format("2006-01-02T15:04:05")},
		{"request-id", c.id},
		{"client-request-id", c.clientID},
	}}
}

// throttled is the 429 of section 8.
func (c call) throttled(wait time.Duration) answer {
	a := c.refusal(http.StatusTooManyRequests, "ApplicationThrottled", "Application is over its MailboxConcurrency limit.", "")
	a.header.Set("Retry-After", strconv.Itoa(int((wait+time.Second-1)/time.Second)))
	return a
}

// unauthorised is the 401 of section 9.
func (c call) unauthorised(err error) answer {
	r := &Refusal{}
	if !errors.As(err, &r) {
		r = &Refusal{Message: "Access token validation failure."}
	}
	code := r.Code
	if code == "" {
		code = "InvalidAuthenticationToken"
	}
	a := c.refusal(http.StatusUnauthorized, code, r.Message, "")
	challenge := `Bearer realm="", authorization_uri="https://login.microsoftonline.com/common/oauth2/authorize", client_id="00000003-0000-0000-c000-000000000000"`
	if r.Claims != "" {
		challenge += `, error="insufficient_claims", claims="` + r.Claims + `"`
	}
	a.header.Set("WWW-Authenticate", challenge)
	return a
}

// fault answers as a rule says, in the shape it says.
func (c call) fault(r faults.Rule) answer {
	code, message := r.Wording()
	a := c.refusal(r.Status, code, message, "")
	switch r.Body {
	case faults.NoMessage:
		a.body = object{{"error", object{{"code", code}, c.inner()}}}.append(nil)
	case faults.HTML:
		a.html = true
		a.body = []byte("<html><head><title>Error</title></head><body><h1>" + strconv.Itoa(r.Status) + "</h1></body></html>")
	case faults.Empty:
		a.body = nil
	case faults.Broken:
		a.body = a.body[:len(a.body)/2]
	}
	if r.RetryAfter > 0 {
		a.header.Set("Retry-After", strconv.Itoa(r.RetryAfter))
	}
	return a
}

// unanswered is what an item of a batch gets whose answer was lost on the way.
func (c call) unanswered() answer {
	return c.refusal(http.StatusGatewayTimeout, "UnknownError", "", "")
}

// contentType of the answer's body.
func (a answer) contentType() string {
	if a.html {
		return "text/html; charset=utf-8"
	}
	return jsonType
}

package handlers

import (
	"bytes"
	"encoding/json"
	"net/http"
	"strconv"
	"time"

	"github.com/calbridge/calbridge/shared/problem"
)

// answer is what a web request gets.
type answer struct {
	status  int
	body    any    // encoded as JSON
	raw     []byte // in place of body, with the Content-Type of headers
	headers map[string]string
	problem *document // in place of body
	// cause is logged, never shown.
	cause error
}

// document is a problem document (RFC 9457) as wire.md has it.
type document struct {
	Type     string          `json:"type"`
	Title    string          `json:"title"`
	Status   int             `json:"status"`
	Detail   string          `json:"detail,omitempty"`
	Instance string          `json:"instance"`
	Errors   []problem.Fault `json:"errors,omitempty"`
	// Permissions are those that scope-missing is about, and Connect is the link under
	// which the person can grant them, until ConnectExpires.
	Permissions    []string   `json:"permissions,omitempty"`
	Connect        string     `json:"connect,omitempty"`
	ConnectExpires *time.Time `json:"connectExpiresAt,omitempty"`
}

// code is a kind of problem, the last part of its type.
type code string

const (
	codeInvalid      code = "invalid"
	codeTooLarge     code = "too-large"
	codeMediaType    code = "media-type"
	codeNotFound     code = "not-found"
	codePrecondition code = "precondition-failed"
	codeTenantBound  code = "tenant-bound"
	codeConflict     code = "conflict"
	codeScopeMissing code = "scope-missing"
	codeUnavailable  code = "unavailable"
)

// kinds gives each code its status and title.
var kinds = map[code]struct {
	status int
	title  string
}{
	codeInvalid:      {http.StatusBadRequest, "The request is not valid."},
	codeTooLarge:     {http.StatusRequestEntityTooLarge, "The request is too large."},
	codeMediaType:    {http.StatusUnsupportedMediaType, "The media type is not supported."},
	codeNotFound:     {http.StatusNotFound, "Not found."},
	codePrecondition: {http.StatusPreconditionFailed, "The resource is not in the expected version."},
	codeTenantBound:  {http.StatusConflict, "The organisation is bound to another tenant."},
	codeConflict:     {http.StatusConflict, "The request conflicts with the present state."},
	codeScopeMissing: {http.StatusConflict, "More permissions are needed than were granted."},
	codeUnavailable:  {http.StatusServiceUnavailable, "Temporarily unavailable."},
}

// retryAfter is how many seconds a caller is asked to wait after a 503.
const retryAfter = 10

func problemAnswer(c code, detail string, faults ...problem.Fault) answer {
	kind := kinds[c]
	return answer{status: kind.status, problem: &document{Type: "urn:calbridge:problem:" + string(c), Title: kind.title,
		Status: kind.status, Detail: detail, Errors: faults}}
}

func notFound(detail string) answer { return problemAnswer(codeNotFound, detail) }

// unavailable is the answer when something we depend on failed. Nothing was
// accepted, or what was may be sent again.
func unavailable(cause error) answer {
	a := problemAnswer(codeUnavailable, "Something this service depends on does not answer. Send the request again later.")
	a.headers = map[string]string{"Retry-After": strconv.Itoa(retryAfter)}
	a.cause = cause
	return a
}

// internalAnswer is for our own faults, which no code of wire.md names.
func internalAnswer() answer {
	return answer{status: http.StatusInternalServerError, problem: &document{Type: "about:blank",
		Title: http.StatusText(http.StatusInternalServerError), Status: http.StatusInternalServerError}}
}

// write sends an answer. Problems carry the invocation id, by which the log is searched.
func write(w http.ResponseWriter, id string, a answer) {
	contentType, body := "application/json", a.body
	if a.problem != nil {
		a.problem.Instance = id
		contentType, body = "application/problem+json", a.problem
	}
	var text bytes.Buffer
	e := json.NewEncoder(&text)
	e.SetEscapeHTML(false) // people copy links from answers
	if err := e.Encode(body); err != nil {
		panic(err) // answers are made of our own types
	}
	encoded := bytes.TrimSuffix(text.Bytes(), []byte("\n"))
	if a.raw != nil {
		encoded = a.raw
	}
	w.Header().Set("Content-Type", contentType)
	for name, value := range a.headers {
		w.Header().Set(name, value)
	}
	w.Header().Set("Content-Length", strconv.Itoa(len(encoded)))
	w.Header().Set("Cache-Control", "no-store")
	w.Header().Set("X-Content-Type-Options", "nosniff")
	w.WriteHeader(a.status)
	_, _ = w.Write(encoded) // nobody is told when the caller is gone
}

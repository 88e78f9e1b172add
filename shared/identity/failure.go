package identity

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"math"
	"net/http"
	"strconv"
	"strings"
	"time"

	"github.com/Azure/azure-sdk-for-go/sdk/azidentity"
)

// TokenError is why there is no token. Callers branch on Code and Suberror,
// never on a number or text (contract 13.5); numbers choose the help text.
type TokenError struct {
	Code     string // OAuth's error, e.g. invalid_client; "" when Entra did not say
	Suberror string // e.g. consent_required
	AADSTS   []int  // error_codes
	Status   int    // HTTP status; 0 when there was no answer
	// RetryAfter is how long Entra asks to wait; 0 when it did not say.
	RetryAfter time.Duration
	// CorrelationID names the attempt in the tenant's own sign-in logs.
	CorrelationID string
	// Claims is the challenge that the next sign-in has to pass on; "" for none.
	Claims string
	// Reason is ours, a constant, where nothing was asked.
	Reason string
	// Cause is the context's error, ErrNoConnection, or that of a TokenStore.
	Cause error
}

func (e *TokenError) Error() string {
	s := "identity: no token"
	if e.Status != 0 {
		s += fmt.Sprintf(", status %d", e.Status)
	}
	if e.Code != "" {
		s += ", " + e.code()
	}
	for _, n := range e.AADSTS {
		s += ", AADSTS" + strconv.Itoa(n)
	}
	if e.Reason != "" {
		s += ": " + e.Reason
	}
	return s
}

// Unwrap returns Cause.
func (e *TokenError) Unwrap() error { return e.Cause }

// TokenFailure tells what Entra said, for the Graph client to classify.
func (e *TokenError) TokenFailure() (code string, aadsts []int, status int, retryAfter time.Duration) {
	status = e.Status
	if e.Code != "" && status == 0 {
		status = http.StatusBadRequest // refused before it was sent
	}
	return e.code(), e.AADSTS, status, e.RetryAfter
}

// Correlation names the attempt for those who see only an error.
func (e *TokenError) Correlation() string { return e.CorrelationID }

// ClaimsChallenge is Claims for those who see only an error.
func (e *TokenError) ClaimsChallenge() string { return e.Claims }

func (e *TokenError) code() string {
	if e.Suberror != "" {
		return e.Code + "/" + e.Suberror
	}
	return e.Code
}

// maxErrorBody bounds how much of a refusal is read, in bytes.
const maxErrorBody = 64 << 10

// readError turns azidentity's error into ours. Its text is dropped: it quotes
// the answer.
func readError(ctx context.Context, err error) *TokenError {
	var failed *azidentity.AuthenticationFailedError
	if !errors.As(err, &failed) || failed.RawResponse == nil {
		if ctx.Err() != nil {
			return &TokenError{Cause: ctx.Err()}
		}
		return &TokenError{Reason: "the token endpoint was not reached or did not answer as Entra does"}
	}
	resp := failed.RawResponse
	var body []byte
	if resp.Body != nil {
		body, _ = io.ReadAll(io.LimitReader(resp.Body, maxErrorBody)) // what is cut off is no JSON
	}
	return decodeError(resp.StatusCode, resp.Header, body)
}

// decodeError reads a refusal (contract 13.5). A body that is not Entra's leaves
// Code empty. Control characters never get into a code, because codes are logged.
func decodeError(status int, header http.Header, body []byte) *TokenError {
	var wire struct {
		Error         string      `json:"error"`
		Suberror      string      `json:"suberror"`
		Codes         []codeValue `json:"error_codes"`
		CorrelationID string      `json:"correlation_id"`
		Claims        string      `json:"claims"`
	}
	e := &TokenError{Status: status, RetryAfter: retryAfter(header)}
	if json.Unmarshal(body, &wire) != nil {
		return e
	}
	e.Code, e.Suberror, e.CorrelationID = word(wire.Error), word(wire.Suberror), word(wire.CorrelationID)
	e.Claims = challengeOf(wire.Claims)
	for _, c := range wire.Codes {
		e.AADSTS = append(e.AADSTS, int(c))
	}
	return e
}

// maxClaims bounds a challenge, in bytes.
const maxClaims = 4 << 10

// challengeOf keeps a claims challenge, which is a JSON object, else nothing.
func challengeOf(claims string) string {
	if len(claims) > maxClaims || !strings.HasPrefix(claims, "{") || !json.Valid([]byte(claims)) {
		return ""
	}
	return claims
}

// codeValue is a number that may also come as a string.
type codeValue int

func (c *codeValue) UnmarshalJSON(b []byte) error {
	n, err := strconv.Atoi(strings.Trim(string(b), `"`))
	*c = codeValue(n)
	return err
}

// word keeps what an identifier of OAuth or a GUID can be made of, else nothing.
func word(s string) string {
	const allowed = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_.-"
	if len(s) > 100 || strings.Trim(s, allowed) != "" {
		return ""
	}
	return s
}

// retryAfter reads seconds or a date, which is counted from the answer's Date.
func retryAfter(h http.Header) time.Duration {
	const limit = 24 * time.Hour
	value := strings.TrimSpace(h.Get("Retry-After"))
	if seconds, err := strconv.ParseFloat(value, 64); err == nil && !math.IsNaN(seconds) {
		return time.Duration(min(max(seconds, 0), limit.Seconds()) * float64(time.Second))
	}
	until, err := http.ParseTime(value)
	now, errDate := http.ParseTime(h.Get("Date"))
	if err != nil || errDate != nil {
		return 0
	}
	return min(max(until.Sub(now), 0), limit)
}

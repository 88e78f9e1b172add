package identity

import (
	"net/url"
	"regexp"
	"strconv"
	"strings"
)

// The parts of an error_description that are more than text.
var (
	aadstsNumber  = regexp.MustCompile(`AADSTS(\d{4,8})\b`)
	correlationID = regexp.MustCompile(`(?i)Correlation ID: ([0-9a-f-]{36})`)
)

// maxNumbers bounds how many AADSTS numbers are taken from a description.
const maxNumbers = 5

// ParseCallbackError reads the error that a callback was called with (contract 13.2,
// 13.3); nil where there is none. admin_consent=True says nothing: it is there in
// errors too. Suberror is error_subcode (cancel); AADSTS are the numbers that
// error_description names; the rest of its text is dropped, since anybody can write it.
func ParseCallbackError(query url.Values) *TokenError {
	if query.Get("error") == "" {
		return nil
	}
	description := query.Get("error_description")
	e := &TokenError{Code: word(query.Get("error")), Suberror: word(query.Get("error_subcode")), Claims: challengeOf(query.Get("claims"))}
	if e.Code == "" {
		e.Code = "unknown_error"
	}
	for _, m := range aadstsNumber.FindAllStringSubmatch(description, maxNumbers) {
		if n, err := strconv.Atoi(m[1]); err == nil {
			e.AADSTS = append(e.AADSTS, n)
		}
	}
	if m := correlationID.FindStringSubmatch(description); m != nil {
		e.CorrelationID = strings.ToLower(m[1])
	}
	return e
}

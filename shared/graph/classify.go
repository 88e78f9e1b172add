package graph

import (
	"net/http"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/calbridge/calbridge/shared/reason"
)

// The state reasons (design.md, States and reasons) that an answer of Graph or
// Entra can give. They are the same strings as on the changes topic.
const (
	ReasonNotFound        = reason.MailboxNotFound
	ReasonOnPremises      = reason.MailboxOnPremises
	ReasonUnavailable     = reason.MailboxUnavailable
	ReasonOutsideScope    = reason.OutsideScope
	ReasonRefused         = reason.RefusedByGraph
	ReasonConsentMissing  = reason.ConsentMissing
	ReasonNeedsReauth     = reason.NeedsReauth
	ReasonBlockedByPolicy = reason.BlockedByPolicy
)

// maxRetryAfter bounds what a Retry-After can ask for: what is owed gives up
// after a day, so a longer wait is a broken header.
const maxRetryAfter = 24 * time.Hour

// A rule says what an answer with a status and a code means. Status 0 matches
// any status; code "*" any code but none; code "" an answer without a code.
type rule struct {
	status int
	code   string
	kind   Kind
	reason string
}

// rules is graph/contract.md section 9 as data; the first match wins. Codes are
// compared without case, because both camelCase and PascalCase occur.
//
// An answer without a code does not come from Graph, which always sends one,
// but from something on the way (a proxy's HTML page). It never says that an
// event or a mailbox is gone, or that it is closed to us: such an answer is
// Transient, because Gone under a delete means "removed".
//
// MailboxNotEnabledForRESTAPI is one code for a mailbox that is inactive, soft
// deleted, without licence, not provisioned yet, or on premises, and nothing in
// the answer says which; with Calendars.ReadWrite alone nothing else can be
// asked. So it is mailbox-unavailable, whose sentence has to name "on premises"
// among the causes. MailboxNotSupportedForRESTAPI is only known from dedicated
// (on-premises) servers (a guess: contract tag X), so it is mailbox-on-premises.
var rules = []rule{
	// Codes that mean the same under every status they were seen with.
	{0, DuplicateTransaction, Conflict, ""}, // 400, some say 409 (2.5)
	{0, "ConcurrentItemSave", Conflict, ""}, // 409, older 503
	{0, "ErrorConcurrentItemSave", Conflict, ""},
	{0, "SyncStateNotFound", Gone, ""}, // the delta link, not an event
	{0, "SyncStateInvalid", Gone, ""},
	{0, "resyncRequired", Gone, ""},
	{0, "ErrorQuotaExceeded", Unreachable, ReasonUnavailable},
	{0, "quotaLimitReached", Unreachable, ReasonUnavailable},

	{400, "ErrorInvalidIdMalformed", Gone, ""}, // a lost id: search by mark
	{400, "", Transient, ""},
	{400, "*", Invalid, ReasonRefused},

	{401, "", Unauthorised, ""},
	{401, "*", Unauthorised, ""},

	{403, "insufficient_claims", Unauthorised, ReasonBlockedByPolicy},
	{403, "", Transient, ""},
	{403, "*", Unreachable, ReasonOutsideScope}, // identity.md 2: 403 on one mailbox

	{404, "ErrorItemNotFound", Gone, ""},
	{404, "itemNotFound", Gone, ""},
	{404, "MailboxNotEnabledForRESTAPI", Unreachable, ReasonUnavailable},
	{404, "MailboxNotSupportedForRESTAPI", Unreachable, ReasonOnPremises},
	{404, "Request_ResourceNotFound", Unreachable, ReasonNotFound},
	{404, "ResourceNotFound", Unreachable, ReasonNotFound},
	{404, "ErrorInvalidUser", Unreachable, ReasonNotFound},
	{404, "ErrorNonExistentMailbox", Unreachable, ReasonNotFound},
	{404, "extensionError", Unreachable, ReasonUnavailable}, // on premises, or a policy
	{404, "", Transient, ""},
	{404, "*", Transient, ""}, // an unknown 404 must not read as "the user deleted it"

	{405, "*", Invalid, ReasonRefused},
	{409, "ErrorFolderExists", Invalid, ReasonRefused},
	{409, "", Conflict, ""},
	{409, "*", Conflict, ""},
	{410, "*", Gone, ""},
	{412, "", Conflict, ""}, // Transient where no If-Match was sent: see ClassifyCall
	{412, "*", Conflict, ""},
	{413, "", Invalid, ReasonRefused},
	{413, "*", Invalid, ReasonRefused},
	{415, "*", Invalid, ReasonRefused},
	{422, "*", Invalid, ReasonRefused},
	{424, "*", Transient, ""}, // we never send dependsOn
	{429, "", Throttled, ""},
	{429, "*", Throttled, ""},
	{501, "*", Invalid, ReasonRefused},
	{507, "*", Unreachable, ReasonUnavailable},
	{509, "", Throttled, ""},
	{509, "*", Throttled, ""},
}

// Classify turns the status and code of Graph's answer into the error that the
// engine acts on. It returns nil for a 2xx status. Whatever is not in the table
// is Transient: other 5xx, redirects, time-outs, answers without a code.
//
// header may be nil. A Retry-After is read as seconds, or as an HTTP date
// counted from the header's own Date; a date without a Date counts as 0, so a
// caller that has a clock sets Date. A 503 with Retry-After is Throttled. 408, 502
// and 504 are Unanswered: a gateway gave up waiting, the call may have happened.
func Classify(status int, code string, header http.Header) *Error {
	if status >= 200 && status < 300 {
		return nil
	}
	e := &Error{Kind: Transient, Status: status, Code: code, RetryAfter: RetryAfter(header)}
	for _, r := range rules {
		if r.matches(status, code) {
			e.Kind, e.Reason = r.kind, r.reason
			break
		}
	}
	switch status {
	case http.StatusRequestTimeout, http.StatusBadGateway, http.StatusGatewayTimeout:
		// Said by a gateway about a backend that may be done, or may still be at it.
		e.Unanswered = true
	}
	if status == http.StatusServiceUnavailable && e.Kind == Transient && e.RetryAfter > 0 {
		e.Kind = Throttled
	}
	return e
}

// ClassifyCall is Classify for the answer to c: a 412 to a call without a
// condition is one of Graph's spurious ones and Transient (contract 2.4).
func ClassifyCall(c Call, status int, code string, header http.Header) *Error {
	e := Classify(status, code, header)
	if e != nil && e.Status == http.StatusPreconditionFailed && c.IfMatch == "" {
		e.Kind = Transient
	}
	return e
}

func (r rule) matches(status int, code string) bool {
	if r.status != 0 && r.status != status {
		return false
	}
	return strings.EqualFold(r.code, code) || r.code == "*" && code != ""
}

// RetryAfter reads how long the sender of header asks to wait, 0 when it does
// not say or cannot be understood; at most 24 hours.
func RetryAfter(header http.Header) time.Duration {
	value := strings.TrimSpace(header.Get("Retry-After"))
	if value == "" {
		return 0
	}
	if seconds, err := strconv.ParseFloat(value, 64); err == nil {
		if !(seconds > 0) {
			return 0
		}
		return time.Duration(min(seconds, maxRetryAfter.Seconds()) * float64(time.Second))
	}
	until, err := http.ParseTime(value)
	if err != nil {
		return 0
	}
	now, err := http.ParseTime(header.Get("Date"))
	if err != nil {
		return 0
	}
	return min(max(until.Sub(now), 0), maxRetryAfter)
}

// tokenRules is graph/contract.md 13.5 as data, first match wins: by OAuth's
// error alone, as Microsoft asks. Numbers decide only what identity.md decides
// by number: no service principal (700016) or one switched off (7000112),
// Conditional Access, whose error varies (contract 16, question 13), and the loop that
// Entra ends as an invalid grant though the grant is good (50196).
//
// invalid_client is the app's own credential: an alarm for the operator, no
// state of the tenant, so it has no reason (identity.md 4).
var tokenRules = []struct {
	numbers []int
	code    string // OAuth's error, or error/suberror; "" any
	kind    Kind
	reason  string
}{
	{[]int{700016, 7000112}, "", Unauthorised, ReasonConsentMissing},
	{[]int{53000, 53001, 53002, 53003, 530032, 50131}, "", Unauthorised, ReasonBlockedByPolicy},
	{[]int{50196}, "", Transient, ""}, // we asked too often: stop, and come back
	{nil, "temporarily_unavailable", Transient, ""},
	{nil, "server_error", Transient, ""},
	{nil, "invalid_client", Unauthorised, ""},
	{nil, "unauthorized_client", Unauthorised, ""},
	{nil, "invalid_grant/consent_required", Unauthorised, ReasonConsentMissing},
	{nil, "consent_required", Unauthorised, ReasonConsentMissing},
	{nil, "invalid_grant", Unauthorised, ReasonNeedsReauth},
	{nil, "interaction_required", Unauthorised, ReasonNeedsReauth},
	{nil, "access_denied", Unauthorised, ReasonNeedsReauth},
	{nil, "invalid_resource", Unauthorised, ""},
	{nil, "invalid_request", Unauthorised, ""}, // e.g. 90002, no such tenant
	{nil, "invalid_scope", Unauthorised, ""},
	{nil, "unsupported_grant_type", Unauthorised, ""},
}

// ClassifyToken turns a refusal of Entra's token endpoint into the error that
// the engine acts on. errorCode is OAuth's error, followed by "/" and the
// suberror where there is one; aadsts are the numbers of error_codes; status is
// 0 when there was no answer. The caller sets RetryAfter and Cause.
//
// A status of 429 is Throttled and a 5xx Transient whatever the body says; so is
// an answer without OAuth's error, which did not come from Entra. An error that
// is not in the table is Unauthorised without a reason: there is no token.
func ClassifyToken(errorCode string, aadsts []int, status int) *Error {
	e := &Error{Kind: Transient, Status: status, Code: errorCode}
	switch {
	case status == http.StatusTooManyRequests:
		e.Kind = Throttled
		return e
	case status == 0 || status >= 500 || status == http.StatusRequestTimeout || errorCode == "":
		return e
	}
	e.Kind = Unauthorised
	oauth, _, _ := strings.Cut(errorCode, "/")
	for _, r := range tokenRules {
		byNumber := slices.ContainsFunc(aadsts, func(n int) bool { return slices.Contains(r.numbers, n) })
		byCode := r.code != "" && (r.code == errorCode || r.code == oauth)
		if byNumber || byCode {
			e.Kind, e.Reason = r.kind, r.reason
			break
		}
	}
	return e
}

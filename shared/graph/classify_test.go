package graph_test

import (
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/calbridge/calbridge/shared/graph"
)

// Every row of graph/contract.md section 9, and the ways an answer can be odd.
func TestEveryAnswerOfTheContractHasOneKindAndReason(t *testing.T) {
	tests := []struct {
		status int
		code   string
		kind   graph.Kind
		reason string
	}{
		{400, "ErrorInvalidIdMalformed", graph.Gone, ""},
		{400, "ErrorInvalidRequest", graph.Invalid, "refused-by-graph"},
		{400, "ErrorPropertyValidationFailure", graph.Invalid, "refused-by-graph"},
		{400, "ErrorInvalidParameter", graph.Invalid, "refused-by-graph"},
		{400, "ErrorInvalidUrlQuery", graph.Invalid, "refused-by-graph"},
		{400, "ErrorOccurrenceCrossingBoundary", graph.Invalid, "refused-by-graph"},
		{400, "ErrorDuplicateTransactionId", graph.Conflict, ""},
		{409, "ErrorDuplicateTransactionId", graph.Conflict, ""},
		{400, "TimeZoneNotSupportedException", graph.Invalid, "refused-by-graph"},
		{400, "ErrorInvalidRecipients", graph.Invalid, "refused-by-graph"},
		{400, "RequestBroker--ParseUri", graph.Invalid, "refused-by-graph"},
		{400, "BadRequest", graph.Invalid, "refused-by-graph"},
		{400, "ValidationError", graph.Invalid, "refused-by-graph"},
		{400, "InvalidRequest", graph.Invalid, "refused-by-graph"},
		{400, "ErrorMimeContentInvalidBase64String", graph.Invalid, "refused-by-graph"},
		{401, "InvalidAuthenticationToken", graph.Unauthorised, ""},
		{403, "ErrorAccessDenied", graph.Unreachable, "outside-scope"},
		{403, "Authorization_RequestDenied", graph.Unreachable, "outside-scope"},
		{403, "AccessDenied", graph.Unreachable, "outside-scope"},
		{403, "Forbidden", graph.Unreachable, "outside-scope"},
		{403, "insufficient_claims", graph.Unauthorised, "blocked-by-policy"},
		{404, "ErrorItemNotFound", graph.Gone, ""},
		{404, "MailboxNotEnabledForRESTAPI", graph.Unreachable, "mailbox-unavailable"},
		{404, "MailboxNotSupportedForRESTAPI", graph.Unreachable, "mailbox-on-premises"},
		{404, "Request_ResourceNotFound", graph.Unreachable, "mailbox-not-found"},
		{404, "ResourceNotFound", graph.Unreachable, "mailbox-not-found"},
		{404, "ErrorInvalidUser", graph.Unreachable, "mailbox-not-found"},
		{404, "extensionError", graph.Unreachable, "mailbox-unavailable"},
		{405, "Request_BadRequest", graph.Invalid, "refused-by-graph"},
		{409, "ErrorFolderExists", graph.Invalid, "refused-by-graph"},
		{409, "ConcurrentItemSave", graph.Conflict, ""},
		{503, "ConcurrentItemSave", graph.Conflict, ""},
		{409, "ErrorConcurrentItemSave", graph.Conflict, ""},
		{409, "ObjectIdentifierInUse", graph.Conflict, ""},
		{409, "Conflict", graph.Conflict, ""},
		{410, "SyncStateNotFound", graph.Gone, ""},
		{400, "SyncStateInvalid", graph.Gone, ""},
		{410, "resyncRequired", graph.Gone, ""},
		{412, "ErrorIrresolvableConflict", graph.Conflict, ""},
		{413, "RequestEntityTooLarge", graph.Invalid, "refused-by-graph"},
		{413, "ErrorMessageSizeExceeded", graph.Invalid, "refused-by-graph"},
		{424, "FailedDependency", graph.Transient, ""},
		{429, "ApplicationThrottled", graph.Throttled, ""},
		{429, "TooManyRequests", graph.Throttled, ""},
		{429, "activityLimitReached", graph.Throttled, ""},
		{500, "InternalServerError", graph.Transient, ""},
		{500, "ErrorInternalServerError", graph.Transient, ""},
		{500, "generalException", graph.Transient, ""},
		{501, "NotImplemented", graph.Invalid, "refused-by-graph"},
		{503, "ServiceUnavailable", graph.Transient, ""},
		{503, "serviceNotAvailable", graph.Transient, ""},
		{503, "ErrorMailboxStoreUnavailable", graph.Transient, ""},
		{503, "ErrorServerBusy", graph.Transient, ""},
		{503, "MailboxInfoStale", graph.Transient, ""},
		{503, "ErrorMailboxMoveInProgress", graph.Transient, ""},
		{504, "UnknownError", graph.Transient, ""},
		{504, "GatewayTimeout", graph.Transient, ""},
		{507, "quotaLimitReached", graph.Unreachable, "mailbox-unavailable"},
		{507, "ErrorQuotaExceeded", graph.Unreachable, "mailbox-unavailable"},
		{509, "", graph.Throttled, ""},

		// Without a code it was not Graph: nothing is gone, nobody is locked out.
		{400, "", graph.Transient, ""},
		{401, "", graph.Unauthorised, ""},
		{403, "", graph.Transient, ""},
		{404, "", graph.Transient, ""},
		{404, "SomethingNew", graph.Transient, ""},
		{410, "", graph.Transient, ""},
		{429, "", graph.Throttled, ""},
		{502, "", graph.Transient, ""},
		{302, "", graph.Transient, ""},
		{0, "", graph.Transient, ""},
	}
	for _, tt := range tests {
		for _, code := range []string{tt.code, strings.ToLower(tt.code)} {
			e := graph.Classify(tt.status, code, nil)
			if e == nil || e.Kind != tt.kind || e.Reason != tt.reason || e.Status != tt.status || e.Code != code {
				t.Errorf("Classify(%d, %q) = %+v, want %v with reason %q", tt.status, code, e, tt.kind, tt.reason)
			}
		}
	}
}

func TestAGatewaysTimeoutMayHaveHappened(t *testing.T) {
	for status, want := range map[int]bool{408: true, 502: true, 504: true, 400: false, 404: false, 429: false, 500: false, 503: false} {
		if e := graph.Classify(status, "UnknownError", nil); e.Unanswered != want {
			t.Errorf("Classify(%d).Unanswered = %t, want %t", status, e.Unanswered, want)
		}
	}
}

func TestSuccessIsNoError(t *testing.T) {
	for _, status := range []int{200, 201, 202, 204} {
		if e := graph.Classify(status, "", nil); e != nil {
			t.Errorf("Classify(%d) = %v, want nil", status, e)
		}
	}
}

func TestPreconditionWithoutIfMatchIsTransient(t *testing.T) {
	with := graph.Call{Op: graph.Patch, IfMatch: "abc"}
	if e := graph.ClassifyCall(with, 412, "ErrorIrresolvableConflict", nil); e.Kind != graph.Conflict {
		t.Errorf("with If-Match: %v, want conflict", e.Kind)
	}
	if e := graph.ClassifyCall(graph.Call{Op: graph.Patch}, 412, "ErrorIrresolvableConflict", nil); e.Kind != graph.Transient {
		t.Errorf("without If-Match: %v, want transient", e.Kind)
	}
}

func TestRetryAfterIsSecondsOrDate(t *testing.T) {
	const date = "Sat, 21 Nov 2026 09:00:00 GMT"
	tests := []struct {
		name, retry, date string
		want              time.Duration
	}{
		{"absent", "", date, 0},
		{"seconds", "10", "", 10 * time.Second},
		{"spaces", " 7 ", "", 7 * time.Second},
		{"fraction", "1.5", "", 1500 * time.Millisecond},
		{"zero", "0", "", 0},
		{"negative", "-5", "", 0},
		{"not a number", "NaN", "", 0},
		{"infinite", "Inf", "", 24 * time.Hour},
		{"enormous", "99999999999999999999", "", 24 * time.Hour},
		{"date", "Sat, 21 Nov 2026 09:02:00 GMT", date, 2 * time.Minute},
		{"date passed", "Sat, 21 Nov 2026 08:00:00 GMT", date, 0},
		{"date far away", "Sat, 21 Nov 2037 08:00:00 GMT", date, 24 * time.Hour},
		{"date without Date", "Sat, 21 Nov 2026 09:02:00 GMT", "", 0},
		{"words", "soon", date, 0},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			h := http.Header{}
			h.Set("Retry-After", tt.retry)
			h.Set("Date", tt.date)
			if e := graph.Classify(429, "TooManyRequests", h); e.RetryAfter != tt.want {
				t.Errorf("RetryAfter = %v, want %v", e.RetryAfter, tt.want)
			}
		})
	}
}

func TestUnavailableWithRetryAfterThrottlesTheLane(t *testing.T) {
	h := http.Header{"Retry-After": {"30"}}
	if e := graph.Classify(503, "ErrorServerBusy", h); e.Kind != graph.Throttled || e.RetryAfter != 30*time.Second {
		t.Errorf("503 with Retry-After = %+v, want throttled for 30 s", e)
	}
	if e := graph.Classify(504, "GatewayTimeout", h); e.Kind != graph.Transient || e.RetryAfter != 30*time.Second {
		t.Errorf("504 with Retry-After = %+v, want transient with 30 s", e)
	}
	if e := graph.Classify(503, "ConcurrentItemSave", h); e.Kind != graph.Conflict {
		t.Errorf("503 ConcurrentItemSave = %+v, want conflict", e)
	}
}

func TestEntrasErrorsAreClassifiedByErrorAndSuberror(t *testing.T) {
	tests := []struct {
		name    string
		code    string
		numbers []int
		status  int
		kind    graph.Kind
		reason  string
	}{
		{"no service principal", "unauthorized_client", []int{700016}, 400, graph.Unauthorised, "consent-missing"},
		{"app disabled", "unauthorized_client", []int{7000112}, 400, graph.Unauthorised, "consent-missing"},
		{"app disabled, other error", "invalid_client", []int{7000112}, 401, graph.Unauthorised, "consent-missing"},
		{"not an application id", "unauthorized_client", []int{700038}, 400, graph.Unauthorised, ""},
		{"wrong secret", "invalid_client", []int{7000215}, 401, graph.Unauthorised, ""},
		{"secret expired", "invalid_client", []int{7000222}, 401, graph.Unauthorised, ""},
		{"assertion refused", "invalid_client", []int{700027}, 401, graph.Unauthorised, ""},
		{"unknown tenant", "invalid_request", []int{90002}, 400, graph.Unauthorised, ""},
		{"no resource", "invalid_resource", []int{500011}, 400, graph.Unauthorised, ""},
		{"scope", "invalid_scope", []int{70011}, 400, graph.Unauthorised, ""},
		{"grant type", "unsupported_grant_type", []int{70003}, 400, graph.Unauthorised, ""},
		{"consent withdrawn", "invalid_grant/consent_required", []int{65001}, 400, graph.Unauthorised, "consent-missing"},
		{"refresh token dead", "invalid_grant", []int{700082}, 400, graph.Unauthorised, "needs-reauth"},
		{"bad token", "invalid_grant/bad_token", []int{70000}, 400, graph.Unauthorised, "needs-reauth"},
		{"interaction", "interaction_required", []int{50076}, 400, graph.Unauthorised, "needs-reauth"},
		{"policy", "interaction_required", []int{53003}, 400, graph.Unauthorised, "blocked-by-policy"},
		{"tenant throttled", "temporarily_unavailable", []int{90055}, 400, graph.Transient, ""},
		{"a loop of requests", "invalid_grant", []int{50196}, 400, graph.Transient, ""},
		{"server", "server_error", []int{90033}, 400, graph.Transient, ""},
		{"outage", "", nil, 503, graph.Transient, ""},
		{"outage with a body", "invalid_client", nil, 503, graph.Transient, ""},
		{"throttled", "", nil, 429, graph.Throttled, ""},
		{"no answer", "", nil, 0, graph.Transient, ""},
		{"a proxy's page", "", nil, 403, graph.Transient, ""},
		{"something new", "new_error", []int{1}, 400, graph.Unauthorised, ""},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			e := graph.ClassifyToken(tt.code, tt.numbers, tt.status)
			if e.Kind != tt.kind || e.Reason != tt.reason || e.Code != tt.code || e.Status != tt.status {
				t.Errorf("got %+v, want %v with reason %q", e, tt.kind, tt.reason)
			}
		})
	}
}

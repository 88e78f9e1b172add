package identity

import (
	"net/http"
	"strings"
	"testing"
	"time"
)

func TestTheAudienceFollowsTheCloud(t *testing.T) {
	for authority, want := range map[string]string{
		"":                                  "api://AzureADTokenExchange",
		"https://login.microsoftonline.com": "api://AzureADTokenExchange",
		"https://login.microsoftonline.us/": "api://AzureADTokenExchangeUSGov",
		"https://login.partner.microsoftonline.cn": "api://AzureADTokenExchangeChina",
	} {
		if got := audience(authority); got != want {
			t.Errorf("audience(%q) = %q, want %q", authority, got, want)
		}
	}
}

func TestASuberrorIsTold(t *testing.T) {
	e := decodeError(400, http.Header{}, []byte(`{"error":"invalid_grant","suberror":"consent_required","error_codes":["65001"]}`))
	if code, numbers, _, _ := e.TokenFailure(); code != "invalid_grant/consent_required" || len(numbers) != 1 || numbers[0] != 65001 {
		t.Errorf("%s, %v", code, numbers)
	}
}

// Whatever an endpoint answers, the error is short, has no control characters,
// and waits at most a day.
func FuzzDecodeError(f *testing.F) {
	f.Add(401, "3", `{"error":"invalid_client","error_description":"AADSTS7000215: secret s3cret","error_codes":[7000215],"correlation_id":"x"}`)
	f.Add(503, "Sat, 21 Nov 2026 09:00:00 GMT", `<html>`)
	f.Add(400, "-1", `{"error":"a\nb","suberror":7,"error_codes":["x",1e99]}`)
	f.Add(429, "1e400", `{"error":{"code":"x"}}`)
	f.Fuzz(func(t *testing.T, status int, retry, body string) {
		h := http.Header{"Retry-After": {retry}, "Date": {"Sat, 21 Nov 2026 08:00:00 GMT"}}
		e := decodeError(status, h, []byte(body))
		if e.RetryAfter < 0 || e.RetryAfter > 24*time.Hour {
			t.Errorf("retry after %v", e.RetryAfter)
		}
		if e.Status != status || strings.ContainsAny(e.Code+e.Suberror+e.CorrelationID, "\r\n\x00 \"<") {
			t.Errorf("%+v", e)
		}
	})
}

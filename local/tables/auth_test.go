package tables

import (
	"crypto/hmac"
	"crypto/sha256"
	"encoding/base64"
	"net/http/httptest"
	"testing"

	"github.com/calbridge/calbridge/shared/state"
)

// The strings to sign are written out as "Authorize with Shared Key" gives them
// for the table service, with the account twice in an emulator's resource.
func TestSignaturesAreVerified(t *testing.T) {
	key := []byte("a key")
	const date = "Tue, 01 Dec 2026 10:00:00 GMT"
	lite := date + "\n/devstoreaccount1/devstoreaccount1/lanes(PartitionKey='a%2Fb',RowKey='')"
	full := "PUT\n\napplication/json\n" + lite
	for name, test := range map[string]struct {
		scheme, toSign, date string
		want                 bool
	}{
		"SharedKeyLite":           {"SharedKeyLite", lite, date, true},
		"SharedKey":               {"SharedKey", full, date, true},
		"schemes mixed up":        {"SharedKey", lite, date, false},
		"another date":            {"SharedKeyLite", lite, "Tue, 01 Dec 2026 10:00:01 GMT", false},
		"no date":                 {"SharedKeyLite", lite, "", false},
		"another scheme":          {"SharedAccessSignature", lite, date, false},
		"resource decoded":        {"SharedKeyLite", date + "\n/devstoreaccount1/devstoreaccount1/lanes(PartitionKey='a/b',RowKey='')", date, false},
		"the account only once":   {"SharedKeyLite", date + "\n/devstoreaccount1/lanes(PartitionKey='a%2Fb',RowKey='')", date, false},
		"a query string included": {"SharedKeyLite", lite + "?timeout=5", date, false},
	} {
		r := httptest.NewRequest("PUT", "/devstoreaccount1/lanes(PartitionKey='a%2Fb',RowKey='')?timeout=5", nil)
		mac := hmac.New(sha256.New, key)
		mac.Write([]byte(test.toSign))
		r.Header.Set("Authorization", test.scheme+" devstoreaccount1:"+base64.StdEncoding.EncodeToString(mac.Sum(nil)))
		r.Header.Set("Content-Type", "application/json")
		if test.date != "" {
			r.Header.Set("x-ms-date", test.date)
		}
		if got := authorized(r, state.DevelopmentAccount, key); got != test.want {
			t.Errorf("%s: %v", name, got)
		}
	}
}

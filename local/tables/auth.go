package tables

import (
	"crypto/hmac"
	"crypto/sha256"
	"encoding/base64"
	"net/http"
	"net/url"
	"strings"
)

// authorized verifies a SharedKey or SharedKeyLite signature as "Authorize with
// Shared Key" defines them for the table service: of the date and the
// canonicalised resource, and with SharedKey also of method, MD5 and type. The
// resource begins with the account, and an emulator's path does once more.
func authorized(r *http.Request, account string, key []byte) bool {
	scheme, rest, _ := strings.Cut(r.Header.Get("Authorization"), " ")
	name, signature, ok := strings.Cut(strings.TrimSpace(rest), ":")
	if !ok || name != account {
		return false
	}
	date := r.Header.Get("x-ms-date")
	if date == "" {
		date = r.Header.Get("Date")
	}
	if _, err := http.ParseTime(date); err != nil {
		return false
	}
	toSign := date + "\n" + resource(r, account)
	switch scheme {
	case "SharedKeyLite":
	case "SharedKey":
		toSign = strings.Join([]string{r.Method, r.Header.Get("Content-MD5"), r.Header.Get("Content-Type"), toSign}, "\n")
	default:
		return false
	}
	got, err := base64.StdEncoding.DecodeString(signature)
	mac := hmac.New(sha256.New, key)
	mac.Write([]byte(toSign))
	return err == nil && hmac.Equal(got, mac.Sum(nil))
}

// resource takes the path exactly as it was sent.
func resource(r *http.Request, account string) string {
	path, query, _ := strings.Cut(r.RequestURI, "?")
	values, _ := url.ParseQuery(query)
	if comp := values.Get("comp"); comp != "" {
		path += "?comp=" + comp
	}
	return "/" + account + path
}

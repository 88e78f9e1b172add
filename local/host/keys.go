package host

import (
	"fmt"
	"net/http"
	"strings"
)

// The fixed keys of the stand-in; it listens on loopback.
const (
	FunctionKey = "local-function"
	MasterKey   = "local-admin"
)

// authLevel says which key a caller needs (§3.2).
type authLevel int

const (
	anonymous authLevel = iota
	functionLevel
	adminLevel
)

// parseAuthLevel reads authLevel; absent means function.
func parseAuthLevel(text string) (authLevel, error) {
	switch strings.ToLower(text) {
	case "anonymous":
		return anonymous, nil
	case "", "function":
		return functionLevel, nil
	case "admin":
		return adminLevel, nil
	}
	return adminLevel, fmt.Errorf("authLevel %q", text)
}

// granted is the level of the key that a request carries: the header is looked at
// first, and then the query is not looked at.
func granted(header http.Header, query []param) authLevel {
	key := header.Get("X-Functions-Key")
	if key == "" {
		key = queryValue(query, "code")
	}
	switch key {
	case MasterKey:
		return adminLevel
	case FunctionKey:
		return functionLevel
	}
	return anonymous
}

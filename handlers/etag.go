package handlers

import (
	"crypto/sha256"
	"encoding/hex"
	"net/http"
	"slices"
	"strings"
)

// etag makes a strong entity tag of a row's version. Table Storage's own are
// weak, and a weak one never satisfies If-Match (RFC 9110 section 13.1.1).
func etag(version string) string {
	sum := sha256.Sum256([]byte(version))
	return `"` + hex.EncodeToString(sum[:12]) + `"`
}

// preconditionHolds reports whether If-Match and If-None-Match allow a change of
// a resource in a version, "" when there is none yet.
func preconditionHolds(h http.Header, version string) bool {
	exists := version != ""
	if tags := h.Values("If-Match"); len(tags) > 0 && !(exists && named(tags, version)) {
		return false
	}
	if tags := h.Values("If-None-Match"); len(tags) > 0 && exists && named(tags, version) {
		return false
	}
	return true
}

// named reports whether a list of entity tags is * or holds the version's. Our
// tags hold no comma.
func named(lines []string, version string) bool {
	var tags []string
	for _, line := range lines {
		for tag := range strings.SplitSeq(line, ",") {
			tags = append(tags, strings.TrimSpace(tag))
		}
	}
	return slices.Contains(tags, "*") || slices.Contains(tags, etag(version))
}

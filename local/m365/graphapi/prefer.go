package graphapi

import (
	"net/http"
	"strconv"
	"strings"

	"github.com/calbridge/calbridge/local/m365/exchange"
)

// preferences is what Prefer headers ask for (section 1). Unknown ones are
// ignored, as HTTP wants.
type preferences struct {
	zone      *exchange.Zone
	text      bool
	html      bool
	immutable bool
	pageSize  int
	tracked   bool // changes are told (4.4)
}

func (a *API) preferences(header http.Header) (preferences, error) {
	var p preferences
	for name, value := range preferred(header.Values("Prefer")) {
		switch name {
		case "outlook.timezone":
			zone, err := a.store.Zone(value)
			if err != nil {
				return p, err
			}
			p.zone = &zone
		case "outlook.body-content-type":
			p.text = strings.EqualFold(value, "text")
			p.html = strings.EqualFold(value, "html")
		case "idtype":
			p.immutable = strings.EqualFold(value, "ImmutableId")
		case "odata.maxpagesize":
			if n, err := strconv.Atoi(value); err == nil && n > 0 {
				p.pageSize = min(n, 1000)
			}
		}
	}
	return p, nil
}

// applied is the value of Preference-Applied; "" when there is nothing to tell.
func (p preferences) applied() string {
	var parts []string
	if p.tracked {
		parts = append(parts, "odata.track-changes")
	}
	if p.zone != nil {
		parts = append(parts, `outlook.timezone="`+p.zone.Name+`"`)
	}
	if p.text {
		parts = append(parts, `outlook.body-content-type="text"`)
	}
	if p.html {
		parts = append(parts, `outlook.body-content-type="html"`)
	}
	return strings.Join(parts, ", ")
}

// preferred splits Prefer headers into lower-case names and unquoted values. The
// first of two with one name counts (RFC 7240 2).
func preferred(headers []string) map[string]string {
	found := map[string]string{}
	for _, header := range headers {
		for _, part := range splitOutsideQuotes(header) {
			name, value, _ := strings.Cut(part, "=")
			name = strings.ToLower(strings.TrimSpace(name))
			value, _, _ = strings.Cut(value, ";")
			if _, twice := found[name]; !twice && name != "" {
				found[name] = strings.Trim(strings.TrimSpace(value), `"`)
			}
		}
	}
	return found
}

func splitOutsideQuotes(s string) []string {
	var parts []string
	start, quoted := 0, false
	for i := range len(s) {
		switch {
		case s[i] == '"':
			quoted = !quoted
		case s[i] == ',' && !quoted:
			parts = append(parts, s[start:i])
			start = i + 1
		}
	}
	return append(parts, s[start:])
}

package graphapi

import (
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/calbridge/calbridge/local/m365/exchange"
)

// query is what follows the question mark, read as in section 1: names in any
// case, a plus sign is itself.
type query struct {
	Select  []string // lower case; nil without $select
	Expand  []exchange.PropertyID
	Filter  Filter
	Top     int // 0 without $top
	Skip    int
	OrderBy []order
	Count   bool
	From    time.Time // startDateTime, zero without
	To      time.Time
}

func badQuery(message string) error { return badRequest("ErrorInvalidUrlQuery", message) }

func badRequest(code, message string) error {
	return &exchange.Error{Status: http.StatusBadRequest, Code: code, Message: message}
}

// options splits a raw query into its options, by lower-case name without $.
func options(raw string) (map[string]string, error) {
	found := map[string]string{}
	for part := range strings.SplitSeq(raw, "&") {
		if part == "" {
			continue
		}
		name, value, _ := strings.Cut(part, "=")
		name, err := url.PathUnescape(name)
		if err != nil {
			return nil, badQuery("The query can't be read.")
		}
		value, err = url.PathUnescape(value)
		if err != nil {
			return nil, badQuery("The query can't be read.")
		}
		key := strings.ToLower(name)
		if strings.HasPrefix(key, "$") {
			key = key[1:]
			if !system[key] {
				return nil, badQuery("The query option '$" + clip(key) + "' is not supported.")
			}
		}
		if _, twice := found[key]; twice {
			return nil, badQuery("Query option '" + clip(name) + "' was specified more than once.")
		}
		found[key] = value
	}
	return found, nil
}

// system names the $ options that exist.
var system = map[string]bool{"select": true, "expand": true, "filter": true, "top": true, "skip": true,
	"orderby": true, "count": true, "search": true, "format": true, "skiptoken": true, "deltatoken": true}

func parseQuery(raw string) (query, error) {
	found, err := options(raw)
	if err != nil {
		return query{}, err
	}
	var q query
	if s, ok := found["select"]; ok {
		if q.Select, err = parseSelect(s); err != nil {
			return query{}, err
		}
	}
	if s, ok := found["expand"]; ok {
		if q.Expand, err = ParseExpand(s); err != nil {
			return query{}, err
		}
	}
	if s, ok := found["filter"]; ok {
		if q.Filter, err = ParseFilter(s); err != nil {
			return query{}, err
		}
	}
	if s, ok := found["orderby"]; ok {
		if q.OrderBy, err = parseOrder(s); err != nil {
			return query{}, err
		}
	}
	if _, ok := found["search"]; ok {
		return query{}, badQuery("The query option '$search' is not supported on events.")
	}
	if s, ok := found["count"]; ok {
		q.Count = strings.EqualFold(s, "true")
	}
	if q.Top, err = number(found, "top", 1, 1000); err != nil {
		return query{}, err
	}
	if q.Skip, err = number(found, "skip", 0, 1<<30); err != nil {
		return query{}, err
	}
	if q.From, err = moment(found["startdatetime"]); err != nil {
		return query{}, err
	}
	if q.To, err = moment(found["enddatetime"]); err != nil {
		return query{}, err
	}
	return q, nil
}

func number(found map[string]string, name string, least, most int) (int, error) {
	s, ok := found[name]
	if !ok {
		return 0, nil
	}
	n, err := strconv.Atoi(s)
	if err != nil || n < least || n > most {
		return 0, badQuery("The value of '$" + name + "' is out of range.")
	}
	return n, nil
}

// moment reads a time of a window: the offset in the value, else UTC (2.3).
func moment(s string) (time.Time, error) {
	if s == "" {
		return time.Time{}, nil
	}
	for _, layout := range []string{time.RFC3339Nano, "2006-01-02T15:04:05.999999999", "2006-01-02T15:04", time.DateOnly} {
		if t, err := time.Parse(layout, s); err == nil {
			return t.UTC(), nil
		}
	}
	return time.Time{}, &exchange.Error{Status: http.StatusBadRequest, Code: "ErrorInvalidParameter", Message: "The date and time of the window can't be read."}
}

func parseSelect(s string) ([]string, error) {
	names := []string{}
	for name := range strings.SplitSeq(s, ",") {
		name = strings.ToLower(strings.TrimSpace(name))
		if !declared()[name] {
			return nil, badSelect(name)
		}
		names = append(names, name)
	}
	return names, nil
}

func badSelect(name string) error {
	return &exchange.Error{Status: http.StatusBadRequest, Code: "RequestBroker--ParseUri",
		Message: "Could not find a property named '" + clip(name) + "'."}
}

// selectOf reads $select over the members of a sample object.
func selectOf(s string, sample object) ([]string, error) {
	names := []string{}
	for name := range strings.SplitSeq(s, ",") {
		name = strings.ToLower(strings.TrimSpace(name))
		if !slices.ContainsFunc(sample, func(m member) bool { return strings.EqualFold(m.name, name) }) {
			return nil, badSelect(name)
		}
		names = append(names, name)
	}
	return names, nil
}

// selectMembers keeps the id and what was selected; nil selects all.
func selectMembers(o object, selected []string) object {
	if selected == nil {
		return o
	}
	return slices.DeleteFunc(o, func(m member) bool {
		return m.name != "id" && !slices.Contains(selected, strings.ToLower(m.name))
	})
}

// declared holds the properties of event in lower case, for $select.
var declared = sync.OnceValue(func() map[string]bool {
	names := map[string]bool{"cancelledoccurrences": true, "originalstart": true}
	for _, f := range encodeEvent(&exchange.Event{}, view{}) {
		if !strings.HasPrefix(f.name, "@") {
			names[strings.ToLower(f.name)] = true
		}
	}
	return names
})

package msgraph

import (
	"net/url"
	"slices"
	"strings"

	"github.com/calbridge/calbridge/shared/graph"
)

// maxLink bounds a page's link, in bytes.
const maxLink = 32 << 10

// deltaLink is the request of a page's link. A token goes along with it, and whoever could
// choose the link could else have that, or read with it what nobody asked for. So the link
// must lead, on our host and below our version, to the changes of the very calendar that
// was asked for:
//
//	/users/{mailbox}/calendarView/delta                    where the default calendar was
//	/users/{mailbox}/calendar/calendarView/delta           (or this)
//	/users/{mailbox}/calendars/{calendar}/calendarView/delta
//
// The words may be in any casing, ids in their own segment or as users('…') with quotes
// doubled, anything percent-encoded, delta also as delta() and microsoft.graph.delta().
//
//   - {mailbox} is what was asked for, without regard to case; of an object id the tenant's
//     may follow (id@tenant, graph/contract.md 6.4). In place of users/{mailbox} it may be
//     me, where a person's own token asked.
//   - Whether an object id and an address are the same mailbox cannot be seen. Where one
//     was asked for and the other is told, the link is asked of the mailbox that was asked
//     for: its token is good there or nowhere.
//   - {calendar} is the id that was asked for, to the letter; ids differ in case.
//
// Everything else is errNextLink: another mailbox, another calendar, a calendar where the
// default one was asked for, groups of calendars.
func (c *Client) deltaLink(link string, as graph.Access, r graph.DeltaRequest) (request, error) {
	if len(link) > maxLink {
		return request{}, errNextLink
	}
	req, err := c.nextPage(link)
	if err != nil {
		return request{}, err
	}
	path, query, _ := strings.Cut(req.path, "?")
	told, ok := parsePlace(path)
	asked := as.Path(r.Mailbox)
	switch {
	case !ok || told.calendar != r.Calendar:
		return request{}, errNextLink
	case told.me && !as.App(), !told.me && sameMailbox(told.mailbox, asked):
		return req, nil
	case told.me || isAddress(told.mailbox) == isAddress(asked) || isGUID(told.mailbox) == isGUID(asked):
		return request{}, errNextLink
	}
	req.path = "/users/" + url.PathEscape(asked) + told.rest + "?" + query
	return req, nil
}

// place is what the path of a link names.
type place struct {
	me                bool
	mailbox, calendar string
	rest              string // of the path as it was, from behind the mailbox on
}

// parsePlace takes the path of a link apart; false where it leads to no calendar's changes.
func parsePlace(path string) (place, bool) {
	segments := strings.Split(strings.TrimPrefix(path, "/"), "/")
	p, ok := place{}, false
	switch name, id, keyed := segment(segments[0]); {
	case name == "me" && !keyed:
		p.me, segments = true, segments[1:]
	case name == "users" && keyed:
		p.mailbox, segments = id, segments[1:]
	case name == "users" && len(segments) > 1:
		if p.mailbox, ok = plain(segments[1]); !ok {
			return place{}, false
		}
		segments = segments[2:]
	default:
		return place{}, false
	}
	p.rest = "/" + strings.Join(segments, "/")
	words := make([]string, len(segments))
	for i, s := range segments {
		words[i], _, _ = segment(s)
	}
	n := len(segments) - 2
	if n < 0 || words[n] != "calendarview" || !slices.Contains([]string{"delta", "delta()", "microsoft.graph.delta", "microsoft.graph.delta()"}, words[n+1]) {
		return place{}, false
	}
	switch {
	case n == 0, n == 1 && words[0] == "calendar":
		return p, p.me || isSegment(p.mailbox)
	case n == 1:
		var name string
		name, p.calendar, ok = segment(segments[0])
		ok = ok && name == "calendars"
	case n == 2 && words[0] == "calendars":
		p.calendar, ok = plain(segments[1])
	}
	return p, ok && isSegment(p.calendar) && (p.me || isSegment(p.mailbox))
}

// segment reads a segment as a word in lower case, or as name('id'); what cannot be
// decoded is no word.
func segment(s string) (name, id string, keyed bool) {
	s, ok := plain(s)
	if !ok {
		return "", "", false
	}
	if name, id, keyed = strings.Cut(s, "('"); keyed {
		if id, keyed = strings.CutSuffix(id, "')"); keyed {
			return strings.ToLower(name), strings.ReplaceAll(id, "''", "'"), true
		}
	}
	return strings.ToLower(s), "", false
}

func plain(s string) (string, bool) {
	out, err := url.PathUnescape(s)
	return out, err == nil && out != ""
}

// sameMailbox compares two names of mailboxes of one form.
func sameMailbox(told, asked string) bool {
	if id, tenant, both := strings.Cut(told, "@"); both && isGUID(id) && isGUID(tenant) {
		told = id
	}
	return strings.EqualFold(told, asked)
}

func isAddress(s string) bool {
	id, _, at := strings.Cut(s, "@")
	return at && !isGUID(id)
}

// isGUID reports whether s is an object id, of itself or with its tenant.
func isGUID(s string) bool {
	s, _, _ = strings.Cut(s, "@")
	if len(s) != 36 {
		return false
	}
	for i, r := range s {
		if dash := i == 8 || i == 13 || i == 18 || i == 23; dash != (r == '-') || !dash && !strings.ContainsRune("0123456789abcdefABCDEF", r) {
			return false
		}
	}
	return true
}

package msgraph

import (
	"cmp"
	"context"
	"encoding/base64"
	"encoding/json"
	"errors"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"time"

	"github.com/calbridge/calbridge/shared/graph"
)

// Why an answer cannot be used. None says what was in it.
var (
	errNoItem     = errors.New("the batch's answer lacks this call")
	errTwoItems   = errors.New("the batch's answer has this call twice")
	errUnreadable = errors.New("the answer is not what Graph answers to this call")
	errForeign    = errors.New("the answer to a search lists an event that was not searched for")
	errNextLink   = errors.New("the answer's next page is not on Graph's own host")
	errEndless    = errors.New("the answer has more pages than it can need")
)

// maxPages bounds how far a Find follows next links: findTop events fit in one.
const maxPages = 5

// wireEvent is what is read of an event.
type wireEvent struct {
	ID              string  `json:"id"`
	ETag            string  `json:"@odata.etag"`
	ChangeKey       string  `json:"changeKey"`
	ICalUID         string  `json:"iCalUId"`
	TransactionID   *string `json:"transactionId"`
	CreatedDateTime string  `json:"createdDateTime"`
	IsCancelled     bool    `json:"isCancelled"`
	Type            string  `json:"type"`
	Body            *struct {
		Content string `json:"content"`
	} `json:"body"`
	Properties []struct {
		ID    string `json:"id"`
		Value string `json:"value"`
	} `json:"singleValueExtendedProperties"`
}

// result turns an answer into the call's result.
func (c *Client) result(ctx context.Context, as graph.Access, call graph.Call, a answer) graph.Result {
	r := graph.Result{Status: a.status, RequestID: a.header.Get("Request-Id"), Err: a.err(call)}
	switch {
	case r.Err != nil || call.Op == graph.Delete:
	case call.Op == graph.Find || call.Op == graph.FindUID:
		r.Found, r.Err = c.found(ctx, as, call, a)
	default:
		var w wireEvent
		if a.decode(&w) != nil || w.ID == "" {
			r.Err = unreadable(a)
			break
		}
		r.Event = w.event(call.WithBody)
	}
	return r
}

// err is the failure that the answer tells, nil when it is a success.
func (a answer) err(call graph.Call) *graph.Error {
	if a.failure != nil {
		return a.failure
	}
	if a.status >= 200 && a.status < 300 {
		return nil
	}
	code, existing := a.code()
	e := graph.ClassifyCall(call, a.status, code, a.header)
	e.ExistingID = existing
	return e
}

// code reads Graph's error code, and the event that a duplicate transaction
// names. Both are empty when the body is not Graph's: HTML, nothing, too long.
// The message is never read (contract 9: branch on code, never on message).
func (a answer) code() (code, existing string) {
	var body struct {
		Error struct {
			Code     string `json:"code"`
			Existing string `json:"@event.existingEventId"`
		} `json:"error"`
	}
	if a.decode(&body) != nil {
		return "", ""
	}
	return body.Error.Code, body.Error.Existing
}

func (a answer) decode(v any) error {
	if a.unreadable {
		return errUnreadable
	}
	return json.Unmarshal(a.body, v)
}

// unreadable is a success whose body says nothing: the call happened.
func unreadable(a answer) *graph.Error {
	cause := errUnreadable
	if a.tooLarge {
		cause = graph.ErrTooLarge
	}
	return &graph.Error{Kind: graph.Transient, Status: a.status, Unanswered: true, Cause: cause}
}

func (w wireEvent) event(withBody bool) graph.Event {
	e := graph.Event{ID: w.ID, ChangeKey: changeKey(w.ChangeKey, w.ETag), ICalUID: w.ICalUID, Cancelled: w.IsCancelled,
		Series: strings.EqualFold(w.Type, "seriesMaster")}
	if w.TransactionID != nil {
		e.TransactionID = *w.TransactionID
	}
	if t, err := time.Parse(time.RFC3339, w.CreatedDateTime); err == nil {
		e.Created = t.UTC()
	}
	if withBody && w.Body != nil {
		e.Body = w.Body.Content
	}
	for _, p := range w.Properties {
		if isMarkProperty(p.ID) {
			e.Mark = strings.ToLower(p.Value)
		}
	}
	return e
}

// day reports whether an event is one day of a series. Some saw lists with the days that
// people changed (contract 2.1, section 16): they have the series' mark, and are no
// copies of it that might be deleted.
func (w wireEvent) day() bool {
	return strings.EqualFold(w.Type, "exception") || strings.EqualFold(w.Type, "occurrence")
}

// changeKey is the event's change key, from its etag where the key is missing.
// Delta's etags have 8 bytes more in front, which are dropped, so that keys from
// different endpoints can be compared (contract 2.6).
func changeKey(key, etag string) string {
	if key == "" {
		key = strings.TrimSuffix(strings.TrimPrefix(strings.TrimPrefix(etag, "W/"), `"`), `"`)
	}
	if b, err := base64.StdEncoding.DecodeString(key); err == nil && len(b) == 30 {
		return base64.StdEncoding.EncodeToString(b[8:])
	}
	return key
}

// isMarkProperty compares an extended property's id with the mark's: Graph may
// change the case of type and GUID and the spaces, never the name (contract 2.8).
func isMarkProperty(id string) bool {
	got, want := strings.Fields(id), strings.Fields(graph.MarkProperty)
	last := len(want) - 1
	return len(got) == len(want) && got[last] == want[last] &&
		slices.EqualFunc(got[:last], want[:last], strings.EqualFold)
}

// found reads the pages of a search. An event that was not searched for means
// that Graph did not filter, and then nothing of the list can be trusted: not to
// be ours, nor to be all.
func (c *Client) found(ctx context.Context, as graph.Access, call graph.Call, a answer) ([]graph.Event, *graph.Error) {
	var all []graph.Event
	seen := map[string]bool{}
	for pages := 1; ; pages++ {
		var page struct {
			Value    *[]wireEvent `json:"value"`
			NextLink string       `json:"@odata.nextLink"`
		}
		if a.decode(&page) != nil || page.Value == nil {
			return nil, unreadable(a)
		}
		for _, w := range *page.Value {
			if w.day() {
				continue
			}
			e := w.event(false)
			if e.ID == "" || !sought(e, call) {
				return nil, &graph.Error{Kind: graph.Transient, Status: a.status, Cause: errForeign}
			}
			if !seen[e.ID] {
				seen[e.ID] = true
				all = append(all, e)
			}
		}
		if page.NextLink == "" || len(all) >= findTop {
			return oldest(all), nil
		}
		if pages == maxPages {
			return nil, &graph.Error{Kind: graph.Transient, Status: a.status, Cause: errEndless}
		}
		next, err := c.nextPage(page.NextLink)
		if err != nil {
			return nil, &graph.Error{Kind: graph.Transient, Status: a.status, Cause: err}
		}
		answers, failure := c.authorised(ctx, as, []request{next})
		if failure != nil {
			return nil, failure
		}
		if a = answers[0]; a.err(call) != nil {
			return nil, a.err(call)
		}
	}
}

// sought reports whether an event is what a search was for.
func sought(e graph.Event, call graph.Call) bool {
	if call.Op == graph.FindUID {
		return graph.SameUID(e.ICalUID, call.UID)
	}
	return e.Mark == call.Mark
}

// nextPage is the request for a next link, which must stay on our host below our
// version: a token goes along.
func (c *Client) nextPage(link string) (request, error) {
	u, err := url.Parse(link)
	if err != nil || u.Scheme != c.base.Scheme || !strings.EqualFold(u.Host, c.base.Host) || u.User != nil ||
		!strings.HasPrefix(u.Path, c.base.Path+"/") {
		return request{}, errNextLink
	}
	return request{method: http.MethodGet, path: strings.TrimPrefix(u.RequestURI(), c.base.Path)}, nil
}

// oldest sorts by creation, ties by id, and keeps at most findTop.
func oldest(all []graph.Event) []graph.Event {
	slices.SortFunc(all, func(a, b graph.Event) int {
		return cmp.Or(a.Created.Compare(b.Created), strings.Compare(a.ID, b.ID))
	})
	return all[:min(len(all), findTop)]
}

// decodeMailbox reads the owner of a calendar.
func decodeMailbox(a answer) (graph.Mailbox, *graph.Error) {
	if e := a.err(graph.Call{}); e != nil {
		return graph.Mailbox{}, e
	}
	var calendar struct {
		Owner struct {
			Address string `json:"address"`
		} `json:"owner"`
	}
	if a.decode(&calendar) != nil || calendar.Owner.Address == "" {
		return graph.Mailbox{}, unreadable(a)
	}
	return graph.Mailbox{Address: strings.ToLower(calendar.Owner.Address)}, nil
}

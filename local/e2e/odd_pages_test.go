package e2e

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"net/http/httputil"
	"net/url"
	"strconv"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/calbridge/calbridge/local/m365/exchange"
	"github.com/calbridge/calbridge/local/stack"
)

// spoiler stands between the handler and Graph, and changes the pages of changes.
type spoiler struct {
	url   string
	graph atomic.Pointer[url.URL]
	spoil atomic.Pointer[func(page map[string]any)]
	pages atomic.Int64 // that were changed
}

func newSpoiler(t *testing.T) *spoiler {
	t.Helper()
	s := &spoiler{}
	proxy := &httputil.ReverseProxy{
		Rewrite: func(r *httputil.ProxyRequest) {
			if target := s.graph.Load(); target != nil {
				r.SetURL(target)
			}
			r.Out.Host = r.In.Host
			r.Out.Header.Del("Accept-Encoding")
		},
		ModifyResponse: s.modify,
	}
	server := httptest.NewServer(proxy)
	t.Cleanup(server.Close)
	s.url = server.URL
	return s
}

func (s *spoiler) modify(r *http.Response) error {
	spoil := s.spoil.Load()
	if spoil == nil || r.StatusCode != http.StatusOK || !strings.Contains(strings.ToLower(r.Request.URL.Path), "/calendarview/delta") {
		return nil
	}
	text, err := io.ReadAll(r.Body)
	if err != nil {
		return err
	}
	page := map[string]any{}
	if err := json.Unmarshal(text, &page); err != nil {
		return err
	}
	(*spoil)(page)
	if text, err = json.Marshal(page); err != nil {
		return err
	}
	s.pages.Add(1)
	r.Body = io.NopCloser(bytes.NewReader(text))
	r.ContentLength = int64(len(text))
	r.Header.Set("Content-Length", strconv.Itoa(len(text)))
	return nil
}

// strange are items that make no sense, and what makes none in one that does.
func strange(page map[string]any) {
	items, _ := page["value"].([]any)
	for _, i := range items {
		if item, ok := i.(map[string]any); ok {
			item["colour"], item["@odata.unheard"], item["importance"] = map[string]any{"a": []any{1, nil}}, nil, "cosmic"
		}
	}
	at := func(wall string) map[string]any { return map[string]any{"dateTime": wall, "timeZone": "UTC"} }
	odd := func(id any, start, end string) map[string]any {
		return map[string]any{"id": id, "subject": "Nonsense", "type": "singleInstance", "start": at(start), "end": at(end)}
	}
	page["value"] = append([]any{
		odd("", "2026-12-01T09:00:00.0000000", "2026-12-01T10:00:00.0000000"), map[string]any{"subject": "Nonsense"},
		odd("year-1", "0001-01-01T00:00:00.0000000", "0001-01-01T01:00:00.0000000"), odd("year-1600", "1600-12-31T00:00:00", "1600-12-31T01:00:00"),
		odd("year-4501", "4501-01-01T00:00:00", "4501-01-01T01:00:00"), odd("year-99999", "99999-01-01T00:00:00", "99999-01-01T01:00:00"),
		odd("backwards", "2026-12-01T10:00:00", "2026-12-01T09:00:00"), odd("no-times", "", "soon"),
		map[string]any{"id": "orphan", "type": "occurrence", "start": at("2026-12-01T10:00:00"), "end": at("2026-12-01T11:00:00")},
		map[string]any{"@removed": map[string]any{"reason": "deleted"}}, map[string]any{"id": "nobody-knows", "@removed": map[string]any{"reason": "changed"}},
	}, items...)
	page["@odata.unheard"] = 1
}

// Issue 6, bad input: items that make no sense are passed over, those beside them told; an
// appointment with 500 people is told with all of them; and a page that leads to a foreign
// host is not followed: no request, no token, and nothing counts as deleted.
func TestOddPagesOfGraphsOverTheWire(t *testing.T) {
	between := newSpoiler(t)
	w := startMoved(t, stack.Options{Override: stack.Settings{"GRAPH_ENDPOINT": between.url}})
	graph, err := url.Parse(w.M365.URL())
	if err != nil {
		t.Fatal(err)
	}
	between.graph.Store(graph)
	w.hears()

	odd := strange
	between.spoil.Store(&odd)
	day := w.Clock.Now().AddDate(0, 0, 3).Format(time.DateOnly)
	subject, start, end := "All hands", exchange.Time{DateTime: day + "T09:00:00", Zone: "UTC"}, exchange.Time{DateTime: day + "T10:00:00", Zone: "UTC"}
	var everybody []exchange.Attendee
	for n := range 500 {
		everybody = append(everybody, exchange.Attendee{Address: exchange.Address{Name: "O'Neill, N.", Address: fmt.Sprintf("o'neill-%d@else.example", n)}, Type: "optional"})
	}
	if _, err := w.M365.Exchange.Owner(tenant, "aino@acme.example").Create(exchange.Change{Subject: &subject, Start: &start, End: &end, Attendees: &everybody}); err != nil {
		t.Fatal(err)
	}
	w.tells("All hands")
	if between.pages.Load() == 0 {
		t.Fatal("no page was changed: this shows nothing")
	}
	for _, c := range w.changes.Others() {
		if bytes.Contains(c.Raw, []byte("Nonsense")) || bytes.Contains(c.Raw, []byte(`"change":"deleted"`)) {
			t.Errorf("told: %.400s", c.Raw)
		}
		if n := bytes.Count(c.Raw, []byte("o'neill-")); bytes.Contains(c.Raw, []byte("All hands")) && n != 500 {
			t.Errorf("%d of 500 people are told", n)
		}
	}

	// Graph's page leads to somebody else's host.
	var followed atomic.Int64
	evil := httptest.NewServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) { followed.Add(1) }))
	defer evil.Close()
	foreign := func(page map[string]any) {
		for _, link := range []string{"@odata.nextLink", "@odata.deltaLink"} {
			if to, ok := page[link].(string); ok {
				page["@odata.nextLink"] = evil.URL + strings.TrimPrefix(to, between.url)
			}
		}
		delete(page, "@odata.deltaLink")
	}
	between.spoil.Store(&foreign)
	changed := between.pages.Load()
	w.edit("On a page that leads astray")
	w.tells("On a page that leads astray")
	eventually(t, func() bool { ready, _ := w.Bus.Due(); return ready == 0 && w.Host.Calls() == 0 }, "there is always somebody at work")
	if between.pages.Load() == changed {
		t.Fatal("no page was changed: this shows nothing")
	}
	between.spoil.Store(nil)
	w.edit("After that")
	w.tells("After that")
	if n := followed.Load(); n != 0 {
		t.Errorf("a foreign host was asked %d times", n)
	}
	for _, c := range w.changes.Others() {
		if bytes.Contains(c.Raw, []byte(`"change":"deleted"`)) {
			t.Errorf("told as deleted: %.400s", c.Raw)
		}
	}
}

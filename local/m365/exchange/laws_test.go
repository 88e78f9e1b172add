package exchange_test

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"pgregory.net/rapid"

	"github.com/calbridge/calbridge/local/m365/exchange"
)

// history is a random life of a mailbox with a plain model beside it.
type history struct {
	store *exchange.Store
	now   time.Time
	live  map[string]string // immutable id -> subject
	keys  map[string]bool   // every change key ever seen
	ids   map[string]bool   // every id ever seen
	used  map[string]string // transactionId -> id of its live event
}

// Whatever the order of calls: ids and change keys never come twice, a mailbox
// holds what was created and not deleted, a transactionId has one live event,
// and no mail leaves a mailbox whose events have no attendees.
func TestLawsHoldOverEveryHistory(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		h := &history{now: time.Unix(1.8e9, 0), live: map[string]string{}, keys: map[string]bool{}, ids: map[string]bool{}, used: map[string]string{}}
		h.store = exchange.New(func() time.Time { return h.now }, exchange.Switches{})
		h.store.AddUser(acme, exchange.User{Principal: aino})
		t.Repeat(map[string]func(*rapid.T){
			"create": h.create, "change": h.change, "delete": h.remove, "copy": h.copy, "": h.check,
		})
	})
}

func (h *history) fresh(t *rapid.T, e exchange.Event) {
	for _, id := range []string{e.ID, e.MutableID, e.ICalUID} {
		if h.ids[id] {
			t.Fatalf("id %s comes twice", id)
		}
		h.ids[id] = true
	}
	h.changed(t, e)
}

func (h *history) changed(t *rapid.T, e exchange.Event) {
	if h.keys[e.ChangeKey] {
		t.Fatalf("change key %s comes twice", e.ChangeKey)
	}
	h.keys[e.ChangeKey] = true
	h.live[e.ID] = e.Subject
}

func (h *history) create(t *rapid.T) {
	h.now = h.now.Add(time.Second)
	c := meeting(fmt.Sprint("subject ", rapid.IntRange(0, 2).Draw(t, "subject")))
	c.TransactionID = rapid.SampledFrom([]string{"", "T1", "T2"}).Draw(t, "transaction")
	e, err := h.store.Create(acme, aino, "", c)
	var refused *exchange.Error
	existing, used := h.used[c.TransactionID]
	switch {
	case errors.As(err, &refused):
		if !used || refused.Code != "ErrorDuplicateTransactionId" {
			t.Fatalf("create: %v", err)
		}
	case used:
		if e.ID != existing {
			t.Fatalf("a used transactionId made another event")
		}
	default:
		h.fresh(t, e)
		if c.TransactionID != "" {
			h.used[c.TransactionID] = e.ID
		}
	}
}

// pick draws a live event, or "" when there is none.
func (h *history) pick(t *rapid.T) string {
	var ids []string
	for id := range h.live {
		ids = append(ids, id)
	}
	if len(ids) == 0 {
		return ""
	}
	slices.Sort(ids)
	return rapid.SampledFrom(ids).Draw(t, "event")
}

func (h *history) change(t *rapid.T) {
	id := h.pick(t)
	if id == "" {
		return
	}
	e, err := h.store.Update(acme, aino, id, exchange.Change{Subject: to("changed")}, "")
	if err != nil {
		t.Fatal(err)
	}
	h.changed(t, e)
}

func (h *history) remove(t *rapid.T) {
	id := h.pick(t)
	if id == "" {
		return
	}
	if err := h.store.Delete(acme, aino, id, "*"); err != nil {
		t.Fatal(err)
	}
	delete(h.live, id)
	for transaction, of := range h.used {
		if of == id {
			delete(h.used, transaction)
		}
	}
}

func (h *history) copy(t *rapid.T) {
	id := h.pick(t)
	if id == "" {
		return
	}
	e, err := h.store.Owner(acme, aino).Copy(id)
	if err != nil {
		t.Fatal(err)
	}
	h.fresh(t, e)
}

func (h *history) check(t *rapid.T) {
	events := h.store.Events(acme, aino)
	if len(events) != len(h.live) {
		t.Fatalf("%d events, want %d", len(events), len(h.live))
	}
	for _, e := range events {
		if h.live[e.ID] != e.Subject {
			t.Fatalf("event %s has subject %q, want %q", e.ID, e.Subject, h.live[e.ID])
		}
		byMutable, err := h.store.Event(acme, aino, e.MutableID)
		if err != nil || byMutable.ID != e.ID {
			t.Fatalf("by its mutable id: %v", err)
		}
	}
	if n := len(h.store.Mails()); n != 0 {
		t.Fatalf("%d mails", n)
	}
}

func FuzzParsePropertyID(f *testing.F) {
	for _, seed := range []string{"String {66f5a359-4659-4830-9070-00047ec6ac6e} Name Color", "Integer {66f5a359-4659-4830-9070-00047ec6ac6e} Id 0x8233", "String 0x0037", "String"} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, s string) {
		id, err := exchange.ParsePropertyID(s)
		if err != nil {
			return
		}
		again, err := exchange.ParsePropertyID(id.String())
		if err != nil || !again.Same(id) {
			t.Errorf("%q: written as %q, read as %v, %v", s, id, again, err)
		}
	})
}

// Any two strings as times: what is stored starts before it ends.
func FuzzTimes(f *testing.F) {
	f.Add("2026-12-01T10:00:00", "Europe/Helsinki", "2026-12-01T11:00:00.5", "UTC", false)
	f.Add("2026-03-29T03:30:00", "Europe/Helsinki", "2026-03-29T04:30:00", "FLE Standard Time", false)
	f.Add("2026-12-01T00:00:00", "Asia/Tokyo", "2026-12-02T00:00:00", "Tokyo Standard Time", true)
	f.Fuzz(func(t *testing.T, start, startZone, end, endZone string, allDay bool) {
		store := exchange.New(func() time.Time { return time.Unix(1.8e9, 0) }, exchange.Switches{})
		store.AddUser(acme, exchange.User{Principal: aino})
		e, err := store.Create(acme, aino, "", exchange.Change{Start: &exchange.Time{DateTime: start, Zone: startZone},
			End: &exchange.Time{DateTime: end, Zone: endZone}, AllDay: &allDay})
		if err == nil && (e.To.Before(e.From) || e.From.Location() != time.UTC || strings.ContainsAny(e.Start.DateTime, "+Z")) {
			t.Errorf("%v %v", e.From, e.To)
		}
	})
}

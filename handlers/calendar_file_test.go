package handlers

import (
	"slices"
	"testing"

	"github.com/calbridge/calbridge/shared/ics"
	"github.com/calbridge/calbridge/shared/state"
)

func TestTheCalendarFileOfABookingIsServedAsAFile(t *testing.T) {
	const path = "/api/organizations/acme/bookings/ics"
	w := newWorld(t, 0, nil)
	r := w.web("GET", path+"?id=PNR%2F1&user=u-17", "", "")
	if r.status != 200 || r.body != "BEGIN:VCALENDAR" || r.header.Get("Content-Type") != "text/calendar; charset=utf-8; method=PUBLISH" ||
		r.header.Get("Content-Disposition") != ics.Disposition("Ä.ics") {
		t.Errorf("%d %q %v", r.status, r.body, r.header)
	}
	if calls := w.called(); !slices.Contains(calls, "file acme PNR/1 user u-17") {
		t.Errorf("calls %q", calls)
	}
	w.problem(w.web("GET", path+"?id=x", "", ""), 400, "invalid")
	w.problem(w.web("GET", path+"?user=x", "", ""), 400, "invalid")
	for want, fail := range map[int]error{404: state.ErrNotFound, 503: errDown} {
		w.fail = fail
		code := map[int]string{404: "not-found", 503: "unavailable"}[want]
		w.problem(w.web("GET", path+"?id=x&room=r", "", ""), want, code)
	}
	w.fail = ics.ErrUnscheduled
	w.problem(w.web("GET", path+"?id=x&room=r", "", ""), 404, "not-found")
}

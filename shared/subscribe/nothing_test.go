package subscribe_test

import (
	"testing"

	"github.com/calbridge/calbridge/shared/connection"
	"github.com/calbridge/calbridge/shared/subscribe"
)

// What people do to bookings is told whatever the privacy is, and notified for that.
func TestWithThePrivacyNothingCalendarsThatBookingsGoIntoAreSubscribedTo(t *testing.T) {
	r := newRig(t)
	r.organize(acme, `{"profile":"planning","module":true,"sync":true,"downSync":{"privacy":"nothing"}}`)
	r.order(r.c, subscribe.CauseFollow)
	r.none(r.c)
	r.c.Direction, r.c.Scope = connection.Both, connection.ReadWrite
	r.connect(r.c)
	r.order(r.c, subscribe.CauseFollow)
	r.one(r.c)
}

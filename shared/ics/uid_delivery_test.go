package ics_test

import (
	"strings"
	"testing"

	"github.com/calbridge/calbridge/shared/ics"
	"github.com/calbridge/calbridge/shared/key"
)

func TestAUIDOfOursNamesItsDeliveryAndNoOtherDoes(t *testing.T) {
	delivery := key.Delivery("acme", "b", key.User, "aino")
	uid := ics.UID(delivery)
	for _, form := range []string{uid, strings.ToLower(uid)} {
		if got, ok := ics.Delivery(form); !ok || got != delivery {
			t.Errorf("%q: %v, %v", form, got, ok)
		}
	}
	outlook := uid[:48] + "DEADBEEF" + uid[56:] // made by Outlook at some time
	for _, other := range []string{"", "x", "guest@else.example", uid[2:], uid + "00", outlook, strings.Repeat("z", len(uid))} {
		if got, ok := ics.Delivery(other); ok {
			t.Errorf("%q: %v", other, got)
		}
	}
}

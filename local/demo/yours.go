package demo

import (
	"encoding/json"
	"strings"
	"time"

	"github.com/calbridge/calbridge/shared/booking"
)

// yours is a booking to send by hand, to the first person of the story: tomorrow
// morning, so that it is on the page with the calendars. Those of the story would change
// nothing, because their revisions were accepted before. It holds no single quote, as it
// stands between two on a command line.
func yours(of booking.Booking, now time.Time) (string, error) {
	type object = map[string]any
	day := now.AddDate(0, 0, 1).Format(time.DateOnly)
	person := of.People[0]
	body, err := json.Marshal(object{"specversion": "1.0", "id": "1", "source": "https://you.example", "type": booking.Type,
		"data": object{"organization": of.Organization, "id": "MINE-1", "revision": 1, "status": "confirmed", "title": "My own booking",
			"start": object{"dateTime": day + "T09:00:00"}, "end": object{"dateTime": day + "T10:00:00"},
			"people": []object{{"user": person.User, "email": person.Email}}}})
	return strings.ReplaceAll(string(body), "'", `\u0027`), err
}

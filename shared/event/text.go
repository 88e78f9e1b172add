package event

import (
	"strings"

	"github.com/calbridge/calbridge/shared/booking"
)

// Text is what a calendar file says where Graph would be sent the Body of e, the
// projection of b: the same content in plain text, lines ended by LF, markers
// included. With the markers an event that somebody imported from a file is
// updated in place once it is adopted (A16): [Merge] finds our text in it.
func Text(b booking.Booking, e Event, o Options) string {
	out := []string{beginMark}
	add := func(text string) {
		if text != "" {
			out = append(out, text)
		}
	}
	add(lines(b.Description.Text))
	add(lines(b.URL))
	for _, r := range rows(b, e, o) {
		add(r[0] + ": " + lines(line(r[1], maxRow)))
	}
	return strings.Join(append(out, endMark), "\n")
}

// Cancelled is the title of an event that does not take place, in the language of
// locale; for readers whose calendar keeps what was cancelled.
func Cancelled(subject, locale string) string {
	return wordsOf(locale).cancelled + ": " + subject
}

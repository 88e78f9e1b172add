// Package examples holds what `make run` sends, as files that integrators copy.
//
// bookings/ are CloudEvents as a booking app sends them, in the order of the
// story. Their dates are in the week of Monday 2027-03-01; make run moves them by
// whole weeks to the week after the present one. organizations/ are the settings of the
// two organisations, tenants.json the people in the simulator of Microsoft 365,
// and expected.json what each booking must come to.
package examples

import "embed"

// FS holds all of it.
//
//go:embed bookings organizations tenants.json expected.json
var FS embed.FS

// Monday is the first day of the week in which the bookings take place.
const Monday = "2027-03-01"

package organization

// profile returns the defaults of a profile, wire.md's table, and whether there is
// one of that name.
func profile(name string) (Organization, bool) {
	o := Organization{
		Profile: name, Module: true, Sync: false,
		Permission: Application, Accounts: "tenant", AddressMatch: "warn", Consent: "tenant",
		Locale: "en", TimeZone: "UTC", ReminderMinutes: 15,
		DownSync:         DownSync{EveryMinutes: 30, Privacy: "nothing"},
		OwnEventsChanged: "report", RecreateRemoved: RecreateTime, Conflict: "first", RoomsMode: "direct",
		Brake:     Brake{Count: 10, Percent: 20},
		Retention: Retention{BookingDays: 400, BodyDays: 90, LedgerDays: 180},
	}
	switch name {
	case Travel:
		o.Permission, o.AddressMatch, o.OptOut, o.BackfillPastDays = Delegated, "require", true, 90
	case Training:
	case Planning:
		o.Permission, o.Accounts, o.OptOut = Delegated, "any", true
		o.Module, o.Sync, o.DownSync.Privacy = false, true, "busy"
	case Rooms:
		o.Sync, o.DownSync.Privacy = true, "all"
	default:
		return Organization{}, false
	}
	return o, true
}

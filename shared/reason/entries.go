package reason

const nothing = "Nothing to do."

// entries are the reasons of design.md, each with the states it may carry.
//
// mailbox-unavailable names on-premises among its causes, because Graph has one
// code for all of them (package graph, classify.go), and the remedy with it (L7).
var entries = []Entry{
	{Cancelled, []string{Removed, Skipped}, Words{"The booking was cancelled.", BookingApp, nothing}},
	{NotInvited, []string{Removed}, Words{"The person is no longer on the booking.", BookingApp, nothing}},
	{Inactive, []string{Removed, Skipped}, Words{"The person is marked as inactive.", BookingApp,
		"Announce the person as active again if they are to get bookings."}},
	{Erased, []string{Removed, Skipped}, Words{"What was held about the person was erased.", OrganisationAdmin, nothing}},
	{ModuleOff, []string{Removed, Skipped}, Words{"Calendar integration is switched off for the organisation.", Operator,
		"Switch the module on for the organisation if it is to be used."}},
	{SyncOff, []string{Removed, ICS}, Words{"Calendar sync is switched off for the organisation.", OrganisationAdmin,
		"Switch calendar sync on."}},
	{Disconnected, []string{Removed}, Words{"The calendar was disconnected.", User, "Connect the calendar again."}},

	{NotConnected, []string{ICS}, Words{"No calendar is connected.", User, "Connect the Outlook calendar."}},
	{NeedsReauth, []string{ICS}, Words{"The connection to the calendar has ended; the person has to connect it again.", User,
		"Connect the Outlook calendar again."}},
	{ConsentMissing, []string{ICS}, Words{"The organisation's Microsoft 365 tenant has not allowed the calendar connection.", EntraAdmin,
		"Open the consent link and consent for the organisation."}},
	{BlockedByPolicy, []string{ICS}, Words{"A policy of the organisation's Microsoft 365 tenant keeps the calendar connection out.", EntraAdmin,
		"Exclude the calendar connection from the Conditional Access policy that blocks it."}},
	{OutsideScope, []string{ICS}, Words{"The mailbox is outside what the organisation allowed the calendar connection to reach.", EntraAdmin,
		"Add the mailbox to the group that the calendar connection may reach."}},
	{OptedOut, []string{ICS}, Words{"The person does not want bookings in the calendar.", User,
		"Switch bookings in the calendar on again."}},
	{Paused, []string{ICS}, Words{"The calendar is paused.", User, "Resume the calendar."}},
	{DirectionDownOnly, []string{ICS}, Words{"The calendar is connected for reading only.", User,
		"Choose a direction that writes bookings."}},
	{PersonalMailbox, []string{ICS}, Words{"The address belongs to a personal mail service, not to a mailbox of the organisation.", BookingApp,
		"Send the person's address or account in the organisation's Microsoft 365."}},
	{MailboxNotFound, []string{ICS}, Words{"No Microsoft 365 mailbox was found for the address.", BookingApp,
		"Send the address or account under which Microsoft 365 knows the person."}},
	{MailboxOnPremises, []string{ICS}, Words{"The mailbox is on premises, on an Exchange server of the organisation, where bookings cannot be written.", EntraAdmin,
		"Move the mailbox to Exchange Online; it is looked at again every day."}},
	{MailboxUnavailable, []string{ICS}, Words{"The mailbox is on premises, inactive, deleted, full, without an Exchange Online licence, or not ready yet.", EntraAdmin,
		"Move the mailbox to Exchange Online if it is on premises; otherwise restore, license or clear it. It is looked at again every day."}},
	{NoRecurrence, []string{ICS}, Words{"The series cannot be written as calendar events.", BookingApp,
		"Send the occurrences as bookings of their own."}},
	{RefusedByGraph, []string{ICS}, Words{"Microsoft 365 refused the event; the operator has been alerted.", Operator,
		"Look up Microsoft's error code in the ledger of the booking."}},
	{GaveUp, []string{ICS}, Words{"The calendar could not be written for a day; the operator has been alerted.", Operator,
		"Look up the last answers in the ledger of the booking, then redrive it."}},

	{NotAssigned, []string{Skipped}, Words{"The session is not assigned to the person.", BookingApp, nothing}},
	{NotScheduled, []string{Skipped}, Words{"The booking has no time yet.", BookingApp, nothing}},
	{InThePast, []string{Skipped}, Words{"The booking is over.", BookingApp, nothing}},
	{RemovedByUser, []string{Skipped}, Words{"The person deleted the event from the calendar.", User, nothing}},
	{Invalid, []string{Skipped}, Words{"The booking cannot be shown as a calendar event.", BookingApp, "Correct the booking and send it again."}},
	{ConflictLost, []string{Skipped}, Words{"Another reservation has the room at that time.", BookingApp, "Choose another room or time."}},
	{Duplicate, []string{Skipped}, Words{"Another person on the booking has the same mailbox and got the event.", BookingApp, nothing}},
	{Held, []string{Skipped}, Words{"The change is held back until an administrator approves it.", OrganisationAdmin,
		"Approve or restore what is held."}},
}

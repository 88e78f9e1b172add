package state_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"reflect"
	"strings"
	"time"

	"github.com/calbridge/calbridge/shared/connection"
	"github.com/calbridge/calbridge/shared/key"
	"github.com/calbridge/calbridge/shared/organization"
	"github.com/calbridge/calbridge/shared/state"
)

// filled is a value of which no exported member is empty, the same each time.
func filled[T any]() T {
	var out T
	fill(reflect.ValueOf(&out).Elem(), "x")
	return out
}

func fill(v reflect.Value, name string) {
	switch x := v.Addr().Interface().(type) {
	case *time.Time:
		*x = noon.Add(time.Duration(len(name)) * time.Hour)
		return
	case *key.Key:
		*x = key.Of("test", name)
		return
	case *json.RawMessage:
		*x = json.RawMessage(`{"of":"` + name + `"}`)
		return
	case *[]byte:
		*x = []byte("bytes of " + name)
		return
	}
	switch v.Kind() {
	case reflect.String:
		v.SetString(name + "-ä")
	case reflect.Bool:
		v.SetBool(true)
	case reflect.Int, reflect.Int32, reflect.Int64:
		v.SetInt(int64(len(name)))
	case reflect.Uint16, reflect.Uint64:
		v.SetUint(uint64(len(name)))
	case reflect.Float64:
		v.SetFloat(0.5)
	case reflect.Pointer:
		v.Set(reflect.New(v.Type().Elem()))
		fill(v.Elem(), name)
	case reflect.Slice:
		v.Set(reflect.MakeSlice(v.Type(), 1, 1))
		fill(v.Index(0), name)
	case reflect.Map:
		one := reflect.New(v.Type().Elem()).Elem()
		fill(one, name)
		v.Set(reflect.MakeMap(v.Type()))
		v.SetMapIndex(reflect.ValueOf("2026-11-21").Convert(v.Type().Key()), one)
	case reflect.Struct:
		for i := range v.NumField() {
			if f := v.Type().Field(i); f.IsExported() && f.Name != "ETag" {
				fill(v.Field(i), strings.ToLower(f.Name))
			}
		}
	default:
		panic(fmt.Sprintf("%s is a %s", name, v.Type()))
	}
}

// theConnection is a row that can be found again.
func theConnection() connection.Connection {
	c := filled[connection.Connection]()
	c.ID, c.Organization, c.User = conn, acme, "u-1"
	return c
}

// write stores at least one row of every kind.
func write(ctx context.Context, t state.Tables) error {
	orgs := state.NewOrganizations(t, clock)
	change := func(*organization.Organization, string) (organization.Organization, error) {
		o, faults := organization.Decode([]byte(`{"displayName":"Acme","profile":"travel","sync":true,"timeZone":"Europe/Helsinki","downSync":{"privacy":"all"}}`))
		if len(faults) > 0 {
			return o, fmt.Errorf("%v", faults)
		}
		return o.WithID(acme), nil
	}
	_, err := orgs.Change(ctx, acme, change)
	all := []error{err}
	do := func(err error) { all = append(all, err) }
	_, err = orgs.Bind(ctx, acme, "3d5c2d4e-90fe-4f5c-8f1e-9f6a6f2f7a01", "by hand")
	do(err)

	people, who := state.NewPeople(t), filled[state.Person]()
	who.Lane = lane
	do(people.Announce(ctx, acme, []state.Person{who}))
	do(people.SetMailbox(ctx, acme, lane, "ok"))
	do(people.SetConnection(ctx, acme, who, false))
	do(people.SetDismissed(ctx, acme, lane, who.User, "connect"))

	connections := state.NewConnections(t)
	etag, err := connections.Put(ctx, theConnection(), []byte("sealed"), "")
	do(err)
	_, err = connections.SaveTokens(ctx, acme, lane, conn, []byte("sealed again"), etag, noon, nil)
	do(err)
	do(connections.SetPrimary(ctx, acme, lane, conn))
	subscriptions, subscription := state.NewSubscriptions(t), filled[state.Subscription]()
	subscription.Connection = conn
	_, err = subscriptions.Put(ctx, subscription)
	do(err)
	do(subscriptions.Own(ctx, "s-1", conn))

	bookings := state.NewBookings(t)
	row := state.Booking{Organization: acme, ID: "b", Revision: 3, Targets: []state.Target{{Lane: lane, Delivery: wrote}}, Accepted: noon, Body: []byte(`{"title":"Flight"}`)}
	row.ETag, err = bookings.Save(ctx, row)
	do(err)
	row.FannedOut = 3
	do(bookings.SetFannedOut(ctx, row))
	_, err = bookings.Claim(ctx, acme, "b", "mailbox", lane, row.Targets)
	do(err)

	do(writeLane(ctx, state.NewLanes(t)))
	entry := filled[state.Entry]()
	entry.Delivery = wrote
	do(state.NewLedger(t).Add(ctx, lane, noon, []state.Entry{entry}))

	calendar := state.CalendarKey(conn, "")
	do(state.NewAppointments(t).Save(ctx, calendar, []state.Record{filled[state.Record]()}))
	_, err = state.NewCursors(t).Put(ctx, calendar, filled[state.Cursor]())
	do(err)
	do(state.NewProgresses(t).Put(ctx, conn, filled[state.Progress]()))
	held := filled[state.Held]()
	held.Organization, held.Connection = acme, conn
	do(state.NewHeldRows(t).Put(ctx, held))

	due := state.NewDue(t)
	do(due.Add(ctx, noon, acme, "b"))
	do(due.SetSwept(ctx, noon))
	do(due.SetBackfill(ctx, acme, state.Backfill{Chain: "c", Until: noon}))
	do(due.AddKeepAlive(ctx, noon, acme, lane, conn))
	do(due.AddProbe(ctx, noon, acme, lane))
	turn := filled[state.SyncTurn]()
	turn.At, turn.Connection = noon, conn
	do(due.AddSyncs(ctx, []state.SyncTurn{turn}))
	do(due.SetSyncRun(ctx, noon))
	do(due.SetCaughtUp(ctx, noon))
	do(due.AddRenewal(ctx, state.Renewal{Organization: acme, Connection: conn, Session: "s", At: noon}))
	do(due.SetNotified(ctx, "https://calendar.example.com"))
	do(state.NewIncidents(t).Put(ctx, state.Incident{Code: "app-credential", Since: noon, Last: noon}))

	link := filled[state.Link]()
	link.ID, link.Organization = key.Of("link").String(), acme
	_, err = state.NewLinks(t).Put(ctx, link)
	do(err)
	session := filled[state.Session]()
	session.ID = key.Of("session").String()
	_, err = state.NewSessions(t).Put(ctx, session)
	do(err)
	flow := filled[state.Flow]()
	flow.ID, flow.Organization, flow.Kind, flow.User, flow.Expires = key.Of("flow").String(), acme, "connect", "u-1", noon
	_, err = state.NewFlows(t).Put(ctx, flow)
	do(err)
	return errors.Join(all...)
}

func writeLane(ctx context.Context, lanes *state.Lanes) error {
	who := filled[state.Lane]()
	who.Key, who.Organization, who.Kind, who.Target = lane, acme, key.User, "u-1"
	const nonce = "1795262400000nonce"
	err := errors.Join(
		lanes.Owe(ctx, state.Debt{Lane: who, Delivery: wrote, Booking: "b", Ends: noon, Priority: state.Live, Due: noon, Nonce: nonce}),
		lanes.SetStanding(ctx, who), lanes.SetNotBefore(ctx, lane, noon), lanes.SetWake(ctx, lane, noon), lanes.SetProbe(ctx, lane, noon), lanes.SetChosen(ctx, lane))
	if err != nil {
		return err
	}
	before, err := lanes.Delivery(ctx, lane, wrote)
	if err != nil {
		return err
	}
	after := filled[state.Delivery]()
	after.Key, after.Booking, after.Debt, after.Ends, after.Event = wrote, "b", nonce, noon, "AAMk="
	look := state.Owed{Row: state.OwedRow(state.Live, noon, wrote, "look"), Due: noon, Delivery: wrote, Nonce: "look", Look: true}
	_, err = lanes.Save(ctx, lane, []state.Update{{Before: before, After: after, Owe: []state.Owed{look}}}, &who)
	return err
}

// read reads all of it, in the words of the readers.
func read(ctx context.Context, t state.Tables) (map[string]any, error) {
	out, all := map[string]any{}, []error(nil)
	note := func(name string) func(v any, err error) {
		return func(v any, err error) {
			out[name] = v
			if err != nil {
				all = append(all, fmt.Errorf("%s: %w", name, err))
			}
		}
	}
	orgs, calendar := state.NewOrganizations(t, clock), state.CalendarKey(conn, "")
	org, _, err := orgs.Get(ctx, acme)
	note("organization")(org, err)
	listed, _, err := orgs.List(ctx, "", 10)
	note("organizations")(len(listed), err)
	bound, err := orgs.OfTenant(ctx, "3d5c2d4e-90fe-4f5c-8f1e-9f6a6f2f7a01")
	note("organizations of a tenant")(len(bound), err)
	note("person")(state.NewPeople(t).Person(ctx, acme, lane))
	note("connections of a person")(state.NewConnections(t).Of(ctx, acme, lane))
	note("connection")(state.NewConnections(t).Get(ctx, acme, conn))
	note("subscription")(state.NewSubscriptions(t).Get(ctx, conn))
	note("owner")(state.NewSubscriptions(t).Owner(ctx, "s-1"))
	note("booking")(state.NewBookings(t).Get(ctx, acme, "b"))
	note("claim")(state.NewBookings(t).Claim(ctx, acme, "b", "mailbox", lane, nil))
	info, owed, _, err := state.NewLanes(t).Open(ctx, lane, noon.Add(time.Hour), 10)
	note("lane")(info, err)
	note("owed")(owed, nil)
	d, err := state.NewLanes(t).Delivery(ctx, lane, wrote)
	note("delivery")([]any{d, d.Booking, d.Debt, d.Ends}, err)
	note("event")(state.NewLanes(t).OfEvent(ctx, lane, "AAMk="))
	note("ledger")(state.NewLedger(t).Of(ctx, lane, wrote, noon.Add(-time.Hour), noon.Add(time.Hour)))
	note("appointments")(state.NewAppointments(t).All(ctx, calendar))
	note("cursor")(state.NewCursors(t).Get(ctx, calendar))
	note("progress")(state.NewProgresses(t).Get(ctx, conn))
	note("held")(state.NewHeldRows(t).Get(ctx, acme, conn))
	due := state.NewDue(t)
	note("due")(due.Slot(ctx, noon))
	note("swept")(due.Swept(ctx))
	note("backfill")(due.Backfill(ctx, acme))
	note("keepalives")(due.KeepAlives(ctx, noon))
	note("probes")(due.Probes(ctx, noon))
	note("turns")(due.Syncs(ctx, noon))
	note("schedule")(due.SyncRun(ctx))
	note("caught up")(due.CaughtUp(ctx))
	note("renewals")(due.Renewals(ctx, noon))
	note("notified")(due.Notified(ctx))
	note("incidents")(state.NewIncidents(t).List(ctx))
	note("link")(state.NewLinks(t).Get(ctx, key.Of("link").String()))
	links := 0
	for _, err := range state.NewLinks(t).Of(ctx, acme, filled[state.Link]().Role) {
		if links++; err != nil {
			note("links")(nil, err)
			break
		}
	}
	note("links")(links, nil)
	note("session")(state.NewSessions(t).Get(ctx, key.Of("session").String()))
	flow, err := state.NewFlows(t).Latest(ctx, acme, "connect", "u-1")
	note("flow")([]any{flow, flow.Sealed}, err)
	sealed, err := state.NewFlows(t).Sealed(ctx, noon)
	note("sealed")(len(sealed), err)
	return out, errors.Join(all...)
}

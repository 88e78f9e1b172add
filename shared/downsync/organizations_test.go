package downsync_test

import (
	"context"
	"encoding/json"
	"strings"
	"testing"

	"github.com/calbridge/calbridge/local/m365/twin"
	"github.com/calbridge/calbridge/shared/connection"
	"github.com/calbridge/calbridge/shared/downsync"
	"github.com/calbridge/calbridge/shared/key"
	"github.com/calbridge/calbridge/shared/organization"
	"github.com/calbridge/calbridge/shared/state"
)

// beta is the id of a second organisation, in which the same account is connected.
const beta = "beta"

// organizations are those of two products' customers.
type organizations map[string]organization.Organization

func (o organizations) Organization(_ context.Context, id string) (organization.Organization, error) {
	org, there := o[id]
	if !there {
		return org, state.ErrNotFound
	}
	return org, nil
}

// twoOrganizations lets the rig's account be connected in a second organisation, too, whose
// privacy is busy.
func twoOrganizations(r *rig) (all organizations, second connection.Connection) {
	r.t.Helper()
	other, faults := organization.Decode([]byte(`{"profile":"planning","module":true,"sync":true,"downSync":{"privacy":"busy"}}`))
	if len(faults) > 0 {
		r.t.Fatal(faults)
	}
	all = organizations{acme: r.org, beta: other.WithID(beta)}
	second = r.c
	second.ID, second.Organization, second.User = key.Of("test", "second"), beta, "employee-9"
	r.twin.Grant(second.ID, twin.Account{Tenant: tenant, ObjectID: second.Account.ObjectID})
	_, err := state.NewConnections(r.tables).Put(r.context(), second, nil, "")
	r.must(err)
	return all, second
}

// of are the appointments that one connection was told of, and the ids of the events.
func (r *rig) of(c connection.Connection) (have map[string]told, ids []string) {
	r.t.Helper()
	have = map[string]told{}
	for _, m := range r.topic {
		var e struct {
			Source, Subject string
			Data            told
		}
		r.must(json.Unmarshal(m.Body, &e))
		if e.Subject != c.ID.String() {
			continue
		}
		if m.Properties["organization"] != c.Organization || !strings.HasSuffix(e.Source, "/"+c.Organization) || e.Data.User != c.User ||
			m.SessionID != key.Lane(c.Organization, key.User, c.User).String() {
			r.t.Errorf("%v, session %s: %s", m.Properties, m.SessionID, m.Body)
		}
		ids = append(ids, m.ID)
		if have[e.Data.ID] = e.Data; e.Data.Change == "deleted" {
			delete(have, e.Data.ID)
		}
	}
	return have, ids
}

// The same mailbox in two organisations: each is told all of it, as its own privacy allows,
// under ids of its own; when one has enough nothing changes for the other.
func TestAMailboxThatTwoOrganisationsReadIsToldToBothEachAsItMay(t *testing.T) {
	r := newRig(t, "")
	all, second := twoOrganizations(r)
	r.orgs = all
	r.boot(nil)
	id := r.meet("Unutterable", monday)
	read := func() {
		t.Helper()
		r.tasks = append(r.tasks, downsync.Message(beta, second, downsync.CauseSchedule, r.now))
		r.sync(downsync.CauseSchedule) // one session: one after the other
	}
	read()
	mine, ids := r.of(r.c)
	theirs, others := r.of(second)
	if len(mine) != 1 || len(theirs) != 1 || *mine[id].Title != "Unutterable" || theirs[id].Title != nil || theirs[id].Body != nil || ids[0] == others[0] {
		t.Fatalf("%+v, %+v", mine, theirs)
	}
	for _, m := range r.topic {
		if m.Properties["organization"] == beta && strings.Contains(string(m.Body), "nutter") {
			t.Errorf("told to the wrong one: %s", m.Body)
		}
	}
	r.must(r.owner().Retitle(id, "Ineffable"))
	gone := r.meet("Gone", monday)
	read()
	r.must(r.owner().Delete(gone))
	read()
	mine, _ = r.of(r.c)
	theirs, others = r.of(second)
	// A title is no news to whoever hears of none.
	if len(mine) != 1 || len(theirs) != 1 || *mine[id].Title != "Ineffable" || len(others) != 3 {
		t.Errorf("%+v, %+v, %d events", mine, theirs, len(others))
	}
	// The brake, a disconnect and the privacy nothing of one are nothing to the other.
	second.State = connection.Disconnected
	rows := state.NewConnections(r.tables)
	row, err := rows.Get(t.Context(), beta, second.ID)
	r.must(err)
	_, err = rows.Put(t.Context(), second, nil, row.ETag)
	r.must(err)
	told := len(r.topic)
	read()
	if left, err := state.NewAppointments(r.tables).All(t.Context(), state.CalendarKey(second.ID, "")); err != nil || len(left) != 0 || len(r.topic) != told {
		t.Errorf("%v, %d records of the one that left", err, len(left))
	}
	r.must(r.owner().Retitle(id, "Still told"))
	read()
	if mine, _ = r.of(r.c); *mine[id].Title != "Still told" {
		t.Errorf("%+v", mine)
	}
	if foreign := r.twin.Foreign(); len(foreign) != 0 {
		t.Errorf("%v", foreign)
	}
}

// What is held of one organisation's connection is not held of the other's, whose brake is
// another.
func TestTheBrakeOfOneOrganisationHoldsNotTheOther(t *testing.T) {
	r := newRig(t, "")
	all, second := twoOrganizations(r)
	loose := all[beta]
	loose.Brake.Count = 1000
	all[beta] = loose
	r.orgs = all
	r.boot(nil)
	for range 14 {
		r.meet("Meeting", monday)
	}
	both := func() {
		r.tasks = append(r.tasks, downsync.Message(beta, second, downsync.CauseSchedule, r.now))
		r.sync(downsync.CauseSchedule)
	}
	both()
	for _, e := range r.store.Events(tenant, aino) {
		r.must(r.owner().Delete(e.ID))
	}
	both()
	mine, theirs := 0, 0
	for _, m := range r.topic {
		if m.Properties["type"] == "calbridge.alert.v1" && m.Properties["organization"] != acme {
			t.Errorf("%s", m.Body)
		}
		if strings.Contains(string(m.Body), `"deleted"`) {
			if m.Properties["organization"] == acme {
				mine++
			} else {
				theirs++
			}
		}
	}
	held, _, err := r.syncer.Held(t.Context(), acme, key.Key{}, 10)
	free, _, err2 := r.syncer.Held(t.Context(), beta, key.Key{}, 10)
	if err != nil || err2 != nil || mine != 0 || theirs != 14 || len(held) != 1 || len(free) != 0 {
		t.Errorf("%v, %v: %d and %d deletions, %d and %d held", err, err2, mine, theirs, len(held), len(free))
	}
}

package state

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"strconv"
	"time"

	"github.com/calbridge/calbridge/shared/key"
)

// Names of tables (fixed, write-path.md section 2).
const (
	tableLanes    = "lanes"
	tableBookings = "bookings"
	tablePeople   = "people"
	tableDue      = "due"
)

// Priorities of debt: a lane serves live work before bulk.
const (
	Live = 0
	Bulk = 5
)

// Home is where an event lives: a mailbox of a tenant. The mailbox is what
// graph.Mailbox gave as its address.
type Home struct {
	Tenant  string `json:"t,omitempty"`
	Mailbox string `json:"m,omitempty"`
}

// Lane names a target and where it is to be reached now.
type Lane struct {
	Key          key.Key
	Organization string
	Kind, Target string // key.User or key.Room, and its id
	// Address is the account or e-mail address that intake last heard of; "" when none.
	Address string
	// Account says that Address is an account, which somebody named as one of
	// Microsoft 365, and not an e-mail address.
	Account bool
	// Chosen says that a connection was made for the target without a sign-in: its
	// direction and its mailbox count. It stays when the connection goes.
	Chosen bool
	Standing
	// Verdict is what is known of the mailbox, as the people row has it: "" when
	// nothing is.
	Verdict string
	// Home answers for ResolvedAddress; both are empty until the first write.
	Home            Home
	ResolvedAddress string
	// Wake is when the latest wake-up that was scheduled comes; zero when none was.
	Wake time.Time
	// Probe is when an unreachable mailbox is looked at again; zero when never.
	Probe time.Time
	// NotBefore is the UTC instant until which Graph asked to be left alone.
	NotBefore time.Time
}

// Owed is one row of what a lane owes.
type Owed struct {
	Row      string
	Priority int
	Due      time.Time // UTC, whole milliseconds
	Delivery key.Key
	Nonce    string // of the debt; for a look, of the look
	Look     bool
}

// Row keys: d… deliveries, e… events, lane, o… owed. The lane row and the owed
// rows are neighbours, so that one range query reads both.
const (
	laneRow  = "lane"
	owedFrom = "o"
	owedEnd  = "p"
)

// OwedRow is the key of an owed row: priority, due time, delivery and nonce, in
// the order in which they are served.
func OwedRow(priority int, due time.Time, delivery key.Key, nonce string) string {
	return fmt.Sprintf("o%d%013d%s%s", priority, due.UnixMilli(), delivery, nonce)
}

func parseOwed(e Entity) (Owed, error) {
	const head = 1 + 1 + 13
	bad := func() (Owed, error) { return Owed{}, fmt.Errorf("state: owed row key of %d characters", len(e.Row)) }
	if len(e.Row) < head+key.TextSize {
		return bad()
	}
	priority, err1 := strconv.Atoi(e.Row[1:2])
	ms, err2 := strconv.ParseInt(e.Row[2:head], 10, 64)
	delivery, err3 := key.Parse(e.Row[head : head+key.TextSize])
	if errors.Join(err1, err2, err3) != nil {
		return bad()
	}
	look, _ := e.Props["look"].(bool)
	return Owed{Row: e.Row, Priority: priority, Due: time.UnixMilli(ms).UTC(), Delivery: delivery,
		Nonce: e.Row[head+key.TextSize:], Look: look}, nil
}

// Lanes reads and writes the partitions of the lanes table.
type Lanes struct{ tables Tables }

// NewLanes returns the lanes kept in tables.
func NewLanes(tables Tables) *Lanes { return &Lanes{versioned(tables)} }

// page is how many owed rows one query asks for.
const page = 256

// Open reads the lane row and what the lane owes, in the order of service: live
// before bulk, then by due time. It reads on only until enough rows are due or
// all are read; rows beyond that are not returned, and more says so. It costs one
// request, and one more for every 256 owed rows that are not due.
func (l *Lanes) Open(ctx context.Context, lane key.Key, now time.Time, enough int) (_ Lane, owed []Owed, more bool, err error) {
	info := Lane{Key: lane}
	due := 0
	for from := laneRow; ; {
		rows, err := l.tables.Query(ctx, tableLanes, Span{Partition: lane.String(), From: from, Before: owedEnd, Limit: page})
		if err != nil {
			return Lane{}, nil, false, fmt.Errorf("state.Open lane %s: %w", lane, err)
		}
		for _, e := range rows {
			if e.Row == laneRow {
				info = parseLane(lane, e)
				continue
			}
			if e.Row < owedFrom {
				continue
			}
			o, err := parseOwed(e)
			if err != nil {
				return Lane{}, nil, false, err
			}
			owed = append(owed, o)
			if !o.Due.After(now) {
				due++
			}
		}
		if len(rows) < page {
			return info, owed, false, nil
		}
		if due >= enough {
			return info, owed, true, nil
		}
		from = rows[len(rows)-1].Row + " "
	}
}

// Lane reads the lane row alone; an empty one when there is none.
func (l *Lanes) Lane(ctx context.Context, lane key.Key) (Lane, error) {
	e, err := l.tables.Get(ctx, tableLanes, lane.String(), laneRow)
	if errors.Is(err, ErrNotFound) {
		return Lane{Key: lane}, nil
	}
	if err != nil {
		return Lane{}, fmt.Errorf("state.Lane %s: %w", lane, err)
	}
	return parseLane(lane, e), nil
}

func parseLane(lane key.Key, e Entity) Lane {
	s := func(name string) string { v, _ := e.Props[name].(string); return v }
	account, _ := e.Props["account"].(bool)
	chosen, _ := e.Props["chosen"].(bool)
	notBefore, _ := e.Props["notBefore"].(time.Time)
	probe, _ := e.Props["probe"].(time.Time)
	wake, _ := e.Props["wake"].(time.Time)
	return Lane{Key: lane, Organization: s("organization"), Kind: s("kind"), Target: s("target"), Address: s("address"),
		Account: account, Chosen: chosen, Standing: parseStanding(e), Verdict: s("verdict"),
		Home: Home{s("tenant"), s("mailbox")}, ResolvedAddress: s("resolved"), NotBefore: notBefore, Probe: probe, Wake: wake}
}

// Debt is what intake adds to a lane.
type Debt struct {
	// Lane needs its Key; with a Target, organisation, kind, target and address are
	// stored too. Who is no longer on a booking is owed without a Target.
	Lane     Lane
	Delivery key.Key
	Booking  string
	Ends     time.Time // UTC; zero when the booking has no time
	Priority int
	Due      time.Time
	Nonce    string // fresh, from NewDebt
}

// NewDebt returns a nonce for a debt made at now; nonces sort by time.
func NewDebt(now time.Time) string { return fmt.Sprintf("%013d%s", now.UnixMilli(), key.Random()) }

// DebtTime is the instant at which the debt of a nonce was made.
func DebtTime(nonce string) time.Time {
	if len(nonce) < 13 {
		return time.Time{}
	}
	ms, err := strconv.ParseInt(nonce[:13], 10, 64)
	if err != nil {
		return time.Time{}
	}
	return time.UnixMilli(ms).UTC()
}

// Owe adds debt to a delivery and the row that tells of it, in one transaction.
// It only adds, and takes no version: whoever works on the row keeps what it
// knows, and finds the debt when it saves.
func (l *Lanes) Owe(ctx context.Context, d Debt) error {
	partition := d.Lane.Key.String()
	delivery := map[string]any{"booking": d.Booking, "debt": d.Nonce}
	if !d.Ends.IsZero() {
		delivery["ends"] = d.Ends
	}
	changes := []Change{
		{InsertOrMerge, Entity{Partition: partition, Row: deliveryRow(d.Delivery), Props: delivery}},
		{InsertOrReplace, Entity{Partition: partition, Row: OwedRow(d.Priority, d.Due, d.Delivery, d.Nonce)}},
	}
	if d.Lane.Target != "" {
		lane := map[string]any{"organization": d.Lane.Organization, "kind": d.Lane.Kind, "target": d.Lane.Target}
		if d.Lane.Address != "" { // a booking that names none takes nobody's away
			lane["address"], lane["account"] = d.Lane.Address, d.Lane.Account
		}
		changes = append(changes, Change{InsertOrMerge, Entity{Partition: partition, Row: laneRow, Props: lane}})
	}
	_, err := l.tables.Apply(ctx, tableLanes, changes)
	if err != nil {
		return fmt.Errorf("state.Owe lane %s: %w", d.Lane.Key, err)
	}
	return nil
}

// SetNotBefore remembers until when Graph asked to be left alone.
func (l *Lanes) SetNotBefore(ctx context.Context, lane key.Key, until time.Time) error {
	return l.setTime(ctx, lane, "notBefore", until)
}

// ForgetHome makes the lane ask again which mailbox answers for its address.
func (l *Lanes) ForgetHome(ctx context.Context, lane key.Key) error {
	_, err := l.tables.Apply(ctx, tableLanes, []Change{{InsertOrMerge, Entity{Partition: lane.String(), Row: laneRow,
		Props: map[string]any{"resolved": ""}}}})
	if err != nil {
		return fmt.Errorf("state: lane row %s: %w", lane, err)
	}
	return nil
}

// SetWake remembers when the wake-up comes that was just scheduled.
func (l *Lanes) SetWake(ctx context.Context, lane key.Key, at time.Time) error {
	return l.setTime(ctx, lane, "wake", at)
}

// Drop takes owed rows away. One that is gone already is as good.
func (l *Lanes) Drop(ctx context.Context, lane key.Key, owed []Owed) error {
	for _, o := range owed {
		_, err := l.tables.Apply(ctx, tableLanes, []Change{{Delete, Entity{Partition: lane.String(), Row: o.Row}}})
		if err != nil && !errors.Is(err, ErrNotFound) {
			return fmt.Errorf("state.Drop lane %s: %w", lane, err)
		}
	}
	return nil
}

// SetProbe remembers when an unreachable mailbox is looked at again.
func (l *Lanes) SetProbe(ctx context.Context, lane key.Key, at time.Time) error {
	return l.setTime(ctx, lane, "probe", at)
}

// SetChosen remembers that a connection without a sign-in is made for a lane's target.
func (l *Lanes) SetChosen(ctx context.Context, lane key.Key) error {
	return l.set(ctx, lane, "chosen", true)
}

func (l *Lanes) setTime(ctx context.Context, lane key.Key, name string, at time.Time) error {
	return l.set(ctx, lane, name, at.UTC())
}

func (l *Lanes) set(ctx context.Context, lane key.Key, name string, value any) error {
	_, err := l.tables.Apply(ctx, tableLanes, []Change{{InsertOrMerge, Entity{Partition: lane.String(), Row: laneRow,
		Props: map[string]any{name: value}}}})
	if err != nil {
		return fmt.Errorf("state: lane row %s: %w", lane, err)
	}
	return nil
}

// Intent is what an attempt is about to do; it is saved before anything is done.
type Intent struct {
	ID         string    `json:"id,omitempty"` // random: tells one attempt from another
	Op         Op        `json:"op,omitempty"`
	Event      string    `json:"event,omitempty"`
	Home       Home      `json:"home,omitzero"`
	Generation int       `json:"generation,omitempty"`
	Sequence   int64     `json:"sequence,omitempty"`
	Attempt    int       `json:"attempt,omitempty"` // how often in a row an attempt of this delivery died
	At         time.Time `json:"at,omitzero"`
	// Sight is the trace of what a create or patch writes (event.Sight).
	Sight string `json:"sight,omitempty"`
}

// Op is what an intent is to do. Empty means that no attempt is open.
type Op string

// The operations of an intent.
const (
	OpNone      Op = "none" // publishes, calls nothing
	OpCreate    Op = "create"
	OpPatch     Op = "patch"
	OpDelete    Op = "delete"
	OpDuplicate Op = "duplicate" // Graph spoke of a duplicate that could not be found yet
)

// InDoubt reports whether only the calendar can tell what became of the intent.
func (i Intent) InDoubt() bool { return i.Op != "" && i.Op != OpNone }

// Look is an order to ask the calendar again later, in every mailbox named.
type Look struct {
	Nonce string    `json:"nonce,omitempty"` // of its owed row
	Due   time.Time `json:"due,omitzero"`
	Homes []Home    `json:"homes,omitempty"`
	// Left are those of Homes in which an event was left behind, because nobody could
	// call them.
	Left []Home `json:"left,omitempty"`
	// Sights are the traces of what overtaken attempts may still write.
	Sights []string `json:"sights,omitempty"`
}

// ByUser is a user's deletion of our event: the revision at which it was found,
// and what the booking's times and status were then.
type ByUser struct {
	Revision int64  `json:"revision,omitempty"`
	When     string `json:"when,omitempty"`
}

// Delivery is a booking for one target: what was confirmed, what is owed, and
// what is being attempted.
type Delivery struct {
	Key     key.Key   `json:"-"`
	ETag    string    `json:"-"`
	Booking string    `json:"-"` // id
	Debt    string    `json:"-"` // nonce of the newest debt; "" when nothing is owed
	Ends    time.Time `json:"-"` // UTC; zero when the booking has no time

	// Event is the last confirmed event in Home; "" when there is none.
	Event     string `json:"event,omitempty"`
	ChangeKey string `json:"changeKey,omitempty"`
	ICalUID   string `json:"iCalUId,omitempty"`
	Home      Home   `json:"home,omitzero"`
	// Print is the fingerprint of the content last confirmed; "" when unknown.
	Print string `json:"print,omitempty"`
	// State, Reason and Revision are those last published.
	State    string    `json:"state,omitempty"`
	Reason   string    `json:"reason,omitempty"`
	Revision int64     `json:"revision,omitempty"`
	Updated  time.Time `json:"updated,omitzero"`
	// Sequence is the highest ever reserved.
	Sequence   int64  `json:"sequence,omitempty"`
	Generation int    `json:"generation,omitempty"`
	Intent     Intent `json:"intent,omitzero"`
	Look       Look   `json:"look,omitzero"`
	// ByUser remembers that the user deleted the event; zero when not.
	ByUser ByUser `json:"byUser,omitzero"`
	// Looked is when the calendar was last asked because tables had been lost.
	Looked time.Time `json:"looked,omitzero"`
	// Failing is when the failures that may pass began; zero when there are none.
	Failing time.Time `json:"failing,omitzero"`
	Tries   int       `json:"tries,omitempty"`
	// Sight is the trace of what the booking app knows the event to hold: what was
	// confirmed, and what of people's changes was told; "" when unknown.
	Sight string `json:"sight,omitempty"`
	Heard Heard  `json:"heard,omitzero"`
}

func deliveryRow(delivery key.Key) string { return "d" + delivery.String() }
func eventRow(event string) string        { return "e" + event }

// Delivery reads one delivery; ErrNotFound when it never was.
func (l *Lanes) Delivery(ctx context.Context, lane, delivery key.Key) (Delivery, error) {
	e, err := l.tables.Get(ctx, tableLanes, lane.String(), deliveryRow(delivery))
	if err != nil {
		return Delivery{}, fmt.Errorf("state.Delivery %s: %w", delivery, err)
	}
	return parseDelivery(e)
}

// OfEvent reads which delivery an event of a lane is, or was; ErrNotFound when it never
// was one's.
func (l *Lanes) OfEvent(ctx context.Context, lane key.Key, event string) (key.Key, error) {
	e, err := l.tables.Get(ctx, tableLanes, lane.String(), eventRow(event))
	if err != nil {
		return key.Key{}, fmt.Errorf("state.OfEvent lane %s: %w", lane, err)
	}
	text, _ := e.Props["delivery"].(string)
	return key.Parse(text)
}

// Deliveries reads all deliveries of a lane that end at or after since, and
// those without a time. It scans the lane's history: for changes of mailbox and
// backfill only.
func (l *Lanes) Deliveries(ctx context.Context, lane key.Key, since time.Time) ([]Delivery, error) {
	rows, err := l.tables.Query(ctx, tableLanes, Span{Partition: lane.String(), From: "d", Before: "e"})
	if err != nil {
		return nil, fmt.Errorf("state.Deliveries lane %s: %w", lane, err)
	}
	var out []Delivery
	for _, e := range rows {
		d, err := parseDelivery(e)
		if err != nil {
			return nil, err
		}
		if d.Ends.IsZero() || !d.Ends.Before(since) {
			out = append(out, d)
		}
	}
	return out, nil
}

func parseDelivery(e Entity) (Delivery, error) {
	var d Delivery
	if doc, _ := e.Props["doc"].(string); doc != "" {
		if err := json.Unmarshal([]byte(doc), &d); err != nil {
			return Delivery{}, fmt.Errorf("state: delivery row %s: %w: %w", e.Row, ErrCorrupt, err)
		}
	}
	k, err := key.Parse(e.Row[1:])
	if err != nil {
		return Delivery{}, fmt.Errorf("state: delivery row: %w", err)
	}
	d.Key, d.ETag = k, e.ETag
	d.Booking, _ = e.Props["booking"].(string)
	d.Debt, _ = e.Props["debt"].(string)
	d.Ends, _ = e.Props["ends"].(time.Time)
	return d, nil
}

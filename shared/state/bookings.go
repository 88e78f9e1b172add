package state

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/calbridge/calbridge/shared/key"
)

// Target is one target that a booking has or ever had: its lane and its delivery.
type Target struct{ Lane, Delivery key.Key }

// Booking is the row of a booking: its highest revision and every target it ever had.
type Booking struct {
	Organization, ID string
	Revision         int64
	// FannedOut is the highest revision whose debts were all written.
	FannedOut int64
	Targets   []Target
	// Accepted is when the first revision was stored (UTC); zero in rows of builds that
	// did not keep it.
	Accepted time.Time
	// Body is the booking as it was received (the data of its CloudEvent).
	Body []byte
	ETag string // "" when there is no row yet
}

// Bookings reads and writes the bookings table.
type Bookings struct{ tables Tables }

// NewBookings returns the bookings kept in tables.
func NewBookings(tables Tables) *Bookings { return &Bookings{versioned(tables)} }

const targetsPart = 60 * 1024 / (2 * key.Size) * (2 * key.Size) // bytes of targets per property

// Get reads a booking; ErrNotFound when it was never accepted.
func (b *Bookings) Get(ctx context.Context, organization, id string) (Booking, error) {
	e, err := b.tables.Get(ctx, tableBookings, key.Booking(organization, id).String(), "")
	if err != nil {
		return Booking{}, fmt.Errorf("state.Booking: %w", err)
	}
	row := Booking{Organization: organization, ID: id, ETag: e.ETag}
	row.Revision, _ = e.Props["revision"].(int64)
	row.FannedOut, _ = e.Props["fannedOut"].(int64)
	row.Accepted, _ = e.Props["accepted"].(time.Time)
	for i := 0; ; i++ {
		part, ok := e.Props[fmt.Sprintf("targets%d", i)].([]byte)
		if !ok {
			break
		}
		for ; len(part) >= 2*key.Size; part = part[2*key.Size:] {
			row.Targets = append(row.Targets, Target{key.Key(part[:key.Size]), key.Key(part[key.Size : 2*key.Size])})
		}
	}
	if row.Body, err = Unpack(e.Props); err != nil {
		return Booking{}, fmt.Errorf("state.Booking %s: %w", key.Booking(organization, id), err)
	}
	return row, nil
}

// Save stores revision, targets and body if the row is still the one that was
// read (or, with an empty ETag, if there is none), and returns the new ETag.
// ErrPrecondition or ErrExists: somebody else saved meanwhile.
func (b *Bookings) Save(ctx context.Context, row Booking) (string, error) {
	props, err := Pack(row.Body)
	if err != nil {
		return "", fmt.Errorf("state.SaveBooking: %w", err)
	}
	props["revision"], props["fannedOut"] = row.Revision, row.FannedOut
	if !row.Accepted.IsZero() {
		props["accepted"] = row.Accepted.UTC()
	}
	flat := make([]byte, 0, len(row.Targets)*2*key.Size)
	for _, t := range row.Targets {
		flat = append(append(flat, t.Lane[:]...), t.Delivery[:]...)
	}
	for i := 0; len(flat) > 0; i++ {
		n := min(len(flat), targetsPart)
		props[fmt.Sprintf("targets%d", i)] = flat[:n]
		flat = flat[n:]
	}
	action := Replace
	if row.ETag == "" {
		action = Insert
	}
	tags, err := b.tables.Apply(ctx, tableBookings, []Change{{action, Entity{
		Partition: key.Booking(row.Organization, row.ID).String(), ETag: row.ETag, Props: props}}})
	if err != nil {
		return "", fmt.Errorf("state.SaveBooking %s: %w", key.Booking(row.Organization, row.ID), err)
	}
	return tags[0], nil
}

// SetFannedOut records that the debts of row's revision are all written, unless
// the row changed since: then whoever changed it does the same for more.
func (b *Bookings) SetFannedOut(ctx context.Context, row Booking) error {
	_, err := b.tables.Apply(ctx, tableBookings, []Change{{Merge, Entity{
		Partition: key.Booking(row.Organization, row.ID).String(), ETag: row.ETag,
		Props: map[string]any{"fannedOut": row.Revision}}}})
	if err != nil && !errors.Is(err, ErrPrecondition) {
		return fmt.Errorf("state.SetFannedOut: %w", err)
	}
	return nil
}

// Release gives back a lane's claim on a mailbox in a booking and reports whether
// it had one.
func (b *Bookings) Release(ctx context.Context, organization, id, mailbox string, lane key.Key) (bool, error) {
	partition, row := claimKeys(organization, id, mailbox)
	e, err := b.tables.Get(ctx, tableBookings, partition, row)
	if errors.Is(err, ErrNotFound) {
		return false, nil
	}
	if err != nil {
		return false, fmt.Errorf("state.Release: %w", err)
	}
	if e.Props["lane"] != lane.String() {
		return false, nil
	}
	_, err = b.tables.Apply(ctx, tableBookings, []Change{{Delete, Entity{Partition: partition, Row: row, ETag: e.ETag}}})
	if err != nil && !errors.Is(err, ErrNotFound) && !errors.Is(err, ErrPrecondition) {
		return false, fmt.Errorf("state.Release: %w", err)
	}
	return err == nil, nil
}

func claimKeys(organization, id, mailbox string) (partition, row string) {
	return key.Booking(organization, id).String(), "m" + key.Of("mailbox", strings.ToLower(mailbox)).String()
}

// Claim makes a lane the holder of a mailbox in a booking, if nobody holds it or
// its holder is no longer one of targets, and returns the holder. People who are
// known by different addresses of one mailbox get one event between them.
func (b *Bookings) Claim(ctx context.Context, organization, id, mailbox string, lane key.Key, targets []Target) (key.Key, error) {
	partition, row := claimKeys(organization, id, mailbox)
	claim := Change{Insert, Entity{Partition: partition, Row: row, Props: map[string]any{"lane": lane.String()}}}
	_, err := b.tables.Apply(ctx, tableBookings, []Change{claim})
	if err == nil {
		return lane, nil
	}
	if !errors.Is(err, ErrExists) {
		return key.Key{}, fmt.Errorf("state.Claim: %w", err)
	}
	e, err := b.tables.Get(ctx, tableBookings, partition, row)
	if err != nil {
		return key.Key{}, fmt.Errorf("state.Claim: %w", err)
	}
	text, _ := e.Props["lane"].(string)
	holder, err := key.Parse(text)
	if err != nil {
		return key.Key{}, fmt.Errorf("state.Claim: %w", err)
	}
	for _, t := range targets {
		if t.Lane == holder {
			return holder, nil
		}
	}
	claim.Action, claim.Entity.ETag = Replace, e.ETag
	if _, err := b.tables.Apply(ctx, tableBookings, []Change{claim}); err != nil {
		return key.Key{}, fmt.Errorf("state.Claim: %w", err)
	}
	return lane, nil
}

package engine

import (
	"bytes"
	"compress/gzip"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"maps"

	"github.com/calbridge/calbridge/shared/booking"
	"github.com/calbridge/calbridge/shared/key"
	"github.com/calbridge/calbridge/shared/outbound"
	"github.com/calbridge/calbridge/shared/queue"
)

// maxFaults is how many bytes of faults a rejected message carries as a property.
const maxFaults = 8 << 10

// reject puts a whole message on bookings-rejected with what is wrong with it,
// and tells the topic. The message id stays, so that both can be found together.
func (e *Engine) reject(ctx context.Context, m queue.Message, bad *booking.Invalid) error {
	faults := fitting(bad.Faults, maxFaults)
	text, err := json.Marshal(faults)
	if err != nil {
		return fmt.Errorf("engine.reject: %w", err)
	}
	out := m
	if out.ID == "" {
		out.ID = key.UUID("rejected/" + key.Random())
	}
	if err := e.keep(ctx, out, faults[0].Code, string(text)); err != nil {
		return err
	}
	e.log.WarnContext(ctx, "booking rejected", "message", out.ID, "organization", bad.Organization, "faults", len(bad.Faults))
	return e.send(ctx, queue.Changes, message(outbound.Rejected{MessageID: out.ID, ID: bad.ID, Faults: faults}.Event(e.origin(bad.Organization))))
}

// maxForeign is how many bytes of the sender's own properties are kept.
const maxForeign = 16 << 10

// keep puts a rejected message on its queue. One that filled the bus's limit by
// itself has no room for what is added: then it is compressed, and what is beside
// its body goes, the faults last before the reason.
func (e *Engine) keep(ctx context.Context, m queue.Message, reason, faults string) error {
	own := maps.Clone(m.Properties)
	if own == nil || sizeOf(own) > maxForeign {
		own = map[string]any{}
	}
	m.Properties = withProperties(own, map[string]any{"reason": reason, "faults": faults})
	small, err := compressed(m)
	if err != nil {
		return err
	}
	bare := queue.Message{ID: m.ID, Body: m.Body, Properties: map[string]any{"reason": reason}}
	err = queue.ErrTooLarge
	for _, form := range []queue.Message{m, small, bare, {ID: m.ID, Body: m.Body}} {
		if err = e.send(ctx, queue.Rejected, form); !errors.Is(err, queue.ErrTooLarge) {
			return err
		}
	}
	return err
}

func withProperties(p, more map[string]any) map[string]any {
	maps.Copy(p, more)
	return p
}

// sizeOf estimates how many bytes properties take.
func sizeOf(properties map[string]any) int {
	n := 0
	for name, v := range properties {
		n += len(name) + 16
		if text, ok := v.(string); ok {
			n += len(text)
		}
	}
	return n
}

func (e *Engine) origin(organization string) outbound.Origin {
	return outbound.Origin{PublicURL: e.publicURL, Organization: organization, Time: e.now()}
}

// fitting cuts a list of faults to a size in JSON; at least one is left, in short.
func fitting(faults []booking.Fault, size int) []booking.Fault {
	if len(faults) == 0 {
		return []booking.Fault{{Code: "invalid", Detail: "The message is no booking."}}
	}
	for n := len(faults); n > 0; n-- {
		if text, err := json.Marshal(faults[:n]); err == nil && len(text) <= size {
			return faults[:n]
		}
	}
	return []booking.Fault{{Code: faults[0].Code, Detail: "The fault is too long to be told; see the message."}}
}

// compressed is a message with its body gzipped (wire.md, bookings-rejected).
func compressed(m queue.Message) (queue.Message, error) {
	var b bytes.Buffer
	w := gzip.NewWriter(&b)
	_, err1 := w.Write(m.Body)
	if err := errors.Join(err1, w.Close()); err != nil {
		return m, fmt.Errorf("engine: gzip: %w", err)
	}
	m.Body = b.Bytes()
	m = m.With("encoding", "gzip")
	return m, nil
}

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
		out.ID = outbound.Rejected{Faults: faults}.Event(e.origin("")).ID
	}
	out.Properties = maps.Clone(m.Properties)
	if out.Properties == nil {
		out.Properties = map[string]any{}
	}
	out.Properties["reason"], out.Properties["faults"] = faults[0].Code, string(text)
	err = e.send(ctx, queue.Rejected, out)
	if errors.Is(err, queue.ErrTooLarge) {
		if out, err = compressed(out); err == nil {
			err = e.send(ctx, queue.Rejected, out)
		}
	}
	if err != nil {
		return err
	}
	e.log.WarnContext(ctx, "booking rejected", "message", out.ID, "organization", bad.Organization, "faults", len(bad.Faults))
	return e.send(ctx, queue.Changes, message(outbound.Rejected{MessageID: out.ID, ID: bad.ID, Faults: faults}.Event(e.origin(bad.Organization))))
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
	m.Properties = withProperty(m, "encoding", "gzip")
	return m, nil
}

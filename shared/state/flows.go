package state

import (
	"context"
	"fmt"

	"github.com/calbridge/calbridge/shared/key"
)

const tableFlows = "flows"

// Flows reads and writes the flows table: a partition for each flow, and one,
// -<key of organisation, kind and user>, that names the latest of a kind and
// person, so that an attempt that never came back can be shown. That name is
// written before the flow. What a flow keeps sealed is on an agenda by the hour of its
// end, in the table due, so that it is destroyed when nobody comes back (see Unseal).
type Flows struct{ tables Tables }

// NewFlows returns the flows kept in tables.
func NewFlows(tables Tables) *Flows { return &Flows{versioned(tables)} }

// Put stores a flow and returns its new ETag: it is inserted where f.ETag is ""
// (ErrExists: it is there), else it replaces that version (ErrPrecondition: it was
// changed meanwhile, which is how a state is good for one callback only;
// ErrNotFound: it is gone). Two requests to insert, else one; one more where something
// is sealed.
func (s *Flows) Put(ctx context.Context, f Flow) (string, error) {
	if len(f.Sealed) > 0 {
		if err := s.remember(ctx, f); err != nil {
			return "", err
		}
	}
	if f.ETag == "" {
		latest := Entity{Partition: latestFlow(f.Organization, f.Kind, f.User), Props: map[string]any{"flow": f.ID}}
		if _, err := s.tables.Apply(ctx, tableFlows, []Change{{InsertOrReplace, latest}}); err != nil {
			return "", fmt.Errorf("state.PutFlow: latest: %w", err)
		}
	}
	sealed := f.Sealed
	if sealed == nil {
		sealed = []byte{}
	}
	return putDocument(ctx, s.tables, tableFlows, f.ID, f.ETag, f, sealed)
}

// Get reads one flow; ErrNotFound when there is none. One request.
func (s *Flows) Get(ctx context.Context, id string) (Flow, error) {
	f := Flow{ID: id}
	e, err := getDocument(ctx, s.tables, tableFlows, id, &f)
	if err != nil {
		return Flow{}, err
	}
	f.ETag = e.ETag
	if f.Sealed, err = Unpack(e.Props); err != nil {
		return Flow{}, fmt.Errorf("state.Flow: %w", err)
	}
	return f, nil
}

// Latest reads the flow of a kind that a person of an organisation (user "" for
// none) began last; ErrNotFound when there is none. Two requests.
func (s *Flows) Latest(ctx context.Context, organization, kind, user string) (Flow, error) {
	e, err := s.tables.Get(ctx, tableFlows, latestFlow(organization, kind, user), "")
	if err != nil {
		return Flow{}, fmt.Errorf("state.LatestFlow: %w", err)
	}
	id, _ := e.Props["flow"].(string)
	return s.Get(ctx, id)
}

func latestFlow(organization, kind, user string) string {
	return "-" + key.Of("flow", organization, kind, user).String()
}

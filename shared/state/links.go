package state

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"time"
)

const tableLinks = "links"

// Links reads and writes the links table: a partition for each link, and for each
// organisation one, -<organisation>, that lists its links by role, newest first.
// The entry of the list is written before the link: a kill in between leaves an
// entry that lists skip, never a link that they miss.
type Links struct{ tables Tables }

// NewLinks returns the links kept in tables.
func NewLinks(tables Tables) *Links { return &Links{tables} }

// maxLinks is how many links of a role a list shows.
const maxLinks = 50

// Put stores a link and returns its new ETag: it is inserted where l.ETag is ""
// (ErrExists: it is there), else it replaces that version (ErrPrecondition: it was
// changed meanwhile; ErrNotFound: it is gone). Two requests to insert, else one.
func (s *Links) Put(ctx context.Context, l Link) (string, error) {
	if l.ETag == "" {
		entry := Entity{Partition: linksOf(l.Organization), Row: linkEntry(l), Props: map[string]any{"v": version}}
		if _, err := s.tables.Apply(ctx, tableLinks, []Change{{InsertOrReplace, entry}}); err != nil {
			return "", fmt.Errorf("state.PutLink: list: %w", err)
		}
	}
	return putDocument(ctx, s.tables, tableLinks, l.ID, l.ETag, l, nil)
}

// Get reads one link; ErrNotFound when there is none. One request.
func (s *Links) Get(ctx context.Context, id string) (Link, error) {
	l := Link{ID: id}
	e, err := getDocument(ctx, s.tables, tableLinks, id, &l)
	l.ETag = e.ETag
	return l, err
}

// Of lists an organisation's links of a role, newest first and at most 50, also
// those that ended. One request, and one for each link.
func (s *Links) Of(ctx context.Context, organization, role string) ([]Link, error) {
	rows, err := s.tables.Query(ctx, tableLinks, Span{Partition: linksOf(organization), From: role + " ", Before: role + "!", Limit: maxLinks})
	if err != nil {
		return nil, fmt.Errorf("state.LinksOf: %w", err)
	}
	var out []Link
	for _, e := range rows {
		l, err := s.Get(ctx, e.Row[len(role)+len(" ")+linkAge:])
		if errors.Is(err, ErrNotFound) {
			continue // the kill between list and link
		}
		if err != nil {
			return nil, err
		}
		out = append(out, l)
	}
	return out, nil
}

// End ends every live link of a role of an organisation but the one named by
// except ("" for none): it was replaced, revoked, or did its work. It may be
// repeated. The links are those of Of.
func (s *Links) End(ctx context.Context, organization, role, except string, at time.Time) error {
	all, err := s.Of(ctx, organization, role)
	if err != nil {
		return err
	}
	for _, l := range all {
		if err := s.end(ctx, l, except, at); err != nil {
			return err
		}
	}
	return nil
}

func (s *Links) end(ctx context.Context, l Link, except string, at time.Time) (err error) {
	for range 5 { // somebody may be opening it
		if l.ID == except || !l.Live(at) {
			return nil
		}
		l.Ended = at.UTC()
		if _, err = s.Put(ctx, l); !errors.Is(err, ErrPrecondition) {
			return err
		}
		if l, err = s.Get(ctx, l.ID); err != nil {
			return err
		}
	}
	return fmt.Errorf("state.EndLink: %w", ErrPrecondition)
}

// linksOf is the partition of an organisation's list; no id begins with a hyphen.
func linksOf(organization string) string { return "-" + organization }

const linkAge = 13 // digits

// linkEntry sorts by role and then from new to old.
func linkEntry(l Link) string {
	const end = 9_999_999_999_999 // ms, the year 2286
	return fmt.Sprintf("%s %013d%s", l.Role, end-min(max(l.Created.UnixMilli(), 0), end), l.ID)
}

// putDocument stores what is small and has a partition of its own: JSON, and what
// is sealed, packed.
func putDocument(ctx context.Context, tables Tables, table, id, etag string, document any, sealed []byte) (string, error) {
	doc, err := json.Marshal(document)
	if err != nil {
		return "", fmt.Errorf("state: %s: %w", table, err)
	}
	props := map[string]any{}
	if sealed != nil {
		if props, err = Pack(sealed); err != nil {
			return "", fmt.Errorf("state: %s: %w", table, err)
		}
	}
	props["v"], props["doc"] = version, doc
	action := Replace
	if etag == "" {
		action = Insert
	}
	tags, err := tables.Apply(ctx, table, []Change{{action, Entity{Partition: id, ETag: etag, Props: props}}})
	if err != nil {
		return "", fmt.Errorf("state: put into %s: %w", table, err)
	}
	return tags[0], nil
}

// getDocument reads it. An id that no table accepts as a key names nothing.
func getDocument(ctx context.Context, tables Tables, table, id string, document any) (Entity, error) {
	if !documentID(id) {
		return Entity{}, fmt.Errorf("state: get from %s: not an id: %w", table, ErrNotFound)
	}
	e, err := tables.Get(ctx, table, id, "")
	if err != nil {
		return Entity{}, fmt.Errorf("state: get from %s: %w", table, err)
	}
	doc, _ := e.Props["doc"].([]byte)
	if err := json.Unmarshal(doc, document); err != nil {
		return Entity{}, fmt.Errorf("state: get from %s: %w: %w", table, ErrCorrupt, err)
	}
	return e, nil
}

// documentID accepts what our own ids are made of: they come out of URLs and
// cookies. Partitions of lists begin with a hyphen.
func documentID(id string) bool {
	if id == "" || len(id) > 100 {
		return false
	}
	for _, c := range []byte(id) {
		if !letter(c) && (c < '0' || c > '9') && c != '_' {
			return false
		}
	}
	return true
}

package state

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"iter"
	"time"
)

const tableLinks = "links"

// Links reads and writes the links table: a partition for each link, and for each
// organisation one, -<organisation>, that lists its links by role, newest first.
// The entry of the list is written before the link: a kill in between leaves an
// entry that lists skip, never a link that they miss.
type Links struct{ tables Tables }

// NewLinks returns the links kept in tables.
func NewLinks(tables Tables) *Links { return &Links{versioned(tables)} }

const (
	// linkPage is how many entries of a list are read at once.
	linkPage = 50
	// longestLink is how long a link may last (identity.md section 1), and a day.
	longestLink = 31 * 24 * time.Hour
)

// Put stores a link and returns its new ETag: it is inserted where l.ETag is ""
// (ErrExists: it is there), else it replaces that version (ErrPrecondition: it was
// changed meanwhile; ErrNotFound: it is gone). Two requests to insert, else one.
func (s *Links) Put(ctx context.Context, l Link) (string, error) {
	if l.ETag == "" {
		entry := Entity{Partition: linksOf(l.Organization), Row: linkEntry(l)}
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

// Of goes through an organisation's links of a role, newest first, also those that
// ended. It ends with the first error. One request for every 50, and one for each link
// that is looked at.
func (s *Links) Of(ctx context.Context, organization, role string) iter.Seq2[Link, error] {
	return func(yield func(Link, error) bool) {
		for from := role + " "; from != ""; {
			rows, err := s.tables.Query(ctx, tableLinks, Span{Partition: linksOf(organization), From: from, Before: role + "!", Limit: linkPage})
			if err != nil {
				yield(Link{}, fmt.Errorf("state.LinksOf: %w", err))
				return
			}
			from = ""
			for _, e := range rows {
				l, err := s.Get(ctx, e.Row[len(role)+len(" ")+linkAge:])
				if errors.Is(err, ErrNotFound) {
					continue // the kill between list and link
				}
				if !yield(l, err) || err != nil {
					return
				}
			}
			if len(rows) == linkPage {
				from = rows[linkPage-1].Row + "!" // the next key after it: ids have no such character
			}
		}
	}
}

// End ends every live link of a role of an organisation but the one named by
// except ("" for none): it was replaced, revoked, or did its work. It may be
// repeated. Links older than any can be that still works are not looked at.
func (s *Links) End(ctx context.Context, organization, role, except string, at time.Time) error {
	for l, err := range s.Of(ctx, organization, role) {
		if err != nil {
			return err
		}
		if at.Sub(l.Created) > longestLink {
			return nil
		}
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
	props["doc"] = doc
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

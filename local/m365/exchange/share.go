package exchange

import "strings"

// Share lets a user of the tenant into another's calendars, as the owner does in
// Outlook: to see all, or to edit too.
func (s *Store) Share(tenantID, owner, with string, edit bool) error {
	return s.sharing(tenantID, owner, with, func(box *mailbox, id string) {
		if box.shared == nil {
			box.shared = map[string]bool{}
		}
		box.shared[id] = edit
	})
}

// Unshare ends that.
func (s *Store) Unshare(tenantID, owner, with string) error {
	return s.sharing(tenantID, owner, with, func(box *mailbox, id string) { delete(box.shared, id) })
}

// sharing changes with whom a mailbox is shared; with need not have a mailbox.
func (s *Store) sharing(tenantID, owner, with string, change func(box *mailbox, id string)) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	box, err := s.user(tenantID, owner)
	if err != nil {
		return err
	}
	id := with
	if other, err := s.user(tenantID, with); err == nil {
		id = other.ObjectID
	}
	change(box, strings.ToLower(id))
	return nil
}

// Shared reports whether a mailbox is shared with a user, by object id, and whether
// they may edit.
func (s *Store) Shared(tenantID, owner, with string) (edit, ok bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	box, err := s.user(tenantID, owner)
	if err != nil {
		return false, false
	}
	edit, ok = box.shared[strings.ToLower(with)]
	return edit, ok
}

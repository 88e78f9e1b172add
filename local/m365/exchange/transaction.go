package exchange

import (
	"net/http"
	"reflect"
	"time"
)

// transaction is what a mailbox remembers of a transactionId (2.5).
type transaction struct {
	event   string // immutable id
	content Change
	at      time.Time
}

// repeated returns the event that an earlier create with the same transactionId
// and the same content made, or the duplicate error.
func (s *Store) repeated(box *mailbox, c Change) (*Event, error) {
	t, ok := box.transactions[c.TransactionID]
	if c.TransactionID == "" || !ok {
		return nil, nil
	}
	if lasts := s.switches.MemoryLasts; lasts > 0 && s.now().Sub(t.at) >= lasts {
		delete(box.transactions, c.TransactionID)
		return nil, nil
	}
	if reflect.DeepEqual(t.content, c) {
		if e := box.byID[t.event]; e != nil {
			return e, nil
		}
		if e := box.dead[t.event]; e != nil && s.switches.Memory == Ghost {
			return e, nil
		}
	}
	e := refuse(http.StatusBadRequest, "ErrorDuplicateTransactionId",
		"Your request can't be completed. The TransactionId specified in the request has already been used to create a different event.")
	if s.switches.DuplicateStatus != 0 {
		e.Status = s.switches.DuplicateStatus
	}
	if s.switches.NameExisting {
		e.ExistingID = t.event
	}
	return nil, e
}

func (s *Store) remember(box *mailbox, e *Event, c Change) {
	if c.TransactionID != "" && s.switches.Memory != Forgotten {
		box.transactions[c.TransactionID] = transaction{e.ID, c, s.now()}
	}
}

// release is what a deletion does to the event's transactionId.
func (s *Store) release(box *mailbox, e *Event) {
	if s.switches.Memory == FreedOnDelete || s.switches.Memory == Forgotten {
		delete(box.transactions, e.TransactionID)
	}
	if s.switches.Memory != Ghost && !s.switches.DeletedAnswer {
		delete(box.dead, e.ID)
	}
}

// Forget makes a mailbox forget every transactionId, or only the one named.
func (s *Store) Forget(tenantID, user, transactionID string) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	box, err := s.user(tenantID, user)
	if err != nil {
		return err
	}
	if transactionID != "" {
		delete(box.transactions, transactionID)
		return nil
	}
	clear(box.transactions)
	return nil
}

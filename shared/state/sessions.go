package state

import "context"

const tableSessions = "sessions"

// Sessions reads and writes the sessions table, a partition for each.
type Sessions struct{ tables Tables }

// NewSessions returns the sessions kept in tables.
func NewSessions(tables Tables) *Sessions { return &Sessions{versioned(tables)} }

// Put stores a session and returns its new ETag: it is inserted where x.ETag is ""
// (ErrExists: it is there), else it replaces that version (ErrPrecondition,
// ErrNotFound). One request.
func (s *Sessions) Put(ctx context.Context, x Session) (string, error) {
	return putDocument(ctx, s.tables, tableSessions, x.ID, x.ETag, x, nil)
}

// Get reads one session; ErrNotFound when there is none. It does not say whether
// the session still holds: that is for whoever knows the time. One request.
func (s *Sessions) Get(ctx context.Context, id string) (Session, error) {
	x := Session{ID: id}
	e, err := getDocument(ctx, s.tables, tableSessions, id, &x)
	x.ETag = e.ETag
	return x, err
}

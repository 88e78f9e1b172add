package tables

import (
	"errors"
	"maps"
	"sort"
	"sync"
	"time"

	"github.com/calbridge/calbridge/shared/state"
)

// Store holds tables in memory. The zero Store is not usable; see NewStore.
type Store struct {
	now func() time.Time

	mu      sync.RWMutex
	last    time.Time // the newest Timestamp given
	tables  map[string]*table
	deleted map[string]time.Time // names not yet free again
}

// NewStore returns an empty store. now is the clock of timestamps; nil means
// time.Now.
func NewStore(now func() time.Time) *Store {
	if now == nil {
		now = time.Now
	}
	return &Store{now: now, tables: map[string]*table{}, deleted: map[string]time.Time{}}
}

type table struct{ partitions map[string]*partition }

// partition is sorted by row key.
type partition struct{ rows []*row }

// row never changes once it is stored: a write makes a new one. So a reader may
// keep it after the lock is gone, but must not hand out props uncopied.
type row struct {
	partition, key string
	props          map[string]any
	stamp          time.Time
	etag           string
}

// Guid is an Edm.Guid property, in lower-case text. Our own program writes none.
type Guid string

const (
	tick        = 100 * time.Nanosecond
	deletionLag = 40 * time.Second
)

var (
	errNoTable       = errors.New("TableNotFound")
	errTableExists   = errors.New("TableAlreadyExists")
	errTableDeleting = errors.New("TableBeingDeleted")
)

func (s *Store) createTable(name string) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.tables[name] != nil {
		return errTableExists
	}
	if at, ok := s.deleted[name]; ok && s.now().Sub(at) < deletionLag {
		return errTableDeleting
	}
	delete(s.deleted, name)
	s.tables[name] = &table{partitions: map[string]*partition{}}
	return nil
}

func (s *Store) deleteTable(name string) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.tables[name] == nil {
		return errNoTable
	}
	delete(s.tables, name)
	s.deleted[name] = s.now()
	return nil
}

// tableNames returns the names in order.
func (s *Store) tableNames() []string {
	s.mu.RLock()
	defer s.mu.RUnlock()
	names := make([]string, 0, len(s.tables))
	for name := range s.tables {
		names = append(names, name)
	}
	sort.Strings(names)
	return names
}

// get returns a row, or nil.
func (s *Store) get(name, partitionKey, rowKey string) (*row, error) {
	s.mu.RLock()
	defer s.mu.RUnlock()
	t := s.tables[name]
	if t == nil {
		return nil, errNoTable
	}
	p := t.partitions[partitionKey]
	if p == nil {
		return nil, nil
	}
	if i, found := p.find(rowKey); found {
		return p.rows[i], nil
	}
	return nil, nil
}

// find returns where a row is, or where it would go.
func (p *partition) find(key string) (int, bool) {
	i := sort.Search(len(p.rows), func(i int) bool { return p.rows[i].key >= key })
	return i, i < len(p.rows) && p.rows[i].key == key
}

// between is a place in a scan: the partitions and rows from here on.
type between struct {
	partition, row string
}

// scan calls visit with the rows of a table in order, beginning at from and
// narrowed to bounds, until visit returns false. It holds the lock meanwhile.
func (s *Store) scan(name string, from between, b bounds, visit func(*row) bool) error {
	s.mu.RLock()
	defer s.mu.RUnlock()
	t := s.tables[name]
	if t == nil {
		return errNoTable
	}
	for _, key := range t.keys(from, b) {
		p, first := t.partitions[key], b.from
		if key == from.partition && from.row > first {
			first = from.row
		}
		for i, _ := p.find(first); i < len(p.rows); i++ {
			if b.before != "" && p.rows[i].key >= b.before {
				break
			}
			if !visit(p.rows[i]) {
				return nil
			}
		}
	}
	return nil
}

func (t *table) keys(from between, b bounds) []string {
	if b.partition != nil {
		if t.partitions[*b.partition] == nil || *b.partition < from.partition {
			return nil
		}
		return []string{*b.partition}
	}
	keys := make([]string, 0, len(t.partitions))
	for key := range t.partitions {
		if key >= from.partition {
			keys = append(keys, key)
		}
	}
	sort.Strings(keys)
	return keys
}

// apply makes all changes or none. They are of one partition and of different
// rows; whoever calls has checked that, and owns nothing in them afterwards.
// Errors: errNoTable, or a *state.ChangeError.
func (s *Store) apply(name string, changes []state.Change) ([]*row, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	t := s.tables[name]
	if t == nil {
		return nil, errNoTable
	}
	p := t.partitions[changes[0].Entity.Partition]
	if p == nil {
		p = &partition{}
	}
	written := make([]*row, len(changes)) // nil: deleted
	for i := range changes {
		r, err := p.judge(&changes[i])
		if err != nil {
			return nil, &state.ChangeError{Index: i, Err: err}
		}
		written[i] = r
	}
	for i, r := range written {
		if r != nil {
			r.stamp = s.stamp()
			r.etag = etagOf(r.stamp)
		}
		p.put(changes[i].Entity.Row, r)
	}
	t.keep(changes[0].Entity.Partition, p)
	return written, nil
}

func (t *table) keep(key string, p *partition) {
	if len(p.rows) == 0 {
		delete(t.partitions, key)
		return
	}
	t.partitions[key] = p
}

// judge returns what a change would store, nil for a delete.
func (p *partition) judge(c *state.Change) (*row, error) {
	var old *row
	if i, found := p.find(c.Entity.Row); found {
		old = p.rows[i]
	}
	switch c.Action {
	case state.Insert:
		if old != nil {
			return nil, state.ErrExists
		}
	case state.Replace, state.Merge, state.Delete:
		if old == nil {
			return nil, state.ErrNotFound
		}
		if c.Entity.ETag != "" && c.Entity.ETag != old.etag {
			return nil, state.ErrPrecondition
		}
	}
	if c.Action == state.Delete {
		return nil, nil
	}
	r := &row{partition: c.Entity.Partition, key: c.Entity.Row, props: c.Entity.Props}
	if old != nil && (c.Action == state.Merge || c.Action == state.InsertOrMerge) {
		return r, r.merge(old)
	}
	return r, nil
}

// merge adds the properties of old that are not named again. Together they must
// still be an entity.
func (r *row) merge(old *row) error {
	merged := maps.Clone(old.props)
	maps.Copy(merged, r.props)
	r.props = merged
	if len(merged) > state.MaxProperties || state.Size(r.partition, r.key, merged) > state.MaxEntity {
		return state.ErrTooLarge
	}
	return nil
}

// put stores r under key, or removes it when r is nil.
func (p *partition) put(key string, r *row) {
	i, found := p.find(key)
	switch {
	case r == nil:
		copy(p.rows[i:], p.rows[i+1:])
		p.rows[len(p.rows)-1] = nil
		p.rows = p.rows[:len(p.rows)-1]
	case found:
		p.rows[i] = r
	default:
		p.rows = append(p.rows, nil)
		copy(p.rows[i+1:], p.rows[i:])
		p.rows[i] = r
	}
}

// stamp is the clock's time, but always later than the last one.
func (s *Store) stamp() time.Time {
	t := s.now().UTC().Truncate(tick)
	if !t.After(s.last) {
		t = s.last.Add(tick)
	}
	s.last = t
	return t
}

// etagOf has the service's form: a weak tag around the encoded timestamp.
func etagOf(t time.Time) string {
	var text [32]byte
	b := append(make([]byte, 0, 56), `W/"datetime'`...)
	for _, c := range t.AppendFormat(text[:0], dateTime) {
		if c == ':' {
			b = append(b, "%3A"...)
			continue
		}
		b = append(b, c)
	}
	return string(append(b, `'"`...))
}

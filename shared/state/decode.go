package state

import (
	"encoding/base64"
	"errors"
	"fmt"
	"math"
	"strconv"
	"strings"
	"time"
)

// The service's JSON of entities, read from the raw answer. What aztables hands
// out has been through a map and back, which turns the double 5.0 into the
// integer 5 and costs as much again; here types survive (decode_test.go).

var errJSON = errors.New("the table service answered something that is not an entity")

// decodeEntity reads one entity.
func decodeEntity(b []byte) (Entity, error) {
	s := scanner{b: b}
	e, err := s.entity()
	if err == nil {
		err = s.end()
	}
	return e, err
}

// decodeEntities reads the answer of a query and appends its rows to rows.
func decodeEntities(b []byte, rows []Entity) ([]Entity, error) {
	s := scanner{b: b}
	found := false
	err := s.object(func(name string) error {
		if name != "value" {
			_, err := s.scalar()
			return err
		}
		found = true
		return s.array(func() error {
			e, err := s.entity()
			rows = append(rows, e)
			return err
		})
	})
	if err != nil {
		return nil, err
	}
	if !found { // an answer without rows is not an answer with no rows
		return nil, errJSON
	}
	return rows, s.end()
}

// field is one member of an entity, kept until its type is known.
type field struct {
	name  string
	edm   string // of the odata.type annotation, "" without
	value scalar
}

// entity reads a flat object. An annotation stands before its member in every
// answer seen; after it is accepted too.
func (s *scanner) entity() (Entity, error) {
	s.fields = s.fields[:0]
	err := s.object(func(name string) error {
		value, err := s.scalar()
		if err != nil {
			return err
		}
		if base, ok := strings.CutSuffix(name, "@odata.type"); ok {
			s.field(base).edm = string(value.text)
			return nil
		}
		s.field(name).value = value
		return nil
	})
	if err != nil {
		return Entity{}, err
	}
	return s.build()
}

// field finds or adds a member by name; the one just added is looked at first.
func (s *scanner) field(name string) *field {
	for i := len(s.fields) - 1; i >= 0; i-- {
		if s.fields[i].name == name {
			return &s.fields[i]
		}
	}
	s.fields = append(s.fields, field{name: name})
	return &s.fields[len(s.fields)-1]
}

func (s *scanner) build() (Entity, error) {
	e := Entity{Props: make(map[string]any, len(s.fields))}
	for i := range s.fields {
		f := &s.fields[i]
		switch {
		case f.name == "PartitionKey":
			e.Partition = string(f.value.text)
		case f.name == "RowKey":
			e.Row = string(f.value.text)
		case f.name == "odata.etag":
			e.ETag = string(f.value.text)
		case f.name == "Timestamp", strings.HasPrefix(f.name, "odata."), f.value.kind == null:
		default:
			value, err := f.typed()
			if err != nil {
				return Entity{}, fmt.Errorf("property %s: %w", f.name, err)
			}
			e.Props[f.name] = value
		}
	}
	return e, nil
}

// typed makes the Go value. Without an annotation a number is an Int32, or a
// double where it has a point, an exponent or too many digits.
func (f *field) typed() (any, error) {
	v := f.value
	switch f.edm {
	case "", "Edm.String", "Edm.Boolean", "Edm.Int32", "Edm.Guid":
		return v.plain()
	case "Edm.Int64":
		return strconv.ParseInt(string(v.text), 10, 64)
	case "Edm.Double":
		return strconv.ParseFloat(string(v.text), 64)
	case "Edm.Binary":
		b := make([]byte, base64.StdEncoding.DecodedLen(len(v.text)))
		n, err := base64.StdEncoding.Decode(b, v.text)
		return b[:n:n], err
	case "Edm.DateTime":
		t, err := time.Parse(time.RFC3339Nano, string(v.text))
		return t.UTC(), err
	}
	return nil, fmt.Errorf("%w: type %.40q", errJSON, f.edm)
}

func (v scalar) plain() (any, error) {
	switch v.kind {
	case text:
		return string(v.text), nil
	case truth:
		return v.text[0] == 't', nil
	}
	if n, err := strconv.ParseInt(string(v.text), 10, 64); err == nil {
		if n >= math.MinInt32 && n <= math.MaxInt32 {
			return int32(n), nil
		}
		return float64(n), nil
	}
	return strconv.ParseFloat(string(v.text), 64)
}

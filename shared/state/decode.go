package state

import (
	"encoding/base64"
	"errors"
	"fmt"
	"math"
	"strconv"
	"strings"
	"time"

	"github.com/calbridge/calbridge/shared/state/rowjson"
)

// The service's JSON of entities, read from the raw answer. What aztables hands
// out has been through a map and back, which turns the double 5.0 into the
// integer 5 and costs as much again; here types survive (TestDecodeReadsTheServicesTypes).

var errJSON = errors.New("the table service answered something that is not an entity")

// decodeEntity reads one entity.
func decodeEntity(b []byte) (Entity, error) {
	r := rowReader{Scanner: rowjson.New(b)}
	e, err := r.entity()
	if err == nil {
		err = r.End()
	}
	return e, err
}

// decodeEntities reads the answer of a query and appends its rows to rows.
func decodeEntities(b []byte, rows []Entity) ([]Entity, error) {
	r := rowReader{Scanner: rowjson.New(b)}
	found := false
	err := r.Object(func(name string) error {
		if name != "value" {
			_, err := r.Scalar()
			return err
		}
		found = true
		return r.Array(func() error {
			e, err := r.entity()
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
	return rows, r.End()
}

// rowReader reads entities one after the other.
type rowReader struct {
	rowjson.Scanner
	fields []field // of the entity being read, reused
}

// field is one member of an entity, kept until its type is known.
type field struct {
	name  string
	edm   []byte // of the odata.type annotation, empty without
	value rowjson.Value
}

// entity reads a flat object. An annotation stands before its member in every
// answer seen; after it is accepted too.
func (r *rowReader) entity() (Entity, error) {
	r.fields = r.fields[:0]
	err := r.Object(func(name string) error {
		value, err := r.Scalar()
		if err != nil {
			return err
		}
		if base, ok := strings.CutSuffix(name, "@odata.type"); ok {
			r.field(base).edm = value.Text
			return nil
		}
		r.field(name).value = value
		return nil
	})
	if err != nil {
		return Entity{}, err
	}
	return r.build()
}

// field finds or adds a member by name; the one just added is looked at first.
func (r *rowReader) field(name string) *field {
	for i := len(r.fields) - 1; i >= 0; i-- {
		if r.fields[i].name == name {
			return &r.fields[i]
		}
	}
	r.fields = append(r.fields, field{name: name})
	return &r.fields[len(r.fields)-1]
}

func (r *rowReader) build() (Entity, error) {
	e := Entity{Props: make(map[string]any, len(r.fields))}
	for i := range r.fields {
		f := &r.fields[i]
		switch {
		case f.name == "PartitionKey":
			e.Partition = string(f.value.Text)
		case f.name == "RowKey":
			e.Row = string(f.value.Text)
		case f.name == "odata.etag":
			e.ETag = string(f.value.Text)
		case f.name == "Timestamp", strings.HasPrefix(f.name, "odata."), f.value.Kind == rowjson.Null:
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
	switch string(f.edm) {
	case "", "Edm.String", "Edm.Boolean", "Edm.Int32", "Edm.Guid":
		return plain(v)
	case "Edm.Int64":
		return strconv.ParseInt(string(v.Text), 10, 64)
	case "Edm.Double":
		return strconv.ParseFloat(string(v.Text), 64)
	case "Edm.Binary":
		b := make([]byte, base64.StdEncoding.DecodedLen(len(v.Text)))
		n, err := base64.StdEncoding.Decode(b, v.Text)
		return b[:n:n], err
	case "Edm.DateTime":
		t, err := time.Parse(time.RFC3339Nano, string(v.Text))
		return t.UTC(), err
	}
	return nil, fmt.Errorf("%w: type %.40q", errJSON, f.edm)
}

func plain(v rowjson.Value) (any, error) {
	switch v.Kind {
	case rowjson.String:
		return string(v.Text), nil
	case rowjson.Bool:
		return v.Text[0] == 't', nil
	}
	if n, err := strconv.ParseInt(string(v.Text), 10, 64); err == nil {
		if n >= math.MinInt32 && n <= math.MaxInt32 {
			return int32(n), nil
		}
		return float64(n), nil
	}
	return strconv.ParseFloat(string(v.Text), 64)
}

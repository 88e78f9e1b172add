package state

import (
	"encoding/base64"
	"strconv"
	"time"

	"github.com/calbridge/calbridge/shared/state/rowjson"
)

// The JSON of an entity, written by hand: aztables takes entities as JSON, parses
// them into a map and writes them again, three times the work, and a 20-row
// transaction is our commonest write. Every type that JSON would blur carries its
// odata.type, doubles too: 5.0 written as 5 would be stored as Int32.

// dateTime is Edm.DateTime to 100 ns; the service keeps no finer.
const dateTime = "2006-01-02T15:04:05.0000000Z"

func appendEntity(b []byte, e *Entity) []byte {
	b = append(b, `{"PartitionKey":`...)
	b = rowjson.AppendString(b, e.Partition)
	b = append(b, `,"RowKey":`...)
	b = rowjson.AppendString(b, e.Row)
	for name, value := range e.Props {
		b = append(b, ',')
		b = appendProperty(b, name, value)
	}
	return append(b, '}')
}

// appendProperty writes the values that checkValue accepts; anything else has
// been refused before.
func appendProperty(b []byte, name string, value any) []byte {
	switch v := value.(type) {
	case string:
		return rowjson.AppendString(appendName(b, name, ""), v)
	case bool:
		return strconv.AppendBool(appendName(b, name, ""), v)
	case int32:
		return strconv.AppendInt(appendName(b, name, ""), int64(v), 10)
	case int64:
		b = append(appendName(b, name, "Edm.Int64"), '"')
		return append(strconv.AppendInt(b, v, 10), '"')
	case float64:
		return strconv.AppendFloat(appendName(b, name, "Edm.Double"), v, 'g', -1, 64)
	case []byte:
		b = append(appendName(b, name, "Edm.Binary"), '"')
		return append(base64.StdEncoding.AppendEncode(b, v), '"')
	case time.Time:
		b = append(appendName(b, name, "Edm.DateTime"), '"')
		return append(v.UTC().Truncate(tick).AppendFormat(b, dateTime), '"')
	}
	return append(appendName(b, name, ""), "null"...)
}

// appendName writes a checked name, which needs no escaping, with its type first.
func appendName(b []byte, name, edm string) []byte {
	b = append(append(b, '"'), name...)
	if edm != "" {
		b = append(append(b, `@odata.type":"`...), edm...)
		b = append(append(b, `","`...), name...)
	}
	return append(b, `":`...)
}

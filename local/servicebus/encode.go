package servicebus

import (
	"encoding/binary"
	"fmt"
	"math"
	"time"
)

// appendValue writes what decoder.value returns, save arrays. A value of any
// other type is a mistake of this package and panics.
func appendValue(b []byte, v any) []byte {
	switch v := v.(type) {
	case nil:
		return append(b, 0x40)
	case bool:
		if v {
			return append(b, 0x41)
		}
		return append(b, 0x42)
	case uint8:
		return append(b, 0x50, v)
	case uint16:
		return binary.BigEndian.AppendUint16(append(b, 0x60), v)
	case uint32:
		return appendUint(b, v)
	case uint64:
		if v < 256 {
			return append(b, 0x53, byte(v))
		}
		return binary.BigEndian.AppendUint64(append(b, 0x80), v)
	case int32:
		return binary.BigEndian.AppendUint32(append(b, 0x71), uint32(v))
	case int64:
		return binary.BigEndian.AppendUint64(append(b, 0x81), uint64(v))
	case time.Time:
		return binary.BigEndian.AppendUint64(append(b, 0x83), uint64(v.UnixMilli()))
	case []byte:
		return append(appendLength(b, 0xa0, len(v)), v...)
	case string:
		return append(appendLength(b, 0xa1, len(v)), v...)
	case symbol:
		return append(appendLength(b, 0xa3, len(v)), v...)
	case described:
		b = append(b, 0)
		if v.name != "" {
			b = appendValue(b, v.name)
		} else {
			b = appendValue(b, v.code)
		}
		return appendValue(b, v.value)
	case []any:
		return appendList(b, v)
	case dict:
		return appendDict(b, v)
	default:
		return appendRare(b, v)
	}
}

// appendRare writes the types that our own frames never carry, so that whatever
// was decoded can be written back.
func appendRare(b []byte, v any) []byte {
	switch v := v.(type) {
	case int8:
		return append(b, 0x51, byte(v))
	case int16:
		return binary.BigEndian.AppendUint16(append(b, 0x61), uint16(v))
	case float32:
		return binary.BigEndian.AppendUint32(append(b, 0x72), math.Float32bits(v))
	case float64:
		return binary.BigEndian.AppendUint64(append(b, 0x82), math.Float64bits(v))
	case [16]byte:
		return append(append(b, 0x98), v[:]...)
	}
	panic(fmt.Sprintf("servicebus: no encoding for %T", v))
}

func appendUint(b []byte, v uint32) []byte {
	switch {
	case v == 0:
		return append(b, 0x43)
	case v < 256:
		return append(b, 0x52, byte(v))
	}
	return binary.BigEndian.AppendUint32(append(b, 0x70), v)
}

// appendLength writes the constructor with a length of one byte or of four.
func appendLength(b []byte, code byte, n int) []byte {
	if n < 256 {
		return append(b, code, byte(n))
	}
	return binary.BigEndian.AppendUint32(append(b, code+0x10), uint32(n))
}

func appendList(b []byte, list []any) []byte {
	if len(list) == 0 {
		return append(b, 0x45)
	}
	b, at := beginCompound(b, 0xd0, len(list))
	for _, v := range list {
		b = appendValue(b, v)
	}
	return endCompound(b, at)
}

func appendDict(b []byte, d dict) []byte {
	b, at := beginCompound(b, 0xd1, 2*len(d))
	for _, p := range d {
		b = appendValue(appendValue(b, p.key), p.value)
	}
	return endCompound(b, at)
}

// beginCompound leaves room for the size, which endCompound fills in.
func beginCompound(b []byte, code byte, count int) ([]byte, int) {
	b = append(b, code, 0, 0, 0, 0)
	at := len(b)
	return binary.BigEndian.AppendUint32(b, uint32(count)), at
}

func endCompound(b []byte, at int) []byte {
	binary.BigEndian.PutUint32(b[at-4:], uint32(len(b)-at))
	return b
}

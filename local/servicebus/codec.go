package servicebus

import (
	"encoding/binary"
	"errors"
	"fmt"
	"math"
	"time"
)

// The AMQP 1.0 type system (OASIS AMQP 1.0 part 1), as far as protocol frames
// use it; message payloads are left to go-amqp. What is read from the wire is
// never trusted: every length is checked against what is left of the frame
// before anything is allocated, and nesting is bounded.

// symbol is an AMQP symbol, where string is an AMQP string.
type symbol string

// described is a value with a descriptor, which is a number or else a name.
type described struct {
	code  uint64
	name  symbol
	value any
}

// dict is a map in the order of the wire; keys may be of any type.
type dict []pair

type pair struct{ key, value any }

// get returns the value of a key that is a symbol or string, or nil.
func (d dict) get(name string) any {
	for _, p := range d {
		switch k := p.key.(type) {
		case symbol:
			if string(k) == name {
				return p.value
			}
		case string:
			if k == name {
				return p.value
			}
		}
	}
	return nil
}

const (
	maxDepth = 16
	// maxEmpty bounds an array whose elements take no bytes.
	maxEmpty = 256
)

var errCodec = errors.New("malformed AMQP value")

func malformed(what string, a ...any) error {
	return fmt.Errorf("%w: "+what, append([]any{errCodec}, a...)...)
}

// decoder reads values off the front of b.
type decoder struct {
	b     []byte
	depth int
}

func (d *decoder) next(n int) ([]byte, error) {
	if n < 0 || n > len(d.b) {
		return nil, malformed("%d bytes wanted, %d left", n, len(d.b))
	}
	out := d.b[:n:n]
	d.b = d.b[n:]
	return out, nil
}

// value reads one value. The result is nil, bool, an integer of its width,
// float32, float64, time.Time, [16]byte, []byte, string, symbol, []any (list or
// array), dict or described. Nothing in it aliases the frame.
func (d *decoder) value() (any, error) {
	c, err := d.next(1)
	if err != nil {
		return nil, err
	}
	if c[0] == 0 {
		return d.described()
	}
	return d.of(c[0])
}

func (d *decoder) described() (any, error) {
	if d.depth++; d.depth > maxDepth {
		return nil, malformed("nested too deeply")
	}
	defer func() { d.depth-- }()
	descriptor, err := d.value()
	if err != nil {
		return nil, err
	}
	var out described
	switch v := descriptor.(type) {
	case uint64:
		out.code = v
	case symbol:
		out.name = v
	default:
		return nil, malformed("descriptor is a %T", v)
	}
	out.value, err = d.value()
	return out, err
}

// of reads what follows a constructor.
func (d *decoder) of(code byte) (any, error) {
	switch code >> 4 {
	case 0x4:
		return d.empty(code)
	case 0x5, 0x6, 0x7, 0x8, 0x9:
		return d.fixed(code)
	case 0xa, 0xb:
		return d.variable(code)
	case 0xc, 0xd, 0xe, 0xf:
		return d.compound(code)
	}
	return nil, malformed("constructor %#02x", code)
}

func (d *decoder) empty(code byte) (any, error) {
	switch code {
	case 0x40:
		return nil, nil
	case 0x41:
		return true, nil
	case 0x42:
		return false, nil
	case 0x43:
		return uint32(0), nil
	case 0x44:
		return uint64(0), nil
	case 0x45:
		return []any{}, nil
	}
	return nil, malformed("constructor %#02x", code)
}

func (d *decoder) fixed(code byte) (any, error) {
	b, err := d.next(1 << (code>>4 - 5))
	if err != nil {
		return nil, err
	}
	switch code {
	case 0x50:
		return b[0], nil
	case 0x51:
		return int8(b[0]), nil
	case 0x52:
		return uint32(b[0]), nil
	case 0x53:
		return uint64(b[0]), nil
	case 0x54:
		return int32(int8(b[0])), nil
	case 0x55:
		return int64(int8(b[0])), nil
	case 0x56:
		return b[0] != 0, nil
	case 0x60:
		return binary.BigEndian.Uint16(b), nil
	case 0x61:
		return int16(binary.BigEndian.Uint16(b)), nil
	case 0x70, 0x73: // uint, char
		return binary.BigEndian.Uint32(b), nil
	case 0x71:
		return int32(binary.BigEndian.Uint32(b)), nil
	case 0x72:
		return math.Float32frombits(binary.BigEndian.Uint32(b)), nil
	case 0x80:
		return binary.BigEndian.Uint64(b), nil
	case 0x81:
		return int64(binary.BigEndian.Uint64(b)), nil
	case 0x82:
		return math.Float64frombits(binary.BigEndian.Uint64(b)), nil
	case 0x83:
		return time.UnixMilli(int64(binary.BigEndian.Uint64(b))).UTC(), nil
	case 0x98:
		return [16]byte(b), nil
	}
	return nil, malformed("constructor %#02x", code)
}

// size reads a length of one byte, or of four.
func (d *decoder) size(code byte) (int, error) {
	width := 1
	if code>>4&1 == 1 { // 0xb, 0xd, 0xf
		width = 4
	}
	b, err := d.next(width)
	if err != nil {
		return 0, err
	}
	if width == 1 {
		return int(b[0]), nil
	}
	n := binary.BigEndian.Uint32(b)
	if uint64(n) > uint64(len(d.b)) {
		return 0, malformed("length %d, %d bytes left", n, len(d.b))
	}
	return int(n), nil
}

func (d *decoder) variable(code byte) (any, error) {
	n, err := d.size(code)
	if err != nil {
		return nil, err
	}
	b, err := d.next(n)
	if err != nil {
		return nil, err
	}
	switch code & 0xf {
	case 0x0:
		return append([]byte{}, b...), nil
	case 0x1:
		return string(b), nil
	case 0x3:
		return symbol(b), nil
	}
	return nil, malformed("constructor %#02x", code)
}

func (d *decoder) compound(code byte) (any, error) {
	if d.depth++; d.depth > maxDepth {
		return nil, malformed("nested too deeply")
	}
	defer func() { d.depth-- }()
	n, err := d.size(code)
	if err != nil {
		return nil, err
	}
	body, err := d.next(n)
	if err != nil {
		return nil, err
	}
	inner := decoder{b: body, depth: d.depth}
	count, err := inner.count(code)
	if err != nil {
		return nil, err
	}
	switch code {
	case 0xc0, 0xd0:
		return inner.list(count)
	case 0xc1, 0xd1:
		return inner.dict(count)
	case 0xe0, 0xf0:
		return inner.array(count)
	}
	return nil, malformed("constructor %#02x", code)
}

// count reads how many elements follow; each takes a byte at least, save those
// of an array, which array checks itself.
func (d *decoder) count(code byte) (int, error) {
	width := 1
	if code>>4&1 == 1 {
		width = 4
	}
	b, err := d.next(width)
	if err != nil {
		return 0, err
	}
	n := uint64(b[0])
	if width == 4 {
		n = uint64(binary.BigEndian.Uint32(b))
	}
	if n > uint64(len(d.b)) && n > maxEmpty {
		return 0, malformed("%d elements in %d bytes", n, len(d.b))
	}
	return int(n), nil
}

func (d *decoder) list(count int) ([]any, error) {
	if count > len(d.b) {
		return nil, malformed("%d elements in %d bytes", count, len(d.b))
	}
	out := make([]any, 0, count)
	for range count {
		v, err := d.value()
		if err != nil {
			return nil, err
		}
		out = append(out, v)
	}
	return out, nil
}

func (d *decoder) dict(count int) (dict, error) {
	if count%2 != 0 {
		return nil, malformed("a map of %d elements", count)
	}
	list, err := d.list(count)
	if err != nil {
		return nil, err
	}
	out := make(dict, 0, count/2)
	for i := 0; i < count; i += 2 {
		out = append(out, pair{list[i], list[i+1]})
	}
	return out, nil
}

func (d *decoder) array(count int) ([]any, error) {
	c, err := d.next(1)
	if err != nil {
		return nil, err
	}
	if c[0] == 0 {
		return nil, malformed("an array of described values")
	}
	out := make([]any, 0, min(count, maxEmpty))
	for range count {
		v, err := d.of(c[0])
		if err != nil {
			return nil, err
		}
		out = append(out, v)
	}
	return out, nil
}

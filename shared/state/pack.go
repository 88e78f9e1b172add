package state

import (
	"bytes"
	"compress/gzip"
	"errors"
	"fmt"
	"io"
	"strconv"
	"sync"
)

// A large value lives in a row as binary chunks, because a property takes 64 KiB
// and an entity 1 MiB (write-path.md section 2): body0, body1, … of at most
// 60 KiB; enc says how they were made, bodySize how many bytes they are together.
// The size is stored because a Merge with fewer chunks leaves the old ones behind.

const (
	chunkSize = 60 << 10 // bytes
	// MaxPacked is the most that Unpack makes of a row. A booking is at most 192 KiB;
	// what would be larger was not written by Pack.
	MaxPacked = 16 << 20 // bytes

	encProp  = "enc"
	sizeProp = "bodySize"
	bodyProp = "body"
	encGzip  = "gzip"
	encPlain = "plain"
)

// ErrCorrupt is returned by Unpack for properties that Pack cannot have made.
var ErrCorrupt = errors.New("stored value is damaged")

// writers keeps gzip's 800 KB of tables from being made anew for every booking.
var writers = sync.Pool{New: func() any { return gzip.NewWriter(nil) }}

// Pack returns the properties that hold data: compressed, or as it is where that
// is shorter. Whether they fit into an entity is for Check to say; what Unpack
// would not give back is ErrTooLarge here.
func Pack(data []byte) (map[string]any, error) {
	if len(data) > MaxPacked {
		return nil, fmt.Errorf("%w: a value of %d bytes, at most %d", ErrTooLarge, len(data), MaxPacked)
	}
	enc, stored := encPlain, bytes.Clone(data)
	if small := compress(data); len(small) < len(data) {
		enc, stored = encGzip, small
	}
	props := map[string]any{encProp: enc, sizeProp: int32(len(stored))}
	for i := 0; len(stored) > 0; i++ {
		n := min(len(stored), chunkSize)
		props[chunkName(i)] = stored[:n:n]
		stored = stored[n:]
	}
	return props, nil
}

// Unpack returns what Pack was given. Properties of other names are ignored; the
// result shares no memory with props. The error wraps ErrCorrupt.
func Unpack(props map[string]any) ([]byte, error) {
	stored, err := join(props)
	if err != nil {
		return nil, err
	}
	switch props[encProp] {
	case encPlain:
		return stored, nil
	case encGzip:
		return expand(stored)
	}
	return nil, fmt.Errorf("%w: unknown %s", ErrCorrupt, encProp)
}

func join(props map[string]any) ([]byte, error) {
	size, ok := props[sizeProp].(int32)
	if !ok || size < 0 || size > MaxPacked {
		return nil, fmt.Errorf("%w: %s", ErrCorrupt, sizeProp)
	}
	stored := make([]byte, 0, size)
	for i := 0; len(stored) < int(size); i++ {
		chunk, _ := props[chunkName(i)].([]byte)
		if len(chunk) == 0 || len(stored)+len(chunk) > int(size) {
			return nil, fmt.Errorf("%w: chunk %d", ErrCorrupt, i)
		}
		stored = append(stored, chunk...)
	}
	return stored, nil
}

func chunkName(i int) string { return bodyProp + strconv.Itoa(i) }

func compress(data []byte) []byte {
	var b bytes.Buffer
	w := writers.Get().(*gzip.Writer)
	defer writers.Put(w)
	w.Reset(&b)
	w.Write(data) // a Buffer refuses nothing
	w.Close()
	return b.Bytes()
}

func expand(stored []byte) ([]byte, error) {
	r, err := gzip.NewReader(bytes.NewReader(stored))
	if err != nil {
		return nil, fmt.Errorf("%w: %v", ErrCorrupt, err)
	}
	data, err := io.ReadAll(io.LimitReader(r, MaxPacked+1))
	if err != nil {
		return nil, fmt.Errorf("%w: %v", ErrCorrupt, err)
	}
	if len(data) > MaxPacked {
		return nil, fmt.Errorf("%w: more than %d bytes", ErrCorrupt, MaxPacked)
	}
	return data, nil
}
